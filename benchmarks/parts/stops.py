"""How soon what is under way ends when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from ..altered import long_video, turned_video
from ..bench import Bench
from ..children import Child, ChildFailed
from ..inputs import Input
from ..report import Section, seconds

_SHARES = (0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
# A large file is closed in the last of its time, which is where a stop may be heeded late.
_LATE_SHARES = (0.02, 0.3, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
# Fewer would say nothing: a run may be faster than the one that the moments are shares of.
LEAST_STOPPED = 0.7
_WAYS: Mapping[str, str] = {
    "encode": "encoding",
    "decode": "decoding",
    "conform": "made fit for an endpoint, turned",
    "replace": "sound replaced",
    "replace large": "sound replaced, large file",
}
_SOUND_SECONDS = 10  # of the large file: the rest of its time goes to its pictures and its end


def measure(bench: Bench) -> Section:
    section = Section("Being stopped")
    clip = bench.input("1080p")
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1))
    if why:
        section.lacks(f"being stopped beside a 1080p clip, since {why}.")
        return section
    jobs = _jobs(bench, clip)
    large = (bench.disk / "large.mp4").stat().st_size
    section.say(
        f"The {clip.width}x{clip.height} clip of {clip.frame_count} frames encoded, decoded, "
        "turned as an endpoint needs it, and with its sound replaced, and a file of "
        f"{large / 1e6:.0f} MB on a disk with its sound replaced. Each is told to stop at "
        f"{len(_SHARES)} moments, from the first hundredths to the last tenth of what a warm run "
        f"takes, the large file at {len(_LATE_SHARES)}, most of them late: from then to the end of "
        "the call. A run that was over before its moment is none that was stopped; with fewer than "
        f"{LEAST_STOPPED:.0%} that were, there is no figure."
    )
    rows = []
    for way, job in jobs.items():
        bench.say(f"stopping: {_WAYS[way]}")
        try:
            rows += _stop(bench, section, way, job)
        except ChildFailed as problem:
            section.lacks(f"stopping: {_WAYS[way]} ({problem.short}).")
    (bench.disk / "large.mp4").unlink()
    section.table(("what", "times stopped", "median", "longest"), rows)
    return section


def _jobs(bench: Bench, clip: Input) -> dict[str, dict[str, Any]]:
    bench.say("writing a large file")
    large, turned = bench.disk / "large.mp4", turned_video(clip, bench.folder)
    long_video(large, clip.width, clip.height, bench.plan.stopped_seconds)
    base = {
        "source": clip.source,
        "path": str(clip.video),
        "target": str(bench.disk / "stopped.mp4"),
    }
    only = {"method": "replace", "path": str(large), "sound_seconds": _SOUND_SECONDS}
    return {
        "encode": {**base, "method": "encode"},
        "decode": {**base, "method": "decode"},
        "conform": {**base, "method": "conform", "path": str(turned)},
        "replace": {**base, "method": "replace"},
        "replace large": {**base, **only},
    }


def _stop(bench: Bench, section: Section, way: str, job: dict[str, Any]) -> list[list[str]]:
    with Child(bench.runtime) as child:
        # The first run finds everything cold, and would put all moments too late.
        whole = [child.run("stop", **job, after_seconds=None)["seconds"] for _ in range(2)][-1]
        shares = _LATE_SHARES if way == "replace large" else _SHARES
        said = [child.run("stop", **job, after_seconds=whole * share) for share in shares]
    waited = [one["waited_seconds"] for one in said if one["waited_seconds"] is not None]
    if len(waited) >= LEAST_STOPPED * len(said):
        section.figures[f"{way}/longest"] = max(waited)
    else:
        section.lacks(f"stopping: {_WAYS[way]} was over before {len(said) - len(waited)} moments.")
    if not waited:
        return []
    times = f"{len(waited)} of {len(said)}"
    return [[_WAYS[way], times, seconds(median(waited)), seconds(max(waited))]]
