"""How long ComfyUI's event loop would stand still while we encode or decode."""

from __future__ import annotations

from statistics import median
from typing import Any

from ..bench import Bench
from ..children import Child, ChildFailed
from ..report import Section, seconds

_IDLE_SECONDS = 2.0


def measure(bench: Bench) -> Section:
    section = Section("An event loop beside it")
    clip = bench.input("1080p")
    section.say(
        "An asyncio loop in another thread of the same process wakes up every millisecond while a "
        f"{clip.width}x{clip.height} clip of {clip.frame_count} frames is encoded with our "
        "defaults, or decoded. Told are the times between two wakings: the 99.9th percentile, "
        f"and the longest, each the median of {bench.plan.gap_rounds} runs."
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1))
    if why:
        section.lacks(f"the loop beside a 1080p clip, since {why}.")
        return section
    encoded = str(bench.folder / "gaps.mp4")
    beside: dict[str, Any] = {
        "nothing": None,
        "encode": {
            "kind": "encode",
            "method": "ours",
            "source": clip.source,
            "path": encoded,
        },
        "decode": {"kind": "decode", "method": "ours", "path": str(clip.video)},
    }
    rows = []
    for name, job in beside.items():
        bench.say(f"an event loop beside: {name}")
        try:
            with Child(bench.runtime) as child:
                runs = [
                    child.run("gaps", beside=job, seconds=_IDLE_SECONDS)
                    for _ in range(bench.plan.gap_rounds)
                ]
        except ChildFailed as problem:
            section.lacks(f"the loop beside {name} ({problem.short}).")
            continue
        usual = median(run["gap_seconds"] for run in runs)
        longest = [run["longest_gap_seconds"] for run in runs]
        all_of_them = ", ".join(seconds(gap) for gap in sorted(longest))
        rows.append([name, seconds(usual), seconds(median(longest)), all_of_them])
        section.figures[f"{name}/usual"] = usual
        section.figures[f"{name}/longest"] = median(longest)
    section.table(("beside", "99.9 % are within", "longest, median", "longest of each run"), rows)
    return section
