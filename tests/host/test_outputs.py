"""Frames and sound are decoded when somebody consumes them; the preview is there on every run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.parts.node import moved_bytes
from tests.conftest import Command, break_sound
from tests.host.client import Entry, Graph, Node, SampleGraph, until
from tests.host.hosting import Host, ModalSandbox
from tests.media.conftest import MediaMaker

MEBIBYTE = 2**20
RECEIPT = 4  # by index among the node's outputs
# By hand, VISEME_LONG_SECONDS=600 VISEME_LONG_SIZE=1920x1080.
LONG_SECONDS = int(os.environ.get("VISEME_LONG_SECONDS", "20"))
WIDTH, HEIGHT = map(int, os.environ.get("VISEME_LONG_SIZE", "1280x720").split("x"))
RATE = 25


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of motion and tone, over and over; decoded it would be gigabytes."""
    path = tmp_path_factory.mktemp("long") / "long.mov"
    with av.open(str(path), "w") as out:
        options = {"preset": "ultrafast", "crf": "30", "tune": "zerolatency"}
        video = out.add_stream("libx264", rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        pictures = [*encoded_second(video), *video.encode(None)]
        tone = (np.sin(np.arange(16_000) * 0.08) * 9000).astype(np.int16)[np.newaxis]
        for second in range(LONG_SECONDS):
            for number, picture in enumerate(pictures):
                packet = av.Packet(bytes(picture))
                packet.stream, packet.time_base = video, Fraction(1, RATE)
                packet.pts = packet.dts = second * RATE + number
                packet.is_keyframe = picture.is_keyframe
                out.mux(packet)
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, second * 16_000
            frame.time_base = Fraction(1, 16_000)
            out.mux(sound.encode(frame))
    return path


def encoded_second(video: av.VideoStream) -> Iterator[av.Packet[Any]]:
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for number in range(RATE):
        picture[:64, :64] = number * 10
        yield from video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))


def test_what_nobody_consumes_takes_no_memory(
    comfy: Host, box: ModalSandbox, long_clip: Path, take: int
) -> None:
    """Neither the clip that goes in nor the video that comes back is ever decoded whole."""
    warm = SampleGraph(take + 10**6)
    warm.save(warm.lip_sync()[0])
    comfy.run(warm)
    name = comfy.put(long_clip)
    graph = Graph()
    clip = graph.add("LoadVideo", file=name)
    speech = graph.add("LoadAudio", audio=name)
    sync = graph.add(
        "VisemeSyncLipSync2Pro", media=clip[0], audio=speech[0], take=take, carry="upload"
    )
    graph.save(sync[0])
    # LoadAudio's own decoding is not what is measured.
    sounding = Graph()
    sounding.prompt = {speech.id: graph.prompt[speech.id]}
    sounding.prompt["9"] = {"class_type": "HelperRecord", "inputs": {"value": speech[0]}}
    comfy.run(sounding, 600)
    comfy.reset_peak()
    before = comfy.held_bytes()
    comfy.run(graph, 1800)
    assert comfy.peak_bytes() - before < 64 * MEBIBYTE


def test_a_clip_is_read_three_times_and_its_result_once(
    comfy: Host, box: ModalSandbox, tmp_path: Path, take: int
) -> None:
    """Hashed, counted and sent; the result is hashed while it comes, and only counted then."""
    noise = np.random.default_rng(take).integers(0, 256, (30, 480, 640, 3), np.uint8)
    make, size = MediaMaker(tmp_path), (640, 480)
    path = make.clip("noise.mp4", codec="libx264", size=size, frame_count=30, frames=[*noise])
    warm = SampleGraph(take + 10**6)
    warm.save(warm.lip_sync()[0])
    comfy.run(warm)
    graph = Graph()
    clip = graph.add("LoadVideo", file=comfy.put(path))
    sound = graph.add("HelperAudio", seconds=1.2, seed=take)
    sync = graph.add(
        "VisemeSyncLipSync2Pro", media=clip[0], audio=sound[0], take=take, carry="upload"
    )
    graph.record(sync[RECEIPT])
    before = moved_bytes(comfy.process.pid)
    comfy.run(graph)
    moved = moved_bytes(comfy.process.pid) - before
    sent = path.stat().st_size
    results = (box.home / "sandbox" / "results").glob("*.mp4")
    result = max(file.stat().st_size for file in results)  # the other one is the warm run's
    needed = 3 * sent + 2 * result  # the result is written, too
    assert needed <= moved < needed + min(sent, result) / 2


