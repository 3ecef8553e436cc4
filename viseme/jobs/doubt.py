"""A submission whose answer was lost: whether it was bought, and what follows."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ..errors import Interrupted, LedgerError, OutcomeUnknown, VendorError, VisemeError
from ..ledger import (
    STALE_FENCE,
    VENDOR_ID_TAKEN,
    JobRecord,
    Ledger,
    Outcome,
    State,
    SubmissionRecord,
)
from ..services.base import Acceptance, Phase, Report, Trace
from .commands import choices
from .held import HeldJob, ask
from .reconcile import Decision, Verdict, decide
from .signals import Step
from .traces import count_alike, doubtful, may_be, moment, named_id, traces_of

LOOK_UP_INTERVAL_SECONDS = 2.0
SAME_TASK = "The same command sends the same task again, which is taken once."
LEAST_VISIBILITY_SECONDS = 5.0  # however short a sandbox makes the waits, its work takes time


def maybe_bought(ledger: Ledger, job_id: str) -> list[SubmissionRecord]:
    """The submissions of a job that is not at its vendor, any of which may have been bought.

    That a vendor once accepted one which it lost or keeps back, so that the job was submitted anew,
    is no word that it is not to be paid for.
    """
    no_word = (None, Outcome.UNKNOWN, Outcome.ACCEPTED)
    return [one for one in ledger.submissions(job_id) if one.outcome in no_word]


def is_in_doubt(job: JobRecord, ledger: Ledger) -> bool:
    """Whether nobody knows if a job was bought: also of one that was left between two tries."""
    if job.state is State.INTENT:
        return bool(maybe_bought(ledger, job.id))
    return job.state in (State.SENT, State.UNKNOWN)


def see_doubt(held: HeldJob) -> None:
    """A job that was left between two tries is UNKNOWN, where one of them may have arrived."""
    if held.job.state is State.INTENT and is_in_doubt(held.job, held.ledger):
        leave_in_doubt(held, "left between two tries")


def leave_in_doubt(held: HeldJob, detail: str | None, **columns: Any) -> None:
    """The job becomes UNKNOWN, with ``columns``.

    Its task is again one that may have been bought: where a new one was never sent, a vendor that
    takes each task once must be sent the earlier one again, and no other.
    """
    tokens = [one.token for one in maybe_bought(held.ledger, held.job.id)]
    if tokens and held.job.request_token not in tokens:
        columns["request_token"] = tokens[-1]
    held.move(State.UNKNOWN, detail=detail, **columns)


async def settle(held: HeldJob, *, wait: bool = True) -> None:
    """A job in doubt: look it up until it is found, provably absent, or nobody can tell.

    Ends in ACCEPTED, in INTENT (it provably never arrived), or raises OutcomeUnknown with the job
    UNKNOWN. Without ``wait`` a verdict of "not yet known" also ends in OutcomeUnknown. Of a job
    that was submitted anew every submission in doubt is looked up, each by what was sent with it.
    What another job has by now is not looked for: all is read from the ledger in every round.
    One that was accepted is asked for by the id it was accepted under before any list.

    It is over after as long as a vendor may take to list it, whatever this machine's clock says of
    when it was sent, and after the time that the user gives it: then nobody knows.
    """
    began = time.monotonic()
    live_visibility = held.place.settings.listing_visibility_seconds(held.service.vendor)
    visibility = max(live_visibility * held.pace, min(live_visibility, LEAST_VISIBILITY_SECONDS))
    while True:
        held.refresh()
        held.report(Step.RECONCILE, f"asking {held.service.vendor.label} whether it has the job")
        report = await _ask_by_id(held)
        if report is not None and _goes_on(held, report):
            _leave_others_in_doubt(held)
            held.move(State.ACCEPTED, detail="the vendor knows it by its id")
            return
        sought = traces_of(held)
        if not sought:
            raise in_doubt(
                held,
                "The vendor keeps nothing that it could be found by."
                if report is None
                else lost_at_vendor(held, report),
            )
        told: list[tuple[Trace, Decision]] = []
        for submission, trace in sought:
            decision = await _look_up(held, submission, trace, visibility)
            if decision.acceptance is not None:
                if accepted(held, decision.acceptance, trace.token):
                    return
                decision = Decision(Verdict.NOT_YET, "what it lists has become another job's")
            elif decision.verdict is Verdict.ABSENT and _may_be_hidden(held, trace.token):
                decision = Decision(Verdict.UNKNOWN, "the vendor does not show an earlier task")
            told.append((trace, decision))
        for trace, decision in told:
            if decision.verdict is not Verdict.ABSENT:
                continue
            if not wait and _is_taken_once(held, trace.token):
                raise not_shown(held)
            _absent(held, trace.token)
            if held.job.state is State.INTENT:
                return
        still_open = [decision for _, decision in told if decision.verdict is not Verdict.ABSENT]
        if not still_open:
            continue
        may_show = any(decision.verdict is Verdict.NOT_YET for decision in still_open)
        if not may_show or not wait:
            raise in_doubt(held, f"{held.service.vendor.label}: {still_open[0].reason}.")
        interval = max(0.2, LOOK_UP_INTERVAL_SECONDS * held.pace)
        # By then the clock agrees that it is over, unless it was set back meanwhile.
        if time.monotonic() - began > visibility + interval or _is_time_up(held):
            raise in_doubt(held, f"{held.service.vendor.label}: {still_open[0].reason}.")
        await held.watch.cancel.sleep(interval)


async def shows_up(held: HeldJob) -> bool:
    """Whether one look shows what became of a job in doubt, so that it can be gone on with.

    One that the vendor accepted, and lost or keeps back, is asked for by its id alone: a list that
    shows it still gives nothing of it. Raises OutcomeUnknown as ``settle`` does.
    """
    if doubtful(held):
        await settle(held, wait=False)
        return True
    report = await _ask_by_id(held)
    if report is None or not _goes_on(held, report):
        return False
    held.move(State.ACCEPTED, detail="the vendor knows it by its id")
    return True


def _is_time_up(held: HeldJob) -> bool:
    """Whether the job has taken longer than the user, or the settings, allow."""
    limit_seconds = held.watch.time_limit_seconds
    if limit_seconds is None:
        limit_seconds = held.place.settings.deadline_seconds
    return held.elapsed_seconds > limit_seconds


async def _ask_by_id(held: HeldJob) -> Report | None:
    """What the vendor says of a job that it accepted; None where it never did, or cannot be asked.

    Raises OutcomeUnknown where it is stopped.
    """
    accepted_as = [
        submission.vendor_id
        for submission in held.ledger.submissions(held.job.id)
        if submission.outcome is Outcome.ACCEPTED
    ]
    if not accepted_as or accepted_as[-1] != named_id(held.job.vendor_ids):
        return None
    try:
        return await held.watch.cancel.guard(ask(held), held.job.id)
    except Interrupted:
        raise in_doubt(held, "The look-up was stopped.") from None
    except VendorError:
        return None


def _goes_on(held: HeldJob, report: Report) -> bool:
    """Whether the job can be followed by the id of which the vendor says that.

    That it failed there is no end of it where another submission of it may have been bought.
    """
    if report.phase in (Phase.MISSING, Phase.WITHHELD):
        return False
    is_lost = report.phase in (Phase.FAILED, Phase.CANCELLED)
    return not (is_lost and doubtful(held))


def lost_at_vendor(held: HeldJob, report: Report) -> str:
    """Why a job that was accepted is in doubt: the vendor keeps it, or its result, back."""
    vendor = held.service.vendor.label
    if report.phase is not Phase.WITHHELD:
        return f"{vendor} no longer knows the job."
    said = "" if report.problem is None else f" ({report.problem.message})"
    return f"{vendor} says that it has ended, tells no error, and does not give its result{said}."


async def _look_up(
    held: HeldJob, submission: SubmissionRecord, trace: Trace, visibility_seconds: float
) -> Decision:
    """What one look-up says of one submission. Raises OutcomeUnknown where it is stopped."""
    try:
        finding = await held.watch.cancel.guard(held.service.look_up(trace), held.job.id)
    except Interrupted:
        raise in_doubt(held, "The look-up was stopped.") from None
    except VendorError:
        finding = None
    # Counted before what is held is read: what fits and is held by nobody then, was in doubt here
    # when it was counted, or is nobody's of this ledger.
    doubt_count = count_alike(held, submission, trace)
    if finding is not None:
        own = tuple(one for one in finding.matches if may_be(held, submission, one))
        finding = replace(finding, matches=own)
    # A vendor lists what it accepted, which it may have done as late as the answer was lost.
    sent_by = trace.sent_from if submission.ended_at is None else moment(submission.ended_at)
    sent_ago = (datetime.now(timezone.utc) - sent_by).total_seconds()
    return decide(
        finding,
        seconds_since_sent=sent_ago,
        visibility_seconds=visibility_seconds,
        doubt_count=doubt_count,
    )


def _absent(held: HeldJob, token: str) -> None:
    """The vendor knows no such task. With none left in doubt the job may be sent: to INTENT.

    Not where the vendor once had it, which no document says it remembers for ever. A task that is
    taken once may be sent again while it is in doubt, and stays so: a look-up can be wrong.
    """
    submissions = held.ledger.submissions(held.job.id)
    if any(submission.outcome is Outcome.ACCEPTED for submission in submissions):
        vendor = held.service.vendor.label
        raise in_doubt(held, f"{vendor} accepted it once, and no longer knows it.")
    if _is_taken_once(held, token):
        held.move(State.INTENT, detail="the vendor does not show it, and takes a task once")
        return
    for submission in doubtful(held, token):
        held.end_submission(submission.number, Outcome.NOT_ARRIVED)
    if not doubtful(held):
        held.move(State.INTENT, detail="the vendor knows no such job")


def _may_be_hidden(held: HeldJob, token: str) -> bool:
    """Whether a task stays in doubt though its vendor, which takes each once, does not show it.

    The one that is sent again shows what is true of it; an earlier one nobody would ask for again.
    """
    return held.service.deduplicates and token != held.job.request_token


def _is_taken_once(held: HeldJob, token: str) -> bool:
    """Whether this task, sent again, would buy nothing that was bought before."""
    return held.service.deduplicates and token == held.job.request_token


def accepted(held: HeldJob, acceptance: Acceptance, token: str) -> bool:
    """The vendor has the task ``token``: from here on it can be asked for by its own id.

    False, and nothing is written, where another job was accepted under that id: the vendor's list
    showed that job what it had not yet been told itself. One of both is to be found there still.

    Of several submissions of that task one counts as the one that arrived: there is one purchase.
    Raises LedgerError with the vendor's id where it cannot be written down, or where the job is
    another process' by now; that one is told of the id in the ledger.
    """
    ids = dict(acceptance.vendor_ids)
    named = named_id(ids)
    try:
        same_task = doubtful(held, token)
        if not same_task:
            held.move(State.ACCEPTED, vendor_ids=ids, detail="found at the vendor again")
            return True
        for earlier in same_task[:-1]:
            held.end_submission(earlier.number, Outcome.NOT_ARRIVED)
        _leave_others_in_doubt(held, token)
        number = same_task[-1].number
        held.end_submission(
            number, Outcome.ACCEPTED, to=State.ACCEPTED, vendor_id=named, vendor_ids=ids
        )
    except LedgerError as problem:
        if problem.code == VENDOR_ID_TAKEN:
            return False
        problem.vendor_id = named
        if problem.code == STALE_FENCE and named is not None:
            # Whoever works on the job by now has no other way to learn of it.
            with suppress(LedgerError):  # the id goes along with the error
                held.ledger.note_acceptance(held.job.id, token, named, ids)
        raise
    return True


def _leave_others_in_doubt(held: HeldJob, token: str | None = None) -> None:
    """The job goes on with one submission: another whose answer never came may have been bought
    too, and has to be told among the costs."""
    for other in doubtful(held):
        if other.outcome is None and other.token != token:
            held.end_submission(other.number, Outcome.UNKNOWN)


def not_shown(held: HeldJob) -> OutcomeUnknown:
    """The error of a task that its vendor does not show, which may be wrong, and takes once."""
    return in_doubt(held, f"{held.service.vendor.label} does not show the task. {SAME_TASK}")


def in_doubt(held: HeldJob, reason: str) -> OutcomeUnknown:
    """The job becomes UNKNOWN, and the error with the three choices."""
    if held.job.state is not State.UNKNOWN:
        leave_in_doubt(held, reason)
    return OutcomeUnknown(
        f"It is not known whether this was bought. {reason}",
        job_id=held.job.id,
        remedy=choices(held.job, held.place.home),
    )


def tell_of_doubt(held: HeldJob, problem: VisemeError) -> None:
    """Where the job stays in doubt, what can be done about that is told beside the remedy."""
    if held.job.state is State.UNKNOWN:
        doubt = f"An earlier submission may have been bought: {choices(held.job, held.place.home)}"
        problem.remedy = doubt if problem.remedy is None else f"{problem.remedy} {doubt}"


def check_no_doubt(held: HeldJob, reason: str) -> None:
    """Raise OutcomeUnknown where an earlier submission of the job is still in doubt."""
    if held.job.state is State.UNKNOWN:
        raise in_doubt(held, reason)
