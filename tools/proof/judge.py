"""What must hold, after each command and at the end of a history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from blake3 import blake3

from .crash import Ended, quiet
from .scene import DEAD, IN_DOUBT, Row, Scene, states

TYPED_CODES = frozenset({0, 2, 3, 4, 5, 130})
CHOICES = ("check", "resubmit", "discard")
INTERRUPT_SECONDS = 2.0
LIST_SECONDS = 2.0


class Judge:
    """Compares what the sandbox charged with what the user has and is told."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._outcome = scene.outcome
        self._submits = 0  # that had reached the sandbox after the last command

    # After each command

    def command(self, verb: str, end: Ended, *, was_alone: bool) -> None:
        """How one command ended."""
        if end.hung:
            self._outcome.wrong(f"{verb} hung")
        if end.code is None:
            return
        if end.code not in TYPED_CODES and not (end.had_full_disk and end.code == 1):
            self._outcome.wrong(f"{verb} ended with {end.code}: {end.err[-600:]}")
        if end.was_struck and end.after_blow_seconds > INTERRUPT_SECONDS * self._scene.slowness:
            seconds = end.after_blow_seconds
            self._outcome.wrong(f"{verb} returned {seconds:.1f} s after an interrupt")
        if end.code == 5:
            self._unknown(end)
        if end.had_full_disk:
            if end.code not in (0, 130):
                self._full_disk(end, was_alone=was_alone)
            return
        job = self._scene.job()
        if job is None or not was_alone or verb not in ("run", "resume", "resubmit"):
            return
        if job["state"] in IN_DOUBT and end.code not in (2, 3, 5, 130):
            self._outcome.wrong(f"{verb} left a job in doubt with exit {end.code}: {end.out}")
        if job["state"] == "SENT" and end.code not in (2, 3, 130):
            self._outcome.wrong(f"{verb} ended by itself and left the job SENT: {end.out}")
        was_held = end.was_struck and end.code == 130 and end.error.get("job_id")
        if was_held and job["state"] in ("ACCEPTED", "RUNNING"):
            if not self._scene.was_cancel_noted(job):
                self._outcome.wrong(f"{verb} was stopped, and the vendor not asked: {end.out}")
            self._outcome.counts["interrupts that the vendor cannot heed"] += 1

    def _full_disk(self, end: Ended, *, was_alone: bool) -> None:
        """Whatever could not be written down: what to do is told, and the job if it was sent."""
        error = end.error
        if not error.get("message") or not error.get("remedy"):
            self._outcome.wrong(f"on a full disk, an error without a remedy: {end.out} {end.err}")
        was_sent = len(self._scene.box.submits()) > self._submits
        if was_sent and was_alone and not error.get("job_id"):
            self._outcome.wrong(f"on a full disk, an error that does not name the job: {end.out}")

    def _unknown(self, end: Ended) -> None:
        self._outcome.counts["ambiguous ends said"] += 1
        if end.error.get("kind") != "outcome_unknown" or not end.error.get("job_id"):
            self._outcome.wrong(f"an unknown outcome is told as {end.error}")
        remedy = str(end.error.get("remedy"))
        if not all(f" {choice} " in remedy for choice in CHOICES):
            self._outcome.wrong(f"an unknown outcome without its choices: {remedy}")

    def after(self, verb: str, job: Row | None) -> None:
        """``job`` is as it was before: what was in doubt is not sent again but by the user, where
        the vendor would bill it again; and what was not sent, by the ledger, is not charged."""
        scene = self._scene
        submits = len(scene.box.submits())
        charges = scene.charges()
        is_by_user = verb in ("resubmit", "discard")
        was_in_doubt = job is not None and job["state"] in IN_DOUBT
        was_sent = submits > self._submits and scene.state_of(job) not in DEAD
        self._submits = submits
        if scene.bills_twice and not is_by_user and was_in_doubt and was_sent:
            self._outcome.counts["sent again in doubt"] += 1
            self._outcome.wrong(f"{verb} sent a job again that was in doubt")
        now = scene.job()
        is_unsent = now is not None and now["state"] in ("PLANNED", "INTENT")
        if is_unsent and scene.bills_twice and not scene.anew and charges:
            self._outcome.wrong(f"the job is not sent, says the ledger, and charged: {charges}")
        if now is not None and now["state"] in IN_DOUBT:
            self._outcome.counts["crashes or ends in doubt"] += 1
        self._charges(charges)

    def _charges(self, charges: list[dict[str, Any]]) -> None:
        if len(charges) > 1 + self._scene.anew:
            if self._outcome.counts["duplicate charges"]:
                return  # once is told
            self._outcome.counts["duplicate charges"] += 1
            self._outcome.wrong(f"{len(charges)} charges for one purchase: {charges}")

    # At the end

    def listing(self) -> None:
        """``viseme jobs`` shows at once what there is."""
        started = time.monotonic()
        end = quiet(self._scene.words("jobs"))
        seconds = time.monotonic() - started
        self._scene.look_again()
        self._outcome.peak("seconds to list after the crash", seconds)
        if seconds > LIST_SECONDS * self._scene.slowness:
            self._outcome.wrong(f"`viseme jobs` took {seconds:.1f} s")
        if end.code != 0:
            self._outcome.wrong(f"`viseme jobs` ended with {end.code}: {end.err}")
        if len(end.document.get("jobs", [])) != len(self._scene.rows()):
            self._outcome.wrong("`viseme jobs` does not show every job")

    def doubt_is_said(self) -> None:
        """With look-ups hidden, a charge without a result is a job that says so; but for what the
        user, having been told, submitted anew."""
        rows = self._scene.rows()
        if any(row["state"] in ("UNKNOWN", "DISCARDED") for row in rows):
            return
        here = [row["vendor_ids"] for row in rows if row["state"] == "FETCHED"]
        charges = self._scene.charges()
        missing = [one for one in charges if not any(one["vendor_id"] in ids for ids in here)]
        if len(missing) > self._scene.anew:
            self._outcome.wrong(f"hidden: {missing} is not said to be in doubt: {states(rows)}")

    def must_be_found(self) -> bool:
        """Whether the vendor shows enough for a job in doubt to be found."""
        scene = self._scene
        return len(scene.charges()) == 1 and not scene.anew and scene.plan.keeps_payload

    def final(self) -> None:
        """Every charge has its result here, every result its one charge."""
        scene, counts = self._scene, self._outcome.counts
        counts["submits"] += len(scene.box.submits())
        charges = scene.charges()
        self._charges(charges)
        counts["charges"] += len(charges)
        shown = quiet(scene.words("jobs")).document.get("jobs", [])
        scene.look_again()
        for charge in charges:
            self._charge(charge, shown)
        charged = {charge["vendor_id"] for charge in charges}
        for job in shown:
            counts[f"ended {job['state']}"] += 1
            if job["state"] == "FETCHED" and not charged & set(job["vendor_ids"].values()):
                self._outcome.wrong(f"{job['id']} is here without a charge")
            if job["state"] not in DEAD | {"FETCHED", "UNKNOWN"}:
                self._outcome.wrong(f"{job['id']} has not ended: {job['state']}")
        if len(scene.live(scene.rows())) > 1:
            self._outcome.wrong(f"two live jobs of one purchase: {states(shown)}")
        if (damage := scene.ledger_problem()) is not None:
            self._outcome.wrong(f"the ledger is damaged: {damage}")

    def _charge(self, charge: dict[str, Any], shown: list[Row]) -> None:
        owners = [job for job in shown if charge["vendor_id"] in job["vendor_ids"].values()]
        if len(owners) == 1 and owners[0]["state"] == "FETCHED":
            for problem in file_problems(self._scene, owners[0]):
                self._outcome.wrong(problem)
            self._outcome.counts["results brought home"] += 1
            return
        if self._scene.anew:  # the user gave it up, or has two that nobody can tell apart
            self._outcome.counts["charges of what the user gave up"] += 1
            return
        doubtful = any(job["state"] in ("UNKNOWN", "DISCARDED") for job in shown)
        why = None
        if owners:
            why = "is paid for and not here"
        elif not doubtful:
            why = "belongs to no job"
        elif self.must_be_found():
            why = "can be looked up, and was not found"
        if why is not None:
            self._outcome.counts["lost results"] += 1
            self._outcome.wrong(f"{charge} {why}: {states(shown)}")
        else:
            self._outcome.counts["charges in doubt, and said so"] += 1


def file_problems(scene: Scene, job: Row) -> list[str]:
    """What is wrong with the files of a job that is here, if anything is."""
    document = quiet(scene.words("show", job)).document
    kept = [item for item in document["items"] if item["state"] == "FETCHED"]
    if not kept:
        return [f"{job['id']} is FETCHED without a file"]
    return [
        f"{item['file']} is not what its name says"
        for item in kept
        if blake3(Path(item["file"]).read_bytes()).hexdigest() != item["digest"]
        or item["digest"] not in item["file"]
    ]
