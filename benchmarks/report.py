"""What was found, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .measuring import Spread
from .plots import Series

if TYPE_CHECKING:
    from .kept import Measured


@dataclass
class Section:
    """A part of the report. ``figures`` are for the targets, ``series`` for the plots.

    Figures are named ``case/method/what``; what could not be measured has none, and a line of
    ``missing`` says why.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    has_failed: bool = False

    def say(self, *lines: str) -> None:
        """Add a paragraph."""
        self.lines += ["", *lines]

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.lines += ["", *table(head, rows)]

    def lacks(self, line: str) -> None:
        """Say what could not be measured and why."""
        if line not in self.missing:
            self.missing.append(line)

    def text(self) -> str:
        lacking = [f"- Not measured: {line}" for line in self.missing]
        return "\n".join([f"## {self.title}", *self.lines, *(["", *lacking] if lacking else [])])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def seconds(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1000:.3g} ms"


def spread(value: Spread | None) -> str:
    if value is None:
        return "-"
    return f"{seconds(value.middle)} [{seconds(value.least)} - {seconds(value.most)}]"


def mebibytes(value: float | None) -> str:
    return "-" if value is None else f"{value / 2**20:,.1f}" if value < 2**24 else _whole(value)


def _whole(value: float) -> str:
    return f"{value / 2**20:,.0f}"


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def write_report(folder: Path, text: str) -> Path:
    """``benchmarks.md`` in a folder; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmarks.md"
    path.write_text(text, encoding="utf-8")
    return path


def report_text(
    *,
    notes: Sequence[str],
    target_lines: Sequence[str],
    parts: Sequence[Measured],
    plots: Sequence[str],
) -> str:
    """The whole report, with the machine of the newest part; what differs is told with its part."""
    last = max(parts, key=lambda part: (part.facts["date"], part.ended_at), default=None)
    newest = {} if last is None else last.facts
    lines = ["# Benchmarks", "", *notes]
    lines += ["", *table(("", "of the machine"), list(newest.items()))]
    lines += ["", "## Targets", "", *target_lines]
    for part in parts:
        lines += ["", part.section.text(), "", _when(part, newest)]
        if part.section.series:
            lines += [line for plot in plots for line in ("", f"![{_alt(plot)}]({plot})")]
    return "\n".join(lines) + "\n"


def _when(part: Measured, newest: Mapping[str, str]) -> str:
    minutes = round(part.minutes)
    took = f"{minutes} minutes" if minutes > 1 else "a minute"
    told = f"Measured on {part.facts['date']} in {took}."
    other = [
        f"{name} {value}"
        for name, value in part.facts.items()
        if name != "date" and newest.get(name) != value
    ]
    if "Viseme" in newest and "Viseme" not in part.facts:
        other.insert(0, "an earlier Viseme, of a commit that was not told")
    return f"{told} There: {', '.join(other)}." if other else told


def _alt(plot: str) -> str:
    return Path(plot).stem.replace("-", " ").replace("benchmarks ", "")
