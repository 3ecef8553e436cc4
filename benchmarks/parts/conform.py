"""Files that no endpoint takes as they are, made into ones that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..altered import held_video, turned_video
from ..bench import Bench
from ..report import Section, mebibytes, ratio, spread
from .common import alone, label, side_by_side

_HEAD = ("way", "time, median [least - most]", "of ffmpeg's time", "CPU", "extra memory", "size")


def measure(bench: Bench) -> Section:
    section = Section("A file made fit for an endpoint")
    clip = bench.input("720p")
    section.say(
        f"The {clip.width}x{clip.height} clip of {clip.frame_count} frames, decoded and encoded "
        "anew with Viseme's defaults: once to be shown turned by a quarter, whose pictures go "
        "through RGB, and once with a variable rate in BT.601, five pictures a second that move "
        "and the last of them held. The limit is the ffmpeg command that is told the same. "
        "Counting the file's frames first is part of ours. Extra memory is in MiB."
    )
    for name, path in {
        "turned": turned_video(clip, bench.folder),
        "held": held_video(clip, bench.folder),
    }.items():
        bench.say(f"making a file fit: {name}")
        _measure(bench, section, name, path, str(clip.frame_rate))
    return section


def _measure(bench: Bench, section: Section, name: str, path: Path, frame_rate: str) -> None:
    base: dict[str, Any] = {"path": str(path), "folder": str(bench.disk), "frame_rate": frame_rate}
    jobs = {method: {**base, "method": method} for method in ("ours", "ffmpeg")}
    taken = side_by_side(bench, section, "conform", jobs, bench.plan.passing_rounds)
    if "ours" not in taken:
        return
    ours = taken["ours"]
    ours.memory = alone(bench, section, "conform", "ours", jobs["ours"])
    limit = taken["ffmpeg"].seconds.middle if "ffmpeg" in taken else None
    rows = [
        [
            label(method),
            spread(one.seconds),
            ratio(None if limit is None else one.seconds.middle / limit),
            f"{one.cpu.middle:.2f} s",
            mebibytes(one.extra_bytes),
            f"{one.last['size_bytes'] / 1000:,.0f} kB",
        ]
        for method, one in taken.items()
    ]
    section.say(f"### {name}: {', '.join(ours.last['steps'])}")
    section.table(_HEAD, rows)
    if limit is not None:
        section.figures[f"{name}/ours/of limit"] = ours.seconds.middle / limit
