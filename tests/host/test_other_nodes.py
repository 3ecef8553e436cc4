"""The nodes beside the lip-syncs: Edit Ranges, Lip Sync Prices, Collect Lip Sync Job."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command, TinyMedia, break_sound
from tests.host.client import (
    FOREVER_SECONDS,
    Graph,
    Node,
    Refused,
    SampleGraph,
    in_the_way,
    jobs_left,
    left_job,
    until,
)
from tests.host.hosting import Host, ModalSandbox
from viseme.edits import parse
from viseme.jobs.cut import cut_samples
from viseme.jobs.marks import COLOURS
from viseme.media import decode_sound, iterate_frames, probe_clip
from viseme.samples import sample_clip_path, sample_speech_path

# Of the sample's 125 frames: 10 are added before 25, 50 to 64 become 5 of bridge.
EDITS = {
    "unit": "seconds",
    "additions": [{"at": 1, "duration": 0.4}],
    "removals": [{"from": 2, "to": 2.6, "bridge": 0.2}, {"from": 4, "to": 4.04}],
}
FRAMES_AFTER = 125 + 10 - 15 + 5 - 1
EDITS_TEXT = json.dumps(EDITS)
AUDIO, PREVIEW, FRAME_COUNT, SECONDS = 1, 2, 3, 4  # outputs of Edit Ranges
BLUE, ORANGE = COLOURS["addition"], COLOURS["bridge"]


def edit(graph: Graph, media: list[Any], text: str = EDITS_TEXT, **inputs: Any) -> Node:
    return graph.add("VisemeEditRanges", media=media, edits=text, **inputs)


def digest(waveform: Any) -> str:
    """As ``HelperRecord`` gives it."""
    return hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).hexdigest()


def is_edged(frame: Any, colour: tuple[int, int, int]) -> bool:
    edge = frame[:8].reshape(-1, 3).astype(int)
    return bool((np.abs(edge - colour).max(axis=1) < 60).mean() > 0.1)


# -------------------------------------------------------------------------------- Edit Ranges


def test_the_sound_is_cut_as_the_frames_are_to_the_sample(comfy: Host, graph: SampleGraph) -> None:
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    audio, count, seconds = (graph.record(edits[n]) for n in (AUDIO, FRAME_COUNT, SECONDS))
    entry = comfy.run(graph)
    waveform, rate = decode_sound(sample_speech_path())
    expected = cut_samples(waveform, rate, parse(EDITS, Fraction(25)), 125, Fraction(25))
    [facts] = entry.facts(audio)
    assert facts["sample_rate"] == rate
    assert facts["shape"] == [1, 1, FRAMES_AFTER * rate // 25]
    assert facts["digest"] == digest(expected)
    assert entry.facts(count) == [{"type": "int", "value": FRAMES_AFTER}]
    assert entry.facts(seconds) == [{"type": "float", "value": FRAMES_AFTER / 25}]
    assert f"125 frames -> {FRAMES_AFTER} frames, {FRAMES_AFTER / 25:.2f} s" in comfy.texts(edits)


def test_the_preview_shows_the_cut_with_its_sound_and_marks_what_is_new(
    comfy: Host, graph: SampleGraph
) -> None:
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    saved = graph.save(edits[PREVIEW])
    entry = comfy.run(graph)
    shown = comfy.saved(entry.file(edits))
    for path in (shown, comfy.saved(entry.file(saved))):
        clip = probe_clip(path)
        assert clip.frame_count == FRAMES_AFTER
        assert clip.sound is not None
        assert abs(clip.sound.seconds - clip.seconds) < Fraction(1, 25)
    frames = [frame.copy() for frame in iterate_frames(probe_clip(shown))]
    blue = [number for number, frame in enumerate(frames) if is_edged(frame, BLUE)]
    orange = [number for number, frame in enumerate(frames) if is_edged(frame, ORANGE)]
    assert blue == list(range(25, 35))
    assert orange == list(range(60, 65))
    source = [frame.copy() for frame in iterate_frames(probe_clip(sample_clip_path()))]
    for after, before in ((24, 24), (35, 25), (59, 49), (65, 65), (99, 99), (100, 101)):
        difference = np.abs(frames[after].astype(int) - source[before]).mean()
        assert difference < 4, (after, before, difference)


def test_the_player_is_there_again_after_a_cached_run_and_the_file_is_written_once(
    comfy: Host, graph: SampleGraph
) -> None:
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    count = graph.record(edits[FRAME_COUNT])
    first = comfy.run(graph)
    again = comfy.run(graph)
    assert edits.id in again.cached
    assert again.file(edits) == first.file(edits)
    path = comfy.saved(first.file(edits))
    written = path.stat().st_mtime_ns
    video = graph.record(edits[PREVIEW])  # connected later
    later = comfy.run(graph)
    assert edits.id not in later.cached
    assert later.facts(count) == first.facts(count)
    assert later.facts(video)[0]["source"] == str(path)
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize("is_trimmed", [False, True])
def test_without_audio_the_videos_own_sound_is_cut(
    comfy: Host, graph: SampleGraph, media: TinyMedia, is_trimmed: bool
) -> None:
    path = media.clip(frames=50, sound_seconds=2.0)
    video = graph.add("HelperVideoFile", path=str(path))
    first, last = 0, 50
    if is_trimmed:
        first, last = 10, 40
        video = graph.add(
            "Video Slice", video=video[0], start_time=0.4, duration=1.2, strict_duration=False
        )
    text = '{"unit": "frames", "removals": [{"from": 5, "to": 15}]}'
    edits = edit(graph, video[0], text)
    audio, count = graph.record(edits[AUDIO]), graph.record(edits[FRAME_COUNT])
    entry = comfy.run(graph)
    assert entry.facts(count)[0]["value"] == last - first - 10
    clip = probe_clip(path)
    waveform, rate = decode_sound(
        clip, start_seconds=Fraction(first, 25), stop_seconds=Fraction(last, 25)
    )
    expected = np.concatenate([waveform[..., : rate // 5], waveform[..., 3 * rate // 5 :]], axis=2)
    [facts] = entry.facts(audio)
    assert facts["shape"] == list(expected.shape)
    assert facts["digest"] == digest(expected)
    [verdict] = comfy.verdicts(path)
    assert json.loads(verdict.read_text())["sound"]


def test_sound_that_cannot_be_decoded_is_told_and_not_cut(
    comfy: Host, graph: SampleGraph, media: TinyMedia
) -> None:
    path = break_sound(media.clip(frames=100, sound_seconds=4.0))
    video = graph.add("HelperVideoFile", path=str(path))
    edits = edit(graph, video[0], '{"unit": "frames"}')
    graph.record(edits[AUDIO])
    entry = comfy.execute(graph)
    assert entry.failed_node == edits.id
    assert f"{path} is damaged" in entry.error


@pytest.mark.parametrize(("fps", "rate"), [(25.0, Fraction(25)), (29.97, Fraction(30000, 1001))])
def test_frames_are_cut_at_the_rate_that_they_are_given(
    comfy: Host, graph: SampleGraph, fps: float, rate: Fraction
) -> None:
    frames = graph.add("HelperFrames", width=97, height=65, count=30, channels=4)
    text = '{"unit": "frames", "additions": [{"at": 30, "duration": 3}]}'
    edits = edit(graph, frames[0], text, source_fps=fps)
    seconds, video = graph.record(edits[SECONDS]), graph.record(edits[PREVIEW])
    entry = comfy.run(graph)
    assert entry.facts(seconds)[0]["value"] == pytest.approx(float(33 / rate))
    clip = probe_clip(Path(entry.facts(video)[0]["source"]))
    assert (clip.frame_count, clip.frame_rate) == (33, rate)
    *_, last = iterate_frames(clip)
    assert is_edged(last, BLUE)


def test_an_empty_text_edits_nothing(comfy: Host, graph: SampleGraph) -> None:
    edits = edit(graph, graph.clip[0], " \n", audio=graph.clip[1])
    audio, count = graph.record(edits[AUDIO]), graph.record(edits[FRAME_COUNT])
    speech = graph.record(graph.clip[1])
    entry = comfy.run(graph)
    assert entry.facts(count)[0]["value"] == 125
    assert entry.facts(audio) == entry.facts(speech)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "edits is no JSON"),
        ("[]", "edits: got []"),
        ('{"unit": "days"}', "frames or seconds"),
        ('{"unit": "frames", "removals": [{"from": 5, "to": 5}]}', "at least one frame"),
        ('{"unit": "frames", "additions": [{"at": 5}]}', "duration"),
        ('{"edit_removal_ranges": [1, 2, 3]}', "pairs of first and last"),
    ],
)
def test_a_text_that_is_no_plan_is_refused_before_the_run(
    comfy: Host, graph: SampleGraph, text: str, said: str
) -> None:
    graph.record(edit(graph, graph.clip[0], text)[FRAME_COUNT])
    with pytest.raises(Refused) as caught:
        comfy.post(graph)
    assert said in caught.value.texts
    assert "viseme edits" not in caught.value.texts  # a command is no remedy in a graph


def test_a_plan_that_leaves_the_clip_names_its_frames(comfy: Host, graph: SampleGraph) -> None:
    text = '{"unit": "frames", "removals": [{"from": 100, "to": 126}]}'
    edits = edit(graph, graph.clip[0], text)
    graph.record(edits[FRAME_COUNT])
    entry = comfy.execute(graph)
    assert entry.failed_node == edits.id
    assert "frames 0 to 124 of the clip" in entry.error


def test_a_clip_without_sound_is_cut_and_only_its_sound_is_an_error(
    comfy: Host, graph: SampleGraph
) -> None:
    edits = edit(graph, graph.clip[0])
    graph.record(edits[FRAME_COUNT])
    assert comfy.run(graph).file(edits)
    graph.record(edits[AUDIO])
    entry = comfy.execute(graph)
    assert entry.failed_node == edits.id
    assert "no sound to cut" in entry.error
    assert "Connect the speech to audio" in entry.error


def test_a_silent_cut_whose_takers_are_not_known_is_made(comfy: Host, graph: SampleGraph) -> None:
    """In an expanded graph nobody can say which outputs are taken; that is no fault of the clip."""
    made = graph.add(
        "HelperExpand",
        class_type="VisemeEditRanges",
        media=graph.clip[0],
        widgets=json.dumps({"edits": EDITS_TEXT}),
    )
    count = graph.record(made[FRAME_COUNT])
    assert comfy.run(graph).facts(count)[0]["value"] == FRAMES_AFTER


def test_a_cut_is_made_where_no_player_can_be_shown(comfy: Host, graph: SampleGraph) -> None:
    edits = edit(graph, graph.clip[0])
    count = graph.record(edits[FRAME_COUNT])
    said = len(comfy.log())
    with in_the_way(comfy.base / "temp" / "viseme"):
        entry = comfy.run(graph)
        assert edits.id not in entry.outputs
        assert "cannot be shown in its node" in comfy.log()[said:]
        graph.record(edits[PREVIEW])  # what is asked for is an error where it cannot be made
        assert comfy.execute(graph).failed_node == edits.id
    assert entry.facts(count)[0]["value"] == FRAMES_AFTER


def test_a_long_cut_has_no_player_unless_its_preview_is_taken(
    comfy: Host, graph: SampleGraph
) -> None:
    text = '{"unit": "frames", "additions": [{"at": 1, "duration": 8000}]}'
    edits = edit(graph, graph.clip[0], text)
    count = graph.record(edits[FRAME_COUNT])
    entry = comfy.run(graph)
    assert entry.facts(count)[0]["value"] == 8125
    assert edits.id not in entry.outputs


def test_drawing_a_preview_stops_when_it_is_interrupted(comfy: Host, graph: SampleGraph) -> None:
    text = '{"unit": "frames", "additions": [{"at": 1, "duration": 20000}]}'
    edits = edit(graph, graph.clip[0], text)
    graph.record(edits[PREVIEW])
    started = time.time()
    prompt_id = comfy.post(graph)
    comfy.await_text(edits, "drawing the cut", started)
    comfy.interrupted(prompt_id)
    folder = comfy.base / "temp" / "viseme"
    until(lambda: not list(folder.glob(".*")), "the end of the half file")
    assert comfy.is_alive()


@pytest.mark.parametrize("count", [2_000_000, 10_000_000])
def test_a_cut_of_days_is_refused_before_it_takes_memory(
    comfy: Host, graph: SampleGraph, count: int
) -> None:
    text = json.dumps({"unit": "frames", "additions": [{"at": 0, "duration": count}]})
    edits = edit(graph, graph.clip[0], text, audio=graph.clip[1])
    graph.record(edits[FRAME_COUNT])
    comfy.reset_peak()
    before = comfy.held_bytes()
    entry = comfy.execute(graph)
    assert entry.failed_node == edits.id
    assert f"edits makes {count + 125} frames of the clip" in entry.error
    assert "at most 14400 s" in entry.error
    assert comfy.peak_bytes() - before < 2**28


def test_one_image_is_no_clip_to_edit(comfy: Host, graph: SampleGraph) -> None:
    graph.record(edit(graph, graph.clip[2])[FRAME_COUNT])
    assert "single image" in comfy.execute(graph).error


def test_media_must_be_connected(comfy: Host) -> None:
    graph = Graph()
    graph.record(graph.add("VisemeEditRanges", edits="")[FRAME_COUNT])
    with pytest.raises(Refused) as caught:
        comfy.post(graph)
    assert "media is not connected" in caught.value.texts


def test_pipio_redraws_a_cut_with_the_sound_that_goes_with_it(
    comfy: Host, box: ModalSandbox, graph: SampleGraph
) -> None:
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    sync = graph.lip_sync("VisemePipioLipSync", audio=edits[AUDIO], edits=edits[0])
    saved, receipt = graph.save(sync[0]), graph.record(sync[4])
    entry = comfy.run(graph)
    result = probe_clip(comfy.saved(entry.file(saved)))
    assert result.frame_count == FRAMES_AFTER
    said = entry.receipt(receipt)
    assert said["timing"]["predicted"]["frame_count_most"] == FRAMES_AFTER
    assert said["warnings"] == []
    assert len(box.charges()) == 1


def test_pipio_refuses_the_uncut_speech_where_the_cut_one_belongs(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    sync = graph.lip_sync("VisemePipioLipSync", edits=edits[0])
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert "audio output of Edit Ranges" in entry.error
    assert canned_box.charges() == []
    sync.inputs["audio_is_edited"] = False
    comfy.run(graph)
    assert len(canned_box.charges()) == 1


def test_pipio_refuses_uncut_speech_that_comes_to_a_cut_clip_without_sound(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """Edit Ranges has never seen it: it is as long as the clip was, and not as the cut is."""
    speech = graph.add("HelperAudio", seconds=5.0, seed=graph.take)
    edits = edit(graph, graph.clip[0], '{"unit": "frames", "removals": [{"from": 5, "to": 25}]}')
    sync = graph.lip_sync("VisemePipioLipSync", audio=speech[0], edits=edits[0])
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert "audio_is_edited" in entry.error
    assert canned_box.calls() == []
    speech.inputs["seconds"] = 4.2
    comfy.run(graph)
    assert len(canned_box.charges()) == 1


def test_a_cut_that_was_removed_from_the_temp_folder_is_drawn_anew(
    comfy: Host, graph: SampleGraph
) -> None:
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    saved = graph.save(edits[PREVIEW])
    file = comfy.run(graph).file(edits)
    drawn = comfy.base / "temp" / file["subfolder"] / file["filename"]
    drawn.unlink()
    saved.inputs["filename_prefix"] = "video/again"
    assert edits.id not in comfy.run(graph).cached
    assert drawn.is_file()


def test_pipio_refuses_uncut_speech_that_another_node_has_decoded(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, media: TinyMedia
) -> None:
    """Its samples are others than those which Edit Ranges has read; its length is not."""
    path = media.clip(frames=50, sound_seconds=2.0, size=(256, 256))
    video = graph.add("HelperVideoFile", path=str(path))
    parts = graph.add("GetVideoComponents", video=video[0])
    text = '{"unit": "frames", "removals": [{"from": 5, "to": 15}]}'
    edits = edit(graph, video[0], text, audio=parts[1])
    own = edit(graph, video[0], text)
    for plan, speech in ((own, parts[1]), (edits, parts[1])):
        sync = graph.lip_sync("VisemePipioLipSync", media=video[0], audio=speech, edits=plan[0])
        saved = graph.save(sync[0])
        entry = comfy.execute(graph)
        assert entry.failed_node == sync.id
        assert "audio_is_edited" in entry.error
        del graph.prompt[saved.id], graph.prompt[sync.id]
    assert canned_box.calls() == []
    graph.save(graph.lip_sync("VisemePipioLipSync", media=video[0], audio=own[1], edits=own[0])[0])
    comfy.run(graph)
    assert len(canned_box.charges()) == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"frame_rate": 30}, "frame_rate is 30, and edits counts 125 frames at 25 fps"),
        ({"media": "frames"}, "media is 30 frames at 25 fps"),
        ({"media": "image"}, "media is a single image"),
    ],
)
def test_pipio_refuses_a_plan_that_was_made_for_another_clip(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, inputs: dict[str, Any], said: str
) -> None:
    """It would cut in the wrong places, and be paid for."""
    others = {"frames": graph.add("HelperFrames", count=30)[0], "image": graph.clip[2]}
    if "media" in inputs:
        inputs = {"media": others[inputs["media"]]}
    edits = edit(graph, graph.clip[0], audio=graph.clip[1])
    sync = graph.lip_sync("VisemePipioLipSync", audio=edits[AUDIO], edits=edits[0], **inputs)
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert said in entry.error
    assert canned_box.charges() == []


def test_json_where_a_plan_is_linked_names_the_node_that_takes_it(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    graph.save(graph.lip_sync("VisemePipioLipSync", edits=EDITS_TEXT)[0])
    assert "Give the JSON to the edits input of Edit Ranges" in comfy.execute(graph).error
    assert canned_box.charges() == []


# ----------------------------------------------------------------------------- Lip Sync Prices


def test_prices_of_every_endpoint_come_without_a_key_or_a_call(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    prices = graph.add("VisemeLipSyncPrices", media=graph.clip[0], audio=graph.clip[1])
    table, document = graph.record(prices[0]), graph.record(prices[1])
    entry = comfy.run(graph)
    text = entry.facts(table)[0]["value"]
    assert "fal-" not in text  # ids are for programs; the page has models and vendors
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for seller in (
        *("PixVerse LipSync fal", "PixVerse LipSync AI/ML API", "PixVerse LipSync Runware"),
        *("Sync Lipsync 2 Pro fal", "pipio LipSync fal"),
    ):
        assert len([line for line in lines if line.startswith(f"{seller} ")]) == 1
    assert entry.outputs[prices.id]["text"] == [text]
    quotes = {
        quote["endpoint"]: quote
        for quote in json.loads(entry.facts(document)[0]["value"])["quotes"]
    }
    assert quotes["fal-pipio"]["most_usd"] == "0.45"  # 5 s at $0.09
    assert quotes["fal-pipio"]["timing"]["frame_count_most"] == 125
    assert quotes["aimlapi-pixverse"]["least_usd"] is None
    assert quotes["aimlapi-pixverse"]["unknown_reason"]
    said = "$0.066848 (PixVerse LipSync at Runware) to $0.45 (pipio LipSync at fal), 1 unknown"
    assert said in comfy.texts(prices)
    assert canned_box.calls() == []


def test_prices_run_alone_and_for_text(comfy: Host, graph: SampleGraph) -> None:
    prices = graph.add(
        "VisemeLipSyncPrices",
        media=graph.clip[0],
        speech="text",
        **{"speech.text": "Hello there.", "speech.voice": "Emily"},
    )
    [text] = comfy.run(graph).outputs[prices.id]["text"]
    lines = [" ".join(line.split()) for line in text.splitlines()]
    [asked] = [line for line in lines if line.startswith("PixVerse LipSync fal ")]
    assert "$0.24 to" in asked
    for seller in ("Sync Lipsync 2 Pro fal ", "pipio LipSync fal "):
        [refused] = [line for line in lines if line.startswith(seller)]
        assert "speech.text was given" in refused
        assert "no voice of its own" in refused
    assert "12 characters of text" in text
    assert "--" not in text  # the words of the command line are not those of a graph


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "audio is not connected"),
        ({"speech": "connected audio"}, "audio is not connected"),
        ({"speech": "text", "speech.text": " ", "speech.voice": "Auto"}, "there is none"),
        ({"speech": "text", "speech.text": "Hi", "speech.voice": "Zed"}, "Zed"),
        ({"speech": "Text"}, "speech is 'Text'; it can be one of connected audio, text."),
        ({"speech": "Text", "audio": ["1", 1]}, "it can be one of connected audio, text."),
    ],
)
def test_prices_say_what_they_lack_before_the_run(
    comfy: Host, graph: SampleGraph, inputs: dict[str, Any], said: str
) -> None:
    graph.add("VisemeLipSyncPrices", media=graph.clip[0], **inputs)
    with pytest.raises(Refused) as caught:
        comfy.post(graph)
    assert said in caught.value.texts


# ------------------------------------------------------------------------ Collect Lip Sync Job


@pytest.fixture
def command(comfy: Host) -> Iterator[Command]:
    """The ``viseme`` command on the home of the ComfyUI."""
    assert comfy.home is not None
    made = Command(comfy.home)
    yield made
    made.close()


def buy(comfy: Host, graph: SampleGraph) -> dict[str, Any]:
    receipt = graph.record(graph.lip_sync()[4])
    return comfy.run(graph).receipt(receipt)


def test_an_id_brings_back_all_outputs_and_costs_nothing(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    bought = buy(comfy, graph)
    again = Graph()
    collect = again.add("VisemeCollectLipSyncJob", job_id=f" {bought['id']}\n")
    outputs = [again.record(collect[number]) for number in range(5)]
    entry = comfy.run(again)
    assert [len(entry.facts(output)) for output in outputs] == [1] * 5
    receipt = entry.receipt(outputs[4])
    assert receipt["id"] == bought["id"]
    assert receipt["reused"]
    assert entry.facts(outputs[0])[0]["source"] == receipt["items"][0]["file"]
    assert entry.file(collect)["filename"].endswith(".mp4")
    assert len(canned_box.charges()) == len(canned_box.calls("submit")) == 1


def test_an_id_alone_is_a_graph(comfy: Host, canned_box: ModalSandbox, graph: SampleGraph) -> None:
    bought = buy(comfy, graph)
    again = Graph()
    collect = again.add("VisemeCollectLipSyncJob", job_id=bought["id"])
    assert comfy.saved(comfy.run(again).file(collect)).is_file()


def test_of_an_id_the_beginning_of_what_follows_the_hyphen_is_enough_and_no_other_part(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    bought = buy(comfy, graph)
    _, _, last = bought["id"].partition("-")
    again = Graph()
    collect = again.add("VisemeCollectLipSyncJob", job_id=last[:-1])
    receipt = again.record(collect[4])
    assert comfy.run(again).receipt(receipt)["id"] == bought["id"]
    collect.inputs["job_id"] = last[1:]
    with pytest.raises(Refused) as caught:
        comfy.post(again)
    assert "There is no job" in caught.value.texts


def test_a_result_whose_file_is_gone_is_fetched_again_unpaid(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    bought = buy(comfy, graph)
    Path(bought["items"][0]["file"]).unlink()
    again = Graph()
    video = again.record(again.add("VisemeCollectLipSyncJob", job_id=bought["id"])[0])
    entry = comfy.run(again)
    assert Path(entry.facts(video)[0]["source"]).is_file()
    assert len(canned_box.charges()) == len(canned_box.calls("submit")) == 1
    assert len(canned_box.calls("download")) == 2


def test_a_job_that_was_left_is_waited_for_and_an_interrupt_does_not_cancel_it(
    comfy: Host, slow_box: ModalSandbox, command: Command, take: int
) -> None:
    slow_box.fault("slow-queue", seconds=12, count=1)
    job_id = left_job(command, slow_box, take)
    assert jobs_left(comfy)[job_id], "a job of a sandbox is told as a paid one"
    graph = Graph()
    collect = graph.add("VisemeCollectLipSyncJob", job_id=job_id)
    video = graph.record(collect[0])
    started = time.time()
    prompt_id = comfy.post(graph)
    comfy.await_text(collect, "queued", started)
    comfy.interrupted(prompt_id)
    assert slow_box.calls("cancel") == []
    assert command.states()[0] in ("ACCEPTED", "RUNNING")
    entry = comfy.run(graph)
    assert Path(entry.facts(video)[0]["source"]).is_file()
    assert job_id not in jobs_left(comfy)
    assert len(slow_box.charges()) == len(slow_box.calls("submit")) == 1


def test_a_paid_job_that_was_left_is_told_as_one(
    comfy: Host, canned_box: ModalSandbox, command: Command, take: int
) -> None:
    canned_box.fault("slow-queue", seconds=FOREVER_SECONDS, count=1)
    command.environment["FAL_KEY"] = "live-id:live-secret"
    with comfy.settings({"base_urls": canned_box.base_urls}):
        job_id = left_job(command, canned_box, take, is_live=True)
        assert jobs_left(comfy)[job_id] is False
        assert command("cancel", job_id).code == 0


def test_a_job_that_was_never_sent_is_not_bought(
    comfy: Host, canned_box: ModalSandbox, command: Command, take: int
) -> None:
    canned_box.fault("stall", operation="upload", seconds=FOREVER_SECONDS, count=1)
    media = ("--video", sample_clip_path(), "--audio", sample_speech_path())
    options = ("--sandbox", canned_box.control, "--take", take, "--carry", "upload")
    running = command.start("run", "fal-sync", *media, *options)
    canned_box.await_call("upload-token")
    running.kill()
    graph = Graph()
    graph.add("VisemeCollectLipSyncJob", job_id=command.job_id())
    entry = comfy.execute(graph)
    assert "nothing was bought" in entry.error
    assert f"resume {command.job_id()} --home {comfy.home}" in entry.error
    assert canned_box.calls("submit") == canned_box.charges() == []


@pytest.mark.parametrize("job_id", ["", "no-such-job", "../../etc"])
def test_an_id_that_is_none_is_refused_with_the_command_that_lists_them(
    comfy: Host, job_id: str
) -> None:
    graph = Graph()
    graph.add("VisemeCollectLipSyncJob", job_id=job_id)
    with pytest.raises(Refused) as caught:
        comfy.post(graph)
    assert f"jobs --home {comfy.home}" in caught.value.texts


def test_a_job_whose_sandbox_is_gone_says_how_to_find_it(
    comfy: Host, canned_box: ModalSandbox, command: Command, take: int, start_sandbox: Any
) -> None:
    other = start_sandbox("--time-scale", "0.3", "--no-render")
    job_id = left_job(command, other, take)
    other.stop()
    graph = Graph()
    graph.add("VisemeCollectLipSyncJob", job_id=job_id)
    entry = comfy.execute(graph)
    assert "sandbox that has this job" in entry.error
    assert "VISEME_SANDBOX" in entry.error
    assert canned_box.calls("submit") == []
