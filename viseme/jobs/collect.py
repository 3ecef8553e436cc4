"""Bring the results of a job here that was bought before, without ever buying anything.

``collect`` waits for a job; ``wind_up`` stops one that was interrupted, and sees what comes of it.
"""

from __future__ import annotations

from ..errors import InputError, Interrupted, VisemeError
from ..ledger import DEAD, JobRecord, State, utc_milliseconds
from .commands import job_command
from .doubt import in_doubt, is_in_doubt, not_shown, see_doubt, settle
from .fetching import absent_items, fetch_absent
from .follow import stop
from .held import HeldJob
from .run import Finished, advance, drive, ended_error, finished, lost_items
from .verbs import destination_of
from .wish import Planned
from .workplace import Watch, Workplace

_NOT_BOUGHT = frozenset({State.PLANNED, State.INTENT})


async def collect(
    job_id: str, place: Workplace, watch: Watch, sandbox_url: str | None = None
) -> Finished:
    """The results of a job: those that are here, else waited for and fetched. Never pays.

    Of several, those that did not come are asked for once more. Unlike ``resume`` it submits
    nothing, and stopping it stops only the waiting: the job goes on at its vendor. Raises
    InputError for a job that is not there or was never bought, OutcomeUnknown for one that stays in
    doubt, and the error of one that ended without a result.
    """
    job = place.ledger.get(job_id)
    if job.state is State.FETCHED and not lost_items(job, place):
        if absent_items(place.ledger.items(job.id)):
            await _ask_for_late(job, place, watch, sandbox_url)
        return finished(place.ledger.get(job.id), place, reused=True)
    if job.state in DEAD:
        raise ended_error(job)
    if not job.is_leased(utc_milliseconds()) and not is_in_doubt(job, place.ledger):
        _check_bought(job, place)
    destination = await destination_of(job, place, sandbox_url)
    # A token that is never set: on an interrupt the job is left alone, not cancelled.
    undisturbed = Watch(report=watch.report, time_limit_seconds=watch.time_limit_seconds)
    try:
        ended = await watch.cancel.guard(
            drive(job.id, place, destination, undisturbed, step=_bring), job.id
        )
    except Interrupted as problem:
        raise Interrupted(
            "Stopped waiting; the job goes on.",
            job_id=job.id,
            remedy=f"Collect it again later, or stop it with "
            f"`{job_command('cancel', job.id, place.home)}`.",
        ) from problem
    return finished(ended, place, reused=True)


async def _ask_for_late(
    job: JobRecord, place: Workplace, watch: Watch, sandbox_url: str | None
) -> None:
    """Bring what of several results has come since. Where the vendor cannot be asked, what is here
    is given all the same."""

    async def ask(held: HeldJob, _planned: Planned | None) -> None:
        await fetch_absent(held)

    try:
        destination = await destination_of(job, place, sandbox_url)
        await drive(job.id, place, destination, watch, step=ask)
    except Interrupted:
        raise
    except VisemeError as problem:
        place.ledger.note(job.id, "fetch", problem.message)


async def _bring(held: HeldJob, _planned: Planned | None) -> None:
    """From wherever the job is to its end, but for a submission."""
    see_doubt(held)
    if held.job.state in (State.SENT, State.UNKNOWN):
        await settle(held)
    if held.job.state is State.INTENT and is_in_doubt(held.job, held.ledger):
        raise not_shown(held)
    _check_bought(held.job, held.place)
    # From here the vendor has it or has had it: no state that follows leads to a submission.
    await advance(held, None)


async def wind_up(job_id: str, place: Workplace, watch: Watch) -> Finished:
    """What becomes of a job whose run was interrupted; its result, where one was made anyway.

    A doubt is settled, what the vendor has is stopped and followed to the end that the vendor
    gives it, and a result is brought here. Nothing is ever submitted. Raises OutcomeUnknown where
    it stays in doubt, and the error of a job that ended without a result, as a cancelled one does.
    """
    job = place.ledger.get(job_id)
    if job.state in DEAD:
        raise ended_error(job)
    destination = await destination_of(job, place, None)
    ended = await drive(job.id, place, destination, watch, step=_wind_up)
    return finished(ended, place, reused=True)


async def _wind_up(held: HeldJob, _planned: Planned | None) -> None:
    see_doubt(held)
    if held.job.state in (State.SENT, State.UNKNOWN):
        await settle(held)
    if held.job.state in _NOT_BOUGHT:
        if is_in_doubt(held.job, held.ledger):
            raise in_doubt(held, "It was stopped while it was being sent.")
        held.move(State.CANCELLED)
    elif held.job.state in (State.ACCEPTED, State.RUNNING):
        await stop(held)
    await advance(held, None)


def _check_bought(job: JobRecord, place: Workplace) -> None:
    if job.state not in _NOT_BOUGHT:
        return
    raise InputError(
        f"Job {job.id} never reached {job.vendor.label}: nothing was bought, and there is no "
        "result to collect.",
        field="job",
        value=job.id,
        job_id=job.id,
        remedy=f"`{job_command('resume', job.id, place.home)}` buys it now.",
    )
