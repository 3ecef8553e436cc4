"""A file that is taken as it is, one whose sound is replaced, and a part of one."""

from __future__ import annotations

from typing import Any

from ..altered import KEYED_WINDOW, keyed_video
from ..bench import Bench
from ..report import Section, ratio, spread
from .common import side_by_side

_LABELS = {
    "untouched": "**Viseme**, the file taken as it is",
    "replace": "**Viseme**, sound replaced",
    "core-replace": "ComfyUI core, sound replaced: decoded and encoded anew",
    "trim": "**Viseme**, a part that begins at a key picture",
    "core-trim": "ComfyUI core, the same part: decoded and encoded anew",
}
# What is core's way to the same.
_PEERS = {
    "untouched": "core-replace",
    "replace": "core-replace",
    "core-replace": "core-replace",
    "trim": "core-trim",
    "core-trim": "core-trim",
}


def measure(bench: Bench) -> Section:
    section = Section("Passing a file through")
    clip = bench.input("720p")
    start, stop = KEYED_WINDOW
    bench.say(f"passing {clip.name} through")
    section.say(
        f"A {clip.width}x{clip.height} file of {clip.seconds:.1f} s, H.264 and AAC. As it is: its "
        "frames are counted and its bytes hashed; what would be sent is hashed after that, and is "
        "to be what was in the file before. Sound replaced: other sound is coded, the pictures are "
        "copied, and each is to be coded as it was. The part is cut from a file of that size with "
        f"a key picture every two seconds, {stop - start} frames from one on."
    )
    base: dict[str, Any] = {
        "path": str(clip.video),
        "folder": str(bench.folder),
        "source": clip.source,
    }
    jobs = {name: {**base, "method": name} for name in _LABELS}
    cut = {"path": str(keyed_video(clip, bench.folder)), "window": KEYED_WINDOW}
    jobs |= {name: jobs[name] | cut for name in ("trim", "core-trim")}
    why = bench.lacks_memory(int(clip.tensor_bytes * 2.2))
    if why:
        section.lacks(f"core's way to other sound, since {why}.")
        del jobs["core-replace"]
    taken = side_by_side(bench, section, "pass", jobs, bench.plan.passing_rounds)
    rows = []
    for name, one in taken.items():
        core, took = taken.get(_PEERS[name]), one.seconds.middle
        times = None if core is None else core.seconds.middle / took
        rows.append([_LABELS[name], spread(one.seconds), ratio(times)])
        if times is not None:
            section.figures[f"{name}/times core"] = times
        if "is_same" in one.last:
            section.figures[f"{name}/is same"] = float(one.last["is_same"])
    section.table(("way", "time, median [least - most]", "times as fast as core"), rows)
    return section
