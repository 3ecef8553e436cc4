"""Whether a target is met by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Figures: TypeAlias = "Mapping[str, float]"


@dataclass(frozen=True)
class Bound:
    """One figure of one part, and what it must be. ``form`` writes it for the table.

    With neither ``least`` nor ``most`` it is only told.
    """

    part: str
    figure: str
    least: float | None = None
    most: float | None = None
    form: Callable[[float], str] = "{:.2f}".format

    @property
    def is_told(self) -> bool:
        return self.least is None and self.most is None

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


@dataclass(frozen=True)
class Target:
    name: str
    says: str
    bounds: tuple[Bound, ...]


def judge(target: Target, figures: Mapping[str, Figures]) -> tuple[str, str]:
    """What was measured, and ``met``, ``not met``, ``not measured``, or ``told``.

    With some of its figures lacking, a target is not measured, unless another already fails.
    """
    told, is_whole, is_met = [], bool(target.bounds), True
    for bound in target.bounds:
        value = figures.get(bound.part, {}).get(bound.figure)
        if value is None:
            is_whole = False
            continue
        is_good = bound.met(value)
        is_met &= is_good
        text = f"{_short(bound.figure)} {_written(bound, value)}"
        told.append(text if is_good else f"**{text}**")
    good = "told" if all(bound.is_told for bound in target.bounds) else "met"
    verdict = "**not met**" if not is_met else good if is_whole else "not measured"
    if told and not is_whole and is_met:
        verdict = "not measured in full"
    return "; ".join(told) or "-", verdict


def _written(bound: Bound, value: float) -> str:
    """In the form of its bound; one that misses it by less than that shows is told exactly."""
    text = bound.form(value)
    limits = [limit for limit in (bound.least, bound.most) if limit is not None]
    if not bound.met(value) and text in map(bound.form, limits):
        return f"{value:.6g}"
    return text


def _short(figure: str) -> str:
    for name, short in (("ours-medium", "medium "), ("ours-veryfast", ""), ("ours", "")):
        figure = figure.replace(f"/{name}/", f"/{short}")
    return figure.replace("/", " ").replace("_", " ")
