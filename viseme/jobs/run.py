"""One lip-sync from a plan to its results: look in the ledger, budget, and drive the job.

``run`` knows no user interface: it takes a cancel token and a progress callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import (
    CredentialError,
    InputError,
    JobFailed,
    LedgerError,
    VisemeError,
)
from ..ledger import (
    DEAD,
    ItemRecord,
    ItemState,
    JobRecord,
    NewJob,
    State,
    fingerprint,
)
from ..model import Vendor
from .budget import Caps, check_budget
from .cleanup import clean_up_now_and_then
from .commands import job_command, key_remedy
from .deliver import delete_uploads, item_is_here
from .destination import Destination
from .doubt import see_doubt, settle, tell_of_doubt
from .fetching import fetch_results
from .follow import follow
from .handover import hand_over
from .held import HeldJob
from .holding import check_key, holding
from .orders import order_json, planned_from_order
from .prepare import cut_of
from .receipt import receipt, timing_json
from .returned import mark_returned
from .sending import never_taken
from .traces import named_id
from .wish import Planned
from .workplace import (
    Watch,
    Workplace,
    account_at,
)

BOUGHT_ANEW = "Run the same command again; it will be bought anew."


@dataclass(frozen=True)
class Finished:
    """A job whose results are here. ``files`` are in the order of the results."""

    job: JobRecord
    receipt: dict[str, Any]
    files: tuple[Path, ...]
    reused: bool


async def run(
    planned: Planned,
    place: Workplace,
    destination: Destination,
    watch: Watch,
    *,
    max_usd: Decimal | None = None,
) -> Finished:
    """Buy what was planned, or come back to it where it was bought already.

    ``max_usd`` is this run's own cap; it holds in a sandbox too. Raises anything of errors.py;
    what follows a submission carries the job's id.
    """
    vendor = planned.endpoint.vendor
    # In threads: a keyring may ask the user to unlock it, while other jobs share this loop.
    account = await asyncio.to_thread(account_at, vendor, destination, place)
    mark = await asyncio.to_thread(job_mark, planned, place, destination)
    caps = caps_for(vendor, place, destination, max_usd)
    while True:
        job = place.ledger.find(mark)
        if job is None:
            spent = place.ledger.spent_today(vendor, destination=destination.id)
            check_budget(planned.purchase.quote, caps, vendor, spent)
            job, _ = place.ledger.claim(_new_job(planned, destination, account, mark))
            await asyncio.to_thread(clean_up_now_and_then, place)
        was_cancelling = job.state is State.CANCELLING
        bought_here = False

        async def work(held: HeldJob, planned: Planned | None) -> None:
            nonlocal bought_here
            await advance(held, planned)
            bought_here = held.has_submitted

        ended = await drive(
            job.id, place, destination, watch, planned=planned, caps=caps, step=work
        )
        if ended.state is not State.CANCELLED:
            return finished(ended, place, reused=not bought_here)
        if not was_cancelling:
            raise JobFailed(
                "The job was cancelled at the vendor.", remedy=BOUGHT_ANEW, job_id=ended.id
            )
        # An earlier run's cancelling has ended only now: this run buys its own.


def job_mark(planned: Planned, place: Workplace, destination: Destination) -> str:
    """The fingerprint under which the ledger knows this purchase. Raises CredentialError."""
    return fingerprint(
        destination=destination.id,
        account=account_at(planned.endpoint.vendor, destination, place),
        endpoint=planned.endpoint.id,
        arguments=fingerprint_arguments(planned),
        footage=planned.order.footage,
        speech=planned.order.speech,
        take=planned.wish.take,
    )


def fingerprint_arguments(planned: Planned) -> dict[str, Any]:
    """The arguments that change the result, with what was asked of the sound."""
    endpoint, order = planned.endpoint, planned.order
    picture = dict(endpoint.picture_arguments(order))
    # Where nothing would be cut either way, the same is sent and it must not be bought twice.
    if planned.wish.sound_is_edited and cut_of(endpoint, order) is not None:
        picture["sound_is_edited"] = True
    return picture


def caps_for(
    vendor: Vendor, place: Workplace, destination: Destination, max_usd: Decimal | None = None
) -> Caps:
    """The caps in force: those of settings only where real money is spent."""
    settings = place.settings
    caps = Caps(allow_unknown_price=settings.allow_unknown_price)
    if destination.is_live:
        caps = replace(
            caps,
            job_usd=settings.max_usd_per_job,
            vendor_day_usd=settings.max_usd_per_day(vendor),
        )
    if max_usd is not None and (caps.job_usd is None or max_usd <= caps.job_usd):
        caps = replace(caps, job_usd=max_usd, job_cap_name="--max-usd")
    return caps


def _new_job(planned: Planned, destination: Destination, account: str, mark: str) -> NewJob:
    purchase = planned.purchase
    return NewJob(
        fingerprint=mark,
        endpoint=planned.endpoint.id,
        vendor=planned.endpoint.vendor,
        destination=destination.id,
        account=account,
        quote=purchase.quote,
        arguments=purchase.arguments,
        order=order_json(planned),
        timing={"predicted": timing_json(purchase.timing)},
        item_count=purchase.item_count,
        take=planned.wish.take,
        warnings=purchase.warnings,
        sandbox_control_url=destination.control_url,
    )


async def drive(
    job_id: str,
    place: Workplace,
    destination: Destination,
    watch: Watch,
    *,
    planned: Planned | None = None,
    caps: Caps | None = None,
    step: Callable[[HeldJob, Planned | None], Awaitable[None]] | None = None,
    checks_key: bool = True,
) -> JobRecord:
    """Work a job forward until it is FETCHED or CANCELLED; another process' lease is waited for.

    ``caps`` are those of settings unless given; they hold for whatever is still to be sent.
    ``step`` does one thing to it instead; without ``checks_key`` it says itself where the job's own
    key is needed. Raises the error the job ended with.
    """
    if caps is None:
        caps = caps_for(place.ledger.get(job_id).vendor, place, destination)
    async with holding(job_id, place, destination, watch, caps) as held:
        if held is None:
            return place.ledger.get(job_id)
        try:
            if checks_key:
                await check_key(held)
            await (step or advance)(held, planned)
        except LedgerError as problem:
            raise _known_job(problem, held) from problem
        except VisemeError as problem:
            _complete(problem, held)
            raise
        finally:
            if held.job.state in DEAD:
                await delete_uploads(held)
        return held.job


def _complete(problem: VisemeError, held: HeldJob) -> None:
    """What an error of a job owes the user beyond its text: the job's id, whole command lines."""
    problem.job_id = problem.job_id or held.job.id
    if problem.remedy is None:
        return
    vendor, home = held.job.vendor, held.place.home
    short = f"`viseme login {vendor.value}`"
    if isinstance(problem, CredentialError):
        right = key_remedy(vendor, home)
        problem.remedy = problem.remedy.replace(f"Set a valid key with {short}.", right)
    whole = home.command("login", vendor.value)
    problem.remedy = problem.remedy.replace(short, f"`{whole}`")


