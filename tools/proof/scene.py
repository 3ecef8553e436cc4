"""One purchase as it can be seen: its command lines, its jobs in the ledger, its charges."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .box import Box
from .plans import VENDORS, Plan

RUN_SECONDS = 0.2  # of a whole run on a machine that has nothing else to do
IN_DOUBT = frozenset({"SENT", "UNKNOWN"})
DEAD = frozenset({"FAILED", "CANCELLED", "DISCARDED"})
Row = dict[str, Any]


@dataclass
class Outcome:
    """What one history showed. ``wrongs`` is what must not be: empty in a good one."""

    name: str
    wrongs: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    most: dict[str, float] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def wrong(self, text: str) -> None:
        self.wrongs.append(text)

    def peak(self, name: str, value: float) -> None:
        self.most[name] = max(value, self.most.get(name, 0.0))

    def add(self, other: Outcome) -> None:
        """Count another one too; what was wrong there is not taken over."""
        self.counts += other.counts
        for name, value in other.most.items():
            self.peak(name, value)


@dataclass(frozen=True)
class Stage:
    """Where histories are played: a sandbox, media, and a home that is copied for each."""

    box: Box
    folder: Path
    video: Path
    audio: Path
    template: Path
    # Of a whole command from its start, by its verb; of a run that is not forked ("fresh"). About:
    # it depends on how busy the machine is.
    usual_seconds: dict[str, float] = field(default_factory=lambda: {"run": 0.2, "fresh": 1.0})

    def home_of(self, name: str) -> Path:
        """The home in which a history or crowd of that name is played."""
        return self.folder / name.replace("/", "-")


class Scene:
    """A home of its own and an empty sandbox, made at once.

    ``anew`` counts the purchases that the user ordered on top: resubmitted, or given up.
    """

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.plan = plan
        self.stage = stage
        self.box = stage.box
        self.home = stage.home_of(plan.name)
        self.outcome = Outcome(plan.name)
        self.outcome.counts["histories"] += 1
        self.anew = 0
        self._rows: list[Row] | None = None
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(stage.template, self.home)
        (self.home / "settings.json").write_text(json.dumps(plan.settings))
        self.box.reset()
        if plan.is_hidden:
            self.hide()

    @property
    def bills_twice(self) -> bool:
        """Whether the vendor bills the same submission again when it is sent again."""
        return self.plan.vendor != "runware"

    @property
    def slowness(self) -> float:
        """By how much this machine is too busy now for what is promised of times; at least 1.5."""
        return max(1.5, 2 * self.stage.usual_seconds["run"] / RUN_SECONDS)

    def use_patience(self, *, is_listed: bool = False) -> None:
        """Settings with which nothing is given up early, however busy this machine is.

        With ``is_listed`` that holds for a vendor's list too, which has something to show: fal's
        shows a request only once it has ended.
        """
        patient: dict[str, Any] = {"submit_timeout_seconds": 30, "poll_outage_seconds": 30}
        patient["download_timeout_seconds"] = 60
        if is_listed:
            patient["listing_visibility"] = dict.fromkeys(VENDORS, 30)
        settings = {**self.plan.settings, **patient}
        (self.home / "settings.json").write_text(json.dumps(settings))

    def hide(self) -> None:
        """Let no look-up show anything."""
        self.box.fault({"name": "lookup-hidden", "operation": "list"})
        if self.plan.vendor == "runware":
            self.box.fault({"name": "lookup-hidden", "operation": "status", "vendor": "runware"})

    def say(self, text: str) -> None:
        self.outcome.story.append(text)

    def words(self, verb: str, job: Row | None = None) -> list[str]:
        """The command line of a verb on this purchase."""
        common = ["--home", str(self.home), "--json"]
        where = ["--sandbox", self.box.control]
        if verb == "run":
            media = ["--video", str(self.stage.video), "--audio", str(self.stage.audio)]
            return ["run", self.plan.endpoint, *media, *self.plan.options, *where, *common]
        if verb in ("jobs", "show", "discard"):
            where = []
        return [verb, *([] if job is None else [job["id"]]), *where, *common]

    def charges(self) -> list[dict[str, Any]]:
        return self.box.charges()

    def rows(self) -> list[Row]:
        """The jobs as they are in the file since the last command, oldest first."""
        if self._rows is None:
            self._rows = self._read_rows()
        return self._rows

    def look_again(self) -> None:
        """After a command, which may have changed the file."""
        self._rows = None

    def _read_rows(self) -> list[Row]:
        query = "SELECT id, state, vendor_ids, lease_owner, request_token FROM jobs ORDER BY id"
        with closing(self._database()) as database:
            database.row_factory = sqlite3.Row
            return [
                dict(row) | {"vendor_ids": str(row["vendor_ids"])}
                for row in database.execute(query)
            ]

    def job(self) -> Row | None:
        """The live job, as it is in the file."""
        return next(iter(self.live(self.rows())), None)

    def state_of(self, job: Row | None) -> str:
        found = (row["state"] for row in self.rows() if job is not None and row["id"] == job["id"])
        return str(next(found, ""))

    @staticmethod
    def live(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row["state"] not in DEAD]

    def was_cancel_noted(self, job: Row) -> bool:
        """Whether the ledger tells that the vendor was asked to stop the job, or cannot."""
        query = "SELECT count(*) FROM events WHERE job_id = ? AND (kind = 'cancel' OR to_state = ?)"
        with closing(self._database()) as database:
            found = database.execute(query, (job["id"], "CANCELLING")).fetchone()
        return bool(found[0])

    def ledger_problem(self) -> str | None:
        with closing(self._database()) as database:
            said = str(database.execute("PRAGMA integrity_check").fetchone()[0])
        return None if said == "ok" else said

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.home / "ledger.sqlite3", timeout=30)


def played(scene: Scene, play: Callable[[], None]) -> Outcome:
    """What ``play`` shows of a scene. Its home stays where anything was wrong."""
    try:
        play()
    except Exception as problem:  # noqa: BLE001 - the seed must be told with it
        scene.outcome.wrong(f"the proof itself failed: {type(problem).__name__}: {problem}")
    if not scene.outcome.wrongs:
        shutil.rmtree(scene.home, ignore_errors=True)
    return scene.outcome


def states(rows: Sequence[Row]) -> list[str]:
    return [row["state"] for row in rows]
