"""Hand a job to its vendor, once: conform, carry, intent, send."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from ..bodies import media_string_digest
from ..errors import (
    Interrupted,
    LocalError,
    VendorError,
    VisemeError,
)
from ..ledger import AT_VENDOR, State, utc_milliseconds
from ..media.media_guard import let_pass
from ..model import Carry, WireRequest
from ..services.base import Submission, body_arguments
from .doubt import (
    check_no_doubt,
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
from .receipt import timing_json
from .sending import TURN_LOOK_SECONDS, check_spending, give_up, send
from .signals import Step
from .sources import check_sources, true_cause
from .wish import Planned
from .workplace import media_guard, media_limits, owner_is_gone
from .writing import write_media


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
            give_up(held, State.CANCELLED, None)
            check_no_doubt(held, "It was stopped before it was sent again.")
            raise
        except VisemeError as problem:
            cause = await asyncio.to_thread(true_cause, problem, planned.order)
            give_up(held, State.FAILED, cause)
            if isinstance(cause, VendorError):
                check_no_doubt(held, cause.message)
            tell_of_doubt(held, cause)
            if cause is problem:
                raise
            raise cause from problem
        return await send(held, planned, submission)
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


async def _prepare(held: HeldJob, planned: Planned, work: Path) -> Submission:
    endpoint, order, settings = planned.endpoint, planned.order, held.place.settings
    check_spending(held, planned)
    held.report(Step.PREPARE, "preparing the media")
    before_decoding = partial(media_guard(held.place).check, cancel=held.watch.cancel)
    written = await asyncio.to_thread(
        write_media, planned, work, before_decoding, held.watch.cancel
    )
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
        before_decoding=let_pass if written.is_coded_here else before_decoding,
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
    check_spending(held, planned)
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
