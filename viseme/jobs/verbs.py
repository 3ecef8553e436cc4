"""What can be done to a job by its id: check, resume, cancel, resubmit, discard."""

from __future__ import annotations

import asyncio
import time
import uuid

from ..errors import InputError, OutcomeUnknown, VisemeError
from ..ledger import AT_VENDOR, JobRecord, Lease, State, utc_milliseconds
from ..services.base import CancelAnswer
from ..transport import Transport
from .commands import choices, job_command
from .destination import Destination, of_job
from .doubt import in_doubt, is_in_doubt, see_doubt, settle, shows_up, tell_of_doubt
from .fetching import absent_items, fetch_absent, fetch_results
from .follow import apply_report, ask_to_stop, stop
from .held import HeldJob, ask
from .holding import check_key, release, take_lease
from .orders import has_unwritten_media
from .run import Finished, advance, drive, ended_error, finished, lost_items, planned_again
from .signals import Progress, Step
from .wish import Planned
from .workplace import Watch, Workplace, owner_is_gone, service_for

CANCEL_FOLLOW_SECONDS = 30.0
LOOK_SECONDS = 0.2

__all__ = ["CancelAnswer", "cancel", "check", "destination_of", "discard", "resubmit", "resume"]


async def destination_of(job: JobRecord, place: Workplace, sandbox_url: str | None) -> Destination:
    """Where a job of the ledger went. Raises InputError where its sandbox cannot be found."""
    return await of_job(job, place.home, place.settings, sandbox_url)


async def resume(
    job_id: str, place: Workplace, watch: Watch, sandbox_url: str | None = None
) -> Finished:
    """Bring a job to its end, and its results here.

    Those that are gone, or that the vendor did not name, are asked for again; a job all of whose
    results are here needs neither the vendor nor a key.
    """
    job = place.ledger.get(job_id)
    was_fetched = job.state is State.FETCHED
    absent = absent_items(place.ledger.items(job.id))
    if was_fetched and not absent and not lost_items(job, place):
        return finished(job, place, reused=True)
    destination = await destination_of(job, place, sandbox_url)

    async def bring(held: HeldJob, planned: Planned | None) -> None:
        await advance(held, planned)
        if was_fetched:
            await fetch_absent(held)

    ended = await drive(job.id, place, destination, watch, step=bring)
    if ended.state is State.CANCELLED:
        raise ended_error(ended)
    return finished(ended, place, reused=True)


async def check(
    job_id: str, place: Workplace, watch: Watch, sandbox_url: str | None = None
) -> JobRecord:
    """Ask the vendor once, write down what it says, and return the job as it stands.

    A result that it has is brought here at once.
    While another process works on the job, what that one has written down is returned.
    Raises OutcomeUnknown where a job stays in doubt.
    """
    job = place.ledger.get(job_id)
    is_to_be_fetched = job.state is State.SUCCEEDED
    if not (job.state in AT_VENDOR or is_to_be_fetched or is_in_doubt(job, place.ledger)):
        return job
    if _is_worked_on(job):
        return job  # whoever works on it asks the vendor all the time
    destination = await destination_of(job, place, sandbox_url)

    async def look_once(held: HeldJob, _planned: Planned | None) -> None:
        see_doubt(held)
        if held.job.state in (State.SENT, State.UNKNOWN):
            await settle(held, wait=False)
        if held.job.state in AT_VENDOR:
            await apply_report(held, await watch.cancel.guard(ask(held), held.job.id))
        if held.job.state is State.SUCCEEDED:  # addresses of results do not hold for ever
            await fetch_results(held)

    return await drive(job.id, place, destination, watch, step=look_once)


