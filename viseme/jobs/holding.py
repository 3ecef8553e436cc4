"""Work on a job under its lease: one process at a time, and none that has ended is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..endpoints import endpoint as endpoint_by_id
from ..errors import CredentialError, LedgerError, VendorError
from ..ledger import AT_VENDOR, DEAD, STALE_FENCE, JobRecord, Lease, Ledger, State
from ..services import Service
from ..transport import Transport
from .budget import Caps
from .commands import job_command
from .destination import Destination
from .held import HeldJob, ask
from .other_key import OtherKey, another_key
from .signals import Progress, Step
from .workplace import (
    Watch,
    Workplace,
    account_at,
    lease_owner,
    owner_is_gone,
    service_for,
    service_without_key,
)

HOLDER_LOOK_SECONDS = 0.3


@asynccontextmanager
async def holding(
    job_id: str, place: Workplace, destination: Destination, watch: Watch, caps: Caps
) -> AsyncIterator[HeldJob | None]:
    """The job with its lease, renewed while the block runs; None where it is over without a result.

    While somebody else holds it, its state is shown and waited for; a process that has provably
    ended is not waited for. Raises Interrupted while waiting.
    """
    lease = await _acquire(job_id, place, watch)
    if lease is None:
        yield None
        return
    job = place.ledger.get(job_id)
    try:
        async with Transport(destination.addresses) as transport:
            service, other_key = await asyncio.to_thread(
                _service, job, destination, transport, place
            )
            held = HeldJob(
                job,
                lease,
                endpoint_by_id(job.endpoint),
                place,
                destination,
                service,
                watch,
                caps,
                other_key,
            )
            renewal = asyncio.ensure_future(_renew(lease, place))
            try:
                yield held
            finally:
                renewal.cancel()
                await asyncio.wait({renewal})
    finally:
        release(lease, place)


def _service(
    job: JobRecord, destination: Destination, transport: Transport, place: Workplace
) -> tuple[Service, OtherKey | None]:
    """The service with the key that is set, and what is to be known where it is not the job's."""
    try:
        service = service_for(job.vendor, destination, transport, place)
        account = account_at(job.vendor, destination, place)
    except CredentialError as problem:
        return service_without_key(job.vendor, transport, place), OtherKey(problem, is_set=False)
    if account == job.account:
        return service, None
    return service, OtherKey(another_key(job, place.home), is_set=True)


async def check_key(held: HeldJob) -> None:
    """Raise CredentialError where the key that is set now does not do for the job's next step.

    Results whose address is known are fetched without any. What the vendor named is asked for with
    another key too, and a doubt of it looked up once the vendor shows it to that key. What is still
    to be sent, or has no name yet, is for the job's own key.
    """
    job, other = held.job, held.other_key
    if other is None or job.state in (State.SUCCEEDED, State.FETCHED, *DEAD):
        return
    is_named = bool(job.vendor_ids) and job.state in (State.UNKNOWN, *AT_VENDOR)
    if not other.is_set or not is_named:
        raise other.problem
    if job.state is State.UNKNOWN:
        await held.watch.cancel.guard(ask(held), job.id)


async def _acquire(job_id: str, place: Workplace, watch: Watch) -> Lease | None:
    began = time.monotonic()
    while True:
        lease = take_lease(place.ledger, job_id, place.settings.lease_seconds)
        if lease is not None:
            return lease
        job = place.ledger.get(job_id)
        if job.state in DEAD:
            return None
        watch.cancel.check(job_id)
        limit_seconds = watch.time_limit_seconds
        if limit_seconds is not None and time.monotonic() - began > limit_seconds:
            raise VendorError(
                f"The job has not ended after {limit_seconds:.0f} s; {_holder(job)}.",
                field="time_limit_seconds",
                job_id=job_id,
                remedy=f"See how it stands with `{job_command('show', job_id, place.home)}`.",
            )
        text = f"{job.state.value.lower()}; {_holder(job)}"
        watch.report(Progress(Step.RUN, text, job_id=job_id))
        await watch.cancel.sleep(HOLDER_LOOK_SECONDS)


def take_lease(ledger: Ledger, job_id: str, seconds: float) -> Lease | None:
    """The lease of a job that nobody works on, or whose holder has provably ended; else None."""
    job = ledger.get(job_id)
    if job.lease_owner is not None and owner_is_gone(job.lease_owner):
        ledger.release_lease(Lease(job.id, job.lease_owner, job.fence, job.lease_until or 0))
    return ledger.acquire_lease(job_id, lease_owner(), seconds)


def _holder(job: JobRecord) -> str:
    """Who works on a job that somebody else holds, for the user."""
    if job.lease_owner == lease_owner():
        return "an earlier run of it here has not ended yet"
    return "another process works on it"


async def _renew(lease: Lease, place: Workplace) -> None:
    """Keep the lease while the job is worked on. A lost lease stops every further write itself."""
    while True:
        await asyncio.sleep(place.settings.lease_seconds / 3)
        try:
            await asyncio.to_thread(place.ledger.renew_lease, lease, place.settings.lease_seconds)
        except LedgerError as problem:
            if problem.code == STALE_FENCE:
                return
            # A full disk or a busy file now need not be one at the next renewal.


def release(lease: Lease, place: Workplace) -> None:
    """Give a job free; where the ledger cannot be written, that comes by itself."""
    try:
        place.ledger.release_lease(lease)
    except LedgerError:
        return  # it lapses by itself, and this process' end frees it at once
