"""A job is worked on by one run at a time, and whoever waits is told truly for whom."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viseme.errors import Interrupted, VendorError
from viseme.home import Home
from viseme.jobs.run import drive
from viseme.jobs.signals import CancelToken, Progress
from viseme.jobs.verbs import destination_of
from viseme.jobs.workplace import Watch, Workplace, lease_owner
from viseme.ledger import Lease, Ledger
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any

HERE = "an earlier run of it here has not ended yet"
ELSEWHERE = "another process works on it"


@pytest.fixture
def place(home: Path) -> Iterator[Workplace]:
    root = Home(home).create()
    with Ledger.open(root.ledger) as ledger:
        yield Workplace(root, Settings(), ledger)


@pytest.fixture
def held_by(
    quick: Command, sandbox: Box, clip: Path, speech: Path, place: Workplace
) -> Callable[[str], Lease]:
    """``held_by(owner)``: the lease of a job, which ``owner`` has and does not give back."""

    def take(owner: str) -> Lease:
        media = ("--video", clip, "--audio", speech)
        assert quick("run", "fal-sync", *media, "--sandbox", sandbox.control).code == 0
        lease = place.ledger.acquire_lease(quick.job_id(), owner, 60)
        assert lease is not None
        return lease

    return take


async def wait_for_it(place: Workplace, job_id: str, watch: Watch) -> None:
    destination = await destination_of(place.ledger.get(job_id), place, None)
    await drive(job_id, place, destination, watch)


OWNERS: dict[str, Callable[[], str]] = {
    HERE: lease_owner,
    ELSEWHERE: lambda: f"{lease_owner().rpartition('/')[0]}/{os.getppid()}",
}


@pytest.mark.parametrize("said", OWNERS)
def test_who_waits_is_told_whether_this_process_or_another_one_works_on_the_job(
    said: str, place: Workplace, held_by: Callable[[str], Lease]
) -> None:
    lease, seen, cancel = held_by(OWNERS[said]()), list[Progress](), CancelToken()

    def look(progress: Progress) -> None:
        seen.append(progress)
        cancel.cancel()

    with pytest.raises(Interrupted):
        asyncio.run(wait_for_it(place, lease.job_id, Watch(cancel, look)))
    assert [progress.text for progress in seen] == [f"fetched; {said}"]
    with pytest.raises(VendorError, match=rf"not ended after 0 s; {said}\."):
        asyncio.run(wait_for_it(place, lease.job_id, Watch(time_limit_seconds=0.01)))