async def advance(
    held: HeldJob, planned: Planned | None, *, is_submitted_anew: bool = False
) -> None:
    """From wherever the job is to its end.

    What may have been bought is looked for before anything is sent, also where an earlier process
    was to send the same task again: how long its vendor tells a task by its token, nobody says. A
    new task beside it takes the user's word, ``is_submitted_anew``.
    """
    if not is_submitted_anew:
        see_doubt(held)
    was_handed_over, refusal = False, None
    while True:
        state = held.job.state
        if state in (State.PLANNED, State.INTENT):
            if was_handed_over:  # every try of it, and the vendor still has not got it
                raise never_taken(held, refusal)
            if planned is None:
                planned = await _planned_for_sending(held)
            refusal = await hand_over(held, planned)
            was_handed_over = True
        elif state in (State.SENT, State.UNKNOWN):
            await settle(held)
        elif state in (State.ACCEPTED, State.RUNNING, State.CANCELLING):
            await follow(held)
        elif state is State.SUCCEEDED:
            await fetch_results(held)
        elif state is State.FETCHED:
            if not lost_items(held.job, held.place):
                return
            _expect_files_again(held)
        elif state is State.CANCELLED:
            return
        else:
            raise ended_error(held.job)


async def _planned_for_sending(held: HeldJob) -> Planned:
    try:
        return await planned_again(held)
    except VisemeError as problem:
        see_doubt(held)  # its task was to be sent again, which was no word that it is not there
        tell_of_doubt(held, problem)
        raise


