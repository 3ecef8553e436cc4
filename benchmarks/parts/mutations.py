"""Each optimisation taken back once: what it is worth, and that the benchmark notices."""

from __future__ import annotations

from statistics import median
from typing import Any

from ..bench import Bench
from ..child.work import Job
from ..mutations import MUTATIONS
from ..report import Section, spread
from .common import share_slower, side_by_side, times_slower, verdict

_CASE = "720p"
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
    section.say(
        f"The {clip.width}x{clip.height} clip of {clip.frame_count} frames encoded and decoded "
        "with our defaults, and once more without each of the optimisations in every one of "
        f"{bench.plan.mutation_rounds} rounds, after one that is not counted. Each way without is "
        "compared with ours of the same round; seen is what was slower in eight of nine, and an "
        "optimisation that is not seen has no right to its code."
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1) + (512 << 20))
    if why:
        section.lacks(f"any of it, since {why}.")
        return section
    coded = str(bench.folder / "mutations.mp4")
    ways: dict[str, dict[str, Any]] = {
        "encode": {"method": "ours", "source": clip.source, "path": coded},
        "decode": {"method": "ours", "path": str(clip.video)},
    }
    rows = [row for kind, ours in ways.items() for row in _measure(bench, section, kind, ours)]
    section.table(_HEAD, rows)
    return section


def _measure(bench: Bench, section: Section, kind: str, ours: Job) -> list[list[str]]:
    bench.say(f"taking optimisations back: {kind}")
    names = [name for name, one in MUTATIONS.items() if kind in one.parts]
    jobs: dict[str, Job] = {"ours": ours}
    jobs |= {name: {**ours, "mutation": name} for name in names}
    rounds = side_by_side(bench, section, kind, jobs, 1 + bench.plan.mutation_rounds)
    taken = {name: one.warm() for name, one in rounds.items()}
    rows = []
    for name in names:
        if name not in taken or "ours" not in taken:
            continue
        times = times_slower(taken[name], taken["ours"])
        told = f"{median(times):.2f} [{min(times):.2f} - {max(times):.2f}]"
        pair = [spread(taken[which].seconds) for which in (name, "ours")]
        rows.append([f"{kind}: {MUTATIONS[name].says}", *pair, told, verdict(times)])
        section.figures[f"{name}/slower in"] = share_slower(times)
    return rows