def test_frames_that_go_in_are_encoded_without_a_copy_of_them_all(
    comfy: Host, canned_box: ModalSandbox, take: int
) -> None:
    graph = Graph()
    frames = graph.add("HelperFrames", width=640, height=480, count=200, seed=take)
    sound = graph.add("HelperAudio", seconds=8.0, seed=take)
    sync = graph.add(
        "VisemeSyncLipSync2Pro", media=frames[0], audio=sound[0], take=take, max_price_usd=0.01
    )
    graph.save(sync[0])
    assert "max_price_usd" in comfy.execute(graph).error  # the frames are made and kept by then
    comfy.reset_peak()
    before = comfy.held_bytes()
    sync.inputs["max_price_usd"] = 0
    entry = comfy.run(graph)
    assert frames.id in entry.cached
    tensor_bytes = 200 * 480 * 640 * 3 * 4
    assert comfy.peak_bytes() - before < tensor_bytes / 5


def test_frames_that_are_connected_later_cost_a_decode_and_no_charge(
    comfy: Host, box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync()
    graph.save(sync[0])
    comfy.run(graph)
    calls = len(box.calls())
    for number, kind in ((1, "image"), (2, "audio")):
        late = graph.record(sync[number])
        entry = comfy.run(graph)
        assert sync.id not in entry.cached, "it was decoded before anybody wanted it"
        [facts] = entry.facts(late)
        assert facts["type"] == kind
        assert sync.id in comfy.run(graph).cached
    assert len(box.charges()) == 1
    assert len(box.calls()) == calls


def test_frames_that_are_taken_no_more_have_nothing_executed_again(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """What is behind the node may cost money at others."""
    sync = graph.lip_sync()
    saved = graph.save(sync[0])
    frames = graph.record(sync[1])
    comfy.run(graph)
    del graph.prompt[frames.id]
    assert {sync.id, saved.id} <= comfy.run(graph).cached
    frames = graph.record(sync[1])
    again = comfy.run(graph)
    assert {sync.id, saved.id} <= again.cached
    assert again.facts(frames)[0]["type"] == "image"
    assert len(canned_box.charges()) == 1


@pytest.mark.parametrize("is_dangling", [True, False])
def test_frames_for_nodes_that_are_not_executed_are_not_decoded(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, is_dangling: bool
) -> None:
    """They may take more memory than there is, and nobody would see them."""
    sync = graph.lip_sync()
    saved = graph.save(sync[0])
    scaled = graph.add("ImageInvert", image=sync[1])
    recorded = None if is_dangling else graph.record(scaled[0])
    more = {} if is_dangling else {"partial_execution_targets": [saved.id]}
    entry = comfy.wait(comfy.post(graph, **more))
    assert entry.is_success, entry
    assert decoded(entry, sync) == ""
    if recorded is not None:
        assert decoded(comfy.run(graph), sync) == "frames"


def decoded(entry: Entry, node: Node) -> str:
    """What a node was told to decode."""
    return str(entry.document["prompt"][2][node.id]["inputs"]["viseme_decoded"])


def preview_of(entry: Entry, node: Node) -> list[dict[str, str]]:
    shown = entry.outputs[node.id]
    assert shown["animated"] == [True]
    return list(shown["images"])


@pytest.mark.parametrize("class_type", ["VisemePixverseLipSync", "VisemeSyncLipSync2Pro"])
def test_the_preview_is_sent_again_when_nothing_is_executed(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, class_type: str
) -> None:
    sync = graph.lip_sync(class_type)
    graph.save(sync[0])
    first = comfy.run(graph)
    second = comfy.run(graph)
    assert sync.id in second.cached
    [shown] = preview_of(second, sync)
    assert preview_of(first, sync) == [shown]

    def sent() -> list[Any]:
        told = comfy.events_of(second.prompt_id, "executed")
        return [event.data["output"]["images"] for event in told if event.data["node"] == sync.id]

    until(sent, "the word that it was executed")  # by another way than the history's
    assert sent() == [[shown]]
    assert shown["type"] == "temp"
    answer = comfy.http.get("/view", params=shown)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert len(answer.content) > 1000


def test_a_result_that_was_deleted_by_hand_comes_back_without_a_charge(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Nothing of the node itself changes: its outputs are in the host's cache."""
    sync = graph.lip_sync()
    graph.save(sync[0])
    receipt = graph.record(sync[4])
    [item] = comfy.run(graph).receipt(receipt)["items"]
    Path(item["file"]).unlink()
    graph.save(sync[0], "video/again")
    again = comfy.run(graph)
    assert sync.id not in again.cached
    assert Path(item["file"]).is_file()
    assert len(canned_box.charges()) == 1
    graph.save(sync[0], "video/once more")
    assert sync.id in comfy.run(graph).cached


def test_a_result_that_was_deleted_by_hand_comes_back_after_another_take_too(
    start_comfy: Callable[..., Host], box: ModalSandbox, graph: SampleGraph
) -> None:
    """On a host that keeps what earlier prompts asked, as each does that has memory enough."""
    comfy = start_comfy("--cache-lru", "100")
    words: dict[str, Any] = {"speech": "text", "speech.text": "One."}
    sync = graph.lip_sync("VisemePixverseLipSync", **words)
    save = graph.save(sync[0])
    receipt = graph.record(sync[4])
    [first] = comfy.run(graph).receipt(receipt)["items"]
    sync.inputs.update({"take": graph.take + 10**6, "speech.text": "Another."})
    [second] = comfy.run(graph).receipt(receipt)["items"]
    assert first["file"] != second["file"]
    Path(first["file"]).unlink()
    save.inputs["filename_prefix"] = "video/again"
    assert sync.id in comfy.run(graph).cached
    sync.inputs.update({"take": graph.take, "speech.text": "One."})
    again = comfy.run(graph)
    assert sync.id not in again.cached
    assert again.receipt(receipt)["items"] == [first]
    assert Path(first["file"]).is_file()
    assert len(box.charges()) == 2


def test_a_result_that_was_deleted_by_hand_comes_back_to_the_same_node_under_another_id(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    receipt = graph.record(graph.lip_sync()[4])
    [item] = comfy.run(graph).receipt(receipt)["items"]
    copy = Graph()
    copy.add("HelperSleep", seconds=0)
    clip = copy.add("VisemeSampleClip")
    sync = copy.add("VisemeSyncLipSync2Pro", media=clip[0], audio=clip[1], take=graph.take)
    save = copy.save(sync[0])
    assert sync.id in comfy.run(copy).cached
    Path(item["file"]).unlink()
    save.inputs["filename_prefix"] = "video/again"
    assert sync.id not in comfy.run(copy).cached
    assert Path(item["file"]).is_file()
    assert len(canned_box.charges()) == 1


@pytest.mark.parametrize("collects", [False, True])
def test_a_result_that_comes_late_is_given_by_the_next_run(
    comfy: Host, box: ModalSandbox, graph: SampleGraph, collects: bool
) -> None:
    """The first of four is gone at the vendor for a while, so that the others move up."""
    assert comfy.home is not None
    wanted = {"vendor": "Runware", "vendor.numberResults": 4}
    node = graph.lip_sync("VisemePixverseLipSync", **wanted)
    receipt = graph.record(node[4])
    box.fault("expire-url", operation="download", count=5)
    entry = comfy.run(graph)
    said = receipts(entry, receipt)
    assert [item["state"] for item in said[0]["items"]] == ["MISSING", *["FETCHED"] * 3]
    if collects:
        box.fault("expire-url", operation="download")
        graph = SampleGraph(graph.take)
        node = graph.add("VisemeCollectLipSyncJob", job_id=said[0]["id"])
        receipt = graph.record(node[4])
        entry = comfy.run(graph)
        assert len(receipts(entry, receipt)) == 3
        box.end_faults()  # and from now on it comes: collecting asks for it itself
    else:
        assert node.id in comfy.run(graph).cached
    assert shown(comfy, entry, node) == kept(said[0])
    if not collects:
        with closing(Command(comfy.home)) as command:
            assert command("resume", said[0]["id"]).code == 0
    entry = comfy.run(graph)
    assert node.id not in entry.cached
    said = receipts(entry, receipt)
    assert len(said) == len(kept(said[0])) == 4
    assert shown(comfy, entry, node) == kept(said[0])
    assert node.id in comfy.run(graph).cached
    assert len(box.charges()) == len(box.calls("submit")) == 1


def test_what_never_comes_is_asked_for_a_few_times_and_not_with_every_run(
    comfy: Host, box: ModalSandbox, graph: SampleGraph
) -> None:
    """Each time all that is behind the node is executed too: files written, others paid."""
    wanted = {"vendor": "Runware", "vendor.numberResults": 2}
    receipt = graph.record(graph.lip_sync("VisemePixverseLipSync", **wanted)[4])
    box.fault("expire-url", operation="download", count=3)
    said = receipts(comfy.run(graph), receipt)[0]
    assert [item["state"] for item in said["items"]] == ["MISSING", "FETCHED"]
    box.fault("expire-url", operation="download")
    collecting = Graph()
    collect = collecting.add("VisemeCollectLipSyncJob", job_id=said["id"])
    collecting.record(collect[4])
    runs = [collect.id not in comfy.run(collecting).cached for _ in range(6)]
    assert runs == [True] * 4 + [False] * 2


def receipts(entry: Entry, record: Node) -> list[dict[str, Any]]:
    return [json.loads(fact["value"]) for fact in entry.facts(record)]


def kept(receipt: dict[str, Any]) -> list[str]:
    """The SHA-256 of each result's file."""
    files = [item["file"] for item in receipt["items"] if item["state"] == "FETCHED"]
    return [sha256(Path(file).read_bytes()).hexdigest() for file in files]


def shown(comfy: Host, entry: Entry, node: Node) -> list[str]:
    """The SHA-256 of each video that the page gets to show in a node."""
    answers = [comfy.http.get("/view", params=one) for one in entry.outputs[node.id]["images"]]
    return [sha256(answer.content).hexdigest() for answer in answers]


@pytest.mark.parametrize("is_live", [False, True])
def test_frames_that_memory_cannot_hold_are_an_error_that_keeps_the_video(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, tmp_path: Path, is_live: bool
) -> None:
    """A few pictures that are shown for hours take the place of the result."""
    held = MediaMaker(tmp_path).clip(size=(1280, 720), stamps_ms=[0, 40, 80, 3 * 3_600_000])
    with comfy.live(canned_box) if is_live else nullcontext():
        sync = graph.lip_sync(run_on="live (paid)" if is_live else "sandbox (free)")
        receipt = graph.record(sync[4])
        said = comfy.run(graph).receipt(receipt)
        file = Path(said["items"][0]["file"])
        whole = file.read_bytes()
        shutil.copyfile(held, file)
        try:
            frames = graph.record(sync[1])
            entry = comfy.execute(graph)
            del graph.prompt[frames.id]
            sync.inputs["video-preview"] = ""
            comfy.run(graph)
        finally:
            file.write_bytes(whole)
    assert entry.failed_node == sync.id
    assert "of memory are free" in entry.error
    kept = "The result is kept and paid for once: " if is_live else "The result is kept: "
    assert f"{kept}disconnect frames and take the video, or " in entry.error
    assert f"(job {said['id']})" in entry.error
    assert len(canned_box.charges()) == 1


def test_sound_is_decoded_in_the_child_process_before_it_is_here(
    comfy: Host, graph: SampleGraph
) -> None:
    sync = graph.lip_sync()
    receipt = graph.record(sync[4])
    file = Path(comfy.run(graph).receipt(receipt)["items"][0]["file"])
    for verdict in comfy.verdicts(file):
        verdict.unlink()  # of other jobs with the same result
    graph.record(sync[2])
    comfy.run(graph)
    [verdict] = comfy.verdicts(file)
    found = json.loads(verdict.read_text())
    assert (found["sound"], found["frames"]) == (True, False)


def test_sound_that_cannot_be_decoded_is_an_error_that_keeps_the_video(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, tmp_path: Path
) -> None:
    broken = break_sound(MediaMaker(tmp_path).clip(frame_count=100, sound=(48000, 1, 4.0)))
    sync = graph.lip_sync()
    receipt = graph.record(sync[4])
    file = Path(comfy.run(graph).receipt(receipt)["items"][0]["file"])
    whole = file.read_bytes()
    shutil.copyfile(broken, file)
    try:
        audio = graph.record(sync[2])
        entry = comfy.execute(graph)
        del graph.prompt[audio.id]
        assert comfy.execute(graph).is_success
    finally:
        file.write_bytes(whole)
    assert entry.failed_node == sync.id
    assert "damaged" in entry.error
    assert "The result is kept: disconnect audio and take the video" in entry.error
    assert len(canned_box.charges()) == 1


def test_frames_that_memory_held_before_can_be_disconnected_once_it_cannot(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, tmp_path: Path
) -> None:
    """They were decoded for the same question once, which must not have them decoded for ever."""
    held = MediaMaker(tmp_path).clip(size=(1280, 720), stamps_ms=[0, 40, 80, 3 * 3_600_000])
    sync = graph.lip_sync()
    receipt, frames = graph.record(sync[4]), graph.record(sync[1])
    file = Path(comfy.run(graph).receipt(receipt)["items"][0]["file"])
    whole = file.read_bytes()
    shutil.copyfile(held, file)
    try:
        freed = {"unload_models": True, "free_memory": True}
        assert comfy.http.post("/free", json=freed).status_code == 200
        until(lambda: sync.id not in (entry := comfy.execute(graph)).cached and entry.error,
              "an execution without the cache")  # fmt: skip
        del graph.prompt[frames.id]
        assert comfy.execute(graph).is_success
    finally:
        file.write_bytes(whole)
    assert len(canned_box.charges()) == 1


def test_a_result_over_a_limit_of_this_machine_is_an_error_that_says_where_it_is(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    receipt = graph.record(graph.lip_sync()[4])
    said = comfy.run(graph).receipt(receipt)
    again = Graph()
    collect = again.add("VisemeCollectLipSyncJob", job_id=said["id"])
    with comfy.settings({"media_limits": {"max_bytes": 1000}}):
        entry = comfy.execute(again)
    assert entry.failed_node == collect.id
    where = f"The result is kept: take {said['items'][0]['file']}, or raise media_limits in "
    assert f"{where}{comfy.home}/settings.json" in entry.error
    assert f"(job {said['id']})" in entry.error
    comfy.run(again)
