"""A job in doubt that is stopped, refused or submitted anew by several: the doubt stays told."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from viseme.errors import OutcomeUnknown
from viseme.home import Home
from viseme.jobs.collect import collect, wind_up
from viseme.jobs.verbs import resubmit
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger, Outcome, State
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
def box(unhurried_sandbox: Any) -> Box:
    return unhurried_sandbox


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


def test_collecting_a_task_that_the_vendor_hides_keeps_the_doubt_and_brings_it_later(
    quick: Command, box: Box, place: Workplace, doubtful: Callable[..., str]
) -> None:
    """A look-up that does not show it may be wrong, and nothing may bar the way to what is paid."""
    job_id = doubtful("runware-pixverse")
    with pytest.raises(OutcomeUnknown) as told:
        asyncio.run(collect(job_id, place, Watch()))
    assert all(choice in str(told.value) for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    box.end_faults()
    found = asyncio.run(collect(job_id, place, Watch()))
    assert found.files[0].is_file()
    assert len(box.charges()) == 1


@pytest.fixture
def between_tries(place: Workplace, doubtful: Callable[..., str]) -> str:
    """A task of which one try has no answer and the next is not begun: its process was killed."""
    job_id = doubtful("runware-pixverse")
    place.ledger.move(job_id, State.INTENT)
    return job_id


@pytest.mark.parametrize("verb", ["check", "collect", "resume"])
def test_a_job_that_was_left_between_two_tries_is_looked_for(
    quick: Command, box: Box, place: Workplace, between_tries: str, verb: str
) -> None:
    box.end_faults()
    submits = len(box.calls("submit"))
    if verb == "collect":
        assert asyncio.run(collect(between_tries, place, Watch())).files[0].is_file()
    else:
        assert quick(verb, between_tries, "--json").code == 0
    assert quick("resume", between_tries, "--json").code == 0
    assert len(box.charges()) == 1
    assert len(box.calls("submit")) == submits


@pytest.mark.parametrize("verb", ["check", "cancel"])
def test_a_job_that_was_left_between_two_tries_and_is_not_shown_is_in_doubt(
    quick: Command, between_tries: str, verb: str
) -> None:
    told = quick(verb, between_tries, "--json")
    assert told.code == 5, told
    assert all(choice in told.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]


def test_a_job_that_was_left_between_two_tries_can_be_given_up(
    quick: Command, box: Box, wish: Wish, between_tries: str
) -> None:
    assert quick("discard", between_tries).code == 0
    assert quick.states() == ["DISCARDED"]
    box.end_faults()
    assert quick(*wish("runware-pixverse")).code == 0
    assert len(box.charges()) == 2, "the user was told that this may be a second one"


def test_a_job_that_was_left_between_two_tries_can_be_submitted_anew(
    quick: Command, box: Box, between_tries: str
) -> None:
    box.end_faults()
    box.fault("lookup-hidden", count=2)
    assert quick("resubmit", between_tries, "--json").code == 0
    assert len(box.charges()) == 2


def test_a_job_that_its_vendor_shows_by_now_is_not_submitted_anew(
    quick: Command, box: Box, doubtful: Callable[..., str]
) -> None:
    """The user was to decide since nobody could tell; by now the vendor can."""
    job_id = doubtful("fal-sync")
    box.end_faults()
    time.sleep(1.5)  # until the job has ended there and is listed
    told = quick("resubmit", job_id, "--sandbox", box.control, "--json")
    assert told.code == 0, told
    assert any("it was not submitted anew" in warning for warning in told.document["warnings"])
    assert len(box.calls("submit")) == len(box.charges()) == 1


def test_media_that_are_gone_leave_a_task_between_two_tries_in_doubt(
    quick: Command, box: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    """Its vendor does not show it, which may be wrong: what may be paid is no mere plan again."""
    quick.settings(listing_visibility=NO_WAIT)
    own = tmp_path / "own.mp4"
    own.write_bytes(clip.read_bytes())
    box.fault("drop-after-accept")
    box.fault("lookup-hidden")
    command = ("run", "runware-pixverse", "--video", own, "--audio", speech)
    assert quick(*command, "--sandbox", box.control).code == 5
    own.unlink()
    refused = quick("resume", quick.job_id(), "--sandbox", box.control, "--json")
    assert refused.code == 2, refused
    assert all(choice in refused.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]


def test_an_earlier_task_stays_in_doubt_though_its_vendor_does_not_show_it(
    quick: Command, box: Box, place: Workplace, doubtful: Callable[..., str]
) -> None:
    """Runware is sent the later one again, and nobody would ever ask for the earlier one."""
    job_id = doubtful("runware-pixverse")
    assert quick("resubmit", job_id, "--sandbox", box.control, "--json").code == 5
    first, last = (place.ledger.submissions(job_id)[place_of].token for place_of in (0, -1))
    assert first != last
    hour = 3_600_000
    with closing(sqlite3.connect(place.home.ledger)) as connection:
        connection.execute(
            "UPDATE submissions SET sent_at = sent_at - ?, ended_at = ended_at - ? WHERE token = ?",
            (hour, hour, first),
        )
        connection.commit()
    quick.settings(listing_visibility={"runware": 600})
    assert quick("check", job_id, "--sandbox", box.control, "--json").code == 5
    ends = {one.outcome for one in place.ledger.submissions(job_id) if one.token == first}
    assert ends == {Outcome.UNKNOWN}


def test_several_tries_of_one_task_are_one_purchase(
    quick: Command, place: Workplace, doubtful: Callable[..., str]
) -> None:
    job_id = doubtful("runware-pixverse")
    assert len(place.ledger.submissions(job_id)) == 3
    [spend] = place.ledger.spend()
    assert spend.least_usd == 0
    assert spend.most_usd == place.ledger.get(job_id).quote.most_usd


def test_a_task_that_a_stopped_resubmission_was_to_replace_is_still_taken_once(
    quick: Command, box: Box, wish: Wish, place: Workplace, doubtful: Callable[..., str]
) -> None:
    """The new task was never sent: only the old one may have been bought, and is sent again."""
    job_id = doubtful("runware-pixverse")
    [token] = {one.token for one in place.ledger.submissions(job_id)}
    running = start_and_stall(quick, box, job_id)
    running.signal(signal.SIGINT)
    assert running.ended().code == 5
    box.end_faults()
    box.fault("lookup-hidden", count=1)
    again = quick(*wish("runware-pixverse"))
    assert again.code == 0, again
    assert again.document["vendor_ids"]["taskUUID"] == token
    assert len(box.charges()) == 1


def test_a_disk_that_bars_a_resubmission_leaves_the_doubt_told(
    quick: Command, box: Box, place: Workplace, doubtful: Callable[..., str]
) -> None:
    job_id = doubtful("fal-sync")
    leases = place.ledger.get(job_id).fence
    for number in (1, 2):  # where the media would be made ready
        (place.home.work / f"{job_id}.{leases + number}").touch()
    barred = quick("resubmit", job_id, "--sandbox", box.control, "--json")
    assert barred.code == 1, barred
    assert "Make room" in barred.error["remedy"]
    assert all(choice in barred.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    assert len(box.charges()) == 1


@pytest.mark.parametrize("verb", ["check", "collect", "cancel"])
def test_a_task_that_a_killed_resubmission_was_to_replace_is_still_taken_once(
    quick: Command,
    box: Box,
    place: Workplace,
    doubtful: Callable[..., str],
    verb: str,
) -> None:
    """Whoever looks for it next: a look-up that does not show the old task may be wrong."""
    job_id = doubtful("runware-pixverse")
    [token] = {one.token for one in place.ledger.submissions(job_id)}
    kill_while_uploading(quick, box, job_id)
    assert quick.states() == ["INTENT"]
    if verb == "collect":
        with pytest.raises(OutcomeUnknown):
            asyncio.run(collect(job_id, place, Watch()))
    else:
        assert quick(verb, job_id, "--json").code == 5
    box.end_faults()
    box.fault("lookup-hidden", count=1)
    again = quick("resume", job_id, "--json")
    assert again.code == 0, again
    assert again.document["vendor_ids"]["taskUUID"] == token
    assert len(box.charges()) == 1


def kill_while_uploading(quick: Command, box: Box, job_id: str) -> None:
    """Submit a job anew and kill that before anything is sent."""
    start_and_stall(quick, box, job_id).kill()


def start_and_stall(quick: Command, box: Box, job_id: str) -> Any:
    """Submit a job anew; the command, whose first upload stalls."""
    box.fault("stall", operation="upload", seconds=20)
    before = len(box.calls("upload"))
    running = quick.start("resubmit", job_id, "--sandbox", box.control, "--json")
    wait_for(lambda: len(box.calls("upload")) > before)
    return running


def test_a_killed_resubmission_is_not_gone_on_with_by_the_same_command(
    quick: Command, box: Box, wish: Wish, doubtful: Callable[..., str]
) -> None:
    """Submitting anew takes the user's word each time; the command only looks for the first."""
    job_id = doubtful("fal-sync", "--carry", "upload")
    kill_while_uploading(quick, box, job_id)
    box.end_faults()
    box.fault("lookup-hidden")
    submits = len(box.calls("submit"))
    command = wish("fal-sync", "--carry", "upload")
    assert quick(*command).code == 5
    box.end_faults()
    wait_for(lambda: quick(*command).code == 0)
    assert len(box.calls("submit")) == submits
    assert len(box.charges()) == 1


