"""One purchase is charged once, however often, in whatever graph."""

from __future__ import annotations

import pytest

from tests.host.client import LIP_SYNCS, Graph, Node, SampleGraph
from tests.host.hosting import Host, ModalSandbox


def test_a_key_that_only_the_page_writes_buys_nothing_anew(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """A preview's own widget comes into the prompt with the second queue in classic mode."""
    sync = graph.lip_sync()
    graph.save(sync[0])
    comfy.run(graph)
    sync.inputs["video-preview"] = ""
    assert sync.id not in comfy.run(graph).cached
    assert len(canned_box.charges()) == 1


def test_another_node_of_the_same_kind_on_the_same_media_is_not_charged(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    """While the first one still runs, and with another preference for how media travel."""
    first, second = graph.lip_sync(), graph.lip_sync(carry="inline")
    receipts = [graph.record(node[4]) for node in (first, second)]
    graph.save(first[0])
    entry = comfy.run(graph)
    ids = {entry.receipt(receipt)["id"] for receipt in receipts}
    assert len(ids) == 1
    assert len(slow_box.charges()) == 1


def test_another_take_is_another_charge(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    first = graph.lip_sync()
    second = graph.lip_sync(take=graph.take + 10**6)
    for node in (first, second):
        graph.save(node[0])
    comfy.run(graph)
    assert len(canned_box.charges()) == 2


def test_the_same_frames_made_anew_are_the_same_purchase(
    comfy: Host, canned_box: ModalSandbox, take: int
) -> None:
    """What counts is what the frames and samples are, not which node they came from."""

    def graph_of(*, with_detour: bool) -> tuple[Graph, Node]:
        graph = Graph()
        frames = graph.add("HelperFrames", count=30, seed=take)[0]
        sound = graph.add("HelperAudio", seconds=1.2, seed=take, is_lazy=with_detour)[0]
        if with_detour:
            frames = graph.add("ImageFromBatch", image=frames, batch_index=0, length=30)[0]
        sync = graph.add("VisemeSyncLipSync2Pro", media=frames, audio=sound, take=take)
        return graph, graph.record(sync[4])

    ids = set()
    for with_detour in (False, True):
        graph, receipt = graph_of(with_detour=with_detour)
        ids.add(comfy.run(graph).receipt(receipt)["id"])
    assert len(ids) == 1
    assert len(canned_box.charges()) == 1


@pytest.mark.parametrize("class_type", LIP_SYNCS)
def test_a_node_in_an_expanded_graph_runs_and_is_charged_once(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, class_type: str
) -> None:
    inner = graph.add(
        "HelperExpand",
        class_type=class_type,
        media=graph.clip[0],
        audio=graph.clip[1],
        widgets=f'{{"take": {graph.take}}}',
    )
    saved = graph.save(inner[0])
    outputs = [graph.record(inner[number]) for number in range(5)]
    entry = comfy.run(graph)
    assert comfy.saved(entry.file(saved)).is_file()
    assert [facts["type"] for output in outputs for facts in entry.facts(output)] == [
        *("video", "image", "audio", "float", "str")
    ]
    plain = SampleGraph(graph.take)
    receipt = plain.record(plain.lip_sync(class_type)[4])
    assert comfy.run(plain).receipt(receipt)["id"] == entry.receipt(outputs[4])["id"]
    assert len(canned_box.charges()) == 1


def test_nodes_of_a_subgraph_run_and_decode_what_is_taken_outside_of_it(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """The page flattens subgraphs: their nodes come as ``7:2``."""
    inner = {"class_type": "VisemeSyncLipSync2Pro"}
    inputs = {"media": graph.clip[0], "audio": graph.clip[1], "take": graph.take}
    graph.prompt["7:2"] = {**inner, "inputs": inputs}
    frames = graph.record(["7:2", 1])
    for _ in range(2):
        assert comfy.run(graph).facts(frames)[0]["type"] == "image"
    assert len(canned_box.charges()) == 1


def test_a_loop_buys_each_round_once(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Each round speaks over the video of the round before it."""
    loop = graph.add(
        "HelperExpand",
        class_type="VisemeSyncLipSync2Pro",
        media=graph.clip[0],
        audio=graph.clip[1],
        widgets=f'{{"take": {graph.take}}}',
        count=2,
    )
    graph.save(loop[0])
    for _ in range(2):
        comfy.run(graph)
        assert len(canned_box.charges()) == 2
        loop.inputs["video-preview"] = ""  # makes the host expand it anew
