"""A job is worked on by one run at a time, and whoever waits is told truly for whom."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import Interrupted, VendorError
from viseme.home import Home
from viseme.jobs.destination import live
from viseme.jobs.inputs import read_footage, read_sound
from viseme.jobs.run import drive, run
from viseme.jobs.signals import CancelToken, Progress
from viseme.jobs.verbs import destination_of
from viseme.jobs.wish import Wish, make_plan
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


def test_a_keyring_is_never_asked_on_the_loop_that_other_jobs_share(
    sandbox: Box, clip: Path, speech: Path, place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may ask the user to unlock it, and takes as long as the user does."""
    keyring = pytest.importorskip("keyring")
    asked_on: list[int] = []

    class Watched(keyring.backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = -1  # it is known to keyring from now on, and must not be chosen by itself

        def get_password(self, service: str, username: str) -> str:
            asked_on.append(threading.get_ident())
            return "live-id:live-secret"

        def set_password(self, service: str, username: str, password: str) -> None: ...

        def delete_password(self, service: str, username: str) -> None: ...

    monkeypatch.delenv("FAL_KEY", raising=False)
    polls = {"fal": {"first_seconds": 0.05, "most_seconds": 0.1}}
    settings = Settings.model_validate({"base_urls": sandbox.base_urls, "poll": polls})
    live_place = Workplace(place.home, settings, place.ledger)
    entry = endpoint_by_id("fal-sync")
    wish = Wish(entry.id, {}, read_footage(str(clip), entry), read_sound(str(speech), entry))
    before = keyring.get_keyring()
    keyring.set_keyring(Watched())
    try:
        planned = make_plan(wish, settings)
        finished = asyncio.run(run(planned, live_place, live(settings), Watch()))
    finally:
        keyring.set_keyring(before)
    assert finished.files
    assert asked_on
    assert threading.get_ident() not in asked_on
