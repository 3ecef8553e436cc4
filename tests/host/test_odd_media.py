"""Media as graphs really have them: trimmed, in memory, odd, with alpha, with NaN, silent, lazy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.host.client import Entry, Graph, Node
from tests.host.hosting import Host, ModalSandbox
from viseme.media import probe_clip
from viseme.model import Clip
from viseme.samples import sample_clip_path


class OddGraph(Graph):
    """A graph with whatever media; ``sync`` is a lip-sync on them, saved, with a receipt."""

    def __init__(self, take: int) -> None:
        super().__init__()
        self.take = take

    def frames(self, **facts: Any) -> list[Any]:
        return self.add("HelperFrames", seed=self.take, **facts)[0]

    def sound(self, **facts: Any) -> list[Any]:
        return self.add("HelperAudio", seed=self.take, **facts)[0]

    def sync(
        self, media: object, audio: object, class_type: str = "VisemeSyncLipSync2Pro", **more: Any
    ) -> Node:
        given = {"media": media, "audio": audio, "take": self.take, **more}
        node = self.add(class_type, **given)
        self.saved = self.save(node[0])
        self.receipt = self.record(node[4])
        return node

    def result(self, comfy: Host, entry: Entry) -> Clip:
        return probe_clip(comfy.saved(entry.file(self.saved)))


@pytest.fixture
def odd(take: int) -> OddGraph:
    return OddGraph(take)


def test_a_trimmed_video_is_bought_as_it_was_trimmed(
    comfy: Host, box: ModalSandbox, odd: OddGraph
) -> None:
    clip = odd.add("LoadVideo", file=comfy.put(sample_clip_path()))
    window = odd.add(
        "Video Slice", video=clip[0], start_time=1.0, duration=2.0, strict_duration=False
    )
    odd.sync(window[0], odd.sound(seconds=3.0))
    entry = comfy.run(odd)
    assert odd.result(comfy, entry).frame_count == 50
    # Another window of the same file is another purchase.
    odd.prompt[window.id]["inputs"]["start_time"] = 1.5
    again = comfy.run(odd)
    assert again.receipt(odd.receipt)["id"] != entry.receipt(odd.receipt)["id"]
    assert len(box.charges()) == 2


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_video_whose_edits_are_still_to_be_made_is_bought_with_them(
    comfy: Host, box: ModalSandbox, odd: OddGraph, in_memory: bool
) -> None:
    """Its file is the one before the edits."""
    video = odd.add(
        "HelperShortened", path=str(sample_clip_path()), frame_count=30, in_memory=in_memory
    )
    odd.sync(video[0], odd.sound(seconds=2.0))
    result = odd.result(comfy, comfy.run(odd))
    assert (result.frame_count, result.frame_rate) == (30, Fraction(25))


@pytest.mark.parametrize("rate", [25.0, 29.97])
def test_a_created_video_keeps_its_rate(
    comfy: Host, box: ModalSandbox, odd: OddGraph, rate: float
) -> None:
    frames = odd.frames(width=320, height=256, count=30)
    video = odd.add("CreateVideo", images=frames, fps=rate)
    odd.sync(video[0], odd.sound(seconds=1.0))
    result = odd.result(comfy, comfy.run(odd))
    assert result.frame_rate == (Fraction(30_000, 1001) if rate == 29.97 else Fraction(25))
    assert abs(result.seconds - 1) < Fraction(1, 10)


def test_a_video_in_memory_is_the_same_purchase_as_its_file(
    comfy: Host, canned_box: ModalSandbox, odd: OddGraph
) -> None:
    video = odd.add("HelperVideoFile", path=str(sample_clip_path()))
    odd.sync(video[0], odd.sound(seconds=1.0))
    ids = set()
    for in_memory in (False, True):
        video.inputs["in_memory"] = in_memory
        ids.add(comfy.run(odd).receipt(odd.receipt)["id"])
    assert len(ids) == 1
    assert len(canned_box.charges()) == 1


def test_images_play_at_the_rate_that_is_named(
    comfy: Host, box: ModalSandbox, odd: OddGraph
) -> None:
    odd.sync(odd.frames(count=30), odd.sound(seconds=1.0), source_fps=23.976)
    assert odd.result(comfy, comfy.run(odd)).frame_rate == Fraction(24_000, 1001)


def test_an_odd_size_comes_back_as_it_was(comfy: Host, box: ModalSandbox, odd: OddGraph) -> None:
    node = odd.sync(odd.frames(width=511, height=513, count=25), odd.sound(seconds=1.0))
    frames = odd.record(node[1])
    del odd.prompt[odd.saved.id]  # SaveVideo itself is not what is tried
    entry = comfy.run(odd)
    [facts] = entry.facts(frames)
    assert facts["shape"][1:] == [513, 511, 3]
    # Also where nothing but the job's id is left.
    later = Graph()
    collected = later.add("VisemeCollectLipSyncJob", job_id=entry.receipt(odd.receipt)["id"])
    frames = later.record(collected[1])
    [facts] = comfy.run(later).facts(frames)
    assert facts["shape"][1:] == [513, 511, 3]


def test_alpha_is_left_out_and_that_is_said(comfy: Host, box: ModalSandbox, odd: OddGraph) -> None:
    odd.sync(odd.frames(channels=4), odd.sound())
    entry = comfy.run(odd)
    assert "alpha" in str(entry.receipt(odd.receipt)).lower()
    assert odd.result(comfy, entry).frame_count == 25


def test_frames_with_nan_and_infinities_are_bought(
    comfy: Host, box: ModalSandbox, odd: OddGraph
) -> None:
    odd.sync(odd.frames(has_nan=True), odd.sound())
    assert odd.result(comfy, comfy.run(odd)).frame_count == 25


@pytest.mark.parametrize(
    "facts",
    [
        {"is_silent": True},
        {"is_lazy": True},
        {"channels": 2, "sample_rate": 44_100},
        {"sample_rate": 96_000},
        {"sample_rate": 8_000},
    ],
    ids=["silence", "lazy", "stereo", "96 kHz", "8 kHz"],
)
def test_sound_of_any_kind_is_spoken(
    comfy: Host, box: ModalSandbox, odd: OddGraph, facts: dict[str, Any]
) -> None:
    odd.sync(odd.frames(), odd.sound(**facts))
    result = odd.result(comfy, comfy.run(odd))
    assert result.sound is not None
    assert abs(result.seconds - 1) < Fraction(1, 10)


def test_one_frame_stands_for_pipios_portrait(
    comfy: Host, box: ModalSandbox, odd: OddGraph
) -> None:
    odd.sync(odd.frames(count=1), odd.sound(seconds=1.0), "VisemePipioLipSync")
    result = odd.result(comfy, comfy.run(odd))
    assert result.frame_rate == 25
    assert abs(result.frame_count - 25) <= 1


@pytest.mark.parametrize(
    ("frames", "sound", "words"),
    [
        ({}, {"batch": 2}, ("audio", "2", "batch")),
        ({}, {"batch": 0}, ("audio",)),
        ({}, {"seconds": 0.0}, ("audio",)),
        ({"count": 1}, {}, ("media", "still image", "Pipio Lip Sync")),
    ],
    ids=["batch of two", "no batch", "no samples", "one frame"],
)
def test_what_cannot_be_used_is_said_with_the_remedy(
    comfy: Host,
    canned_box: ModalSandbox,
    odd: OddGraph,
    frames: dict[str, Any],
    sound: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    node = odd.sync(odd.frames(**frames), odd.sound(**sound))
    entry = comfy.execute(odd)
    assert entry.failed_node == node.id, entry
    for word in words:
        assert word in entry.error
    assert "--" not in entry.error
    assert canned_box.calls() == []
