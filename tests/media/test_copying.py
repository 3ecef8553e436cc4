"""Pictures and sound that are copied as they are coded: the same pixels, every sample in place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from viseme.errors import Interrupted
from viseme.media import (
    conform_clip,
    decode_frames,
    decode_sound,
    encode_clip,
    probe_clip,
    probe_speech,
    trim_clip,
)
from viseme.media.copying import can_cut, sound_copy
from viseme.model import Clip

from .conftest import Asked

RATE = Fraction(25)


def packets_of(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def speechlike(seconds: float, rate: int, channels: int = 1) -> np.ndarray[Any, Any]:
    """No two moments alike, so that a lag of one sample shows."""
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (150 + 60 * time) * time) * (1 + np.sin(9 * time)) / 2
    return np.repeat(wave[None], channels, 0).astype(np.float32)


def written(path: Path, frame_count: int, *, b_frames: int = 0, sound_rate: int = 44100) -> Path:
    """Key pictures at every twelfth frame, each coding its own number."""
    with av.open(str(path), "w") as out:
        params = f"keyint=12:min-keyint=12:scenecut=0:bframes={b_frames}:b-adapt=0"
        options = {"x264-params": params, "crf": "12"}
        video = out.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("aac", rate=sound_rate, layout="mono")
        audio.bit_rate = 128_000
        samples = speechlike(frame_count / 25, sound_rate)
        for index in range(frame_count):
            pixels = np.full((48, 64, 3), 20 + index * 17 % 200, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
        for at in range(0, samples.shape[1], 1024):
            piece = np.ascontiguousarray(samples[:, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            frame.sample_rate, frame.pts = sound_rate, at
            frame.time_base = Fraction(1, sound_rate)
            out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(("source", "target"), [("mkv", "mp4"), ("mov", "mp4"), ("mp4", "mov")])
def test_a_remux_keeps_the_sound_as_it_is_coded(make: Any, source: str, target: str) -> None:
    path = make.clip(f"a.{source}", frame_count=25, b_frames=2, sound=(44100, 2, 1.0))
    clip = probe_clip(path)
    result = conform_clip(clip, make.folder / "out", containers=[target], codecs=["h264"])
    assert packets_of(result.path, "audio") == packets_of(path, "audio")
    assert packets_of(result.path, "video") == packets_of(path, "video")
    again = probe_clip(result.path)
    assert again.sound == clip.sound
    assert np.array_equal(decode_sound(clip)[0], decode_sound(again)[0])
    assert np.array_equal(decode_frames(clip), decode_frames(again))


HIDDEN = "encoded h264 anew"
SOUND = "encoded its aac sound anew"
PCM = "encoded its pcm_s16le sound as aac"
UNEVEN = [0, 40, 80, 200, 240, 280]


@pytest.mark.parametrize(
    ("name", "target", "options", "hidden", "steps"),
    [
        ("a.mov", "mp4", {}, 0, ["remuxed mov to mp4"]),
        ("a.mp4", "mp4", {"sound_delay_ms": 300}, 0, ["aligned the sound", SOUND]),
        ("a.mov", "mov", {"sound_codec": "pcm_s16le", "sound_delay_ms": 300}, 0,
         ["aligned the sound", PCM]),
        ("a.mkv", "mov", {"sound_codec": "pcm_s16le"}, 0, ["remuxed mkv to mov", PCM]),
        ("a.mov", "mp4", {"sound_codec": "pcm_s16le"}, 0, ["remuxed mov to mp4", PCM]),
        ("a.mov", "mp4", {}, 5, [HIDDEN, "put into mp4", SOUND]),
        ("a.mp4", "mp4", {"sound_delay_ms": 300}, 5, [HIDDEN, "aligned the sound", SOUND]),
        ("a.mp4", "mp4", {"stamps_ms": UNEVEN}, 0, ["made constant at 25 fps", SOUND]),
    ],
)  # fmt: skip
def test_each_stream_that_is_coded_anew_is_told_and_no_other(
    make: Any, name: str, target: str, options: dict[str, Any], hidden: int, steps: list[str]
) -> None:
    path = make.clip(name, frame_count=25, b_frames=2, sound=(48000, 1, 1.0), **options)
    if hidden:
        path = make.hidden(path, "hidden" + path.suffix, hidden)
    result = conform_clip(
        probe_clip(path), make.folder / "out", containers=[target], codecs=["h264"]
    )
    assert [step.split(",")[0] for step in result.steps] == steps
    is_copied = [packets_of(result.path, k) == packets_of(path, k) for k in ("video", "audio")]
    pictures_are_told = HIDDEN in steps or "stamps_ms" in options
    assert is_copied == [not pictures_are_told, SOUND not in steps and PCM not in steps]


@pytest.mark.parametrize(("source", "is_copied"), [("mp4", True), ("mkv", False)])
def test_mp3_is_copied_where_its_end_is_that_of_a_packet(
    make: Any, source: str, is_copied: bool
) -> None:
    path = make.folder / f"a.{source}"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("libmp3lame", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(speechlike(1, 44100), "fltp", "mono")
        frame.sample_rate, frame.pts = 44100, 0
        frame.time_base = Fraction(1, 44100)
        for _ in range(25):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        out.mux([*audio.encode(frame), *video.encode(None), *audio.encode(None)])
    clip = probe_clip(path)
    assert clip.sound is not None and clip.sound.codec == "mp3"
    assert (sound_copy(clip, "mov", (0, 25)) is not None) is is_copied
    result = conform_clip(clip, make.folder / "out", containers=["mov"], codecs=["h264"])
    before, after = decode_sound(clip)[0], decode_sound(probe_clip(result.path))[0]
    assert before.shape == after.shape
    assert lag(before[0, 0], after[0, 0]) == 0
    assert np.array_equal(before, after) is is_copied


@pytest.mark.parametrize(
    "delays", [{"sound_delay_ms": 300}, {"video_delay_ms": 300}], ids=["late sound", "early sound"]
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_begins_elsewhere_keeps_its_place(
    make: Any, suffix: str, delays: dict[str, int]
) -> None:
    path = make.clip(f"a.{suffix}", frame_count=30, sound=(48000, 1, 1.4), **delays)
    clip = probe_clip(path)
    is_copied = sound_copy(clip, "mp4", (0, 30)) is not None
    assert is_copied is ("video_delay_ms" in delays)
    other = "mov" if suffix == "mp4" else "mp4"
    result = conform_clip(clip, make.folder / "out", containers=[other], codecs=["h264"])
    before, after = decode_sound(clip)[0], decode_sound(probe_clip(result.path))[0]
    assert before.shape == after.shape
    assert lag(before[0, 0], after[0, 0]) == 0
    assert not is_copied or np.abs(before - after)[0, 0, 2048:].max() < 0.02


def lag(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> int:
    """By how many samples ``after`` is late."""
    inner, count = before[500:-500], len(after)
    apart = [
        float(np.abs(inner - after[500 + k : count - 500 + k]).mean()) for k in range(-400, 401)
    ]
    return int(np.argmin(apart)) - 400


@pytest.mark.parametrize(
    ("b_frames", "window", "is_copied"),
    [
        (0, (12, 31), True),
        (0, (0, 7), True),
        (0, (24, 60), True),
        (0, (11, 31), False),  # begins between key pictures
        (0, (13, 31), False),
        (3, (12, 24), True),
        (3, (12, 60), True),
        (3, (12, 17), True),  # ends where no picture builds on a later one
        (3, (12, 16), False),
    ],
)
def test_a_window_is_copied_where_it_begins_and_ends_cleanly(
    tmp_path: Path, b_frames: int, window: tuple[int, int], is_copied: bool
) -> None:
    clip = probe_clip(written(tmp_path / "a.mp4", 60, b_frames=b_frames))
    assert can_cut(clip, "mp4", window) is is_copied
    trim_clip(clip, tmp_path / "out.mp4", *window)
    result = probe_clip(tmp_path / "out.mp4")
    assert (result.frame_count, result.frame_rate) == (window[1] - window[0], RATE)
    assert result.is_constant_rate and result.start_seconds == 0
    before = decode_frames(clip, start=window[0], stop=window[1])
    assert np.abs(decode_frames(result) - before).mean() < 0.01
    if is_copied:
        assert np.array_equal(decode_frames(result), before)
        assert set(packets_of(result.path, "video")) <= set(packets_of(clip.path, "video"))
    times = [frame / RATE for frame in window]
    heard, _ = decode_sound(result)
    wanted, _ = decode_sound(clip, start_seconds=times[0], stop_seconds=times[1])
    assert heard.shape == wanted.shape
    assert lag(wanted[0, 0], heard[0, 0]) == 0
    assert result.sound is not None and result.sound.start_seconds == 0
    if is_copied:
        assert set(packets_of(result.path, "audio")) <= set(packets_of(clip.path, "audio"))
        assert np.abs(heard - wanted).max() < 0.02


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_a_window_of_another_container_is_copied_too(tmp_path: Path, suffix: str) -> None:
    clip = probe_clip(written(tmp_path / f"a.{suffix}", 60, b_frames=2, sound_rate=48000))
    assert can_cut(clip, "mp4", (24, 60))
    trim_clip(clip, tmp_path / "out.mp4", 24, 60)
    result = probe_clip(tmp_path / "out.mp4")
    assert np.array_equal(decode_frames(result), decode_frames(clip, start=24))
    wanted, _ = decode_sound(clip, start_seconds=24 / RATE, stop_seconds=60 / RATE)
    heard, _ = decode_sound(result)
    assert heard.shape == wanted.shape
    assert lag(wanted[0, 0], heard[0, 0]) == 0


@pytest.mark.parametrize(
    ("window", "is_copied"),
    [((0, 60), True), ((24, 60), True), ((25, 50), False)],
    ids=["whole", "copied", "coded"],
)
def test_a_sound_track_without_a_decoder_is_passed_over_everywhere(
    make: Any, window: tuple[int, int], is_copied: bool
) -> None:
    alone = probe_clip(written(make.folder / "alone.mov", 60))
    clip = probe_clip(make.before_sound_of_unknown_codec(alone.path, "a.mp4"))
    assert clip.sound == alone.sound
    assert np.array_equal(decode_sound(clip)[0], decode_sound(alone)[0])
    assert probe_speech(clip.path).sound == clip.sound
    if window == (0, 60):
        path = conform_clip(clip, make.folder, containers=["mov"], codecs=["h264"]).path
    else:
        path = make.folder / "out.mov"
        trim_clip(clip, path, *window, container="mov")
    times = [frame / RATE for frame in window]
    wanted, _ = decode_sound(alone, start_seconds=times[0], stop_seconds=times[1])
    heard, _ = decode_sound(probe_clip(path))
    assert heard.shape == wanted.shape
    assert lag(wanted[0, 0], heard[0, 0]) == 0
    packets = set(packets_of(alone.path, "audio"))
    assert (set(packets_of(path, "audio")) <= packets) is is_copied


def test_open_groups_and_what_would_be_coded_otherwise_are_not_copied(make: Any) -> None:
    path = make.folder / "open.mkv"
    with av.open(str(path), "w") as out:
        options = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=3:b-adapt=0"}
        video = out.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index in range(36):
            pixels = np.full((48, 64, 3), 20 + index * 5, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
        out.mux(video.encode(None))
    with av.open(str(path)) as container:
        keys = [
            round((packet.pts or 0) * packet.time_base * 25)
            for packet in container.demux(video=0)
            if packet.size and packet.is_keyframe
        ]
    clip = probe_clip(path)
    assert len(keys) > 1
    assert not any(can_cut(clip, "mp4", (key, 36)) for key in keys[1:])
    for other in (
        make.clip("vp9.webm", frame_count=10),
        make.clip("bits.mp4", frame_count=10, pixel_format="yuv420p10le"),
        make.clip("444.mp4", frame_count=10, pixel_format="yuv444p"),
        make.turned(90),
    ):
        assert not can_cut(probe_clip(other), "mp4", (0, 3))


def test_copying_a_late_window_can_be_stopped_at_every_packet(tmp_path: Path) -> None:
    clip = probe_clip(written(tmp_path / "a.mp4", 600))
    target, window = tmp_path / "out.mp4", (588, 600)
    packet_count = sum(len(packets_of(clip.path, kind)) for kind in ("video", "audio"))
    # Almost all packets lie before the window, and each part of the work reads them anew.
    judged, placed, trimmed = Asked(), Asked(), Asked()
    assert can_cut(clip, "mp4", window, cancel=judged)
    assert sound_copy(clip, "mp4", window, cancel=placed)
    trim_clip(clip, target, *window, cancel=trimmed)
    assert min(judged.count, placed.count) > 0.9 * packet_count
    assert trimmed.count > 4 * packet_count
    target.unlink()
    for number in range(1, trimmed.count, trimmed.count // 20):
        cancel = Asked(yes_to=number)
        with pytest.raises(Interrupted):
            trim_clip(clip, target, *window, cancel=cancel)
        assert cancel.count == number
        assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_sound_that_ends_before_the_window_is_padded_with_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode_clip(path, np.zeros((50, 48, 64, 3), np.float32), RATE, (speechlike(1, 48000), 48000))
    clip: Clip = probe_clip(path)
    trim_clip(clip, tmp_path / "out.mp4", 0, 40)
    heard, _ = decode_sound(probe_clip(tmp_path / "out.mp4"))
    assert heard.shape[2] == 40 * 1920
