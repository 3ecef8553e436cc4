"""Time and memory against length, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Series:
    """One line of each plot, at ``lengths`` in seconds; ``extra_bytes`` is empty if unknown."""

    label: str
    lengths: tuple[float, ...]
    seconds: tuple[float, ...]
    extra_bytes: tuple[float, ...]


def draw(folder: Path, series: Sequence[Series]) -> list[str]:
    """Write both plots into a folder; their names. Raises ``ImportError`` without matplotlib."""
    names = ["benchmarks-time.svg", "benchmarks-memory.svg"]
    folder.mkdir(parents=True, exist_ok=True)
    _draw(
        folder / names[0],
        "time (s)",
        [(one.label, one.lengths, one.seconds) for one in series],
    )
    mebibytes = [
        (one.label, one.lengths, tuple(max(value / 2**20, 0.1) for value in one.extra_bytes))
        for one in series
        if any(one.extra_bytes)
    ]
    _draw(folder / names[1], "extra peak memory (MiB)", mebibytes)
    return names


def _draw(
    path: Path, what: str, lines: Sequence[tuple[str, Sequence[float], Sequence[float]]]
) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Without a random salt and a date, the same figures are the same file.
    with mpl.rc_context({"svg.hashsalt": "viseme", "font.size": 10}):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for label, lengths, values in lines:
            axes.plot(lengths, values, marker="o", markersize=4, label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("length of the clip (s), 1280x720 at 25 frames a second")
        axes.set_ylabel(what)
        axes.grid(visible=True, which="both", alpha=0.25)
        if lines:
            axes.legend()
        figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
