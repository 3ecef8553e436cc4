"""What parts share: rounds of several ways beside each other, and their memory one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeAlias

from ..bench import Bench
from ..child.work import Job
from ..children import Child, ChildFailed
from ..measuring import Spread, alternating
from ..mutations import LEAST_SLOWER, MUTATIONS, SHARE_SEEN, Mutation
from ..report import Section

LABELS: Mapping[str, str] = {
    "ours": "**Viseme**",
    "ours-veryfast": "**Viseme, x264's own veryfast 20**",
    "ours-medium": "**Viseme, medium 23**",
    "ours-accurate": "**Viseme, accurate colours**",
    "core": "ComfyUI core",
    "pipe": "VideoHelperSuite's pipe, crf 23",
    "naive": "PIL and from_ndarray",
    "opencv": "VideoHelperSuite's OpenCV",
    "ffmpeg": "ffmpeg command",
    "ffmpeg-medium": "ffmpeg command, medium 23",
    "ffmpeg-veryfast": "ffmpeg command, x264's own veryfast 20",
    "pyav": "PyAV, pictures thrown away",
}
MUTATED = "ours, mutated: "
Compared: TypeAlias = "Callable[[Mapping[str, Any]], float]"


def label(method: str) -> str:
    return LABELS.get(method, method)


@dataclass
class Taken:
    """What was measured of one way, once for each round; ``memory`` in a fresh process."""

    rounds: list[dict[str, Any]] = field(default_factory=list)
    memory: dict[str, Any] | None = None

    @property
    def seconds(self) -> Spread:
        return Spread.of([one["seconds"] for one in self.rounds])

    @property
    def cpu(self) -> Spread:
        return Spread.of([one["cpu_seconds"] for one in self.rounds])

    @property
    def last(self) -> dict[str, Any]:
        return self.rounds[-1]

    def warm(self) -> Taken:
        """Without the first round, which finds everything cold."""
        return Taken(self.rounds[1:] or self.rounds, self.memory)

    def least(self, tries: int, compared: Compared) -> Taken:
        """Of every ``tries`` of these that came one after the other the one with the least.

        What else a machine does only adds to what a run takes.
        """
        groups = [self.rounds[at : at + tries] for at in range(0, len(self.rounds), tries)]
        return Taken([min(one, key=compared) for one in groups], self.memory)

    @property
    def extra_bytes(self) -> float | None:
        """The process and the programs it started, together."""
        memory = self.memory
        if memory is None or "extra_bytes" not in memory:
            return None
        return float(memory["extra_bytes"] + memory["program_bytes"])


def with_mutations(
    bench: Bench, part: str, jobs: dict[str, Job], mutated: str = "ours"
) -> dict[str, Job]:
    """The jobs, and that of ours once more for each mutation that was asked for."""
    more = {f"{MUTATED}{name}": {**jobs[mutated], "mutation": name} for name in bench.mutated(part)}
    return jobs | more


def side_by_side(
    bench: Bench,
    section: Section,
    kind: str,
    jobs: Mapping[str, Job],
    rounds: int,
    unjudged: Collection[str] = (),
) -> dict[str, Taken]:
    """``in_turns`` in a process of their own."""
    with Child(bench.runtime) as child:
        return in_turns(bench, section, child, kind, jobs, rounds, unjudged)


def in_turns(
    bench: Bench,
    section: Section,
    child: Child,
    kind: str,
    jobs: Mapping[str, Job],
    rounds: int,
    unjudged: Collection[str] = (),
) -> dict[str, Taken]:
    """Every job in each round; what fails is told and left out from then on.

    ``unjudged`` are jobs that run in the first rounds alone, as the plan has it.
    """
    taken = {name: Taken() for name in jobs}
    for name in alternating(list(jobs), rounds):
        if name not in taken:
            continue
        if name in unjudged and len(taken[name].rounds) >= bench.plan.unjudged_rounds:
            continue
        try:
            taken[name].rounds.append(child.run(kind, **jobs[name]))
        except ChildFailed as problem:
            del taken[name]
            section.lacks(f"{label(name)} ({problem.short}).")
            bench.say(f"  {name} left out: {problem.short}")
    return taken


def unjudged_rounds_told(bench: Bench, unjudged: Collection[str]) -> str:
    """A sentence for the section."""
    names = " and ".join(label(name) for name in unjudged)
    return f"No target is about {names}: they run in the first {bench.plan.unjudged_rounds} rounds."


def alone(bench: Bench, section: Section, kind: str, name: str, job: Job) -> dict[str, Any] | None:
    """One job in a fresh process, with its memory; None where it fails."""
    try:
        with Child(bench.runtime) as child:
            return child.run(kind, memory=True, **job)
    except ChildFailed as problem:
        section.lacks(f"memory of {label(name)} ({problem.short}).")
        return None


def compare_rounds(mutation: Mutation, mutated: Taken, ours: Taken) -> Missed:
    """Each round by itself, in which the two ran close together: what drifts hits both."""
    pairs = list(zip(mutated.rounds, ours.rounds, strict=True))
    return Missed(
        overlaps=mutation.overlaps,
        compared=[mutation.compared(one) / mutation.compared(other) for one, other in pairs],
        times=[one["seconds"] / other["seconds"] for one, other in pairs],
    )


@dataclass(frozen=True)
class Missed:
    """How an optimisation was missed, round by round: above 1 where it was.

    ``compared`` is what it is judged by (see ``Mutation``), ``times`` is time.
    """

    overlaps: bool
    compared: Sequence[float]
    times: Sequence[float]

    @property
    def share(self) -> float:
        """The share of the rounds; 0 where it takes hardly longer all in all."""
        is_slower = median(self.times) > (LEAST_SLOWER if self.overlaps else 1)
        return sum(one > 1 for one in self.compared) / len(self.compared) if is_slower else 0.0

    @property
    def verdict(self) -> str:
        missed = sum(one > 1 for one in self.compared)
        rounds = f"{missed} of {len(self.compared)} rounds"
        told = f"{median(self.times):.2f} times slower, "
        told += (
            f"less use of the processors in {rounds}" if self.overlaps else f"slower in {rounds}"
        )
        return f"seen: {told}" if self.share >= SHARE_SEEN else f"**not seen**: {told}"


def tell_mutations(section: Section, taken: Mapping[str, Taken]) -> None:
    """How much slower each mutated way was than ours, beside it."""
    for name, one in taken.items():
        if name.startswith(MUTATED) and "ours" in taken:
            mutation = MUTATIONS[name.removeprefix(MUTATED)]
            missed = compare_rounds(mutation, one.warm(), taken["ours"].warm())
            section.say(f"{name}: {missed.verdict}.")
