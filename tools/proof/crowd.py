"""Several purchases at once: one home, one vendor, the same media, and processes that are struck.

Which take of which arguments a submission was is all that tells them apart, and takes of the same
arguments not even that. Whatever was struck, each is paid once and has a result of its own.
"""

from __future__ import annotations

import random
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from .crash import Blow, Ended, Victim, all_ended, quiet
from .judge import TYPED_CODES, file_problems
from .plans import ENDPOINTS, SUBMIT_FAULTS, VENDORS, Fate, Plan, draw_fault
from .scene import DEAD, Outcome, Row, Scene, Stage, played

MOST_PURCHASES = 5
MOST_WAVES = 4
QUICK_CODES = frozenset({0, 5})  # of a command that nothing disturbs


@dataclass(frozen=True, slots=True)
class Wave:
    """Commands at the same time: the take that each buys, and how it is struck."""

    faults: tuple[dict[str, Any], ...]
    runners: tuple[tuple[int, Fate], ...]


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """``options`` are those of each purchase, by its take."""

    base: Plan
    options: dict[int, tuple[str, ...]]
    waves: tuple[Wave, ...]


def make_crowd(seed: int, vendor: str, number: int) -> CrowdPlan:
    """The crowd with this number: the same for the same seed, always. Pure."""
    draw = random.Random(f"{seed}/crowd/{vendor}/{number}")  # noqa: S311 - chance, not secrecy
    settings: dict[str, Any] = {
        "listing_visibility": dict.fromkeys(VENDORS, draw.choice((0, 0.5))),
        "lease_seconds": 5,
        "poll_outage_seconds": draw.choice((0.2, 2)),
        "submit_timeout_seconds": draw.choice((0.25, 5)),
        "concurrency": dict.fromkeys(VENDORS, draw.choice((1, 2, 8))),
    }
    endpoint = ENDPOINTS[vendor][0]
    carry = ("--carry", draw.choice(("inline", "inline", "upload"))) if vendor == "fal" else ()
    takes = range(1, 1 + draw.randint(2, MOST_PURCHASES))
    options = {take: (*carry, *_arguments(draw, vendor)) for take in takes}
    waves = tuple(_wave(draw, vendor, takes) for _ in range(draw.randint(1, MOST_WAVES)))
    base = Plan(vendor, number, endpoint, (), settings, (), False, True, "run", False)
    return CrowdPlan(base, options, waves)


def _arguments(draw: random.Random, vendor: str) -> tuple[str, ...]:
    """Mostly the same, so that nothing tells takes apart."""
    if vendor == "fal" and draw.random() < 0.3:
        return ("--set", "sync_mode=loop")
    return ()


def _wave(draw: random.Random, vendor: str, takes: range) -> Wave:
    """Often several are in doubt at once, and stay so for a while."""
    chosen = draw.sample(takes, draw.randint(2, len(takes)))
    if draw.random() < 0.2:
        chosen.append(chosen[0])  # two of one purchase
    faults = [draw_fault(draw, vendor, SUBMIT_FAULTS) for _ in range(draw.randint(0, 2))]
    if draw.random() < 0.5:
        lost = {"name": "drop-after-accept", "operation": "submit", "vendor": vendor}
        faults.append(lost | {"count": draw.randint(1, len(chosen))})
    if draw.random() < 0.5:
        faults += [
            {"name": "lookup-hidden", "operation": operation, "vendor": vendor, "count": 20}
            for operation in (("list", "status") if vendor == "runware" else ("list",))
        ]
    return Wave(tuple(faults), tuple((take, _fate(draw)) for take in chosen))


def _fate(draw: random.Random) -> Fate:
    kind, share, luck = draw.random(), draw.random(), draw.random()
    number = None if kind < 0.3 else signal.SIGINT if kind < 0.36 else signal.SIGKILL
    return Fate(number, draw.random() < 0.3, share, luck)


