"""Follow a job at its vendor to its end there, and stop it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

from ..errors import (
    CredentialError,
    Interrupted,
    JobFailed,
    LedgerError,
    VendorError,
    VisemeError,
)
from ..ledger import STALE_FENCE, JobRecord, Ledger, State
from ..retry import may_pass
from ..services.base import CancelAnswer, Phase, Report, Service
from ..services.changes import Changes
from .commands import job_command
from .deliver import succeed
from .doubt import in_doubt, lost_at_vendor
from .endings import goes_on
from .held import HeldJob, ask, vendor_ids, wants_logs
from .receipt import error_json
from .signals import Step
from .traces import doubtful

log = logging.getLogger(__name__)
CANCEL_TIMEOUT_SECONDS = 1.5  # an interrupted run returns within 2 s
LEAST_POLL_SECONDS = 0.02
# For results of which nothing is told while others are in and some have failed: late, or lost.
PARTIAL_GRACE_SECONDS = 60.0
LEAST_PARTIAL_GRACE_SECONDS = 1.0
MISSING_REPORTS = 4  # a vendor may not show at once what it has just accepted


async def follow(held: HeldJob) -> None:
    """From ACCEPTED, RUNNING or CANCELLING to SUCCEEDED, FAILED, CANCELLED.

    Raises what ended the job, Interrupted, or a VendorError that names ``resume`` where the vendor
    could not be reached for too long or the time limit has passed; the job goes on then.
    """
    changes = held.service.changes(vendor_ids(held.job), logs=wants_logs(held.job))
    try:
        await _ask_on(held, changes)
    finally:
        await changes.close()


async def _ask_on(held: HeldJob, changes: Changes) -> None:
    polls = held.place.settings.poll_intervals(held.service.vendor)
    missing = poll_count = 0
    reached = time.monotonic()
    partial_since: float | None = None
    withheld_since: float | None = None
    partial_grace = max(LEAST_PARTIAL_GRACE_SECONDS, PARTIAL_GRACE_SECONDS * held.pace)
    while True:
        try:
            report = await held.watch.cancel.guard(ask(held), held.job.id)
        except Interrupted:
            try:
                await stop(held)
            except LedgerError:
                raise
            except VisemeError as problem:
                raise _unstopped(held, problem) from problem
            raise interrupted(held) from None
        except (CredentialError, VendorError) as problem:
            outage_seconds = time.monotonic() - reached
            if not may_pass(problem) or outage_seconds > held.place.settings.poll_outage_seconds:
                raise goes_on(held, problem) from problem
            report = None
        if report is not None:
            reached = time.monotonic()
            missing = missing + 1 if report.phase is Phase.MISSING else 0
            if missing > MISSING_REPORTS:
                raise in_doubt(held, lost_at_vendor(held, report))
            withheld_since = (
                None if report.phase is not Phase.WITHHELD else withheld_since or reached
            )
            if (
                withheld_since is not None
                and reached - withheld_since > held.place.settings.poll_outage_seconds
            ):
                raise in_doubt(held, lost_at_vendor(held, report))
            partial_since = (partial_since or reached) if report.is_partial else None
            if partial_since is not None and reached - partial_since > partial_grace:
                report = replace(report, phase=Phase.SUCCEEDED)
            if await apply_report(held, report):
                return
        _check_time(held)
        poll_count += 1
        interval = max(held.service.least_poll_seconds, polls.after(poll_count))
        wait = max(LEAST_POLL_SECONDS, interval * held.pace)
        await _listen(held, changes, wait)


async def _listen(held: HeldJob, changes: Changes, seconds: float) -> None:
    """Wait until it is time to ask again, and show what the vendor says meanwhile.

    Its word that the job has ended, and an interrupt, make it time at once.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            report = await held.watch.cancel.guard(changes.next(left))
        except Interrupted:
            return  # the next question is stopped by it
        if report is None or report.phase.is_end:
            return
        _show(held, report)


def _check_time(held: HeldJob) -> None:
    """Raise VendorError where the job has taken longer than the user, or the settings, allow."""
    limit_seconds, place = held.watch.time_limit_seconds, held.place
    remedy = None
    if limit_seconds is None:
        limit_seconds = place.settings.deadline_seconds
        remedy = f"To wait longer, raise deadline_seconds in {place.home.settings}."
    if held.elapsed_seconds > limit_seconds:
        problem = VendorError(
            f"The job has not ended after {limit_seconds:.0f} s.",
            field="deadline_seconds" if remedy else "time_limit_seconds",
            limit=f"{limit_seconds:.0f} s",
            remedy=remedy,
        )
        raise goes_on(held, problem)


