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

    @property
    def footage_names(self) -> dict[str, Path]:
        """The clips that were named, by their names; a second one of a name gets a number."""
        found: dict[str, Path] = {}
        taken = {case.name for case in self.plan.cases}
        for path in self.footage:
            name, number = path.name, 2
            while name in taken:
                name, number = f"{path.stem}-{number}{path.suffix}", number + 1
            taken.add(name)
            found[name] = path
        return found

    def all_inputs(self) -> list[tuple[str, int]]:
        """Every input by name, with its number of rounds."""
        made = [(case.name, case.rounds) for case in self.plan.cases]
        return made + [(name, self.plan.footage_rounds) for name in self.footage_names]

    def any_input(self, name: str) -> Input:
        """Of a clip that was named, the first frames."""
        path = self.footage_names.get(name)
        if path is None:
            return self.input(name)
        if name not in self._inputs:
            most_frames = self.plan.footage_frames
            self._inputs[name] = footage_input(name, path, most_frames, self.folder)
        return self._inputs[name]

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
