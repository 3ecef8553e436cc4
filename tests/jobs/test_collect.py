"""Collecting brings what was bought here, and buys nothing, whatever the job's state is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viseme.errors import InputError, Interrupted, JobFailed, OutcomeUnknown
from viseme.home import Home
from viseme.jobs.collect import collect
from viseme.jobs.run import Finished
from viseme.jobs.signals import CancelToken
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger, State
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Words = Callable[..., tuple[object, ...]]


@pytest.fixture(scope="session")
def _half(tmp_path_factory: pytest.TempPathFactory, start_shared: Callable[..., Box]) -> Box:
    return start_shared(tmp_path_factory.mktemp("half"), "--time-scale", "0.2", "--no-render")


@pytest.fixture
def box(_half: Box) -> Box:
    """fal takes 0.4 s in the queue, 1.6 s running."""
    _half.reset()
    return _half


@pytest.fixture
def words(clip: Path, speech: Path) -> Words:
    def run(box: Box, endpoint: str = "fal-sync", *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", endpoint, *media, "--sandbox", box.control, "--json", *more)

    return run


@pytest.fixture
def place(home: Path) -> Iterator[Workplace]:
    root = Home(home).create()
    with Ledger.open(root.ledger) as ledger:
        yield Workplace(root, Settings(), ledger)


def bring(place: Workplace, job_id: str, watch: Watch | None = None) -> Finished:
    return asyncio.run(collect(job_id, place, watch or Watch()))


def test_a_result_that_is_here_needs_no_vendor(
    quick: Command, start_sandbox: Callable[..., Box], words: Words, place: Workplace
) -> None:
    box = start_sandbox("--time-scale", "0", "--no-render")
    assert quick(*words(box)).code == 0
    box.stop()
    found = bring(place, quick.job_id()[-6:])
    assert found.reused
    assert found.receipt["state"] == "FETCHED"
    assert found.files[0].is_file()


def test_a_job_that_its_command_left_is_waited_for_and_fetched(
    quick: Command, box: Box, words: Words, place: Workplace
) -> None:
    running = quick.start(*words(box))
    box.await_charge()
    running.kill()
    found = bring(place, quick.job_id())
    assert found.files[0].is_file()
    assert quick.states() == ["FETCHED"]
    assert len(box.charges()) == len(box.calls("submit")) == 1


def test_a_file_that_is_gone_is_fetched_again(
    quick: Command, sandbox: Box, words: Words, place: Workplace
) -> None:
    assert quick(*words(sandbox)).code == 0
    first = bring(place, quick.job_id()).files[0]
    first.unlink()
    assert bring(place, quick.job_id()).files[0].is_file()
    assert len(sandbox.charges()) == len(sandbox.calls("submit")) == 1


def test_a_job_that_never_reached_its_vendor_is_not_bought_by_collecting(
    quick: Command, sandbox: Box, words: Words, place: Workplace
) -> None:
    sandbox.fault("stall", operation="upload", seconds=20, count=1)
    running = quick.start(*words(sandbox, "fal-sync", "--carry", "upload"))
    sandbox.await_call("upload")
    running.kill()
    assert quick.states() == ["PLANNED"]
    with pytest.raises(InputError, match="never reached fal") as caught:
        bring(place, quick.job_id())
    assert f"resume {quick.job_id()} --home" in str(caught.value.remedy)
    assert sandbox.calls("submit") == sandbox.charges() == []


def test_a_task_that_its_vendor_does_not_show_stays_in_doubt_and_is_not_sent_by_collecting(
    quick: Command, sandbox: Box, words: Words, place: Workplace
) -> None:
    sandbox.fault("stall", operation="submit", seconds=20, count=1)
    running = quick.start(*words(sandbox, "runware-pixverse"))
    sandbox.await_call("submit")
    running.kill()
    assert quick.states() == ["SENT"]
    before = len(sandbox.calls("submit"))
    for _ in range(2):  # and says so again
        with pytest.raises(OutcomeUnknown, match="Runware does not show the task"):
            bring(place, quick.job_id())
    assert len(sandbox.calls("submit")) == before
    assert sandbox.charges() == []
    assert quick.states() == ["UNKNOWN"]


def test_stopping_it_stops_the_waiting_and_not_the_job(
    quick: Command, box: Box, words: Words, place: Workplace
) -> None:
    running = quick.start(*words(box))
    box.await_charge()
    running.kill()
    token = CancelToken()
    threading.Timer(0.5, token.cancel).start()
    with pytest.raises(Interrupted, match="the job goes on") as caught:
        bring(place, quick.job_id(), Watch(token))
    assert caught.value.job_id == quick.job_id()
    assert f"cancel {quick.job_id()} --home" in str(caught.value.remedy)
    assert box.calls("cancel") == []
    assert bring(place, quick.job_id()).files[0].is_file()
    assert len(box.charges()) == 1


def test_a_job_that_failed_says_why(
    quick: Command, sandbox: Box, words: Words, place: Workplace
) -> None:
    sandbox.fault("job-fails", count=1)
    assert quick(*words(sandbox)).code == 4
    with pytest.raises(JobFailed) as caught:
        bring(place, quick.job_id())
    assert caught.value.job_id == quick.job_id()
    assert place.ledger.get(quick.job_id()).state is State.FAILED
