"""A job in doubt that is stopped, refused or submitted anew by several: the doubt stays told."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from viseme.errors import OutcomeUnknown
from viseme.home import Home
from viseme.jobs.collect import wind_up
from viseme.jobs.verbs import resubmit
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger, Outcome
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Wish = Callable[..., tuple[object, ...]]
NO_WAIT = {"fal": 0, "aimlapi": 0, "runware": 0}
CHOICES = (" check ", " resubmit ", " discard ")


@pytest.fixture
def wish(clip: Path, speech: Path, box: Box) -> Wish:
    """The words of a run at one endpoint, with JSON."""

    def words(endpoint: str, *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", endpoint, *media, "--sandbox", box.control, "--json", *more)

    return words


@pytest.fixture
def box(start_sandbox: Callable[..., Any]) -> Box:
    return start_sandbox("--time-scale", "0.1", "--no-render")


@pytest.fixture
def doubtful(quick: Command, box: Box, wish: Wish) -> Callable[..., str]:
    """Buys at an endpoint with the answer lost, and nothing to be found; the job's id."""

    def make(endpoint: str, *more: object) -> str:
        quick.settings(listing_visibility=NO_WAIT)
        box.fault("drop-after-accept")
        box.fault("lookup-hidden")
        assert quick(*wish(endpoint, *more)).code == 5
        assert len(box.charges()) == 1
        return str(quick.job_id())

    return make


@pytest.fixture
def place(quick: Command) -> Iterator[Workplace]:
    """The home of ``quick``, as this process works in it."""
    quick.settings(listing_visibility=NO_WAIT)
    home = Home(quick.home)
    with Ledger.open(home.ledger) as ledger:
        yield Workplace(home, Settings.load(home.settings), ledger)


def test_an_interrupted_run_whose_task_the_vendor_hides_is_left_in_doubt_and_not_cancelled(
    quick: Command, box: Box, wish: Wish, place: Workplace, doubtful: Callable[..., str]
) -> None:
    """Runware, which takes each task once, says that it has none: that may be wrong."""
    job_id = doubtful("runware-pixverse")
    with pytest.raises(OutcomeUnknown) as told:
        asyncio.run(wind_up(job_id, place, Watch(time_limit_seconds=20)))
    assert all(choice in str(told.value) for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    ends = [submission.outcome for submission in place.ledger.submissions(job_id)]
    assert set(ends) == {Outcome.UNKNOWN}
    box.end_faults()
    assert quick(*wish("runware-pixverse")).document["id"] == job_id
    assert len(box.charges()) == 1


def test_of_several_who_submit_a_job_anew_at_once_one_does(
    quick: Command, box: Box, place: Workplace, doubtful: Callable[..., str]
) -> None:
    """Each of them knows of the doubt that it was told of, and of no other."""
    job_id = doubtful("fal-sync")

    async def all_at_once() -> list[object]:
        several = (resubmit(job_id, place, Watch(), box.control) for _ in range(3))
        return list(await asyncio.gather(*several, return_exceptions=True))

    ends = asyncio.run(all_at_once())
    assert [type(end) for end in ends] == [OutcomeUnknown] * 3, ends
    assert len(box.calls("submit")) == len(box.charges()) == 2
    assert quick.states() == ["UNKNOWN"]
    # Who was told of that one may submit it anew once more.
    assert quick("resubmit", job_id, "--sandbox", box.control, "--json").code == 5
    assert len(box.charges()) == 3


def test_a_cap_that_keeps_a_job_in_doubt_from_being_sent_anew_tells_of_the_doubt_too(
    quick: Command, box: Box, clip: Path, speech: Path
) -> None:
    quick.live(box, listing_visibility=NO_WAIT)
    box.fault("drop-after-accept")
    box.fault("lookup-hidden")
    assert quick("run", "fal-sync", "--video", clip, "--audio", speech).code == 5
    quick.live(box, listing_visibility=NO_WAIT, max_usd_per_job="0.001")
    refused = quick("resubmit", quick.job_id(), "--json")
    assert refused.code == 6, refused
    assert all(choice in refused.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    assert len(box.charges()) == 1


def test_a_stop_before_a_job_in_doubt_is_sent_anew_tells_of_the_doubt_too(
    quick: Command, box: Box, doubtful: Callable[..., str]
) -> None:
    job_id = doubtful("fal-sync", "--carry", "upload")
    box.fault("stall", operation="upload", seconds=20)
    before = len(box.calls("upload-token"))
    running = quick.start("resubmit", job_id, "--sandbox", box.control, "--json")
    wait_for(lambda: len(box.calls("upload-token")) > before)
    running.signal(signal.SIGINT)
    stopped = running.ended()
    assert stopped.code == 5, stopped
    assert all(choice in stopped.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    assert len(box.charges()) == 1
