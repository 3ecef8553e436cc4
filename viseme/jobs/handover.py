"""Hand a job to its vendor, once: conform, carry, intent, send."""

from __future__ import annotations

import asyncio
import random
import shutil
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from ..bodies import media_string_digest
from ..errors import (
    BudgetExceeded,
    Interrupted,
    LedgerError,
    LocalError,
    RateLimited,
    TransportError,
    VendorError,
    VisemeError,
)
from ..ledger import AT_VENDOR, Outcome, State, utc_milliseconds
from ..media.media_guard import let_pass
from ..model import Carry, WireRequest
from ..retry import RetryPolicy
from ..services.base import Acceptance, Submission, body_arguments
from ..transport import AnswerLost, NotSent
from .budget import check_budget
from .doubt import (
    SAME_TASK,
    accepted,
    check_no_doubt,
    doubtful,
    in_doubt,
    leave_in_doubt,
    maybe_bought,
    tell_of_doubt,
)
from .held import HeldJob
from .prepare import (
    CarriedMedium,
    as_sent,
    body_limit_bytes,
    carry_media,
    conform_media,
    cut_of,
    expires_at_ms,
)
from .receipt import error_json, timing_json
from .signals import Step
from .sources import check_sources, true_cause
from .wish import Planned
from .workplace import media_guard, media_limits, owner_is_gone
from .writing import write_media

SEND_TRIES = RetryPolicy(attempts=3, base_seconds=1.0, cap_seconds=10.0)
TURN_LOOK_SECONDS = 0.3
ANSWER_GRACE_SECONDS = 1.2  # after an interrupt, for an answer that is on its way


async def hand_over(held: HeldJob, planned: Planned) -> VisemeError | None:
    """From PLANNED or INTENT to ACCEPTED (or SENT, in doubt).

    Returns why the vendor refused it, where an earlier submission of it is still in doubt.

    Where it fails before a byte was sent the job is FAILED, or UNKNOWN again where an earlier
    submission of it is still in doubt; nothing of this attempt is charged.
    """
    if held.other_key is not None:
        raise held.other_key.problem
    work = held.place.home.work / f"{held.job.id}.{held.lease.fence}"
    await asyncio.to_thread(_remove_folders, held, until_fence=held.lease.fence - 1)
    try:
        try:
            submission = await _ready(held, planned, work)
        except Interrupted:
            _give_up(held, State.CANCELLED, None)
            check_no_doubt(held, "It was stopped before it was sent again.")
            raise
        except VisemeError as problem:
            cause = await asyncio.to_thread(true_cause, problem, planned.order)
            _give_up(held, State.FAILED, cause)
            if isinstance(cause, VendorError):
                check_no_doubt(held, cause.message)
            tell_of_doubt(held, cause)
            if cause is problem:
                raise
            raise cause from problem
        return await _send(held, planned, submission)
    finally:
        await asyncio.to_thread(_remove_folders, held, until_fence=held.lease.fence)


def _remove_folders(held: HeldJob, *, until_fence: int) -> None:
    """Remove what this lease, or an earlier one that was lost, has left of preparing the job."""
    for folder in held.place.home.work.glob(f"{held.job.id}.*"):
        fence = folder.name.rpartition(".")[2]
        if fence.isdigit() and int(fence) <= until_fence:
            shutil.rmtree(folder, ignore_errors=True)


async def _ready(held: HeldJob, planned: Planned, work: Path) -> Submission:
    """All that comes before the first byte of the submission, with files in the folder ``work``.

    That is this lease's own: who stood still and lost its lease removes nothing of its successor's.
    """
    try:
        await asyncio.to_thread(work.mkdir, mode=0o700, parents=True, exist_ok=True)
        submission = await _prepare(held, planned, work)
    except OSError as problem:
        raise LocalError(
            f"{work} cannot be written: {problem.strerror or problem}.",
            field=str(work),
            remedy="Make room on that disk and run the same command again.",
        ) from problem
    await _wait_for_turn(held)
    held.check_cancelled()
    return submission


def _give_up(held: HeldJob, to: State, problem: VisemeError | None) -> None:
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


async def _prepare(held: HeldJob, planned: Planned, work: Path) -> Submission:
    endpoint, order, settings = planned.endpoint, planned.order, held.place.settings
    _check_budget(held, planned)
    held.report(Step.PREPARE, "preparing the media")
    check_frames = partial(media_guard(held.place).frames, cancel=held.watch.cancel)
    written = await asyncio.to_thread(write_media, planned, work, check_frames, held.watch.cancel)
    video, sound = await asyncio.to_thread(
        conform_media,
        endpoint,
        written.order,
        work,
        body_limit_bytes=None
        if planned.wish.carry is Carry.UPLOAD
        else body_limit_bytes(endpoint, settings),
        cut=None if planned.wish.sound_is_edited else cut_of(endpoint, order),
        limits=media_limits(settings),
        before_decoding=let_pass if written.is_coded_here else check_frames,
        cancel=held.watch.cancel,
    )
    video = video.after(written.video_steps)
    sound = None if sound is None else sound.after(written.sound_steps)
    media = [video] if sound is None else [video, sound]
    carried = await held.watch.cancel.guard(
        carry_media(
            endpoint,
            order,
            planned.purchase.timing,
            media,
            planned.wish.carry,
            held.service,
            settings,
            held.show,
            partial(_record_upload, held),
        ),
        held.job.id,
    )
    request = endpoint.write_request(
        order,
        carried["video"].carried,
        carried["audio"].carried if "audio" in carried else None,
        timing=planned.purchase.timing,
    )
    token = held.job.request_token or _kept_token(held) or str(uuid.uuid4())
    submission = held.service.submission(request, token)
    columns: dict[str, Any] = {
        "request_token": token,
        "media": {role: medium.as_json() for role, medium in carried.items()},
        "sent_arguments": _sent_arguments(request, carried),
    }
    timing, notes = as_sent(endpoint, order, video.file, settings.assumed)
    columns["timing"] = {**(held.job.timing or {}), "predicted": timing_json(timing)}
    told = (*held.job.warnings, *written.order.warnings, *notes)
    columns["warnings"] = tuple(dict.fromkeys(told))
    columns["body_digest"], columns["media_hashes"] = await asyncio.to_thread(
        _digests, submission, carried
    )
    # All has been read but what stands in the body, which is digested again while it is sent.
    await asyncio.to_thread(check_sources, order, held.watch.cancel)
    if held.job.state is State.PLANNED:
        held.move(State.INTENT, **columns)
    else:
        held.update(**columns)
    _check_budget(held, planned)
    return submission


