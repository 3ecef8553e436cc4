"""What must hold whatever the speed."""

from __future__ import annotations

from ..bench import Bench
from ..children import Child, ChildFailed
from ..report import Section

# What is told, how exactly, and in what.
CHECKS_TOLD: dict[str, dict[str, tuple[str, str]]] = {
    "sound": {
        "lag_samples": ("sound through AAC and back: late by", "{:.0f} samples"),
        "surplus_samples": ("its length: too long by", "{:.0f} samples"),
    },
    "offset": {
        "offset_error_seconds": ("sound delayed by the container: off by", "{:.6f} s"),
    },
    "variable rate": {
        "drift_frames": ("variable rate made constant: a frame is off by at most", "{:.3f} frames"),
    },
    "bars": {
        "bars_error": (
            "colour bars there and back, 8 pixels on each side of their borders left out: mean "
            "error of the worst channel",
            "{:.3f}/255",
        ),
        "bars_error_accurate": ("the same with accurate colours", "{:.3f}/255"),
        "bars_error_with_borders": (
            "the same bars, borders and all, where 4:2:0 has one colour for four pixels",
            "{:.3f}/255",
        ),
        "bars_error_accurate_with_borders": (
            "borders and all, with accurate colours",
            "{:.3f}/255",
        ),
    },
    "rounding": {"byte_bias": ("floats to bytes: bias", "{:.5f}/255")},
    "odd size": {
        "odd_error": ("511x513 there and back: mean error", "{:.3f}/255"),
        "odd_edge_error": ("... of the outermost 8 pixels at the worst edge, checks", "{:.3f}/255"),
    },
    "rotation": {"turned_error": ("a turned file: mean error", "{:.3f}/255")},
}


def measure(bench: Bench) -> Section:
    section = Section("Exactness")
    section.say(
        "With Viseme's defaults, through a file and back. (`make test` tries the same, and more, "
        "case by case.)"
    )
    bench.say("exactness")
    rows = []
    for check, told in CHECKS_TOLD.items():
        try:
            with Child(bench.runtime) as child:
                found = child.run("exact", check=check, folder=str(bench.folder))
        except ChildFailed as problem:
            section.lacks(f"{check} ({problem.short}).")
            continue
        for name, (what, form) in told.items():
            rows.append([what, form.format(found[name])])
            section.figures[name] = found[name]
    section.table(("what", "found"), rows)
    return section
