"""What an interrupt leaves behind: a job is stopped or followed, and nothing stays without a word.

In the end it is CANCELLED, or FETCHED with a notice, or UNKNOWN with a notice that has the choices.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.host.client import FOREVER_SECONDS, Node, SampleGraph, speaks_of_paying, until
from tests.host.hosting import Host, ModalSandbox
from viseme.ledger import JobRecord

# Shorter and longer than an interrupted job waits for an answer that is on its way.
SOON_SECONDS, LATE_SECONDS = 0.9, 2.5
STALL_SECONDS = 8.0  # long enough for an interrupt to come first on a busy machine too
VENDORS = ("fal", "AI/ML API", "Runware")


def interrupt_while_sending(
    comfy: Host,
    box: ModalSandbox,
    graph: SampleGraph,
    sync: Node,
    fault: str = "answer-late",
    seconds: float = LATE_SECONDS,
) -> float:
    """Run ``graph`` and interrupt it while the submission has no answer; when it was started."""
    box.fault(fault, operation="submit", seconds=seconds, count=1)
    started = time.time()
    prompt_id = comfy.post(graph)
    if fault == "answer-late":
        box.await_charge()
    else:
        comfy.await_text(sync, "submitting", started)
    comfy.interrupted(prompt_id)
    return started


def ended_as(comfy: Host, state: str) -> JobRecord:
    """The newest job, once it is in this state."""
    until(lambda: comfy.jobs()[0].state.value == state, f"the state {state}")
    return comfy.jobs()[0]


def assert_bought_once(comfy: Host, box: ModalSandbox, graph: SampleGraph) -> None:
    """One charge, and the same graph again costs nothing and fetches nothing."""
    comfy.run(graph)
    downloads = len(box.calls("download"))
    comfy.run(graph)
    # A call that a fault holds up is listed once it has been answered.
    until(lambda: box.calls("submit"), "the end of the submission")
    assert len(box.charges()) == len(box.calls("submit")) == 1
    assert len(box.calls("download")) == downloads


def test_an_answer_that_comes_soon_is_waited_for_and_the_job_cancelled(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    canned_box.fault("slow-queue", seconds=FOREVER_SECONDS, count=1)
    sync = graph.lip_sync()
    graph.save(sync[0])
    interrupt_while_sending(comfy, canned_box, graph, sync, seconds=SOON_SECONDS)
    comfy.run(graph)  # at once: it waits for what becomes of the first one, and buys anew
    assert len(canned_box.calls("cancel")) == 1
    assert [job.state.value for job in comfy.jobs()[:2]] == ["FETCHED", "CANCELLED"]
    assert len(canned_box.charges()) == 1


@pytest.fixture
def patient_listing(comfy: Host) -> Iterator[None]:
    """fal's list, which shows ended jobs only, is given as long as a busy machine takes."""
    with comfy.settings({"listing_visibility": {"fal": 6000}}):
        yield


@pytest.mark.usefixtures("patient_listing")
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_job_that_is_made_all_the_same_is_kept_and_told(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, vendor: str
) -> None:
    sync = graph.lip_sync("VisemePixverseLipSync", vendor=vendor)
    graph.save(sync[0])
    started = interrupt_while_sending(comfy, canned_box, graph, sync)
    said = comfy.await_notice("made all the same", started)
    job = ended_as(comfy, "FETCHED")
    assert job.id in said["detail"]
    assert f"{vendor} in the sandbox did not stop" in said["detail"]
    assert not speaks_of_paying(said["detail"])
    assert_bought_once(comfy, canned_box, graph)


def test_a_job_that_a_vendor_bills_all_the_same_is_told_to_be_billed(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    with comfy.live(canned_box, listing_visibility={"fal": 6000}):
        sync = graph.lip_sync(run_on="live (paid)")
        graph.save(sync[0])
        started = interrupt_while_sending(comfy, canned_box, graph, sync)
        said = comfy.await_notice("made all the same", started)
        job = ended_as(comfy, "FETCHED")
        assert f"fal did not stop job {job.id} and bills it." in said["detail"]
        assert "without being paid for twice" in said["detail"]
        assert_bought_once(comfy, canned_box, graph)


@pytest.mark.usefixtures("patient_listing")
def test_a_job_that_comes_to_the_vendor_only_later_is_kept_and_told(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """When we hung up, nobody there knew of it."""
    sync = graph.lip_sync()
    graph.save(sync[0])
    started = interrupt_while_sending(comfy, canned_box, graph, sync, "stall", STALL_SECONDS)
    assert canned_box.charges() == []
    comfy.await_notice("made all the same", started)
    ended_as(comfy, "FETCHED")
    assert_bought_once(comfy, canned_box, graph)


@pytest.mark.usefixtures("patient_listing")
def test_the_same_graph_at_once_waits_for_what_becomes_of_it(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync()
    graph.save(sync[0])
    canned_box.fault("stall", operation="download", seconds=3, count=1)  # time to come to waiting
    started = interrupt_while_sending(comfy, canned_box, graph, sync)
    assert_bought_once(comfy, canned_box, graph)
    since = [one for one in comfy.events if one.time >= started]
    told = [one.data["summary"] for one in since if one.type == "viseme.notice"]
    assert not any("all the same" in text for text in told), "the run that waited has it"


@pytest.fixture
def quick_listing(comfy: Host) -> Iterator[None]:
    """fal's list is thought to show every job within a second."""
    with comfy.settings({"listing_visibility": {"fal": 1}}):
        yield


@pytest.mark.usefixtures("quick_listing")
def test_a_job_that_nobody_can_find_is_told_with_the_choices(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    canned_box.fault("lookup-hidden", operation="list")
    sync = graph.lip_sync()
    graph.save(sync[0])
    started = interrupt_while_sending(comfy, canned_box, graph, sync)
    said = comfy.await_notice("not known whether", started)
    job = ended_as(comfy, "UNKNOWN")
    for verb in ("check", "resubmit", "discard"):
        assert f"{verb} {job.id} --home {comfy.home}" in said["detail"]
    assert said["severity"] == "warn"
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert job.id in entry.error
    assert len(canned_box.charges()) == 1
    canned_box.end_faults()
    comfy.run(graph)
    assert_bought_once(comfy, canned_box, graph)


@pytest.mark.parametrize("operation", ["result", "download"])
def test_a_result_that_was_on_its_way_is_kept_and_told(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, operation: str
) -> None:
    canned_box.fault("stall", operation=operation, seconds=6, count=1)
    sync = graph.lip_sync()
    graph.save(sync[0])
    started = time.time()
    prompt_id = comfy.post(graph)
    canned_box.await_strike()
    comfy.interrupted(prompt_id)
    said = comfy.await_notice("made all the same", started)
    assert ended_as(comfy, "FETCHED").id in said["detail"]
    assert_bought_once(comfy, canned_box, graph)
