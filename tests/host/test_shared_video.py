"""One VIDEO that several nodes take in at once: its file in memory has one read position."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.host.client import LIP_SYNCS, REPEATS, Graph
from tests.host.hosting import Host, ModalSandbox
from viseme.media import decode_frames, probe_clip
from viseme.samples import sample_clip_path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def speak(graph: Graph, video: list[object], take: int) -> None:
    """Three lip-syncs on one video, saved, their clips uploaded; and the video itself saved."""
    sound = graph.add("HelperAudio", seconds=1.0, seed=take)[0]
    for class_type in LIP_SYNCS:
        given = {"media": video, "audio": sound, "take": take, "carry": "upload"}
        graph.save(graph.add(class_type, **given)[0])
    graph.save(video, "video/shared")


def clips_sent(box: ModalSandbox, graph: Graph, comfy: Host) -> list[Path]:
    """Run the graph; the clips that have come to the vendor by it."""
    before = set(box.uploads())
    entry = comfy.run(graph)
    assert len(entry.outputs) >= 2 * len(LIP_SYNCS) + 1
    assert len(box.charges()) == len(LIP_SYNCS)
    new = [path for path in box.uploads() if path not in before]
    return [path for path in new if path.read_bytes()[4:8] == b"ftyp"]


@pytest.mark.parametrize("round_", range(REPEATS * 2))
def test_a_file_in_memory_reaches_all_three_whole(
    comfy: Host, canned_box: ModalSandbox, take: int, round_: int
) -> None:
    graph = Graph()
    video = graph.add("HelperVideoFile", path=str(sample_clip_path()), in_memory=True)
    speak(graph, video[0], take)
    sent = clips_sent(canned_box, graph, comfy)
    assert [digest(path) for path in sent] == [digest(sample_clip_path())] * len(LIP_SYNCS)


@pytest.mark.parametrize("round_", range(REPEATS))
def test_a_created_video_that_was_trimmed_reaches_all_three_alike(
    comfy: Host, canned_box: ModalSandbox, take: int, round_: int
) -> None:
    """Trimming what Create Video made puts a file into memory, with a window."""
    graph = Graph()
    frames = graph.add("HelperFrames", width=320, height=256, count=50, seed=take)
    video = graph.add("CreateVideo", images=frames[0], fps=25.0)
    window = {"start_time": 0.4, "duration": 1.2, "strict_duration": False}
    trimmed = graph.add("Video Slice", video=video[0], **window)
    speak(graph, trimmed[0], take)
    sent = clips_sent(canned_box, graph, comfy)
    shown = [decode_frames(probe_clip(path)) for path in sent]
    assert [len(frames) for frames in shown] == [30] * len(LIP_SYNCS)
    # Not their bytes: now and then x264 codes the same pictures in other words.
    assert all(np.abs(frames - shown[0]).max() < 0.01 for frames in shown)
