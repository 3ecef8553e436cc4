"""What is paid for runs on where nobody waits for it any more, and the next run has it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.host.client import (
    FOREVER_SECONDS,
    LIP_SYNCS,
    REPEATS,
    Client,
    Entry,
    SampleGraph,
    jobs_left,
    speaks_of_paying,
    until,
)
from tests.host.hosting import Host, ModalSandbox
from viseme.ledger import AT_VENDOR, JobRecord, State


def failed_beside(comfy: Host, box: ModalSandbox, graph: SampleGraph, count: int) -> Entry:
    """Run ``graph`` with a neighbour that fails once ``count`` jobs are at the vendor."""
    signal = comfy.base / f"fail-{graph.take}"
    neighbour = graph.add("HelperFail", when=str(signal))
    prompt_id = comfy.post(graph)
    until(lambda: len(box.charges()) == count, f"{count} submissions")
    signal.touch()
    entry = comfy.wait(prompt_id)
    assert "on purpose" in entry.error
    assert entry.failed_node == neighbour.id
    del graph.prompt[neighbour.id]
    return entry


@pytest.mark.parametrize("round_", range(REPEATS))
def test_the_job_runs_on_and_the_next_run_attaches_to_it(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph, round_: int
) -> None:
    sync = graph.lip_sync()
    graph.save(sync[0])
    receipt = graph.record(sync[4])
    failed_beside(comfy, slow_box, graph, 1)
    assert comfy.is_alive()
    assert slow_box.calls("cancel") == []
    said = comfy.run(graph).receipt(receipt)
    assert said["state"] == "FETCHED"
    assert len(slow_box.charges()) == 1
    assert len(slow_box.calls("submit")) == 1


@pytest.mark.parametrize("round_", range(REPEATS))
def test_three_jobs_run_on(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph, round_: int
) -> None:
    for class_type in LIP_SYNCS:
        graph.save(graph.lip_sync(class_type)[0])
    failed_beside(comfy, slow_box, graph, 3)
    comfy.run(graph)
    assert slow_box.calls("cancel") == []
    assert len(slow_box.charges()) == 3


def test_the_page_is_told_that_the_job_runs_on(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    started = time.time()
    graph.save(graph.lip_sync()[0])
    failed_beside(comfy, slow_box, graph, 1)
    said = comfy.await_notice("runs on", started)
    assert f"job {comfy.jobs()[0].id} was sent to fal in the sandbox already" in said["detail"]
    assert not speaks_of_paying(said["detail"])


def test_the_page_is_told_that_a_paid_job_runs_on(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    with comfy.live(slow_box):
        started = time.time()
        graph.save(graph.lip_sync(run_on="live (paid)")[0])
        failed_beside(comfy, slow_box, graph, 1)
        said = comfy.await_notice("runs on", started)
        assert f"job {comfy.jobs()[0].id} was sent to fal already" in said["detail"]
        assert "without being paid for twice" in said["detail"]
        comfy.run(graph)
    assert len(slow_box.charges()) == 1


def lose_the_answer(comfy: Host, box: ModalSandbox, graph: SampleGraph) -> None:
    """Have a lip-sync at Runware begin, which is sent again after a while if its answer is lost."""
    box.fault("drop-after-accept", operation="submit", count=1)
    graph.save(graph.lip_sync("VisemePixverseLipSync", vendor="Runware")[0])
    assert comfy.post(graph)
    box.await_charge()
    until(lambda: is_between_two_tries(comfy.jobs()[0]), "the loss of the answer")


def is_between_two_tries(job: JobRecord) -> bool:
    return job.state is State.INTENT and job.sent_at is not None


def test_a_job_whose_answer_was_lost_is_sent_again_though_a_neighbour_fails_meanwhile(
    start_comfy: Callable[..., Host], endless_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Runware takes a task once, so that this buys nothing twice. Tries are seconds apart here."""
    comfy = start_comfy()
    signal = comfy.base / "fail"
    graph.add("HelperFail", when=str(signal))
    started = time.time()
    lose_the_answer(comfy, endless_box, graph)
    signal.touch()
    said = comfy.await_notice("runs on", started)
    assert "was sent to Runware in the sandbox already" in said["detail"]
    until(lambda: comfy.jobs()[0].state in AT_VENDOR, "the vendor's yes")
    assert len(endless_box.calls("submit")) == 2
    assert len(endless_box.charges()) == 1