async def cancel(
    job_id: str, place: Workplace, watch: Watch, sandbox_url: str | None = None
) -> tuple[JobRecord, CancelAnswer | None]:
    """Ask the vendor to stop a job, and follow it for a while to see what comes of it.

    Another process may work on it meanwhile; that one then sees it end, or does not send it where
    it has not yet. A job of which nothing was sent is cancelled here. Raises InputError for a job
    that has ended, and OutcomeUnknown for one of which it is not known whether the vendor has it.
    """
    job = place.ledger.get(job_id)
    destination = await destination_of(job, place, sandbox_url)
    job, is_unsent = await _until_cancellable(job, place, watch)
    if is_unsent:
        return job, CancelAnswer.CANCELLED
    if _is_worked_on(job):
        return await _cancel_beside(job, place, destination, watch)
    said: list[CancelAnswer | None] = []

    async def stop_it(held: HeldJob, _planned: Planned | None) -> None:
        if held.job.state in (State.PLANNED, State.INTENT):
            if is_in_doubt(held.job, held.ledger):
                raise in_doubt(held, "An earlier submission of it may have arrived.")
            held.move(State.CANCELLED)
            said.append(CancelAnswer.CANCELLED)
            return
        _check_cancellable(held.job, place)
        await check_key(held)
        if held.other_key is not None:
            await watch.cancel.guard(ask(held), held.job.id)  # it must see what it stops
        said.append(await stop(held))
        until = _follow_until(held.pace)
        while held.job.state is State.CANCELLING and time.monotonic() < until:
            await apply_report(held, await watch.cancel.guard(ask(held), held.job.id))
            held.report(Step.CANCEL, "waiting for the vendor to stop it")
            await watch.cancel.sleep(max(0.05, held.pace))
        if held.job.state is State.SUCCEEDED:  # it ran on, and is bought
            await fetch_results(held)

    ended = await drive(job.id, place, destination, watch, step=stop_it, checks_key=False)
    return ended, said[0] if said else None


def _check_cancellable(job: JobRecord, place: Workplace) -> None:
    if job.state not in AT_VENDOR and job.state not in (State.PLANNED, State.INTENT):
        raise InputError(
            f"Job {job.id} is {job.state.value}; there is nothing left to cancel.",
            field="job",
            value=job.id,
            job_id=job.id,
            remedy=f"See it with `{job_command('show', job.id, place.home)}`.",
        )


async def _until_cancellable(
    job: JobRecord, place: Workplace, watch: Watch
) -> tuple[JobRecord, bool]:
    """The job once the process that hands it over has done so, or has left it at being asked to.

    Only then can it be cancelled; True where it was not sent, and is CANCELLED.
    """
    before = (State.PLANNED, State.INTENT, State.SENT)
    asked_fence: int | None = None
    while job.state in before and _is_worked_on(job):
        watch.cancel.check(job.id)
        if job.fence != asked_fence:
            place.ledger.wish_cancel(job.id)
            asked_fence = job.fence
        text = "another process is handing the job over; waiting to cancel it"
        watch.report(Progress(Step.CANCEL, text, job_id=job.id))
        await watch.cancel.sleep(LOOK_SECONDS)
        job = place.ledger.get(job.id)
    if job.state is State.CANCELLED and asked_fence is not None:
        return job, True
    if job.state in (State.SENT, State.UNKNOWN):
        raise OutcomeUnknown(
            "It is not known whether the vendor has this job.",
            job_id=job.id,
            remedy=choices(job, place.home),
        )
    _check_cancellable(job, place)
    return job, False


async def _cancel_beside(
    job: JobRecord, place: Workplace, destination: Destination, watch: Watch
) -> tuple[JobRecord, CancelAnswer | None]:
    """Cancel a job at its vendor while another process holds it, and watch what that one sees."""
    async with Transport(destination.addresses) as transport:
        service = await asyncio.to_thread(service_for, job.vendor, destination, transport, place)
        if not service.can_cancel:
            return job, CancelAnswer.UNSUPPORTED
        try:
            said = await ask_to_stop(job, service, place.ledger)
        except VisemeError as problem:
            problem.job_id = job.id
            raise
    until = _follow_until(destination.time_scale)
    while job.state in AT_VENDOR and time.monotonic() < until:
        watch.cancel.check(job.id)
        text = "waiting for the vendor to stop it"
        watch.report(Progress(Step.CANCEL, text, job_id=job.id))
        await watch.cancel.sleep(LOOK_SECONDS)
        job = place.ledger.get(job.id)
    return job, said


def _follow_until(pace: float) -> float:
    """Until when a cancelling is followed, by the monotonic clock."""
    return time.monotonic() + CANCEL_FOLLOW_SECONDS * pace + 1.0


def _is_worked_on(job: JobRecord) -> bool:
    """Whether a process that lives, as far as can be known, works on the job."""
    return job.is_leased(utc_milliseconds()) and not owner_is_gone(str(job.lease_owner))


