"""A ledger that another process holds for too long: nothing is submitted, and nothing lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import LedgerError
from viseme.home import Home
from viseme.jobs.destination import sandbox_at
from viseme.jobs.inputs import read_footage, read_sound
from viseme.jobs.run import Finished, run
from viseme.jobs.signals import Progress, Step
from viseme.jobs.wish import Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger, State
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Buy = Callable[..., Finished]


@pytest.fixture
def place(home: Path) -> Iterator[Workplace]:
    root = Home(home).create()
    with Ledger.open(root.ledger, busy_timeout_seconds=0.1) as ledger:
        # A lease that could not be given back lapses by itself.
        yield Workplace(root, Settings(lease_seconds=5), ledger)


@pytest.fixture
def holder(place: Workplace) -> Iterator[sqlite3.Connection]:
    """Another who writes to the ledger: ``BEGIN IMMEDIATE`` holds it, ``ROLLBACK`` gives it up."""
    path = place.home.ledger
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as opened:
        yield opened


@pytest.fixture
def buy(place: Workplace, sandbox: Box, clip: Path, speech: Path) -> Buy:
    entry = endpoint_by_id("fal-sync")
    wish = Wish(entry.id, {}, read_footage(str(clip), entry), read_sound(str(speech), entry))

    async def buying(watch: Watch) -> Finished:
        where = await sandbox_at(sandbox.control, place.home)
        return await run(make_plan(wish, place.settings), place, where, watch)

    return lambda watch=None: asyncio.run(buying(watch or Watch()))


def assert_busy(error: LedgerError, place: Workplace) -> None:
    assert f"{place.home.ledger} has been held by another process" in error.message
    assert error.limit == "0.1 s"
    assert "Wait for the other Viseme process" in str(error)


def test_while_the_ledger_is_held_nothing_is_uploaded_or_submitted(
    buy: Buy, place: Workplace, sandbox: Box, holder: sqlite3.Connection
) -> None:
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError) as raised:
        buy()
    assert_busy(raised.value, place)
    assert sandbox.ask("requests")["requests"] == []
    holder.execute("ROLLBACK")
    assert place.ledger.list() == ()
    assert buy().job.state is State.FETCHED
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize(
    ("step", "charges"),
    [(Step.PREPARE, 0), (Step.SUBMIT, 1), (Step.FETCH, 1)],
)
def test_a_ledger_held_from_any_step_on_loses_nothing_and_the_same_run_goes_on(
    buy: Buy,
    place: Workplace,
    sandbox: Box,
    holder: sqlite3.Connection,
    step: Step,
    charges: int,
) -> None:
    def hold(progress: Progress) -> None:
        if progress.step is step and not holder.in_transaction:
            holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(LedgerError) as raised:
        buy(Watch(report=hold))
    assert holder.in_transaction
    assert_busy(raised.value, place)
    assert len(sandbox.charges()) == charges
    holder.execute("ROLLBACK")
    (job,) = place.ledger.list()
    finished = buy()
    assert (finished.job.id, finished.job.state) == (job.id, State.FETCHED)
    assert all(path.stat().st_size > 0 for path in finished.files)
    assert len(sandbox.charges()) == 1


def test_an_interrupt_reaches_the_vendor_though_the_ledger_is_held(
    place: Workplace, sandbox: Box, buy: Buy, holder: sqlite3.Connection
) -> None:
    """What cannot be written down is no reason to have the vendor go on, and be paid."""
    sandbox.fault("slow-queue", seconds=60)
    watch = Watch()

    def interrupt(progress: Progress) -> None:
        if progress.step is Step.QUEUE and not watch.cancel.is_cancelled:
            holder.execute("BEGIN IMMEDIATE")
            watch.cancel.cancel()

    watch.report = interrupt
    try:
        with pytest.raises(LedgerError) as caught:
            buy(watch)
    finally:
        holder.execute("ROLLBACK")
    assert_busy(caught.value, place)
    assert "refused" not in str(caught.value)
    assert len(sandbox.calls("cancel")) == 1
