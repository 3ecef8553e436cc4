"""Workflows as programs post them: only what cannot be left out is given."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.host.client import LIP_SYNCS, Node, SampleGraph, in_the_way
from tests.host.hosting import Host, ModalSandbox
from viseme.media import probe_clip

# What waits for disks, processors and networks. Plain values may be asked anywhere.
WAITS = (
    *("viseme/media/", "viseme/jobs/", "viseme/services/", "viseme/ledger/"),
    *("viseme/transport/", "viseme/download.py", "viseme/aside.py", "viseme/bodies.py"),
)
PLAIN = "viseme/jobs/signals.py"
MODELS = {
    "VisemePixverseLipSync": "fal-pixverse",
    "VisemeSyncLipSync2Pro": "fal-sync",
    "VisemePipioLipSync": "fal-pipio",
}


@pytest.mark.parametrize("class_type", LIP_SYNCS)
def test_media_and_speech_alone_give_a_saved_video(
    comfy: Host, box: ModalSandbox, graph: SampleGraph, class_type: str
) -> None:
    sync = graph.lip_sync(class_type)
    saved = graph.save(sync[0])
    video, frames, sound, rate, receipt = (graph.record(sync[number]) for number in range(5))
    entry = comfy.run(graph)
    result = probe_clip(comfy.saved(entry.file(saved)))
    assert (result.width, result.height) == (512, 512)
    assert result.frame_rate == 25
    assert result.sound is not None
    said = entry.receipt(receipt)
    assert said["endpoint"] == MODELS[class_type]
    assert said["state"] == "FETCHED"
    assert entry.facts(rate) == [{"type": "float", "value": 25.0}]
    [facts] = entry.facts(frames)
    assert facts["shape"] == [result.frame_count, 512, 512, 3]
    assert 0 <= facts["least"] < facts["most"] <= 1
    [facts] = entry.facts(sound)
    assert facts["shape"][:2] == [1, result.sound.channels]
    assert facts["sample_rate"] == result.sound.sample_rate
    [facts] = entry.facts(video)
    assert facts["made_by"] == "VideoFromFile"
    assert len(box.charges()) == 1


def test_all_three_are_at_their_vendors_at_once(
    comfy: Host,
    slow_box: ModalSandbox,
    graph: SampleGraph,
    report: Callable[[str, float], None],
) -> None:
    """All are sent before the first one has ended: together they take as long as the slowest."""
    slow_box.fault("slow-queue", seconds=5)
    for class_type in LIP_SYNCS:
        graph.save(graph.lip_sync(class_type)[0])
    entry = comfy.run(graph)
    report("three together, with 6.6 s at each vendor", entry.seconds)
    assert len(slow_box.charges()) == 3
    last_sent = max(call["time"] for call in slow_box.calls("submit"))
    assert last_sent < min(call["time"] for call in slow_box.calls("result"))


@pytest.fixture
def one_at_a_time(comfy: Host) -> Iterator[None]:
    """fal is thought to take one job of an account at a time."""
    with comfy.settings({"concurrency": {"fal": 1}}):
        yield


@pytest.mark.usefixtures("one_at_a_time")
def test_no_more_of_them_are_at_a_vendor_at_once_than_settings_allow(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    syncs = [graph.lip_sync(class_type) for class_type in LIP_SYNCS]
    for sync in syncs:
        graph.save(sync[0])
    started = time.time()
    comfy.run(graph)
    calls = [call["operation"] for call in sorted(slow_box.calls(), key=lambda call: call["time"])]
    told = [operation for operation in calls if operation in ("submit", "result")]
    assert told == ["submit", "result"] * 3
    said = [line for sync in syncs for line in comfy.texts(sync, since=started)]
    assert any("waiting: 1 job of this account is at fal" in line for line in said), said


def test_reading_encoding_sending_and_fetching_are_not_done_where_the_hosts_nodes_run(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Other nodes of the prompt go on: nothing of ours holds the loop that they run on."""
    frames = graph.add("HelperFrames", width=640, height=480, count=125, seed=graph.take)
    sync = graph.lip_sync(media=frames[0], carry="upload", max_price_usd=0.01)
    receipt = graph.record(sync[4])
    assert "max_price_usd" in comfy.execute(graph).error  # modules are loaded, frames are made
    sync.inputs["max_price_usd"] = 0
    sync.inputs["media"] = graph.add("HelperWatch", frames=frames[0])[0]
    seen = graph.add("HelperSeen", after=sync[4], pack=str(ROOT))
    entry = comfy.run(graph)
    assert frames.id in entry.cached
    assert entry.receipt(receipt)["state"] == "FETCHED"
    files = json.loads(entry.outputs[seen.id]["text"][0])
    assert {"nodes/_host.py", "nodes/_runner.py"} <= set(files), "our node was not seen"
    assert [file for file in files if file.startswith(WAITS) and file != PLAIN] == []


