"""Frames in memory into a file: what the thread beside must not change."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from tests.conftest import wait_for
from viseme.errors import InputError, Interrupted
from viseme.media import (
    ClipWriter,
    EncodeSettings,
    coding,
    decode_sound,
    encode_clip,
    iterate_frames,
    probe_clip,
)
from viseme.media.coding import codec_options, coder_threads
from viseme.media.picture import one_thread

RATE = Fraction(25)
# x264's choices depend on what its threads are at, and those of what was in its memory before.
LOSSLESS = EncodeSettings(crf=0)


def moving(frame_count: int, size: tuple[int, int] = (96, 64)) -> NDArray[np.float32]:
    width, height = size
    noise = np.random.default_rng(7).random((height, width, 3), np.float32)
    return np.stack([np.roll(noise, 3 * index, 1) for index in range(frame_count)])


def coded_one_after_another(path: Path, frames: NDArray[np.float32]) -> None:
    """The same pictures by way of PyAV alone, in one thread."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = cast(
            "av.VideoStream",
            out.add_stream("libx264", rate=RATE, options=codec_options("mp4", LOSSLESS)),
        )
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_type, context.thread_count = "FRAME", 0
        context.color_range = context.colorspace = 1
        context.color_primaries = context.color_trc = 1
        reformatter = VideoReformatter()
        for index, frame in enumerate(frames):
            pixels = (frame * 255 + np.float32(0.5)).astype(np.uint8)
            picture = reformatter.reformat(
                VideoFrame.from_ndarray(pixels, "rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=1,
                interpolation=0x4020,
                **one_thread(),
            )
            picture.pts, picture.time_base = index, 1 / RATE
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def test_the_pictures_are_those_that_are_coded_one_after_another(tmp_path: Path) -> None:
    frames = moving(70)
    encode_clip(tmp_path / "a.mp4", frames, RATE, settings=LOSSLESS)
    coded_one_after_another(tmp_path / "b.mp4", frames)
    a, b = (list(iterate_frames(probe_clip(tmp_path / name))) for name in ("a.mp4", "b.mp4"))
    assert len(a) == 70
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_however_the_sound_comes_it_is_the_same_to_the_sample(tmp_path: Path) -> None:
    """All at once in one call, or by hand: before, behind and between the pictures."""
    frames = moving(60)
    sound = np.sin(np.arange(2 * 105_841, dtype=np.float32) / 9).reshape(2, -1) / 3

    def by_hand(name: str, write: Callable[[ClipWriter], None]) -> None:
        with ClipWriter(
            tmp_path / name, width=96, height=64, frame_rate=RATE, sound=(44100, 2)
        ) as writer:
            write(writer)

    def between(writer: ClipWriter) -> None:
        for index in range(60):
            writer.write_sound(sound[:, index * 1764 : index * 1764 + 1764])
            writer.write_frames(frames[index : index + 1])
        writer.write_sound(sound[:, 60 * 1764 :])

    def before(writer: ClipWriter) -> None:
        writer.write_sound(sound)
        writer.write_frames(frames)

    def behind(writer: ClipWriter) -> None:
        writer.write_frames(frames)
        writer.write_sound(sound)

    encode_clip(tmp_path / "a.mp4", frames, RATE, (sound, 44100))
    by_hand("b.mp4", before)
    by_hand("c.mp4", behind)
    by_hand("d.mp4", between)
    heard = [decode_sound(probe_clip(tmp_path / f"{name}.mp4"))[0] for name in "abcd"]
    assert heard[0].shape == (1, 2, 105_841)
    assert np.array_equal(heard[0], heard[1]) and np.array_equal(heard[0], heard[2])
    # Cut in other pieces the samples are the same, but for what the coder's frames begin with.
    assert np.abs(heard[0] - heard[3]).max() < 1e-3


def test_pictures_and_sound_lie_side_by_side_in_the_file(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).random((1, 48000 * 8), np.float32)
    encode_clip(tmp_path / "a.mp4", moving(200), RATE, (sound, 48000))
    lead = 0.0
    with av.open(str(tmp_path / "a.mp4")) as container:
        reached = {0: 0.0, 1: 0.0}
        packets = [packet for packet in container.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.pos or 0):
            reached[packet.stream_index] = float((packet.dts or 0) * packet.time_base)
            lead = max(lead, abs(reached[0] - reached[1]))
    assert lead < 1.5


@pytest.mark.parametrize("stop_after", [5, 79, 80, 81])
def test_a_stop_is_heeded_within_a_few_frames(tmp_path: Path, stop_after: int) -> None:
    """Also where all frames are given and x264 still looks at a dozen of them and more."""
    given, asked = [], []

    def frames() -> Iterator[NDArray[np.float32]]:
        for index, frame in enumerate(moving(80)):
            given.append(index)
            yield frame[None]

    def cancel() -> bool:
        asked.append(len(given))
        return len(asked) > stop_after

    with pytest.raises(Interrupted):
        encode_clip(tmp_path / "a.mp4", frames(), RATE, cancel=cancel)
    assert len(asked) == stop_after + 1
    assert len(given) <= stop_after + 1
    assert list(tmp_path.iterdir()) == []
    # The coder ends by itself what it is at.
    wait_for(lambda: not any(one.name == "viseme-beside" for one in threading.enumerate()))


def fails(frames: NDArray[np.float32]) -> Iterator[Any]:
    yield frames
    raise ZeroDivisionError


def wrong_size(frames: NDArray[np.float32]) -> Iterator[Any]:
    yield frames
    yield frames[:, :-2]


@pytest.mark.parametrize(
    ("source", "error"), [(fails, ZeroDivisionError), (wrong_size, InputError)]
)
def test_an_error_of_the_frames_comes_as_it_is_and_no_thread_stays(
    tmp_path: Path, source: Callable[[Any], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        encode_clip(tmp_path / "a.mp4", source(moving(10)), RATE)
    assert list(tmp_path.iterdir()) == []
    assert not any(thread.name == "viseme-beside" for thread in threading.enumerate())


def test_frames_may_be_changed_as_soon_as_they_are_written(tmp_path: Path) -> None:
    frame = np.zeros((64, 96, 3), np.uint8)
    samples = np.zeros((1, 1920), np.float32)
    with ClipWriter(
        tmp_path / "a.mp4", width=96, height=64, frame_rate=RATE, sound=(48000, 1)
    ) as writer:
        for index in range(40):
            frame[:] = 6 * index
            samples[:] = index / 80
            writer.write_frame(frame)
            writer.write_sound(samples)
            frame[:] = 255
            samples[:] = -1
    clip = probe_clip(tmp_path / "a.mp4")
    for index, shown in enumerate(iterate_frames(clip)):
        assert abs(float(shown.mean()) - 6 * index) < 4
    heard, _ = decode_sound(clip)
    assert float(heard.min()) > -0.2


@pytest.mark.parametrize("channels", [3, 4, 5])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_floats_of_any_kind_and_channel_count_become_the_same_bytes(
    channels: int, kind: type[np.floating[Any]]
) -> None:
    from viseme.media.pixels import FrameBytes

    # Larger than one piece of scratch, and no multiple of it.
    frame = np.random.default_rng(1).random((400, 333, channels), np.float32)
    frame = (frame * 3 - 1).astype(kind)
    frame[7, 5], frame[399, 332, 1] = np.nan, np.inf
    expected = np.nan_to_num(frame[..., :3].astype(np.float32), nan=0, posinf=1)
    expected = np.floor(np.clip(expected, 0, 1) * np.float32(255) + np.float32(0.5))
    pixels = FrameBytes(333, 400).from_floats(frame)
    assert np.array_equal(pixels[:, :333], expected.astype(np.uint8))
    assert np.array_equal(pixels[:, 333], pixels[:, 332])


@pytest.mark.parametrize("size", [(64, 48), (66, 50), (130, 66), (642, 18)])
def test_each_chroma_sample_is_the_mean_of_its_four_pixels(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    frame = np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)
    settings = EncodeSettings(crf=0)
    with ClipWriter(
        tmp_path / "a.mp4", width=width, height=height, frame_rate=RATE, settings=settings
    ) as writer:
        writer.write_frame(frame)
    with av.open(str(tmp_path / "a.mp4")) as container:
        picture = next(container.decode(video=0))
    shares = frame / 255
    luma = shares @ np.array([0.2126, 0.7152, 0.0722])
    expected = (
        16 + 219 * luma,
        128 + 224 * mean_of_four(shares[..., 2] - luma) / 1.8556,
        128 + 224 * mean_of_four(shares[..., 0] - luma) / 1.5748,
    )
    for plane, values in zip(picture.planes, expected, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        assert np.abs(rows[: plane.height, : plane.width] - values).max() < 1


def mean_of_four(values: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = values.shape
    means: NDArray[np.float64] = values.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return means


def test_the_defaults_are_those_that_x264_codes_by(tmp_path: Path) -> None:
    """x264 writes what it was told into each stream, whatever the file says elsewhere."""
    path = tmp_path / "a.mp4"
    encode_clip(path, moving(12), RATE)
    told = path.read_bytes()
    for expected in (
        *("crf=21.4", "rc_lookahead=8", "qcomp=0.50", "aq=1:0.80", "subme=4", "me=dia"),
        *("analyse=0x3:0x112", "deadzone=8,4", "decimate=0"),
    ):
        assert re.search(rf" {re.escape(expected)}[ \0]".encode(), told), expected


def test_another_preset_a_bit_rate_and_webm_are_not_tuned() -> None:
    assert "x264-params" in codec_options("mp4", EncodeSettings())
    for settings in (EncodeSettings(preset="superfast"), EncodeSettings(bit_rate=1_000_000)):
        assert "x264-params" not in codec_options("mp4", settings)
    webm = codec_options("webm", EncodeSettings())
    assert "x264-params" not in webm
    assert (webm["crf"], webm["cpu-used"]) == ("31", "7")


def test_a_slower_preset_is_x264s_own_with_more_pictures_at_once(tmp_path: Path) -> None:
    settings, path = EncodeSettings(preset="medium", crf=23), tmp_path / "a.mp4"
    encode_clip(path, moving(12, (32, 400)), RATE, settings=settings)
    told = path.read_bytes()
    for x264s_own in ("crf=23.0", "rc_lookahead=40", "qcomp=0.60", "aq=1:1.00", "subme=7"):
        assert f" {x264s_own}".encode() in told
    assert codec_options("mp4", settings)["x264-params"] == "sync-lookahead=16"
    found = re.search(rb" threads=(\d+) ", told)
    assert found is not None
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    assert int(found[1]) == min(max(processors + 3, processors * 3 // 2), 12)


@pytest.mark.parametrize(
    ("processors", "default", "slower"),
    [(1, 0, 4), (2, 0, 5), (4, 0, 7), (6, 0, 0), (8, 0, 0), (16, 12, 12), (64, 12, 12)],
)
def test_there_are_as_many_coding_threads_as_the_processors_have_use_for(
    monkeypatch: pytest.MonkeyPatch, processors: int, default: int, slower: int
) -> None:
    monkeypatch.setattr(coding, "_processor_count", lambda: processors)
    medium = EncodeSettings(preset="medium")
    assert coder_threads("mp4", EncodeSettings(), 720) == default
    assert coder_threads("mp4", medium, 720) == slower
    untold = (replace(medium, bit_rate=1_000_000), replace(medium, x264_params=""))
    assert [coder_threads("mp4", settings, 720) for settings in untold] == [default, default]
    assert coder_threads("webm", medium, 720) == default
    # x264 knows how many of them a low picture has room for.
    assert coder_threads("mp4", medium, 64) == 0


def test_an_x264_setting_of_ones_own_replaces_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode_clip(path, moving(12), RATE, settings=EncodeSettings(x264_params="rc-lookahead=7"))
    told = path.read_bytes()
    assert b" rc_lookahead=7 " in told
    assert b" qcomp=0.60 " in told


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows the priority of one thread")
def test_all_that_codes_gives_way_to_the_caller(tmp_path: Path) -> None:
    before = priorities()
    frame = np.zeros((64, 96, 3), np.uint8)
    with ClipWriter(tmp_path / "a.mp4", width=96, height=64, frame_rate=RATE) as writer:
        for _ in range(3):  # the third waits until the first is taken, and so the thread runs
            writer.write_frame(frame)
        during = priorities()
    begun = during.keys() - before.keys()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert during[threading.get_native_id()] == own
    assert len(begun) > ((os.cpu_count() or 1) > 1)  # the one that codes, and x264's own
    assert {during[thread] for thread in begun} == {min(own + 10, 19)}


def priorities() -> dict[int, int]:
    """Of each thread of this process."""
    threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