class Crowd:
    """Purchases from their first commands to the end of all of them."""

    def __init__(self, plan: CrowdPlan, stage: Stage) -> None:
        self._plan = plan
        self._scene = Scene(plan.base, stage)
        self._outcome: Outcome = self._scene.outcome
        self._started: set[int] = set()

    def play(self) -> Outcome:
        """All waves, and the end."""
        return played(self._scene, self._play)

    def _play(self) -> None:
        for wave in self._plan.waves:
            self._do(wave)
        self._finish()

    def _do(self, wave: Wave) -> None:
        for fault in wave.faults:
            self._scene.box.fault(fault)
            self._outcome.counts[f"fault {fault['name']}"] += 1
        states = {row["take"]: row["state"] for row in self._live()}
        seconds = self._scene.stage.usual_seconds["run"] * len(wave.runners)
        victims = [
            Victim(self._words(take), fate.blow("run", states.get(take, ""), seconds))
            for take, fate in wave.runners
        ]
        ends = all_ended(victims)
        self._outcome.peak("processes at once", len(ends))
        for (take, _), end in zip(wave.runners, ends, strict=True):
            self._started.add(take)
            self._note(take, end)
        self._scene.say(f"{self._told(wave, ends)} -> {self._states()}")
        if len(charges := self._scene.charges()) > len(self._started):
            self._outcome.counts["duplicate charges"] += 1
            self._outcome.wrong(f"{len(charges)} charges for {len(self._started)} purchases")

    def _note(self, take: int, end: Ended) -> None:
        counts = self._outcome.counts
        counts["commands"] += 1
        self._outcome.peak("seconds of a command", end.seconds)
        counts["crash points"] += end.was_struck
        counts["killed"] += end.code is None
        if end.hung:
            self._outcome.wrong(f"take {take} hung")
        if end.code is None:
            return
        if end.code not in TYPED_CODES or end.error.get("kind") == "ledger":
            self._outcome.wrong(f"take {take} ended with {end.code}: {end.out} {end.err[-600:]}")

    def _finish(self) -> None:
        """No more faults: one command for each purchase, one after the other; then all is counted.

        A vendor whose list proves no absence leaves in doubt what never arrived, and says so.
        """
        scene = self._scene
        scene.box.end_faults()
        scene.box.calm()
        listed = quiet(scene.words("jobs"))
        if len(listed.document.get("jobs", [])) != len(self._rows()):
            self._outcome.wrong("`viseme jobs` does not show every job")
        owned = " ".join(str(row["vendor_ids"]) for row in self._rows())
        is_sought = any(charge["vendor_id"] not in owned for charge in scene.charges())
        scene.use_patience(is_listed=is_sought)
        for take in sorted(self._started):
            end = Victim(self._words(take), Blow()).ended()
            self._note(take, end)
            self._outcome.counts["purchases"] += 1
            scene.say(f"at last take {take} -> {end.code} {end.seconds:.1f} s {self._states()}")
            if end.code not in QUICK_CODES:
                self._outcome.wrong(f"take {take} ended with {end.code} at last: {end.out}")
        self._count(scene.charges(), self._rows())

    def _count(self, charges: list[dict[str, Any]], rows: list[Row]) -> None:
        """Every charge is of one job, which is here with its file; and every job that is here was
        charged once."""
        counts, outcome = self._outcome.counts, self._outcome
        counts["charges"] += len(charges)
        counts["submits"] += len(self._scene.box.submits())
        for charge in charges:
            owners = [row for row in rows if charge["vendor_id"] in str(row["vendor_ids"])]
            if [owner["state"] for owner in owners] == ["FETCHED"]:
                counts["results brought home"] += 1
                for problem in file_problems(self._scene, owners[0]):
                    outcome.wrong(problem)
                continue
            counts["lost results" if not owners else "shared results"] += 1
            outcome.wrong(f"{charge} is of {[(row['take'], row['state']) for row in owners]}")
        live = [row for row in rows if row["state"] not in DEAD]
        here = [row for row in live if row["state"] == "FETCHED"]
        if len(here) != len(charges):
            outcome.wrong(f"{len(here)} results of {len(charges)} charges")
        counts["left in doubt, never charged"] += len(live) - len(here)
        if any(row["state"] not in ("FETCHED", "UNKNOWN") for row in live):
            outcome.wrong(f"a job has not ended: {self._states()}")
        if self._plan.base.vendor == "runware" and len(live) != len(here):
            outcome.wrong(f"Runware tells of every task, and yet: {self._states()}")
        if max(Counter(row["take"] for row in live).values(), default=0) > 1:
            outcome.wrong(f"two live jobs of one purchase: {self._states()}")
        if (damage := self._scene.ledger_problem()) is not None:
            outcome.wrong(f"the ledger is damaged: {damage}")

    def _words(self, take: int) -> list[str]:
        return [*self._scene.words("run"), "--take", str(take), *self._plan.options[take]]

    def _rows(self) -> list[Row]:
        query = "SELECT id, take, state, vendor_ids FROM jobs ORDER BY id"
        with closing(sqlite3.connect(self._scene.home / "ledger.sqlite3", timeout=30)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query)]

    def _live(self) -> list[Row]:
        has_ledger = (self._scene.home / "ledger.sqlite3").exists()
        rows = self._rows() if has_ledger else []
        return [row for row in rows if row["state"] not in DEAD]

    def _states(self) -> list[str]:
        return [f"{row['take']} {row['state']}" for row in self._rows()]

    @staticmethod
    def _told(wave: Wave, ends: list[Ended]) -> str:
        faults = [f"{fault['name']}:{fault['count']}" for fault in wave.faults]
        how = [
            f"{take} {'killed' if end.code is None else end.code}"
            for (take, _), end in zip(wave.runners, ends, strict=True)
        ]
        return f"{faults} {how}"
