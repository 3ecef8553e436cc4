"""Interrupt: noticed at once, told to the vendor, ended as the host's own; the worker lives on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.host.client import FOREVER_SECONDS, LIP_SYNCS, REPEATS, Graph, SampleGraph, until
from tests.host.hosting import Host, ModalSandbox


def assert_all_cancelled(box: ModalSandbox, count: int) -> None:
    until(lambda: len(box.calls("cancel")) >= count, f"{count} cancellations at the vendor")
    until(lambda: not box.charges(), "the end of every charge")


def interrupt_at_the_vendor(
    comfy: Host, box: ModalSandbox, graph: SampleGraph, moment: str
) -> float:
    """Interrupt a job that would go on for longer than a test waits; seconds to the cancelling."""
    sync = graph.lip_sync()
    graph.save(sync[0])
    started = time.time()
    prompt_id = comfy.post(graph)
    comfy.await_text(sync, f"{moment} at", started)
    asked = time.time()
    comfy.interrupted(prompt_id)
    assert_all_cancelled(box, 1)
    [call] = box.calls("cancel")
    assert comfy.is_alive()
    return float(call["time"] - asked)


@pytest.mark.parametrize("round_", range(REPEATS))
def test_an_interrupt_in_the_queue_cancels_at_the_vendor(
    comfy: Host,
    slow_box: ModalSandbox,
    graph: SampleGraph,
    round_: int,
    report: Callable[[str, float], None],
) -> None:
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS)
    seconds = interrupt_at_the_vendor(comfy, slow_box, graph, "queued")
    report("from the interrupt to the cancelling", seconds)


@pytest.fixture
def quick_polls(comfy: Host) -> Iterator[None]:
    """Waits between polls are as much longer as those of the sandbox are."""
    with comfy.settings({"poll": {"fal": {"first_seconds": 0.02, "most_seconds": 0.02}}}):
        yield


@pytest.mark.usefixtures("quick_polls")
@pytest.mark.parametrize("round_", range(REPEATS))
def test_an_interrupt_of_a_running_job_cancels_at_the_vendor(
    comfy: Host,
    endless_box: ModalSandbox,
    graph: SampleGraph,
    round_: int,
    report: Callable[[str, float], None],
) -> None:
    seconds = interrupt_at_the_vendor(comfy, endless_box, graph, "running")
    report("from the interrupt to the cancelling", seconds)
    said = f"Job {comfy.jobs()[0].id} was cancelled at fal in the sandbox."
    until(lambda: said in comfy.log(), "a line in the log")


@pytest.mark.parametrize("round_", range(REPEATS))
def test_an_interrupt_while_uploading_sends_no_order(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph, round_: int
) -> None:
    slow_box.fault("stall", operation="upload", seconds=FOREVER_SECONDS, count=1)
    graph.save(graph.lip_sync(carry="upload")[0])
    prompt_id = comfy.post(graph)
    slow_box.await_strike()
    comfy.interrupted(prompt_id)
    assert comfy.is_alive()
    # What was not sent is not sent later either: another purchase is the first one there.
    other = SampleGraph(graph.take + 10**6)
    other.save(other.lip_sync()[0])
    comfy.run(other)
    assert len(slow_box.charges()) == len(slow_box.calls("submit")) == 1


@pytest.mark.parametrize("round_", range(REPEATS))
def test_an_interrupt_while_downloading_loses_nothing(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, round_: int
) -> None:
    """What is paid for by then is fetched by the next run."""
    canned_box.fault("stall", operation="download", seconds=FOREVER_SECONDS, count=1)
    graph.save(graph.lip_sync()[0])
    prompt_id = comfy.post(graph)
    canned_box.await_strike()
    comfy.interrupted(prompt_id)
    assert len(canned_box.charges()) == 1
    comfy.run(graph)
    assert len(canned_box.charges()) == 1
    assert len(canned_box.calls("submit")) == 1


@pytest.mark.parametrize("round_", range(REPEATS))
def test_an_interrupt_cancels_all_three_at_the_vendor(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph, round_: int
) -> None:
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS)
    for class_type in LIP_SYNCS:
        graph.save(graph.lip_sync(class_type)[0])
    prompt_id = comfy.post(graph)
    until(lambda: len(slow_box.charges()) == 3, "three submissions")
    comfy.interrupted(prompt_id)
    assert_all_cancelled(slow_box, 3)
    assert comfy.is_alive()


def test_an_interrupt_of_another_pack_that_clears_the_flag_first_still_cancels(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    """A node that checks for the interruption all the time is mostly first to see it."""
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS)
    graph.save(graph.lip_sync()[0])
    graph.add("HelperInterruptible")
    prompt_id = comfy.post(graph)
    slow_box.await_charge()
    comfy.interrupted(prompt_id)
    assert_all_cancelled(slow_box, 1)
    assert comfy.is_alive()


def test_the_next_run_after_an_interrupt_buys_and_ends_well(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS, count=1)
    graph.save(graph.lip_sync()[0])
    prompt_id = comfy.post(graph)
    slow_box.await_charge()
    comfy.interrupted(prompt_id)
    comfy.run(graph)
    assert len(slow_box.charges()) == 1


def test_a_prompt_that_waits_behind_an_interrupted_one_is_run(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS, count=1)
    graph.save(graph.lip_sync()[0])
    behind = SampleGraph(graph.take + 10**6)
    behind.save(behind.lip_sync()[0])
    first, second = comfy.post(graph), comfy.post(behind)
    slow_box.await_charge()
    comfy.interrupted(first)
    assert comfy.wait(second).is_success
    assert len(slow_box.charges()) == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("interrupted", ("An interrupt of another run", "(job JOB-OF-BOTH)")),
        ("cancelled", ("cancelled before it had ended", "jobs --home {home}`")),
    ],
)
def test_what_was_stopped_by_others_says_what_the_next_run_does(
    comfy: Host, how: str, words: tuple[str, ...]
) -> None:
    graph = Graph()
    graph.add("HelperStopped", how=how)
    error = comfy.execute(graph).error
    for word in ("Run the graph again: ", *words):
        assert word.format(home=comfy.home) in error
