"""Frames of a graph on their way to a vendor, step by step."""

from __future__ import annotations

from typing import Any

from ..bench import Bench
from ..children import LeanServer
from ..measuring import Spread
from ..report import Section, ratio, spread
from .common import side_by_side

_STEPS = {
    "digest": "hashed, to be known by",
    "encode": "encoded, with the index in front and all of it on the disk",
    "count": "the file's frames counted",
    "send": "uploaded to a server on this machine",
}


def measure(bench: Bench) -> Section:
    section = Section("Frames of a graph on their way to a vendor")
    clip = bench.input("720p")
    section.say(
        f"{clip.frame_count} frames of {clip.width}x{clip.height} as a node takes them from memory "
        "to a vendor, in our defaults and without sound, onto a disk that is one. The steps come "
        "one after the other. The hash is first, since price, claim and receipt name the frames by "
        "it before a file is made. An mp4 with its index in front, as players and vendors want it, "
        "has its first bytes last, so that nothing of it can be sent while it is coded. And the "
        "frames in it are counted before anything is sent that is paid for."
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1))
    if why:
        section.lacks(f"any of it, since {why}.")
        return section
    bench.say("frames on their way to a vendor")
    with LeanServer() as server:
        job: dict[str, Any] = {
            "source": clip.source,
            "path": str(bench.disk / "tensors.mp4"),
            "method": "whole",
            "url": server.url,
        }
        taken = side_by_side(bench, section, "tensor", {"ours": job}, bench.plan.passing_rounds)
    if "ours" not in taken:
        return section
    rounds, whole = taken["ours"].rounds, taken["ours"].seconds
    rows = []
    for name, says in _STEPS.items():
        step = Spread.of([one[f"{name}_seconds"] for one in rounds])
        rows.append([says, spread(step), ratio(step.middle / whole.middle)])
        section.figures[f"{name}/seconds"] = step.middle
    rows.append(["all of it", spread(whole), ratio(1)])
    section.table(("step", "time, median [least - most]", "of the whole"), rows)
    return section