@pytest.mark.parametrize(
    ("vendor", "endpoint"),
    [
        ("fal", "fal-pixverse"),
        ("AI/ML API", "aimlapi-pixverse"),
        ("Runware", "runware-pixverse"),
    ],
)
def test_text_is_spoken_by_every_vendor_of_pixverse(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, vendor: str, endpoint: str
) -> None:
    sync = graph.add(
        "VisemePixverseLipSync",
        media=graph.clip[0],
        take=graph.take,
        vendor=vendor,
        speech="text",
        **{"speech.text": "Hello there.", "speech.voice": "Emily"},
    )
    graph.save(sync[0])
    receipt = graph.record(sync[4])
    said = comfy.run(graph).receipt(receipt)
    assert said["endpoint"] == endpoint
    [charge] = canned_box.charges()
    assert Decimal(charge["usd"]) > 0


def test_several_results_come_out_as_lists_of_equal_length(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync("VisemePixverseLipSync", vendor="Runware", **{"vendor.numberResults": 2})
    saved = graph.save(sync[0], "video/several")
    outputs = [graph.record(sync[number]) for number in range(5)]
    entry = comfy.run(graph)
    for output in outputs:
        assert len(entry.facts(output)) == 2
    sources = {facts["source"] for facts in entry.facts(outputs[0])}
    assert len(sources) == 2
    assert len(entry.outputs[saved.id]["images"]) == 2


def test_one_result_is_a_list_of_one(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync("VisemePixverseLipSync")
    outputs = [graph.record(sync[number]) for number in range(5)]
    entry = comfy.run(graph)
    assert [len(entry.facts(output)) for output in outputs] == [1] * 5


def test_a_portrait_and_speech_are_enough_for_pipio(
    comfy: Host, box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync("VisemePipioLipSync", media=graph.clip[2])
    saved = graph.save(sync[0])
    speech = graph.record(graph.clip[1])
    entry = comfy.run(graph)
    result = probe_clip(comfy.saved(entry.file(saved)))
    [facts] = entry.facts(speech)
    spoken = Fraction(facts["shape"][2], facts["sample_rate"])
    assert result.frame_rate == 25
    assert abs(result.seconds - spoken) < Fraction(1, 10)


FOOTAGE, PORTRAIT = 0, 2  # outputs of the sample


@pytest.mark.parametrize(
    ("class_type", "shown"),
    [*((name, FOOTAGE) for name in LIP_SYNCS), ("VisemePipioLipSync", PORTRAIT)],
)
def test_what_the_page_sends_of_a_node_that_nobody_has_touched_runs(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, class_type: str, shown: int
) -> None:
    """Unlike a program it sends every widget, with its default."""
    widgets = untouched(comfy.object_info(class_type)[class_type]["input"])
    assert len(widgets) > 5
    sync = graph.lip_sync(class_type, **widgets | {"media": graph.clip[shown], "take": graph.take})
    graph.save(sync[0])
    comfy.run(graph)
    assert len(canned_box.charges()) == 1


def untouched(inputs: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every widget of a node's inputs as ``/object_info`` has them, with its default."""
    given: dict[str, Any] = {}
    for entries in inputs.values():
        for name, (kind, *more) in entries.items():
            facts = more[0] if more else {}
            if kind == "COMFY_DYNAMICCOMBO_V3":
                first = facts["options"][0]
                given[prefix + name] = first["key"]
                given |= untouched(first["inputs"], f"{prefix}{name}.")
            elif kind == "COMBO":
                given[prefix + name] = facts.get("default", facts["options"][0])
            elif kind in ("INT", "FLOAT", "BOOLEAN", "STRING"):
                given[prefix + name] = facts["default"]
    return given


def test_progress_is_told_in_words_from_preparing_to_downloading(
    comfy: Host, slow_box: ModalSandbox, graph: SampleGraph
) -> None:
    slow_box.fault("stall", operation="upload", seconds=0.5)
    slow_box.fault("stall", operation="download", seconds=0.5)
    frames = graph.add("HelperFrames", width=640, height=480, count=75, seed=graph.take)
    sync: Node = graph.lip_sync(media=frames[0], carry="upload")
    graph.save(sync[0])
    started = time.time()
    prompt_id = comfy.post(graph)
    entry = comfy.wait(prompt_id)
    assert entry.is_success, entry
    lines = comfy.texts(sync, since=started)
    said = iter(lines)
    for pattern in (
        r"(reading|preparing) the media",
        r"uploading .*\d+ ?%",
        r"queued at position \d+ at fal",
        r"running at fal: .*SANDBOX",
        r"downloading",
        rf"job {comfy.jobs()[0].id}: ",
    ):
        assert any(re.search(pattern, line) for line in said), (pattern, lines)
    bar = [
        event.data["nodes"][sync.id]["value"]
        for event in comfy.events_of(prompt_id, "progress_state")
        if sync.id in event.data["nodes"]
    ]
    assert bar == sorted(bar)
    assert bar[-1] > 50


def test_a_result_is_bought_and_saved_where_no_preview_can_be_shown(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """A file is where the previews' folder belongs: no node that was paid for fails for that."""
    sync = graph.lip_sync()
    saved, receipt = graph.save(sync[0]), graph.record(sync[4])
    said = len(comfy.log())
    with in_the_way(comfy.base / "temp" / "viseme"):
        entry = comfy.run(graph)
    assert probe_clip(comfy.saved(entry.file(saved))).frame_count
    assert entry.receipt(receipt)["state"] == "FETCHED"
    assert sync.id not in entry.outputs
    assert comfy.log()[said:].count("cannot be shown in its node") == 1
    sync.inputs["video-preview"] = ""  # has it executed again
    assert comfy.saved(comfy.run(graph).file(sync)).is_file()
    assert len(canned_box.charges()) == 1


def test_what_a_purchase_is_warned_of_is_told_once_and_stays_in_its_nodes_line(
    comfy: Host, box: ModalSandbox, graph: SampleGraph
) -> None:
    """Nobody takes the receipt here."""
    given = {"speech": "text", "speech.text": "Hi. " * 75, "vendor.store_io": False}
    sync = graph.lip_sync("VisemePixverseLipSync", vendor="fal", **given)
    graph.save(sync[0])
    started = time.time()
    comfy.run(graph)
    said = comfy.await_notice("text is 300 characters", started)
    assert (said["severity"], said["summary"]) == ("warn", "A lip-sync has 2 warnings.")
    assert "fal names no limit" in said["detail"]
    assert "store_io is off" in said["detail"]
    assert f"(job {comfy.jobs()[0].id})" in said["detail"]
    assert "fal names no limit" in comfy.log()
    assert comfy.texts(sync, since=started)[-1].endswith("; 2 warnings, see the receipt")
    again = time.time()
    sync.inputs["video-preview"] = ""  # has it executed again
    comfy.run(graph)
    assert comfy.texts(sync, since=again)[-1].endswith("; 2 warnings, see the receipt")
    told = [event for event in comfy.events if event.type == "viseme.notice"]
    assert all(event.time < again for event in told)
    assert len(box.charges()) == 1
