"""How soon what is under way ends when it is told to."""

from __future__ import annotations

from statistics import median
from typing import Any

from ..bench import Bench
from ..children import Child
from ..report import Section, seconds

_WAYS = ("encode", "decode", "replace")
_SHARES = (0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


def measure(bench: Bench) -> Section:
    section = Section("Being stopped")
    clip = bench.input("1080p")
    section.say(
        f"Encoding, decoding and replacing the sound of the {clip.width}x{clip.height} clip of "
        f"{clip.frame_count} frames, each told to stop at {len(_SHARES)} moments from its first "
        "hundredths to its last tenth: from then to the end of the call."
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1))
    if why:
        section.lacks(f"being stopped beside a 1080p clip, since {why}.")
        return section
    rows = []
    for way in _WAYS:
        bench.say(f"stopping: {way}")
        job: dict[str, Any] = {
            "method": way,
            "source": clip.source,
            "path": str(clip.video),
            "target": str(bench.folder / "stopped.mp4"),
        }
        with Child(bench.runtime) as child:
            whole = child.run("stop", **job, after_seconds=None)["seconds"]
            said = [child.run("stop", **job, after_seconds=whole * share) for share in _SHARES]
        waited = [one["waited_seconds"] for one in said if one["waited_seconds"] is not None]
        if not waited:
            section.lacks(f"stopping: {way} had always ended before.")
            continue
        rows.append([way, str(len(waited)), seconds(median(waited)), seconds(max(waited))])
        section.figures[f"{way}/longest"] = max(waited)
    section.table(("what", "times stopped", "median", "longest"), rows)
    return section