def _kept_token(held: HeldJob) -> str | None:
    """The token of an earlier try of this purchase that the vendor may have after all."""
    return held.ledger.kept_token(held.job.id) if held.service.deduplicates else None


def _sent_arguments(request: WireRequest, carried: dict[str, CarriedMedium]) -> dict[str, Any]:
    """What a vendor's list is compared with should the answer be lost."""
    return body_arguments(request.body, [medium.carried for medium in carried.values()])


def _digests(
    submission: Submission, carried: dict[str, CarriedMedium]
) -> tuple[str, dict[str, str]]:
    hashes = {role: media_string_digest(medium.carried) for role, medium in carried.items()}
    return submission.body.digest(), hashes


def _record_upload(held: HeldJob, carried: CarriedMedium) -> None:
    upload, file = carried.upload, carried.medium.file
    if upload is None or file is None:
        return
    held.ledger.add_upload(
        held.job.id,
        role=carried.medium.role,
        vendor=held.service.vendor,
        reference=upload.reference,
        digest=carried.medium.digest,
        size_bytes=file.size_bytes,
        expires_at=expires_at_ms(upload.expires_at),
    )


def _check_budget(held: HeldJob, planned: Planned) -> None:
    """Before anything is uploaded, since a job that is resumed or submitted anew was planned under
    other caps, and when our intent counts, since others may have spent meanwhile.
    """
    vendor = planned.endpoint.vendor
    spent = held.ledger.spent_today(vendor, destination=held.destination.id, without=held.job.id)
    check_budget(planned.purchase.quote, held.caps, vendor, spent)


async def _wait_for_turn(held: HeldJob) -> None:
    """Until fewer jobs of this account are at the vendor than settings allow at a time.

    Counted are those that a live process works on: one that was left alone must not hold up the
    others. Of two processes that look at the same moment one is let through when it begins.
    """
    vendor = held.service.vendor
    limit = held.place.settings.concurrent_jobs(vendor)
    while True:
        now = utc_milliseconds()
        busy = [
            job
            for job in held.ledger.list(states=(State.SENT, *AT_VENDOR))
            if job.account == held.job.account and job.is_leased(now) and job.id != held.job.id
            if not owner_is_gone(str(job.lease_owner))
        ]
        if len(busy) < limit:
            return
        many = f"{len(busy)} jobs of this account are"
        many = "1 job of this account is" if len(busy) == 1 else many
        held.report(Step.WAIT, f"waiting: {many} at {vendor.label}")
        held.check_cancelled()
        await held.watch.cancel.sleep(TURN_LOOK_SECONDS)


async def _send(held: HeldJob, planned: Planned, submission: Submission) -> VisemeError | None:
    """Send it, again only where that provably buys nothing twice; as ``hand_over``."""
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
        _give_up(held, State.FAILED, problem)
        check_no_doubt(held, problem.message)
        raise problem
    await held.destination.addresses.refresh()
    asked = problem.retry_after_seconds if isinstance(problem, RateLimited) else None
    spread = random.random()  # noqa: S311  # jitter, not a secret
    wait = SEND_TRIES.wait_seconds(attempt, retry_after=asked, spread=spread)
    await held.watch.cancel.sleep(wait * held.pace)
    _check_stopped(held)


async def _begin_in_turn(held: HeldJob, planned: Planned) -> int:
    """The number of the submission, once it is this job's turn in the ledger itself.

    Raises BudgetExceeded, with the job given up, where others spent while this process stood still.
    """
    while True:
        _check_still_in_budget(held, planned)
        number = held.begin_submission()
        if number is not None:
            return number
        held.report(Step.WAIT, f"waiting for a turn at {held.service.vendor.label}")
        await held.watch.cancel.sleep(TURN_LOOK_SECONDS)
        _check_stopped(held)


def _check_still_in_budget(held: HeldJob, planned: Planned) -> None:
    """Our intent counts for others only while it is leased, and a process that stood still for a
    while has lost its lease: so it is renewed before the caps are looked at for the last time.

    A task that is in doubt and sent again is bought once at most, and counted already.
    """
    held.renew_lease()
    if doubtful(held, held.job.request_token):
        return
    try:
        _check_budget(held, planned)
    except BudgetExceeded as problem:
        _give_up(held, State.FAILED, problem)
        tell_of_doubt(held, problem)
        raise


def _check_stopped(held: HeldJob) -> None:
    """Where it is to stop before a submission was begun: nothing of this try is at the vendor."""
    if held.watch.cancel.is_cancelled:
        _give_up(held, State.CANCELLED, None)
        check_no_doubt(held, "It was stopped between two tries.")
        held.check_cancelled()


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
    _give_up(held, State.FAILED, problem)
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