async def resubmit(
    job_id: str, place: Workplace, watch: Watch, sandbox_url: str | None = None
) -> Finished:
    """Submit a job in doubt anew, on the user's word: this may be a second charge.

    The vendor is asked once more first: a job that it shows by now is gone on with instead.
    """
    job = place.ledger.get(job_id)
    if not is_in_doubt(job, place.ledger):
        raise InputError(
            f"Job {job.id} is {job.state.value}; only a job in doubt is submitted anew.",
            field="job",
            value=job.id,
            remedy=f"`{job_command('resume', job.id, place.home)}` goes on with it, and the "
            "original command with --take buys another one.",
        )
    if has_unwritten_media(job):
        raise InputError(
            "The media of this job were in a graph of ComfyUI: it cannot be submitted from here.",
            field="job",
            value=job.id,
            job_id=job.id,
            remedy=f"Give it up with `{job_command('discard', job.id, place.home)}` and run the "
            "graph again: that buys it anew, which may be a second charge.",
        )
    destination = await destination_of(job, place, sandbox_url)
    known_count = len(place.ledger.submissions(job.id))

    async def begin_anew(held: HeldJob, _planned: Planned | None) -> None:
        if held.other_key is not None:  # it sees the job, and what it sent would be its own
            raise held.other_key.problem
        see_doubt(held)
        if held.job.state not in (State.SENT, State.UNKNOWN):
            await advance(held, None)
            return
        if len(held.ledger.submissions(held.job.id)) != known_count:
            raise in_doubt(held, "Another command has submitted it anew meanwhile.")
        if await _goes_on_after_all(held):
            await advance(held, None)
            return
        try:  # media that are not what they were leave the job as it is
            planned = await planned_again(held)
        except VisemeError as problem:
            tell_of_doubt(held, problem)
            raise
        token = str(uuid.uuid4())
        held.move(State.INTENT, detail="submitted anew by the user", request_token=token)
        await advance(held, planned, is_submitted_anew=True)

    ended = await drive(job.id, place, destination, watch, step=begin_anew)
    return finished(ended, place, reused=False)


async def _goes_on_after_all(held: HeldJob) -> bool:
    """Whether one more look shows a job in doubt, which can be gone on with; else it is UNKNOWN."""
    try:
        if not await shows_up(held):
            return False
    except OutcomeUnknown:
        if held.watch.cancel.is_cancelled:
            raise
        return False
    if held.job.state is State.ACCEPTED:
        found = f"{held.service.vendor.label} had it after all: it was not submitted anew."
        held.update(warnings=tuple(dict.fromkeys((*held.job.warnings, found))))
    return True


def discard(job_id: str, place: Workplace) -> JobRecord:
    """Give up a job in doubt: it is not looked for any more, and the same command buys anew.

    It is done under a lease, so that whoever was thought to have ended writes nothing to it any
    more. Raises InputError for any other job, and while another process works on it.
    """
    job = place.ledger.get(job_id)
    if is_in_doubt(job, place.ledger):
        seconds = place.settings.lease_seconds
        lease = take_lease(place.ledger, job.id, seconds)
        if lease is None:
            raise InputError(
                f"Another process works on job {job.id}.",
                field="job",
                value=job.id,
                remedy="Stop that process first. Of one on another machine or in another "
                f"container, its end is known {seconds:.0f} s later.",
            )
        try:
            discarded = _discard(place, lease)
        finally:
            release(lease, place)
        if discarded is not None:
            return discarded
        job = place.ledger.get(job_id)  # another command was faster
    raise InputError(
        f"Job {job.id} is {job.state.value}; only a job in doubt can be discarded.",
        field="job",
        value=job.id,
        limit=State.UNKNOWN.value,
        job_id=job.id,
        remedy=f"See it with `{job_command('show', job.id, place.home)}`.",
    )


def _discard(place: Workplace, lease: Lease) -> JobRecord | None:
    """The job, given up under this lease; None where it is not in doubt any more."""
    job = place.ledger.get(lease.job_id)
    if job.state is State.SENT or (job.state is State.INTENT and is_in_doubt(job, place.ledger)):
        detail = "given up by the user"
        job = place.ledger.move(job.id, State.UNKNOWN, detail=detail, fence=lease.fence)
    if job.state is State.UNKNOWN:
        return place.ledger.move(job.id, State.DISCARDED, detail="by the user", fence=lease.fence)
    return None
