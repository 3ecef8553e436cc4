"""A process that stood still learns that its job was bought when the job is another's by now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import LedgerError
from viseme.home import Home
from viseme.jobs.destination import sandbox_at
from viseme.jobs.inputs import read_footage, read_sound
from viseme.jobs.run import run
from viseme.jobs.verbs import check, resume
from viseme.jobs.wish import Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Lease, Ledger, Outcome, State
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any


@pytest.fixture
def place(home: Path) -> Iterator[Workplace]:
    root = Home(home).create()
    settings = Settings.model_validate({"listing_visibility": {"fal": 0}})
    with Ledger.open(root.ledger) as ledger:
        yield Workplace(root, settings, ledger)


@pytest.fixture
def buying(place: Workplace, sandbox: Box, clip: Path, speech: Path) -> Callable[[], Any]:
    entry = endpoint_by_id("fal-sync")
    wish = Wish(entry.id, {}, read_footage(str(clip), entry), read_sound(str(speech), entry))

    async def buy() -> object:
        where = await sandbox_at(sandbox.control, place.home)
        return await run(make_plan(wish, place.settings), place, where, Watch())

    return buy


def take_over(place: Workplace) -> Lease:
    """As a second process does once the lease of the first has lapsed."""
    [job] = place.ledger.list()
    assert job.lease_owner is not None
    place.ledger.release_lease(Lease(job.id, job.lease_owner, job.fence, 0))
    lease = place.ledger.acquire_lease(job.id, "another", 10)
    assert lease is not None
    return lease


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
def test_an_acceptance_is_written_down_though_the_lease_is_lost(
    place: Workplace, sandbox: Box, buying: Callable[[], Any], state: State
) -> None:
    """Its id is nowhere else: the vendor's list hides the job, and nobody could ask for it."""
    sandbox.fault("answer-late", operation="submit", seconds=1.5, count=1)
    sandbox.fault("lookup-hidden")

    async def overtaken() -> Lease:
        first = asyncio.ensure_future(buying())
        await asyncio.to_thread(sandbox.await_charge)
        lease = take_over(place)
        if state is State.UNKNOWN:
            place.ledger.move(lease.job_id, State.UNKNOWN, fence=lease.fence)
        with pytest.raises(LedgerError) as caught:
            await first
        assert caught.value.vendor_id == sandbox.charges()[0]["vendor_id"]
        return lease

    lease = asyncio.run(overtaken())
    [submission] = place.ledger.submissions(lease.job_id)
    assert submission.outcome is Outcome.ACCEPTED
    assert place.ledger.get(lease.job_id).state is state, "its state is the new holder's to say"
    place.ledger.release_lease(lease)
    checked = asyncio.run(check(lease.job_id, place, Watch(), sandbox.control))
    assert checked.state is State.FETCHED
    assert asyncio.run(resume(lease.job_id, place, Watch(), sandbox.control)).files[0].is_file()
    assert len(sandbox.charges()) == len(sandbox.calls("submit")) == 1


def test_an_acceptance_of_what_another_job_was_given_is_not_written_down(
    place: Workplace, sandbox: Box, buying: Callable[[], Any]
) -> None:
    asyncio.run(buying())
    [job] = place.ledger.list()
    [submission] = place.ledger.submissions(job.id)
    assert submission.token is not None and submission.vendor_id is not None
    before = place.ledger.get(job.id)
    ids = {"request_id": "another"}
    place.ledger.note_acceptance(job.id, submission.token, "another", ids)
    assert place.ledger.submissions(job.id) == (submission,)
    assert place.ledger.get(job.id) == before


def test_a_wish_to_cancel_holds_for_the_lease_that_it_was_told_under(
    place: Workplace, buying: Callable[[], Any]
) -> None:
    """A job that is taken up again later is not stopped by what was wished of an earlier run."""
    asyncio.run(buying())
    [job] = place.ledger.list()
    place.ledger.wish_cancel(job.id)
    assert place.ledger.is_cancel_wished(job.id, job.fence)
    later = place.ledger.acquire_lease(job.id, "later", 5)
    assert later is not None
    assert not place.ledger.is_cancel_wished(job.id, later.fence)
