"""Time and memory against the length of a clip, from a second to half an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bench import Bench
from ..inputs import Input
from ..measuring import slope
from ..plots import Series
from ..report import Section, mebibytes, ratio, seconds
from .common import alone

_WAYS: Mapping[str, str] = {
    "encode": "frames to file",
    "decode": "file to frames",
    "untouched": "file taken as it is",
    "replace": "sound replaced",
}
# Below it, what every clip costs at its start hides the rest.
_LEAST_FITTED_SECONDS = 15


def measure(bench: Bench) -> Section:
    section = Section("Scaling with length")
    lengths = bench.plan.scaled_seconds
    clip = bench.input("720p")
    section.say(
        f"Clips of {lengths[0]} to {lengths[-1]} s, {clip.width}x{clip.height} at 25 frames a "
        "second, once each, every one in a fresh process. Half an hour of frames as floats is "
        "464 GiB, so the tensor path works in pieces at all lengths: the same "
        f"{clip.seconds:.1f} s of frames go to one writer again and again, and frames are decoded "
        "10 s at a time, whose tensor is not counted. The file that is decoded, or passed, is the "
        "one that was encoded. Sound is whole where it is given whole, and not counted either."
    )
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in _WAYS}
    done: list[int] = []
    for length in lengths:
        measured = _measure_length(bench, section, clip, length)
        if measured is None:
            break
        done.append(length)
        for way, one in measured.items():
            found[way].append(one)
    is_whole = len(done) == len(lengths)
    if not is_whole:
        section.lacks(f"how time and memory grow, since {lengths[len(done)]} s was not measured.")
    rows = []
    for way, values in found.items():
        if len(values) != len(done) or not done:
            continue
        section.series.append(
            Series(
                _WAYS[way],
                tuple(map(float, done)),
                tuple(float(one["seconds"]) for one in values),
                tuple(_held(values) or ()),
            )
        )
        rows.append(tell_row(section, way, done, values, is_whole=is_whole))
    head = [
        "way",
        *(f"{length} s" for length in done),
        "a second of clip",
        "slope of time",
        "of memory",
    ]
    section.say(
        "Time, and in brackets extra memory in MiB. The slope is the exponent of the power of the "
        f"length that fits best from {_LEAST_FITTED_SECONDS} s on, for time and for memory: 1 is "
        "linear, 0 constant. In shorter clips, what every clip costs at its start hides the rest; "
        "the plots show all lengths. One thing does grow: an mp4 file's index, which FFmpeg holds "
        "while it reads or writes one, 50 to 100 bytes for each of the 68 packets of a second. "
        "Where sound is replaced there are two. And what a decoder's threads have freed stays with "
        "the system's allocator, until after some pieces of 10 s there is enough to be used again."
    )
    section.table(head, rows)
    return section


def _measure_length(
    bench: Bench, section: Section, clip: Input, length: int
) -> dict[str, dict[str, Any]] | None:
    path = bench.folder / f"scaled-{length}.mp4"
    base = {"source": clip.source, "path": str(path), "seconds": length}
    measured = {}
    for way, says in _WAYS.items():
        bench.say(f"{length} s: {says}")
        one = alone(bench, section, "stream", f"{says}, {length} s", {**base, "method": way})
        if one is None:
            return None
        if "extra_bytes" in one:
            one["extra_bytes"] = max(one["extra_bytes"] - one.get("piece_bytes", 0), 0)
        measured[way] = one
    path.unlink(missing_ok=True)
    Path(bench.folder / "replaced.mp4").unlink(missing_ok=True)
    return measured


def _held(values: Sequence[dict[str, Any]]) -> list[float] | None:
    """Extra memory at each length; ``None`` where it was not measured at all of them."""
    if not all("extra_bytes" in one for one in values):
        return None
    return [float(one["extra_bytes"]) for one in values]


def tell_row(
    section: Section,
    way: str,
    lengths: Sequence[int],
    values: Sequence[dict[str, Any]],
    *,
    is_whole: bool,
) -> list[str]:
    """``is_whole``: up to the greatest length, without which nothing is said of growth."""
    times = [float(one["seconds"]) for one in values]
    memory = _held(values)
    if memory is None:
        section.lacks(f"memory of {_WAYS[way]}.")
    shown: Sequence[float | None] = memory or [None] * len(times)
    cells = [
        f"{seconds(time)} ({mebibytes(held)})" for time, held in zip(times, shown, strict=True)
    ]
    long = [index for index, length in enumerate(lengths) if length >= _LEAST_FITTED_SECONDS]
    time_slope = memory_slope = None
    if is_whole and len(long) > 1:
        fitted = [float(lengths[index]) for index in long]
        time_slope = slope(fitted, [times[index] for index in long])
        section.figures[f"{way}/time slope"] = time_slope
        if memory is not None:
            fitted_bytes = [memory[index] for index in long]
            # What is less than a mebibyte is noise of the allocator.
            memory_slope = slope(fitted, [max(one, 2.0**20) for one in fitted_bytes])
            section.figures[f"{way}/memory slope"] = memory_slope
            section.figures[f"{way}/memory growth"] = max(fitted_bytes) - min(fitted_bytes)
            section.figures[f"{way}/most memory"] = max(memory)
    a_second = seconds(times[-1] / lengths[-1])
    return [_WAYS[way], *cells, a_second, ratio(time_slope), ratio(memory_slope)]
