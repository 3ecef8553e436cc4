"""A submission whose answer was lost: what it can be found by, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import Interrupted, LedgerError, OutcomeUnknown, VendorError
from ..ledger import Outcome, State, SubmissionRecord
from ..services.base import Acceptance, Trace
from .commands import choices
from .held import HeldJob
from .reconcile import Verdict, decide
from .signals import Step

LOOK_UP_INTERVAL_SECONDS = 2.0
SAME_TASK = "The same command sends the same task again, which is taken once."
LEAST_VISIBILITY_SECONDS = 5.0  # however short a sandbox makes the waits, its work takes time


def doubtful(held: HeldJob, token: str | None = None) -> list[SubmissionRecord]:
    """The submissions of a job of which nobody knows whether they arrived, oldest first.

    With ``token`` only those of that one task: a job that was submitted anew has several.
    """
    return [
        submission
        for submission in held.ledger.submissions(held.job.id)
        if submission.outcome in (None, Outcome.UNKNOWN) and token in (None, submission.token)
    ]


async def settle(held: HeldJob, *, wait: bool = True) -> None:
    """A job in doubt: look it up until it is found, provably absent, or nobody can tell.

    Ends in ACCEPTED, in INTENT (it provably never arrived), or raises OutcomeUnknown with the job
    UNKNOWN. Without ``wait`` a verdict of "not yet known" also ends in OutcomeUnknown.
    """
    trace = _trace_of(held)
    if trace is None:
        raise in_doubt(held, "The vendor keeps nothing that it could be found by.")
    live_visibility = held.place.settings.listing_visibility_seconds(held.service.vendor)
    visibility = max(live_visibility * held.pace, min(live_visibility, LEAST_VISIBILITY_SECONDS))
    while True:
        held.report(Step.RECONCILE, f"asking {held.service.vendor.label} whether it has the job")
        try:
            finding = await held.watch.cancel.guard(held.service.look_up(trace), held.job.id)
        except Interrupted:
            raise in_doubt(held, "The look-up was stopped.") from None
        except VendorError:
            finding = None
        sent_ago = (datetime.now(timezone.utc) - trace.sent_from).total_seconds()
        decision = decide(finding, seconds_since_sent=sent_ago, visibility_seconds=visibility)
        if decision.verdict is Verdict.FOUND and decision.acceptance is not None:
            accepted(held, decision.acceptance, trace.token)
            return
        if decision.verdict is Verdict.ABSENT:
            if not wait and _is_taken_once(held, trace.token):
                vendor = held.service.vendor.label
                raise in_doubt(held, f"{vendor} does not show the task. {SAME_TASK}")
            _absent(held, trace.token)
            if held.job.state is State.INTENT:
                return
            trace = _trace_of(held) or trace  # of an earlier task, which is still in doubt
            continue
        if decision.verdict is Verdict.UNKNOWN or not wait:
            raise in_doubt(held, f"{held.service.vendor.label}: {decision.reason}.")
        await held.watch.cancel.sleep(max(0.2, LOOK_UP_INTERVAL_SECONDS * held.pace))


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


def _is_taken_once(held: HeldJob, token: str) -> bool:
    """Whether this task, sent again, would buy nothing that was bought before."""
    return held.service.deduplicates and token == held.job.request_token


def accepted(held: HeldJob, acceptance: Acceptance, token: str) -> None:
    """The vendor has the task ``token``: from here on it can be asked for by its own id.

    Of several submissions of that task one counts as the one that arrived: there is one purchase.
    Raises LedgerError with the vendor's id where it cannot be written down.
    """
    ids = dict(acceptance.vendor_ids)
    named = named_id(ids)
    try:
        same_task = doubtful(held, token)
        for earlier in same_task[:-1]:
            held.end_submission(earlier.number, Outcome.NOT_ARRIVED)
        if same_task:
            number = same_task[-1].number
            held.end_submission(
                number, Outcome.ACCEPTED, to=State.ACCEPTED, vendor_id=named, vendor_ids=ids
            )
        else:
            held.move(State.ACCEPTED, vendor_ids=ids, detail="found at the vendor again")
    except LedgerError as problem:
        problem.vendor_id = named
        raise


def named_id(vendor_ids: Mapping[str, Any] | None) -> str | None:
    """The vendor's own name for a job, among the paths that are kept beside it."""
    ids = vendor_ids or {}
    return next((str(value) for key, value in ids.items() if not key.endswith("_path")), None)


def _trace_of(held: HeldJob) -> Trace | None:
    """What the submission in doubt can be found by; None where the vendor was told to keep nothing.

    The last one in doubt: a later one that provably did not arrive says nothing of it.
    """
    job = held.job
    candidates = doubtful(held) or [
        submission
        for submission in held.ledger.submissions(job.id)
        if submission.outcome is Outcome.ACCEPTED
    ]
    if not candidates or job.request_token is None or job.arguments.get("store_io") is False:
        return None
    last = candidates[-1]
    sent_from = _moment(last.sent_at)
    longest = timedelta(seconds=held.place.settings.submit_timeout_seconds)
    # A slow body may take longer than the time-out, which bounds each wait and not the whole.
    sent_until = max(sent_from + longest, _moment(last.ended_at or last.sent_at))
    return Trace(
        token=last.token or job.request_token,
        vendor_model=held.endpoint.vendor_model,
        media_digests=frozenset((job.media_hashes or {}).values()),
        sent_from=sent_from,
        sent_until=sent_until,
        known_ids=_ids_of_others(held),
        arguments=job.order.get("sent") or {},
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _ids_of_others(held: HeldJob) -> frozenset[str]:
    """The vendor's ids of all other jobs in the ledger."""
    return frozenset(
        named
        for job in held.ledger.list()
        if job.id != held.job.id and job.vendor is held.job.vendor
        if (named := named_id(job.vendor_ids)) is not None
    )


def in_doubt(held: HeldJob, reason: str) -> OutcomeUnknown:
    """The job becomes UNKNOWN, and the error with the three choices."""
    if held.job.state is not State.UNKNOWN:
        held.move(State.UNKNOWN, detail=reason)
    return OutcomeUnknown(
        f"It is not known whether this was bought. {reason}",
        job_id=held.job.id,
        remedy=choices(held.job.id, held.place.home),
    )


def check_no_doubt(held: HeldJob, reason: str) -> None:
    """Raise OutcomeUnknown where an earlier submission of the job is still in doubt."""
    if held.job.state is State.UNKNOWN:
        raise in_doubt(held, reason)
