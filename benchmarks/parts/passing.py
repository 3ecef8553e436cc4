"""A file that is taken as it is, and one whose sound is replaced."""

from __future__ import annotations

from typing import Any

from ..bench import Bench
from ..report import Section, ratio, spread
from .common import side_by_side

_LABELS = {
    "untouched": "**Viseme**, the file taken as it is",
    "replace": "**Viseme**, sound replaced",
    "core-replace": "ComfyUI core, sound replaced: decoded and encoded anew",
}


def measure(bench: Bench) -> Section:
    section = Section("Passing a file through")
    clip = bench.input("720p")
    bench.say(f"passing {clip.name} through")
    section.say(
        f"A {clip.width}x{clip.height} file of {clip.seconds:.1f} s, H.264 and AAC. As it is: its "
        "frames are counted and its bytes hashed; what would be sent is hashed after that, and is "
        "to be what was in the file before. Sound replaced: other sound is coded, the pictures are "
        "copied, and each is to be coded as it was."
    )
    base: dict[str, Any] = {
        "path": str(clip.video),
        "folder": str(bench.folder),
        "source": clip.source,
    }
    jobs = {name: {**base, "method": name} for name in _LABELS}
    why = bench.lacks_memory(int(clip.tensor_bytes * 2.2))
    if why:
        section.lacks(f"core's way, since {why}.")
        del jobs["core-replace"]
    taken = side_by_side(bench, section, "pass", jobs, bench.plan.passing_rounds)
    core = taken["core-replace"].seconds.middle if "core-replace" in taken else None
    rows = []
    for name, one in taken.items():
        took = one.seconds.middle
        rows.append(
            [_LABELS[name], spread(one.seconds), ratio(None if core is None else core / took)]
        )
        if core is not None:
            section.figures[f"{name}/times core"] = core / took
        if "is_same" in one.last:
            section.figures[f"{name}/is same"] = float(one.last["is_same"])
    section.table(("way", "time, median [least - most]", "times as fast as core"), rows)
    return section
