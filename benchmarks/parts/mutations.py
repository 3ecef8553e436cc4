"""Each optimisation taken back once: what it is worth, and that the benchmark notices."""

from __future__ import annotations

from statistics import median

from ..altered import KEYED_WINDOW, held_video, keyed_video
from ..bench import Bench
from ..child.work import Job
from ..inputs import synthetic_input
from ..mutations import MUTATIONS
from ..report import Section, spread
from .common import share_slower, side_by_side, times_slower, verdict

_CASE = "512"
_HEAD = (
    "taken back",
    "time without it, median [least - most]",
    "ours",
    "times slower, median [least - most] of rounds",
    "verdict",
)


def measure(bench: Bench) -> Section:
    section = Section("Optimisations, each taken back")
    clip = bench.input(_CASE)
    larger = synthetic_input(bench.plan.mutation_case, bench.folder)
    section.say(
        f"The {clip.width}x{clip.height} clip of {clip.frame_count} frames encoded with our "
        "defaults, decoded, hashed, its sound replaced; a part cut from a file with many key "
        "pictures; a clip of "
        f"{larger.width}x{larger.height} and {larger.frame_count} frames, whose pictures are "
        "larger than a processor's cache, decoded to nothing, and its first pictures changed into "
        "floats, into bytes and into what is coded, in one thread and with nothing else, and "
        "pictures that are held written with hardly any coding: of a "
        "whole encoding such a step is a few hundredths, which a machine's noise hides. And all "
        "that without each of the optimisations, the one right after the other, in every one of "
        f"{bench.plan.mutation_rounds} rounds, after a run that is not counted. In a round both "
        f"take turns {bench.plan.mutation_tries} times, and what counts is the quickest of each: "
        "what else a machine does only adds. Seen is what was slower in eight of nine, and an "
        "optimisation that is not seen has no right to its code. That pictures are coded, or "
        "decoded, beside those that are converted spares no computing: there, what counts is how "
        "long a second of computing takes, which is how much of the processors was used."
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1) + (512 << 20))
    if why:
        section.lacks(f"any of it, since {why}.")
        return section
    fed = {"source": clip.source, "path": str(bench.folder / "mutations.mp4")}
    held = held_video(clip, bench.folder)
    sounded = {"path": str(clip.video), "source": clip.source}
    cut = {"path": str(keyed_video(clip, bench.folder)), "window": KEYED_WINDOW}
    folder = {"folder": str(bench.folder)}
    drawn, coded = {"source": larger.source}, {"path": str(larger.video)}
    ways: list[tuple[str, str, Job]] = [
        ("encode", "encode", {"method": "ours", **fed}),
        ("decode", "decode", {"method": "ours", "path": str(clip.video)}),
        ("decode-checked", "decode", {"method": "ours-checked", **coded}),
        ("convert-bytes", "convert", {"method": "to-bytes", **drawn}),
        ("convert-alpha", "convert", {"method": "from-alpha", **drawn}),
        ("convert-to-code", "convert", {"method": "to-code", **drawn}),
        ("convert-floats", "convert", {"method": "to-floats", **coded}),
        ("convert-rgb", "convert", {"method": "to-rgb", **coded}),
        ("convert-held", "convert", {"method": "held", "path": str(held), **folder}),
        ("replace", "pass", {"method": "replace", **sounded, **folder}),
        ("trim", "pass", {"method": "trim", **cut, **folder}),
        ("digest", "tensor", {"method": "digest", "source": clip.source}),
    ]
    section.table(_HEAD, [row for way in ways for row in _measure(bench, section, *way)])
    return section


def _measure(bench: Bench, section: Section, part: str, kind: str, ours: Job) -> list[list[str]]:
    asked = bench.mutations or MUTATIONS
    names = [name for name, one in MUTATIONS.items() if part in one.parts and name in asked]
    bench.say(f"taking optimisations back: {part}: {', '.join(names) or 'none'}")
    tries = bench.plan.mutation_tries
    rows = []
    for name in names:
        jobs = {"ours": ours, name: {**ours, "mutation": name}}
        runs = side_by_side(bench, section, kind, jobs, 1 + bench.plan.mutation_rounds * tries)
        if set(runs) != set(jobs):
            continue
        compared = MUTATIONS[name].compared
        without, with_it = (runs[one].warm().least(tries, compared) for one in (name, "ours"))
        times = times_slower(without, with_it, compared)
        told = f"{median(times):.2f} [{min(times):.2f} - {max(times):.2f}]"
        pair = [spread(without.seconds), spread(with_it.seconds)]
        rows.append([f"{part}: {MUTATIONS[name].says}", *pair, told, verdict(times)])
        section.figures[f"{name}/slower in"] = share_slower(times)
    return rows