def test_media_that_are_gone_leave_a_job_in_doubt_as_it_was(
    quick: Command, box: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    """Its clip is away when it is submitted anew: nothing is sent, then or by the next command."""
    quick.settings(listing_visibility=NO_WAIT)
    own = tmp_path / "own.mp4"
    own.write_bytes(clip.read_bytes())
    command = ("run", "fal-sync", "--video", own, "--audio", speech, "--sandbox", box.control)
    box.fault("drop-after-accept")
    box.fault("lookup-hidden")
    assert quick(*command).code == 5
    own.rename(tmp_path / "away.mp4")
    refused = quick("resubmit", quick.job_id(), "--sandbox", box.control, "--json")
    assert refused.code == 2, refused
    assert all(choice in refused.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    (tmp_path / "away.mp4").rename(own)
    assert quick(*command).code == 5
    assert len(box.calls("submit")) == len(box.charges()) == 1


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_what_was_submitted_anew_and_ends_without_a_result_ends_no_earlier_doubt(
    quick: Command, box: Box, wish: Wish, doubtful: Callable[..., str], end: str
) -> None:
    job_id = doubtful("fal-sync")
    box.end_faults()
    box.fault("lookup-hidden")
    box.fault("slow-queue" if end == "cancelled" else "job-fails", seconds=60, count=1)
    running = quick.start("resubmit", job_id, "--sandbox", box.control, "--json")
    if end == "cancelled":
        wait_for(lambda: quick.states()[0] in ("ACCEPTED", "RUNNING"))
        running.signal(signal.SIGINT)
        running.ended()
        told = quick("check", job_id, "--json")
    else:
        told = running.ended()
    assert told.code == 5, told
    assert all(choice in told.error["remedy"] for choice in CHOICES)
    assert quick.states() == ["UNKNOWN"]
    submits = len(box.calls("submit"))
    assert submits == 2
    box.end_faults()
    wait_for(lambda: quick(*wish("fal-sync")).code == 0)
    assert len(box.calls("submit")) == submits
    assert len(box.charges()) == 1


@pytest.mark.parametrize("bar", ["no upload", "refused", "stopped", "killed"])
def test_a_resubmission_that_comes_to_nothing_leaves_what_was_accepted_to_be_asked_for(
    quick: Command, box: Box, wish: Wish, place: Workplace, bar: str
) -> None:
    """The vendor took it and keeps its result back: that it was accepted is no doubt of a list."""
    quick.settings(listing_visibility=NO_WAIT, poll_outage_seconds=0.2)
    box.fault("500", operation="result")
    command = wish("fal-sync", "--carry", "upload")
    assert quick(*command).code == 5
    job_id = quick.job_id()
    if bar in ("no upload", "refused"):
        name, operation = ("503", "upload-token") if bar == "no upload" else ("no-credit", "submit")
        box.fault(name, operation=operation)
        told = quick("resubmit", job_id, "--sandbox", box.control, "--json")
        assert told.code == 5, told
        assert all(choice in told.error["remedy"] for choice in CHOICES)
    elif bar == "stopped":
        running = start_and_stall(quick, box, job_id)
        running.signal(signal.SIGINT)
        assert running.ended().code == 5
    else:
        kill_while_uploading(quick, box, job_id)
        impatient = replace(place, settings=Settings.load(place.home.settings))
        with pytest.raises(OutcomeUnknown):
            asyncio.run(collect(job_id, impatient, Watch()))
    assert quick.states() == ["UNKNOWN"]
    box.end_faults()
    assert quick(*command).code == 0
    assert quick.states() == ["FETCHED"]
    assert len(box.charges()) == 1