async def planned_again(held: HeldJob) -> Planned:
    """What was ordered, with its media read anew. Raises where they are not what they were."""
    return await asyncio.to_thread(
        planned_from_order, held.job, held.place, cancel=held.watch.cancel
    )


def lost_items(job: JobRecord, place: Workplace) -> list[ItemRecord]:
    """The results of a job that were fetched and whose files are gone."""
    return [
        item
        for item in place.ledger.items(job.id)
        if item.state is ItemState.FETCHED and not item_is_here(place, item)
    ]


def _expect_files_again(held: HeldJob) -> None:
    """A result's file is gone: it is fetched again from the vendor, never bought by itself.

    In one step: a job that is FETCHED while its results are noted as not here is given as it is.
    """
    held.move(State.SUCCEEDED, detail="a result's file is gone")


def ended_error(job: JobRecord) -> VisemeError:
    """The error of a job that ended without a result, as the ledger has it."""
    error = job.error or {}
    return JobFailed(
        str(error.get("message") or f"The job is {job.state.value}."),
        field=error.get("field"),
        value=error.get("value"),
        limit=error.get("limit"),
        remedy=error.get("remedy") or BOUGHT_ANEW,
        code=error.get("code"),
        http_status=error.get("http_status"),
        job_id=job.id,
    )


def _known_job(problem: LedgerError, held: HeldJob) -> LedgerError:
    """A ledger that fails on the way: the vendor may have the job, and its id must not be lost."""
    vendor_id = problem.vendor_id or named_id(held.job.vendor_ids)
    command = job_command("resume", held.job.id, held.place.home)
    known = f" {held.service.vendor.label} knows it as {vendor_id}." if vendor_id else ""
    return LedgerError(
        problem.message,
        field=problem.field,
        value=problem.value,
        limit=problem.limit,
        remedy=f"{problem.remedy or ''} Then `{command}` goes on where it stopped.{known}",
        job_id=held.job.id,
        vendor_id=vendor_id,
        code=problem.code,
    )


def result_gone(job: JobRecord, place: Workplace) -> InputError:
    """The error for a result whose file was there and is not any more."""
    return InputError(
        "The result's file is gone from this machine.",
        field="job",
        value=job.id,
        job_id=job.id,
        remedy=f"Fetch it again with `{job_command('resume', job.id, place.home)}`.",
    )


def finished(job: JobRecord, place: Workplace, *, reused: bool) -> Finished:
    """What a caller gets of a job that is FETCHED. Raises its error where it is not."""
    if job.state is not State.FETCHED:
        raise ended_error(job)
    items = place.ledger.items(job.id)
    paths = [
        item.path for item in items if item.state is ItemState.FETCHED and item.path is not None
    ]
    mark_returned(place.home, paths)
    files = tuple(place.home.results / path for path in paths)
    if not all(file.is_file() for file in files):
        raise result_gone(job, place)
    if not files:
        raise InputError(
            "The job ended without a result that could be kept.",
            field="job",
            value=job.id,
            job_id=job.id,
            remedy=f"Ask for it once more with `{job_command('resume', job.id, place.home)}`.",
        )
    return Finished(job, receipt(job, items, place.home, reused=reused), files, reused)
