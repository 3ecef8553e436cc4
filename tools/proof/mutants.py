"""Damaged media files of every kind are read, and what became of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .box import ROOT

KINDS = ("mp4", "mov", "webm", "wav", "mp3", "m4a")
MOST_MEGABYTES = 1500
MOST_SECONDS = 10.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """What ``tests.media.trials`` says of the mutants of one kind."""

    outcomes: Mapping[str, int]
    bad: Sequence[Mapping[str, Any]]
    slowest_seconds: float
    most_megabytes: int

    def counted(self, outcome: str) -> int:
        return self.outcomes.get(outcome, 0)

    @property
    def tried(self) -> int:
        return sum(self.outcomes.values())


def prove_mutants(seed: int, count: int, tell: Tell) -> dict[str, Tried]:
    """``count`` mutants of each kind, each read in a process with bounds; as many kinds at a time
    as there are cores."""

    def try_kind(kind: str) -> Tried:
        command = [*(sys.executable, "-m", "tests.media.trials", "--kinds", kind)]
        command += ["--count", str(count), "--seed", str(seed)]
        done = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, cwd=ROOT, check=False
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"the trials of {kind} ended with {done.returncode}: {done.stderr}")
        said = json.loads(done.stdout)["kinds"][kind]
        said.pop("seconds")
        tried = Tried(**said)
        for bad in tried.bad:
            tell(f"{' '.join(command[1:])} --only {bad['number']}: {bad['outcome']}")
        return tried

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(KINDS, pool.map(try_kind, KINDS), strict=True))


def wrong_mutants(tried: Mapping[str, Tried]) -> list[str]:
    """The kinds of which anything was bad, or more than is allowed."""
    return [
        kind
        for kind, one in tried.items()
        if one.bad
        or one.most_megabytes > MOST_MEGABYTES
        or one.slowest_seconds > MOST_SECONDS
        or not one.counted("refused")
        or not one.counted("whole")
    ]


def mutants_table(tried: Mapping[str, Tried]) -> list[str]:
    each = list(tried.values())
    rows: list[tuple[str, list[object]]] = [
        ("mutants", [f"{one.tried:,}" for one in each]),
        ("refused with an error of ours", [f"{one.counted('refused'):,}" for one in each]),
        ("read, and whole", [f"{one.counted('whole'):,}" for one in each]),
        ("**short without a word**", [one.counted("short") for one in each]),
        ("**any other error**", [one.counted("untyped") for one in each]),
        ("**crashes**", [one.counted("crash") for one in each]),
        ("**hangs**", [one.counted("hang") for one in each]),
        ("longest computing (promised: 10 s)", [f"{one.slowest_seconds:.2f} s" for one in each]),
        ("most memory (promised: 1.5 GB)", [f"{one.most_megabytes} MB" for one in each]),
    ]
    lines = [f"| | {' | '.join(tried)} |", "|---|" + "--:|" * len(each)]
    return lines + [f"| {name} | {' | '.join(map(str, cells))} |" for name, cells in rows]