def test_a_job_whose_answer_was_lost_is_told_as_unfinished_after_a_crash(
    start_comfy: Callable[..., Host], endless_box: ModalSandbox, graph: SampleGraph
) -> None:
    comfy = start_comfy()
    lose_the_answer(comfy, endless_box, graph)
    comfy.kill()
    comfy.restart()
    assert jobs_left(comfy) == {comfy.jobs()[0].id: True}


def test_a_job_that_runs_on_to_its_end_is_there_for_a_later_run(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    graph.save(graph.lip_sync()[0])
    failed_beside(comfy, slow_box, graph, 1)
    until(lambda: slow_box.calls("download"), "the download by itself")
    calls = len(slow_box.calls("submit"))
    comfy.run(graph)
    assert len(slow_box.calls("submit")) == calls
    assert len(slow_box.charges()) == 1


def test_an_interrupt_of_the_next_prompt_cancels_only_what_it_waits_for(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    """A job left running by a failed prompt belongs to nobody's interrupt."""
    slow_box.fault("slow-queue", seconds=10, count=1)
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS, count=1)
    graph.save(graph.lip_sync()[0])
    failed_beside(comfy, slow_box, graph, 1)
    other = SampleGraph(graph.take + 10**6)
    other.save(other.lip_sync()[0])
    prompt_id = comfy.post(other)
    until(lambda: len(slow_box.charges()) == 2, "the second submission")
    comfy.interrupted(prompt_id)
    until(lambda: len(slow_box.charges()) == 1, "the end of the second charge")
    assert len(slow_box.calls("cancel")) == 1
    comfy.run(graph)
    assert len(slow_box.charges()) == 1


def test_what_a_job_that_runs_on_is_warned_of_is_told_when_it_has_ended(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Though no run has waited for it, and the next one only comes back to it."""
    sync = graph.lip_sync("VisemePixverseLipSync", vendor="fal", **{"vendor.store_io": False})
    graph.save(sync[0])
    started = time.time()
    failed_beside(comfy, slow_box, graph, 1)
    said = comfy.await_notice("store_io is off", started)
    assert said["severity"] == "warn"
    assert f"(job {comfy.jobs()[0].id})" in said["detail"]
    comfy.run(graph)
    told = [event.data for event in comfy.events if event.time >= started]
    assert told.count(said) == 1
    assert len(slow_box.charges()) == 1


def test_a_closed_tab_stops_nothing(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    tab = Client(comfy.url)
    graph.save(graph.lip_sync()[0])
    prompt_id = tab.post(graph)
    slow_box.await_charge()
    tab.close()
    assert comfy.wait(prompt_id).is_success
    assert slow_box.calls("cancel") == []
    assert len(slow_box.charges()) == 1


def test_a_run_that_waits_no_longer_says_so_and_the_next_one_has_the_result(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync(time_limit_seconds=1)
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert "after 1 s" in entry.error
    assert "the same graph comes back to it" in entry.error
    assert slow_box.calls("cancel") == []
    sync.inputs["time_limit_seconds"] = 0
    comfy.run(graph)
    assert len(slow_box.charges()) == 1


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_job_that_is_not_sent_within_the_time_limit_is_given_up_unless_another_waits_for_it(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph, is_alone: bool
) -> None:
    """It waits for its turn, since another one is at the vendor."""
    slow_box.fault("slow-queue", seconds=4, count=1)
    first = SampleGraph(graph.take + 10**6)
    first.save(first.lip_sync()[0])
    sync = graph.lip_sync(time_limit_seconds=1)
    graph.save(sync[0])
    if not is_alone:
        graph.save(graph.lip_sync(time_limit_seconds=FOREVER_SECONDS)[0])
    with comfy.settings({"concurrency": {"fal": 1}}):
        failed_beside(comfy, slow_box, first, 1)
        entry = comfy.execute(graph)
        assert entry.failed_node == sync.id
        if is_alone:
            [given_up, _] = comfy.jobs()[:2]
            assert given_up.state.value == "CANCELLED"
            assert "The job was not sent within 1 s. It is given up, and nothing is paid" in (
                entry.error
            )
            assert "goes on" not in entry.error
            assert len(slow_box.calls("submit")) == 1
        else:
            assert "It goes on: running the same graph comes back to it." in entry.error
        sync.inputs["time_limit_seconds"] = 0
        comfy.run(graph)
    assert len(slow_box.charges()) == len(slow_box.calls("submit")) == 2


def test_a_time_limit_is_told_though_the_ledger_cannot_be_read(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """And a job that may have been sent is not given up then; the next run comes back to it."""
    assert comfy.home is not None
    canned_box.fault("stall", operation="upload", seconds=8, count=1)
    sync = graph.lip_sync(time_limit_seconds=2, carry="upload")
    graph.save(sync[0])
    prompt_id = comfy.post(graph)
    canned_box.await_strike()
    job_id = comfy.jobs()[0].id
    with unreadable(comfy.home / "ledger.sqlite3"):
        entry = comfy.wait(prompt_id)
    assert entry.failed_node == sync.id
    assert "The job has not ended after 2 s. It goes on" in entry.error
    del sync.inputs["time_limit_seconds"]
    comfy.run(graph)
    assert comfy.jobs()[0].id == job_id
    assert len(canned_box.charges()) == len(canned_box.calls("submit")) == 1


@contextmanager
def unreadable(ledger: Path) -> Iterator[None]:
    """Where the table of jobs should be is none."""
    with closing(sqlite3.connect(ledger, timeout=30)) as connection:
        connection.execute("ALTER TABLE jobs RENAME TO jobs_aside")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE jobs_aside RENAME TO jobs")


def test_a_time_limit_is_that_of_the_run_which_has_it(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Whoever joins a job that is going on waits as long as it said itself."""
    slow_box.fault("slow-queue", seconds=10, count=1)
    sync = graph.lip_sync(time_limit_seconds=FOREVER_SECONDS)
    graph.save(sync[0])
    failed_beside(comfy, slow_box, graph, 1)
    sync.inputs["time_limit_seconds"] = 0.5
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert "after 0.5 s" in entry.error
    assert slow_box.calls("result") == []
    del sync.inputs["time_limit_seconds"]
    comfy.run(graph)  # past the limit
    assert slow_box.calls("cancel") == []
    assert len(slow_box.charges()) == len(slow_box.calls("submit")) == 1


def test_a_time_limit_of_the_node_waits_longer_than_settings_do(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    slow_box.fault("slow-queue", seconds=3, count=1)
    sync = graph.lip_sync()
    graph.save(sync[0])
    with comfy.settings({"deadline_seconds": 0.3}):
        entry = comfy.execute(graph)
        assert entry.failed_node == sync.id
        assert "raise deadline_seconds in " in entry.error
        assert "the same graph comes back to it" in entry.error
        sync.inputs["time_limit_seconds"] = FOREVER_SECONDS
        comfy.run(graph)
    assert slow_box.calls("cancel") == []
    assert len(slow_box.charges()) == len(slow_box.calls("submit")) == 1


def test_a_lip_sync_that_fails_leaves_the_worker_alive_and_says_why(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    canned_box.fault("job-fails")
    sync = graph.lip_sync()
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert "job" in entry.error
    assert canned_box.charges() == []
    assert comfy.is_alive()