async def apply_report(held: HeldJob, report: Report) -> bool:
    """Write down what the vendor says; whether the job has ended there.

    Raises the job's error where it ended without a result, and OutcomeUnknown where that is one
    that was submitted anew while an earlier one may have been bought.
    """
    _show(held, report)
    if report.phase is Phase.SUCCEEDED and report.answer is not None:
        await succeed(held, report.answer)
        return True
    if report.phase is Phase.CANCELLED or (
        report.phase is Phase.FAILED and _was_stop(held, report)
    ):
        _check_alone(held, "it was cancelled")
        held.move(State.CANCELLED, error=_problem_json(report.problem))
        return True
    if report.phase is Phase.FAILED:
        problem = report.problem or JobFailed("The vendor says that the job failed.")
        _check_alone(held, f"it failed ({problem.message.rstrip('.')})")
        held.move(State.FAILED, error=error_json(problem))
        problem.job_id = held.job.id
        raise problem
    if report.phase is Phase.RUNNING and held.job.state is State.ACCEPTED:
        held.move(State.RUNNING)
    elif report.phase is Phase.QUEUED and held.job.state is State.RUNNING:
        held.move(State.ACCEPTED, detail="back in the vendor's queue")
    return False


def _check_alone(held: HeldJob, ended: str) -> None:
    """What was submitted anew has ended: an earlier submission in doubt has not ended with it."""
    if doubtful(held):
        raise in_doubt(
            held,
            f"It was submitted anew, and {ended} at {held.service.vendor.label}; an earlier "
            "submission may have been bought.",
        )


def _was_stop(held: HeldJob, report: Report) -> bool:
    """Whether the failure is a cancelling: ours, another command's, or by the vendor's page."""
    return report.problem is not None and report.problem.code in held.service.cancelled_codes


def _problem_json(problem: VisemeError | None) -> dict[str, Any] | None:
    return None if problem is None else error_json(problem)


def _show(held: HeldJob, report: Report) -> None:
    vendor = held.service.vendor.label
    line = f": {report.log_lines[-1]}" if report.log_lines else ""
    if report.phase is Phase.QUEUED:
        place = "" if report.queue_position is None else f" at position {report.queue_position}"
        held.report(
            Step.QUEUE, f"queued{place} at {vendor}{line}", queue_position=report.queue_position
        )
    elif report.phase is Phase.RUNNING:
        held.report(Step.RUN, f"running at {vendor}{line}")


async def stop(held: HeldJob) -> CancelAnswer | None:
    """Ask the vendor to cancel, briefly; what it says is recorded. None where it did not answer.

    A job of which an earlier submission is in doubt is not CANCELLED by that. A ledger that cannot
    be written keeps nobody from asking: LedgerError is raised after that.
    """
    if not held.service.can_cancel:
        held.ledger.note(held.job.id, "cancel", f"{held.service.vendor.label} cannot cancel")
        return CancelAnswer.UNSUPPORTED
    held.report(Step.CANCEL, f"cancelling at {held.service.vendor.label}")
    unwritten: LedgerError | None = None
    if held.job.state is not State.CANCELLING:
        try:
            held.move(State.CANCELLING)
        except LedgerError as problem:
            if problem.code == STALE_FENCE:
                raise
            unwritten = problem
    said = await ask_to_stop(held.job, held.service, held.ledger)
    if unwritten is not None:
        raise unwritten
    if said is CancelAnswer.CANCELLED and not doubtful(held):
        held.move(State.CANCELLED)
    return said


async def ask_to_stop(job: JobRecord, service: Service, ledger: Ledger) -> CancelAnswer | None:
    """The vendor's answer to a cancelling, noted in the ledger; None where none came in time.

    Raises what the vendor refused it with.
    """
    try:
        said = await asyncio.wait_for(service.cancel(vendor_ids(job)), CANCEL_TIMEOUT_SECONDS)
    except asyncio.TimeoutError:
        _note(ledger, job, "no answer in time")
        return None
    except VisemeError as problem:
        _note(ledger, job, f"refused: {problem.message}")
        raise
    _note(ledger, job, said.value)
    return said


def _note(ledger: Ledger, job: JobRecord, said: str) -> None:
    """What the vendor said of a cancelling: it was said even where that cannot be written."""
    try:
        ledger.note(job.id, "cancel", said)
    except LedgerError as problem:
        log.warning("Job %s: the vendor's word on cancelling, %s, %s", job.id, said, problem)


def _unstopped(held: HeldJob, problem: VisemeError) -> Interrupted:
    command = job_command("cancel", held.job.id, held.place.home)
    return Interrupted(
        f"Stopped watching; the vendor refused to cancel: {problem.message}",
        job_id=held.job.id,
        remedy=f"The job may go on{_and_be_charged(held)}. Try `{command}`.",
    )


def _and_be_charged(held: HeldJob) -> str:
    return " and be charged" if held.destination.is_live else ""


def interrupted(held: HeldJob) -> Interrupted:
    """What to tell who stopped a job that had been accepted."""
    job, home = held.job, held.place.home
    if job.state is State.CANCELLED:
        return Interrupted("Stopped; the vendor has cancelled the job.", job_id=job.id)
    if job.state is State.CANCELLING:
        return Interrupted(
            "Stopped; the vendor was asked to cancel, and the job may still be made"
            f"{_and_be_charged(held)}.",
            job_id=job.id,
            remedy=f"See how it ended with `{job_command('check', job.id, home)}`.",
        )
    return Interrupted(
        f"Stopped watching; {held.service.vendor.label} cannot cancel, so the job goes on.",
        job_id=job.id,
        remedy=f"Fetch its result with `{job_command('resume', job.id, home)}`.",
    )
