"""Each optimisation taken back once: what it is worth, and that the benchmark notices."""

from __future__ import annotations

from statistics import median

from ..altered import KEYED_WINDOW, held_video, keyed_video, turned_video
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
        f"The {clip.width}x{clip.height} clip of {clip.frame_count} frames encoded and hashed with "
        "our defaults, decoded, turned, and with held pictures where an optimisation is for these, "
        "a part cut from a file with many key pictures; one of "
        f"{larger.width}x{larger.height} and {larger.frame_count} frames, whose pictures are "
        "larger than a processor's cache, decoded to nothing, and its first pictures changed into "
        "floats and bytes in one thread and nothing else; and all that once more "
        f"without each of the optimisations in every one of {bench.plan.mutation_rounds} rounds, "
        f"after a run that is not counted. In a round all take turns {bench.plan.mutation_tries} "
        "times, and what counts is the quickest of each: what else a machine does only adds. Each "
        "way without is compared with ours of the same round; seen is what was slower in eight of "
        "nine, and an optimisation that is not seen has no right to its code."
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1) + (512 << 20))
    if why:
        section.lacks(f"any of it, since {why}.")
        return section
    fed = {"source": clip.source, "path": str(bench.folder / "mutations.mp4")}
    turned, held = turned_video(clip, bench.folder), held_video(clip, bench.folder)
    conformed = {"method": "ours", "folder": str(bench.folder)}
    sounded = {"path": str(clip.video), "source": clip.source}
    cut = {"path": str(keyed_video(clip, bench.folder)), "window": KEYED_WINDOW}
    ways: list[tuple[str, str, Job]] = [
        ("encode", "encode", {"method": "ours", **fed}),
        ("encode-alpha", "encode", {"method": "ours-alpha", **fed}),
        ("decode", "decode", {"method": "ours", "path": str(clip.video)}),
        ("decode-checked", "decode", {"method": "ours-checked", "path": str(larger.video)}),
        ("decode-held", "decode", {"method": "ours", "path": str(held)}),
        ("conform-turned", "conform", {"path": str(turned), **conformed}),
        ("conform-held", "conform", {"path": str(held), **conformed}),
        ("convert-bytes", "convert", {"method": "to-bytes", "source": larger.source}),
        ("convert-floats", "convert", {"method": "to-floats", "path": str(larger.video)}),
        ("replace", "pass", {"method": "replace", "folder": str(bench.folder), **sounded}),
        ("trim", "pass", {"method": "trim", "folder": str(bench.folder), **cut}),
        ("digest", "tensor", {"method": "digest", "source": clip.source}),
    ]
    section.table(_HEAD, [row for way in ways for row in _measure(bench, section, *way)])
    return section


def _measure(bench: Bench, section: Section, part: str, kind: str, ours: Job) -> list[list[str]]:
    bench.say(f"taking optimisations back: {part}")
    asked = bench.mutations or MUTATIONS
    names = [name for name, one in MUTATIONS.items() if part in one.parts and name in asked]
    if not names:
        return []
    jobs: dict[str, Job] = {"ours": ours}
    jobs |= {name: {**ours, "mutation": name} for name in names}
    tries = bench.plan.mutation_tries
    runs = side_by_side(bench, section, kind, jobs, 1 + bench.plan.mutation_rounds * tries)
    taken = {name: one.warm().quickest(tries) for name, one in runs.items()}
    rows = []
    for name in names:
        if name not in taken or "ours" not in taken:
            continue
        times = times_slower(taken[name], taken["ours"])
        told = f"{median(times):.2f} [{min(times):.2f} - {max(times):.2f}]"
        pair = [spread(taken[which].seconds) for which in (name, "ours")]
        rows.append([f"{part}: {MUTATIONS[name].says}", *pair, told, verdict(times)])
        section.figures[f"{name}/slower in"] = share_slower(times)
    return rows
