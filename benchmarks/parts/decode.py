"""A file into frames and sound, beside peers and the limits."""

from __future__ import annotations

from typing import Any

from ..bench import Bench
from ..inputs import Input
from ..report import Section, mebibytes, ratio, spread
from .common import (
    Taken,
    alone,
    label,
    side_by_side,
    tell_mutations,
    unjudged_rounds_told,
    with_mutations,
)

METHODS = ("ours", "ours-accurate", "core", "opencv", "naive", "ffmpeg", "pyav")
UNJUDGED = ("opencv", "naive")
_LIMITS = ("ffmpeg", "pyav")
_COMPARED = ("ours", "core")
# ComfyUI core holds a list of frames and the stack that is made of it.
_MOST_TENSORS = 2.2
_HEAD = (
    "way",
    "time, median [least - most]",
    "times as fast as core",
    "of ffmpeg's time",
    "CPU",
    "extra memory",
    "in tensors",
    "frames",
)


def measure(bench: Bench) -> Section:
    section = Section("Decoding: mp4 to IMAGE and AUDIO")
    section.say(
        "A file on a disk in memory into float32 frames and sound; for ours counting the file's "
        "frames first is part of it. Limits: the ffmpeg command to bytes of RGB that go nowhere, "
        "and PyAV with its pictures thrown away. `frames` compares the tensor with core's, bit by "
        "bit; only at a constant rate and upright must ours be equal. Ours, core and the naive way "
        "decode the sound as well; OpenCV, which has none, and the limits do not. Extra memory is "
        "the most that a fresh process held, the tensor included, in MiB. "
        + unjudged_rounds_told(bench, UNJUDGED)
    )
    for name, rounds in bench.all_inputs():
        _measure_input(bench, section, bench.any_input(name), rounds)
    return section


def _measure_input(bench: Bench, section: Section, clip: Input, rounds: int) -> None:
    title = f"{clip.name}: {clip.width}x{clip.height}, {clip.decoded_count} frames, {rounds} rounds"
    why = bench.lacks_memory(int(clip.decoded_bytes * _MOST_TENSORS))
    if why:
        section.lacks(f"decoding {clip.name}, since {why}.")
        return
    bench.say(f"decoding {title}")
    jobs: dict[str, Any] = {name: {"method": name, "path": str(clip.video)} for name in METHODS}
    jobs_of_all = with_mutations(bench, "decode", jobs)
    taken = side_by_side(bench, section, "decode", jobs_of_all, rounds, UNJUDGED)
    for name in taken:
        if name not in jobs or name in _LIMITS:
            continue
        if bench.counts_memory(clip.name, name) or (clip.is_real and name in _COMPARED):
            job = {**jobs[name], "digest": True}
            taken[name].memory = alone(bench, section, "decode", name, job)
    _tell(section, title, clip, taken)


def _tell(section: Section, title: str, clip: Input, taken: dict[str, Taken]) -> None:
    case, figures, rows = clip.name, section.figures, []
    core = taken.get("core")
    limit = taken.get("ffmpeg")
    for name, one in taken.items():
        took = one.seconds.middle
        times_core = None if core is None else core.seconds.middle / took
        extra = one.extra_bytes
        tensors = None if extra is None else extra / clip.decoded_bytes
        rows.append(
            [
                label(name),
                spread(one.seconds),
                ratio(times_core),
                ratio(None if limit is None else took / limit.seconds.middle),
                f"{one.cpu.middle:.2f} s",
                mebibytes(extra),
                ratio(tensors),
                _sameness(name, one, core),
            ]
        )
        figures[f"{case}/{name}/seconds"] = took
        if core is not None and times_core is not None:
            figures[f"{case}/{name}/times core"] = times_core
            figures[f"{case}/{name}/cpu times core"] = core.cpu.middle / one.cpu.middle
        if extra is not None:
            figures[f"{case}/{name}/extra"] = extra
            figures[f"{case}/{name}/tensor"] = clip.decoded_bytes
        same = _is_same(one, core)
        if same is not None:
            what = "is core's" if clip.is_plain else "is core's all the same"
            figures[f"{case}/{name}/{what}"] = float(same)
    section.say(f"### {title}")
    section.table(_HEAD, rows)
    tell_mutations(section, taken)


def _is_same(one: Taken, core: Taken | None) -> bool | None:
    if core is None or core.memory is None or one.memory is None:
        return None
    digest, other = one.memory.get("digest"), core.memory.get("digest")
    return None if digest is None or other is None else digest == other


def _sameness(name: str, one: Taken, core: Taken | None) -> str:
    same = _is_same(one, core)
    if same is None:
        return "-"
    if name == "core":
        return "core's"
    return "equal" if same else "differ"
