"""Frames and sound into a file, beside peers and the ffmpeg command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bench import Bench
from ..child.work import Job
from ..inputs import Input
from ..machine import has_ffmpeg
from ..report import Section, mebibytes, ratio, spread
from .common import (
    MUTATED,
    Taken,
    alone,
    label,
    side_by_side,
    tell_mutations,
    unjudged_rounds_told,
    with_mutations,
)
from .quality import matrix_of_file, ssim_y

METHODS = (
    *("ours", "ours-veryfast", "ours-medium", "core", "pipe", "naive"),
    *("ffmpeg", "ffmpeg-medium", "ffmpeg-veryfast"),
)
UNJUDGED = ("pipe", "naive")
_HEAD = (
    "way",
    "time, median [least - most]",
    "times as fast as core",
    "of ffmpeg's time",
    "CPU",
    "extra memory",
    "size",
    "SSIM-Y",
)


def measure(bench: Bench) -> Section:
    section = Section("Encoding: IMAGE and AUDIO to mp4")
    section.say(
        "float32 frames in memory and their sound into an H.264 and AAC file. Viseme's defaults "
        f"are preset {_defaults()}; x264's own veryfast, crf 20, is "
        "measured beside them. Core, the pipe and the naive way write medium, crf 23. The "
        "ffmpeg command is the limit: it starts from bytes where all others start from floats. "
        "`of ffmpeg's time` is against the command that is told the same: of medium too, which we "
        "have work on more pictures at once than x264 does by itself, as it does for core. Extra "
        "memory is the most that a fresh process held over the frames, with the programs it "
        "started, in MiB. Sound is part of the size: ours and the command's at 64 kbit/s a "
        "channel, the others' at what FFmpeg takes by default. A dash: not measured. "
        + unjudged_rounds_told(bench, UNJUDGED)
    )
    for name, rounds in bench.all_inputs():
        _measure_input(bench, section, bench.any_input(name), rounds)
    tell_quality(bench, section)
    return section


def tell_quality(bench: Bench, section: Section) -> None:
    """Where our defaults, and x264's own veryfast, look as good as core's, and where not."""
    figures, names = section.figures, [name for name, _ in bench.all_inputs()]
    for method, says in (("ours", _defaults()), ("ours-veryfast", "x264's own veryfast, crf 20")):
        pairs = {
            name: (figures[f"{name}/{method}/ssim"], figures[f"{name}/core/ssim"])
            for name in names
            if f"{name}/{method}/ssim" in figures and f"{name}/core/ssim" in figures
        }
        if not pairs:
            continue
        short = [
            f"{name} ({ours:.5f} where core has {core:.5f})"
            for name, (ours, core) in pairs.items()
            if ours < core
        ]
        told = f"falls short in {'; '.join(short)}" if short else "nowhere falls short"
        section.say(f"SSIM-Y of {says}, beside core's in {', '.join(pairs)}: {told}.")
    if not bench.footage:
        section.say(
            "No filmed clip was named, so that this is of drawn ones alone: a camera that moves "
            "asks more of an encoder (`make bench FOOTAGE=...`)."
        )


def _defaults() -> str:
    from viseme.media import EncodeSettings

    settings = EncodeSettings()
    return f"{settings.preset}, crf {settings.crf} ({settings.tuning})"


def _measure_input(bench: Bench, section: Section, clip: Input, rounds: int) -> None:
    title = f"{clip.name}: {clip.width}x{clip.height}, {clip.frame_count} frames, {rounds} rounds"
    why = bench.lacks_memory(clip.tensor_bytes + (512 << 20))
    if why:
        section.lacks(f"encoding {clip.name}, since {why}.")
        return
    bench.say(f"encoding {title}")
    base: dict[str, Any] = {"source": clip.source}
    jobs: dict[str, Job] = {
        name: {**base, "method": name, "path": str(_path(bench, clip, name))} for name in METHODS
    }
    jobs_of_all = with_mutations(bench, "encode", jobs)
    taken = side_by_side(bench, section, "encode", jobs_of_all, rounds, UNJUDGED)
    for name in taken:
        if name in jobs and bench.counts_memory(clip.name, name):
            taken[name].memory = alone(bench, section, "encode", name, jobs[name])
    matrices = {name: matrix_of_file(_path(bench, clip, name)) for name in taken if name in METHODS}
    qualities = _qualities(section, bench, clip, matrices)
    _tell(section, title, clip.name, taken, qualities)
    compare(section, clip.name, taken, qualities, matrices)
    _tell_matrices(section, matrices)


def _limit_of(method: str) -> str:
    """The ffmpeg command that is told the same."""
    if "veryfast" in method:
        return "ffmpeg-veryfast"
    is_ours = method in ("ours", "ffmpeg") or method.startswith(MUTATED)
    return "ffmpeg" if is_ours else "ffmpeg-medium"


def _path(bench: Bench, clip: Input, method: str) -> Path:
    return bench.folder / f"{clip.name}-{method}.mp4"


def _qualities(
    section: Section, bench: Bench, clip: Input, matrices: Mapping[str, str]
) -> dict[str, float]:
    if not has_ffmpeg():
        section.lacks("SSIM (there is no ffmpeg).")
        return {}
    return {
        name: ssim_y(clip, _path(bench, clip, name), matrix) for name, matrix in matrices.items()
    }


def _tell_matrices(section: Section, matrices: Mapping[str, str]) -> None:
    others = [label(name) for name, matrix in matrices.items() if matrix != "bt709"]
    if others:
        section.say(
            f"Not tagged as BT.709, and so coded in BT.601: {', '.join(others)}. Its luma has less "
            "of the noise in it, so that this SSIM compares with no other; no target goes by it."
        )


def compare(
    section: Section,
    case: str,
    taken: Mapping[str, Taken],
    qualities: Mapping[str, float],
    matrices: Mapping[str, str],
) -> None:
    """Figures of quality and size beside core's, only where both were measured and compare."""
    compared = {name: one for name, one in qualities.items() if matrices[name] == "bt709"}
    for name, quality in compared.items():
        section.figures[f"{case}/{name}/ssim"] = quality
        if "core" in compared:
            section.figures[f"{case}/{name}/ssim over core"] = quality - compared["core"]
    if "core" in taken:
        core_bytes = taken["core"].last["size_bytes"]
        for name, one in taken.items():
            section.figures[f"{case}/{name}/size of core"] = one.last["size_bytes"] / core_bytes


