"""Send what was prepared to its vendor: again only where that provably buys nothing twice."""

from __future__ import annotations

import asyncio
import random

from ..errors import (
    BudgetExceeded,
    Interrupted,
    JobFailed,
    LedgerError,
    RateLimited,
    TransportError,
    VisemeError,
)
from ..ledger import Outcome, State
from ..retry import RetryPolicy
from ..services.base import Acceptance, Submission
from ..transport import AnswerLost, NotSent
from .budget import check_budget
from .doubt import (
    SAME_TASK,
    accepted,
    check_no_doubt,
    in_doubt,
    leave_in_doubt,
    maybe_bought,
    tell_of_doubt,
)
from .held import HeldJob
from .receipt import error_json
from .signals import Step
from .traces import doubtful
from .wish import Planned

SEND_TRIES = RetryPolicy(attempts=3, base_seconds=1.0, cap_seconds=10.0)
TURN_LOOK_SECONDS = 0.3
ANSWER_GRACE_SECONDS = 1.2  # after an interrupt, for an answer that is on its way


async def send(held: HeldJob, planned: Planned, submission: Submission) -> VisemeError | None:
    """From INTENT to ACCEPTED (or SENT, in doubt).

    Returns why the vendor refused it, where an earlier submission of it is still in doubt. Raises
    the error that the job FAILED or was stopped with otherwise.
    """
    for attempt in range(1, SEND_TRIES.attempts + 1):
        number = await _begin_in_turn(held, planned)
        held.report(Step.SUBMIT, f"submitting to {held.service.vendor.label}")
        try:
            acceptance = await _submit_watched(held, submission)
        except NotSent as problem:
            held.end_submission(number, Outcome.NOT_ARRIVED, to=State.INTENT)
            await _before_next_try(held, attempt, problem)
        except RateLimited as problem:
            held.end_submission(number, Outcome.REFUSED, to=State.INTENT)
            await _before_next_try(held, attempt, problem)
        except AnswerLost as problem:
            if held.service.deduplicates and attempt < SEND_TRIES.attempts:
                detail = problem.message
                held.end_submission(number, Outcome.UNKNOWN, to=State.INTENT, detail=detail)
                await _before_next_try(held, attempt, problem)
                continue
            held.end_submission(number, Outcome.UNKNOWN, detail=problem.message)
            return None
        except Interrupted:
            held.end_submission(number, Outcome.UNKNOWN, to=State.UNKNOWN)
            raise in_doubt(held, "It was stopped while it was being sent.") from None
        except VisemeError as problem:
            earlier = maybe_bought(held.ledger, held.job.id)
            if any(one.number != number for one in earlier):
                # This one was refused; whether an earlier one was bought is still to be settled.
                held.end_submission(number, Outcome.REFUSED, detail=problem.message)
                return problem
            held.end_submission(number, Outcome.REFUSED, to=State.FAILED, error=error_json(problem))
            raise
        else:
            if not accepted(held, acceptance, submission.token):
                # Another job like it was given what the list showed, which was this one: its own
                # is still to be found there.
                detail = "accepted as what has become another job's"
                held.end_submission(number, Outcome.UNKNOWN, detail=detail)
            return None
    return None


async def _before_next_try(held: HeldJob, attempt: int, problem: VisemeError) -> None:
    """Wait for the next try; on the last one, or when stopped, the job has failed."""
    if attempt >= SEND_TRIES.attempts:
        give_up(held, State.FAILED, problem)
        check_no_doubt(held, problem.message)
        raise problem
    await held.destination.addresses.refresh()
    asked = problem.retry_after_seconds if isinstance(problem, RateLimited) else None
    spread = random.random()  # noqa: S311  # jitter, not a secret
    wait = SEND_TRIES.wait_seconds(attempt, retry_after=asked, spread=spread)
    await held.watch.cancel.sleep(wait * held.pace)


