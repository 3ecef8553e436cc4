"""A job is worked on by one run at a time, and whoever waits is told truly for whom."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, bare_environment
from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import InputError, Interrupted, LedgerError, VendorError
from viseme.home import Home
from viseme.jobs.destination import live
from viseme.jobs.inputs import read_footage, read_sound
from viseme.jobs.run import drive, run
from viseme.jobs.signals import CancelToken, Progress
from viseme.jobs.verbs import destination_of, discard
from viseme.jobs.wish import Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace, lease_owner, owner_is_gone
from viseme.ledger import STALE_FENCE, Lease, Ledger, State
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


APART = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.fixture
def apart() -> list[str]:
    """What lets a command see no process but its own, under the same name of the machine."""
    words = APART if os.geteuid() == 0 else [*APART, "--user", "--map-root-user"]
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, text=True)
    except OSError as problem:
        pytest.skip(f"processes cannot be hidden from each other here: {problem}")
    if tried.returncode != 0:
        pytest.skip(f"processes cannot be hidden from each other here: {tried.stderr.strip()}")
    return words


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has namespaces")
def test_a_container_that_shares_the_home_takes_nothing_from_a_process_it_cannot_see(
    quick: Command, sandbox: Box, clip: Path, speech: Path, apart: list[str]
) -> None:
    sandbox.fault("stall", operation="submit", seconds=60, count=1)
    media = ("--video", clip, "--audio", speech)
    running = quick.start("run", "fal-sync", *media, "--sandbox", sandbox.control)
    sandbox.await_call("submit")
    job_id = quick.job_id()
    words = [sys.executable, "-m", "viseme", *quick.words(("discard", job_id, "--json"))]
    there = subprocess.run(
        [*apart, *words],
        capture_output=True,
        text=True,
        env=bare_environment() | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert there.returncode == 2, there
    assert "Another process works on" in there.stderr
    assert quick.states() == ["SENT"]
    running.kill()
    assert quick("discard", job_id).code == 0, "here its end is seen at once"


def test_an_owner_of_an_earlier_version_counts_as_gone_only_where_it_says_so() -> None:
    here = lease_owner()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert owner_is_gone(f"{here.rpartition('/')[0]}/{ended.pid}")
    assert not owner_is_gone(here)
    earlier = f"{socket.gethostname()}/{ended.pid}"
    assert owner_is_gone(earlier) is (sys.platform != "linux"), "it says of no namespace"
    for other in (
        "",
        "host:1",
        f"elsewhere/{ended.pid}",
        f"{here}x",
        f"{here.rpartition('/')[0]}/",
    ):
        assert not owner_is_gone(other)


def test_who_was_thought_to_have_ended_writes_nothing_to_a_discarded_job(
    quick: Command, sandbox: Box, clip: Path, speech: Path, place: Workplace
) -> None:
    quick.settings(listing_visibility={"fal": 0})
    sandbox.fault("drop-before-accept", count=1)
    media = ("--video", clip, "--audio", speech)
    assert quick("run", "fal-sync", *media, "--sandbox", sandbox.control).code == 5
    job_id = quick.job_id()
    slow = place.ledger.acquire_lease(job_id, "elsewhere/7", 60)
    assert slow is not None
    with pytest.raises(InputError, match="Another process works on"):
        discard(job_id, place)
    place.ledger.renew_lease(slow, 0)
    assert discard(job_id, place).state is State.DISCARDED
    with pytest.raises(LedgerError) as caught:
        place.ledger.update(job_id, fence=slow.fence, warnings=("I was only slow",))
    assert caught.value.code == STALE_FENCE
    assert place.ledger.get(job_id).lease_owner is None


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