def _tell(
    section: Section,
    title: str,
    case: str,
    taken: dict[str, Taken],
    qualities: dict[str, float],
) -> None:
    rows = []
    core = taken["core"].seconds.middle if "core" in taken else None
    for name, one in taken.items():
        limit = taken.get(_limit_of(name))
        took = one.seconds.middle
        of_limit = None if limit is None else took / limit.seconds.middle
        rows.append(
            [
                label(name),
                spread(one.seconds),
                ratio(None if core is None else core / took),
                ratio(of_limit),
                f"{one.cpu.middle:.2f} s",
                mebibytes(one.extra_bytes),
                f"{one.last['size_bytes'] / 1000:,.0f} kB",
                f"{qualities[name]:.5f}" if name in qualities else "-",
            ]
        )
        figures = section.figures
        figures[f"{case}/{name}/seconds"] = took
        figures[f"{case}/{name}/size"] = one.last["size_bytes"]
        if of_limit is not None:
            figures[f"{case}/{name}/of limit"] = of_limit
        if core is not None:
            figures[f"{case}/{name}/times core"] = core / took
            figures[f"{case}/{name}/cpu times core"] = taken["core"].cpu.middle / one.cpu.middle
        if one.extra_bytes is not None:
            figures[f"{case}/{name}/extra"] = one.extra_bytes
    section.say(f"### {title}")
    section.table(_HEAD, rows)
    tell_mutations(section, taken)