async def _begin_in_turn(held: HeldJob, planned: Planned) -> int:
    """The number of the submission, once it is this job's turn in the ledger itself.

    Raises BudgetExceeded, with the job given up, where others spent while this process stood still.
    """
    while True:
        _check_stopped(held)
        _check_still_in_budget(held, planned)
        number = held.begin_submission()
        if number is not None:
            return number
        held.report(Step.WAIT, f"waiting for a turn at {held.service.vendor.label}")
        await held.watch.cancel.sleep(TURN_LOOK_SECONDS)


def _check_still_in_budget(held: HeldJob, planned: Planned) -> None:
    """Our intent counts for others only while it is leased, and a process that stood still for a
    while has lost its lease: so it is renewed before the caps are looked at for the last time.

    A task that is in doubt and sent again is bought once at most, and counted already.
    """
    held.renew_lease()
    if doubtful(held, held.job.request_token):
        return
    try:
        check_spending(held, planned)
    except BudgetExceeded as problem:
        give_up(held, State.FAILED, problem)
        tell_of_doubt(held, problem)
        raise


def _check_stopped(held: HeldJob) -> None:
    """Where it is to stop before a submission was begun: nothing of this try is at the vendor."""
    if held.watch.cancel.is_cancelled:
        give_up(held, State.CANCELLED, None)
        check_no_doubt(held, "It was stopped before it was sent again.")
        held.check_cancelled()
    if held.is_cancel_wished:
        give_up(held, State.CANCELLED, None)
        check_no_doubt(held, "It was cancelled before it was sent again.")
        raise JobFailed(
            "The job was cancelled before it was sent; nothing was bought.",
            job_id=held.job.id,
            remedy="Run the same command again to buy it.",
        )


def never_taken(held: HeldJob, refusal: VisemeError | None) -> VisemeError:
    """The error of a job that was sent as often as makes sense, and that the vendor does not show.

    ``refusal`` is that of the last try, where an earlier one had no answer.
    """
    vendor = held.service.vendor.label
    if doubtful(held):
        said = "gave no answer and does not show the task."
        if refusal is not None:
            said = f"refused the last try ({refusal.message}) and does not show an earlier one."
        return in_doubt(held, f"{vendor} {said} {SAME_TASK}")
    problem = TransportError(
        f"{vendor} did not take the job, and does not know it; nothing was bought.",
        job_id=held.job.id,
        remedy=f"Run the same command again once {vendor} answers.",
    )
    give_up(held, State.FAILED, problem)
    check_no_doubt(held, problem.message)
    return problem


async def _submit_watched(held: HeldJob, submission: Submission) -> Acceptance:
    """The submission, not to be dropped: an interrupt waits a moment for the answer."""
    task = asyncio.ensure_future(held.service.submit(submission))
    waited = 0.0
    try:
        while not task.done() and waited < ANSWER_GRACE_SECONDS:
            await asyncio.wait({task}, timeout=0.05)
            if held.watch.cancel.is_cancelled:
                waited += 0.05
        if not task.done():
            raise Interrupted("Stopped by the user.", job_id=held.job.id)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)


def give_up(held: HeldJob, to: State, problem: VisemeError | None) -> None:
    """Nothing of this attempt was sent. What an earlier one left in doubt stays in doubt."""
    if maybe_bought(held.ledger, held.job.id):
        to = State.UNKNOWN
    if held.job.state is to:
        return
    error = None if problem is None else error_json(problem)
    try:
        if to is State.UNKNOWN:
            leave_in_doubt(held, None, error=error)
        else:
            held.move(to, error=error)
    except LedgerError:
        if problem is None:
            raise
        # The disk that failed the job fails the note of it too; PLANNED means the same.


def check_spending(held: HeldJob, planned: Planned) -> None:
    """Before anything is uploaded, since a job that is resumed or submitted anew was planned under
    other caps, and when our intent counts, since others may have spent meanwhile.
    """
    vendor = planned.endpoint.vendor
    spent = held.ledger.spent_today(vendor, destination=held.destination.id, without=held.job.id)
    check_budget(planned.purchase.quote, held.caps, vendor, spent)
