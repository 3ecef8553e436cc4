"""What all parts work with: the plan, a folder, inputs made once, and who hears of progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from viseme.media.memory import free_memory_bytes

from .children import Runtime
from .inputs import Input, footage_input, synthetic_input
from .mutations import MUTATIONS
from .plan import ALL_METHODS, Case, Plan

_RESERVE_BYTES = 1 << 30


@dataclass
class Bench:
    """One run. ``folder`` is in memory where the system has such a place; ``disk`` is not."""

    plan: Plan
    runtime: Runtime
    folder: Path
    disk: Path
    footage: Sequence[Path] = ()
    mutations: Sequence[str] = ()
    say: Callable[[str], None] = lambda _text: None
    _inputs: dict[str, Input] = field(default_factory=dict)

    def input(self, name: str) -> Input:
        """A synthetic clip by the name of its case; made when first asked for."""
        if name not in self._inputs:
            case = self.case(name)
            self.say(f"drawing {case.width}x{case.height}, {case.frame_count} frames")
            self._inputs[name] = synthetic_input(case, self.folder)
        return self._inputs[name]

    def case(self, name: str) -> Case:
        return next(case for case in self.plan.cases if case.name == name)

    def footage_inputs(self) -> list[Input]:
        """The clips that were named, the first frames of each."""
        found = []
        for path in self.footage:
            name = path.name
            if name not in self._inputs:
                self._inputs[name] = footage_input(path, self.plan.footage_frames, self.folder)
            found.append(self._inputs[name])
        return found

    def all_inputs(self) -> list[tuple[str, int]]:
        """Every input by name, with its number of rounds."""
        made = [(case.name, case.rounds) for case in self.plan.cases]
        return made + [(path.name, self.plan.footage_rounds) for path in self.footage]

    def any_input(self, name: str) -> Input:
        if any(path.name == name for path in self.footage):
            return next(one for one in self.footage_inputs() if one.name == name)
        return self.input(name)

    def counts_memory(self, case: str, method: str) -> bool:
        """Whether a method's memory is counted in a case, in a fresh process each."""
        methods = self.plan.memory_methods.get(case, ())
        return methods == ALL_METHODS or method in methods

    def mutated(self, part: str) -> list[str]:
        """The mutations that were asked for and that concern a part."""
        return [name for name in self.mutations if part in MUTATIONS[name].parts]

    def lacks_memory(self, needed_bytes: int) -> str:
        """Why something that large is not tried; empty where it fits."""
        free = free_memory_bytes()
        if free is None or needed_bytes + _RESERVE_BYTES <= free:
            return ""
        return f"it needs {needed_bytes / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free"
