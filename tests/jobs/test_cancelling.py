"""A stopped command ends at once, asks the vendor to stop, and leaves the ledger true."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viseme.ledger import Outcome, State

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Wish = Callable[..., tuple[object, ...]]

RETURNS_SECONDS = 2.0
EXIT_SECONDS = 0.7  # Python's own end


@pytest.fixture(scope="session")
def _half(tmp_path_factory: pytest.TempPathFactory, start_shared: Callable[..., Box]) -> Box:
    return start_shared(tmp_path_factory.mktemp("half"), "--time-scale", "0.2", "--no-render")


@pytest.fixture
def box(_half: Box) -> Iterator[Box]:
    """Slow enough to be stopped in: fal 0.4 s in the queue, 1.6 s running."""
    _half.reset()
    yield _half
    assert _half.process.poll() is None, "the sandbox died"


@pytest.fixture
def wish(clip: Path, speech: Path) -> Wish:
    def words(box: Box, endpoint: str = "fal-sync", *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", endpoint, *media, "--sandbox", box.control, "--json", *more)

    return words


def busyness() -> float:
    """How many times longer everything may take on this machine now; at least 1."""
    if not hasattr(os, "getloadavg"):
        return 1.0
    return max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def stopped(running: Any, number: signal.Signals = signal.SIGINT) -> Any:
    """Send the signal; how the command ended, which it did in time."""
    begin = time.monotonic()
    running.signal(number)
    ended = running.ended()
    took = time.monotonic() - begin
    assert took < (RETURNS_SECONDS + EXIT_SECONDS) * busyness(), ended
    assert "Traceback" not in ended.err
    return ended


def await_state(command: Command, *states: str) -> None:
    end = time.monotonic() + 60
    while not (found := command.states()) or found[0] not in states:
        assert time.monotonic() < end, found
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_uploading_nothing_is_submitted(
    quick: Command, sandbox: Box, wish: Wish, number: signal.Signals
) -> None:
    sandbox.fault("stall", operation="upload", seconds=4)
    running = quick.start(*wish(sandbox, "fal-sync", "--carry", "upload"))
    sandbox.await_call("upload")
    ended = stopped(running, number)
    assert ended.code == 130
    assert ended.error["kind"] == "interrupted"
    assert quick.states() == ["CANCELLED"]
    assert sandbox.calls("submit") == sandbox.charges() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_queued_the_job_is_cancelled_and_unpaid(
    quick: Command, sandbox: Box, wish: Wish, number: signal.Signals
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    running = quick.start(*wish(sandbox))
    sandbox.await_call("status")
    ended = stopped(running, number)
    assert ended.code == 130
    assert "the vendor has cancelled" in ended.error["message"]
    assert ended.error["job_id"] == quick.job_id()
    assert quick.states() == ["CANCELLED"]
    assert len(sandbox.calls("cancel")) == 1
    assert sandbox.charges() == []


def test_stopped_while_running_it_says_that_it_may_still_be_made_and_check_tells(
    quick: Command, box: Box, wish: Wish
) -> None:
    running = quick.start(*wish(box))
    await_state(quick, "RUNNING")
    ended = stopped(running)
    assert ended.code == 130
    assert quick.states() == ["CANCELLING"]
    assert ended.error["message"].endswith("and the job may still be made.")  # free: a sandbox
    assert f"check {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    assert len(box.calls("cancel")) == 1
    resumed = quick("resume", quick.job_id(), "--json")
    assert resumed.code == 4
    assert quick.states() == ["CANCELLED"]
    assert box.charges() == []


def test_the_same_command_follows_a_cancelling_to_its_end_and_then_buys_its_own(
    quick: Command, box: Box, wish: Wish
) -> None:
    running = quick.start(*wish(box))
    await_state(quick, "RUNNING")
    assert stopped(running).code == 130
    assert quick.states() == ["CANCELLING"]
    again = quick(*wish(box))
    assert again.code == 0, again
    assert quick.states() == ["FETCHED", "CANCELLED"]
    assert len(box.charges()) == 1


@pytest.mark.parametrize("by", ["resume", "the same command"])
def test_a_cancelling_that_the_vendor_ignores_still_brings_what_was_paid_for(
    quick: Command, box: Box, wish: Wish, by: str
) -> None:
    box.fault("cancel-ignored")
    running = quick.start(*wish(box))
    await_state(quick, "RUNNING")
    assert stopped(running).code == 130
    assert quick.states() == ["CANCELLING"]
    came = quick("resume", quick.job_id(), "--json") if by == "resume" else quick(*wish(box))
    assert came.code == 0, came
    assert quick.states() == ["FETCHED"]
    assert len(box.calls("submit")) == len(box.charges()) == 1


def test_a_vendor_that_does_not_answer_the_cancelling_holds_nobody_up(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    sandbox.fault("stall", operation="cancel", seconds=4, count=1)
    running = quick.start(*wish(sandbox))
    sandbox.await_call("status")
    ended = stopped(running)
    assert ended.code == 130
    assert quick.states() == ["CANCELLING"]


def test_stopped_while_downloading_the_result_is_named_as_bought(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("stall", operation="download", seconds=4, count=1)
    running = quick.start(*wish(sandbox))
    sandbox.await_call("download")
    ended = stopped(running)
    assert ended.code == 130
    assert quick.states() == ["SUCCEEDED"]
    assert f"resume {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    assert quick("resume", quick.job_id()).code == 0
    assert len(sandbox.charges()) == 1


def test_stopped_while_submitting_the_outcome_is_unknown_and_said_so(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("answer-late", operation="submit", seconds=4, count=1)
    running = quick.start(*wish(sandbox))
    sandbox.await_charge()
    ended = stopped(running)
    assert ended.code == 5, ended
    assert quick.states() == ["UNKNOWN"]
    assert f"check {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    again = quick(*wish(sandbox))
    assert again.code == 0, again
    assert len(sandbox.charges()) == 1


def test_a_second_interrupt_ends_at_once_and_leaves_the_job_in_doubt(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("answer-late", operation="submit", seconds=4, count=1)
    running = quick.start(*wish(sandbox))
    sandbox.await_charge()
    running.signal(signal.SIGINT)
    time.sleep(0.2)
    ended = stopped(running)
    assert ended.code == 130, ended
    assert quick.states() == ["SENT"]
    assert quick(*wish(sandbox)).code == 0
    assert len(sandbox.charges()) == 1


def test_an_answer_that_comes_just_after_the_stop_is_still_taken(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    sandbox.fault("answer-late", operation="submit", seconds=0.8, count=1)
    running = quick.start(*wish(sandbox))
    sandbox.await_charge()
    ended = stopped(running)
    assert ended.code == 130, ended
    assert quick.states() == ["CANCELLED"]
    assert sandbox.charges() == []


@pytest.mark.parametrize("endpoint", ["aimlapi-pixverse", "runware-pixverse"])
def test_a_job_at_a_vendor_that_cannot_cancel_goes_on_and_is_fetched_later(
    quick: Command, box: Box, wish: Wish, endpoint: str
) -> None:
    running = quick.start(*wish(box, endpoint))
    await_state(quick, "ACCEPTED", "RUNNING")
    ended = stopped(running)
    assert ended.code == 130, ended
    assert "cannot cancel" in ended.error["message"]
    assert f"resume {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    refused = quick("cancel", quick.job_id(), "--json")
    assert refused.code == 4
    assert f"resume {quick.job_id()}" in refused.error["remedy"]
    assert quick("resume", quick.job_id(), "--json").code == 0
    assert quick.states() == ["FETCHED"]
    assert len(box.charges()) == 1


def test_the_verb_cancels_a_job_that_a_dead_command_left(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    running = quick.start(*wish(sandbox))
    await_state(quick, "ACCEPTED")
    running.kill()
    gone = quick("cancel", quick.job_id(), "--json")
    assert gone.code == 0, gone
    assert gone.document["state"] == "CANCELLED"
    assert sandbox.charges() == []
    again = quick("cancel", quick.job_id(), "--json")
    assert again.code == 2
    assert again.error["field"] == "job"


def test_the_verb_follows_a_running_job_until_it_has_stopped(
    quick: Command, box: Box, wish: Wish
) -> None:
    running = quick.start(*wish(box))
    await_state(quick, "RUNNING")
    running.kill()
    gone = quick("cancel", quick.job_id(), "--json")
    assert gone.code == 0, gone
    assert gone.document["state"] == "CANCELLED"
    assert box.charges() == []


def test_a_job_that_another_command_works_on_can_be_cancelled_from_beside_it(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    running = quick.start(*wish(sandbox))
    await_state(quick, "ACCEPTED")
    beside = quick.start("cancel", quick.job_id(), "--json")
    gone = beside.ended()
    assert gone.code == 0, gone
    assert quick.states()[0] == "CANCELLED"
    ended = running.ended()
    assert ended.error["message"] == "The job was cancelled at the vendor."
    assert ended.error["job_id"] == quick.job_id()
    assert "it will be bought anew" in ended.error["remedy"]
    assert sandbox.charges() == []


def test_a_job_of_which_nothing_was_sent_is_cancelled_here(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("stall", operation="upload", seconds=3)
    running = quick.start(*wish(sandbox, "fal-sync", "--carry", "upload"))
    sandbox.await_call("upload")
    running.kill()
    assert quick.states() == ["PLANNED"]
    gone = quick("cancel", quick.job_id(), "--json")
    assert gone.code == 0, gone
    assert quick.states() == ["CANCELLED"]
    assert sandbox.calls("submit") == []


def test_a_job_that_may_have_arrived_before_its_next_try_is_not_called_cancelled(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    """Runware takes the same task again, so a lost answer leads back to INTENT; there it dies."""
    sandbox.fault("answer-late", operation="submit", seconds=2, count=1)
    running = quick.start(*wish(sandbox, "runware-pixverse"))
    sandbox.await_charge()
    running.kill()
    job_id = quick.job_id()
    with quick.ledger() as ledger:
        ledger.end_submission(job_id, 1, Outcome.UNKNOWN, to=State.INTENT)
    refused = quick("cancel", job_id, "--json")
    assert refused.code == 5, refused
    assert all(f"{verb} {job_id}" in refused.error["remedy"] for verb in ("check", "resubmit"))
    assert quick.states() == ["UNKNOWN"]
    assert quick("resume", job_id).code == 0
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


def test_a_wait_for_another_command_can_be_stopped(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    first = quick.start(*wish(sandbox))
    await_state(quick, "ACCEPTED")
    second = quick.start(*wish(sandbox))
    second.await_line("another process works on it")
    assert stopped(second).code == 130
    assert first.runs
    assert sandbox.calls("cancel") == []
    stopped(first)


def test_a_time_limit_ends_the_wait_and_not_the_job(quick: Command, box: Box, wish: Wish) -> None:
    ended = quick(*wish(box, "fal-sync", "--time-limit", "0.2"))
    assert ended.code == 4, ended
    assert "The job goes on" in ended.error["remedy"]
    assert quick("resume", quick.job_id()).code == 0
    assert len(box.charges()) == 1
