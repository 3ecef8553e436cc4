from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import viseme
from viseme.errors import InputError, Interrupted, MediaDamaged
from viseme.media import (
    decode_sound,
    iterate_sound,
    probe_clip,
    probe_speech,
    trim_clip,
    write_sound,
)
from viseme.media.sound_stream import SoundStream
from viseme.media.still import write_still

from .conftest import Asked

SPEECH = Path(viseme.__file__).parent / "samples" / "speech.wav"


def click_at(waveform: np.ndarray) -> int:
    """Where the click lies that every test sound has 0.25 s after its beginning."""
    return int(np.abs(waveform[0, 0]).argmax())


@pytest.mark.parametrize(
    ("name", "sample_rate", "channels"),
    [
        ("a.wav", 48000, 1),
        ("a.wav", 8000, 2),
        ("a.flac", 96000, 2),
        ("a.mp3", 44100, 1),
        ("a.m4a", 44100, 2),
        ("a.m4a", 8000, 1),
        ("a.ogg", 48000, 1),
    ],
)
def test_sound_is_exact_in_length_and_place(
    make: Any, name: str, sample_rate: int, channels: int
) -> None:
    path = make.sound(name, sample_rate=sample_rate, channels=channels, seconds=1.2345)
    waveform, rate = decode_sound(path)
    assert rate == sample_rate
    assert waveform.shape == (1, channels, round(1.2345 * sample_rate))
    assert waveform.dtype == np.float32
    assert abs(click_at(waveform) - sample_rate // 4) <= 1
    pieces = [piece for piece, _ in iterate_sound(path)]
    assert np.array_equal(np.concatenate(pieces, axis=1), waveform[0])


@pytest.mark.parametrize(
    "codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s64le", "pcm_f32le"]
)
def test_every_depth_has_the_same_loudness(make: Any, codec: str) -> None:
    waveform, _ = decode_sound(make.sound("a.wav", codec=codec))
    assert abs(float(waveform.max()) - 0.9) < 0.01
    assert abs(float(np.sqrt((waveform**2).mean())) - 0.2 / np.sqrt(2)) < 0.01


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
@pytest.mark.parametrize(("sound_delay_ms", "video_delay_ms"), [(0, 0), (480, 0), (0, 200)])
def test_the_sound_of_a_clip_is_aligned_to_its_first_picture(
    make: Any, suffix: str, sound_delay_ms: int, video_delay_ms: int
) -> None:
    path = make.clip(
        "clip" + suffix,
        frame_count=25,
        sound=(48000, 1, 1.0),
        sound_delay_ms=sound_delay_ms,
        video_delay_ms=video_delay_ms,
    )
    clip = probe_clip(path)
    waveform, rate = decode_sound(clip)
    expected = 48 * (250 + sound_delay_ms - video_delay_ms)
    assert abs(click_at(waveform) - expected) <= 48
    assert clip.sound is not None
    length = clip.sound.sample_count + round(clip.sound.start_seconds * rate)
    assert abs(waveform.shape[2] - length) <= 1


def test_a_window_is_exact_and_padded_with_silence(make: Any) -> None:
    path = make.sound("a.wav", seconds=1.0)
    whole, rate = decode_sound(path)
    part, _ = decode_sound(path, start_seconds=Fraction(1, 4), stop_seconds=Fraction(5, 4))
    assert part.shape == (1, 1, rate)
    assert np.array_equal(part[..., : rate * 3 // 4], whole[..., rate // 4 :])
    assert not part[..., rate * 3 // 4 :].any()
    nothing, _ = decode_sound(path, start_seconds=Fraction(3))
    assert nothing.shape == (1, 1, 0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_where_all_sound_lies_before_the_first_picture_a_window_is_silence(
    make: Any, suffix: str
) -> None:
    path = make.clip("a" + suffix, frame_count=50, sound=(48000, 2, 1.0), video_delay_ms=3000)
    clip = probe_clip(path)
    silent, rate = decode_sound(clip, start_seconds=Fraction(1, 2), stop_seconds=Fraction(2))
    assert (silent.shape, rate) == ((1, 2, 72000), 48000)
    assert not silent.any()
    assert decode_sound(clip)[0].shape == (1, 2, 0)
    trim_clip(clip, make.folder / "out.mp4", 10, 50)
    sound = probe_clip(make.folder / "out.mp4").sound
    assert sound is not None
    assert (sound.channels, sound.sample_rate, sound.sample_count) == (2, 48000, 40 * 1920)


def test_a_recording_begins_with_its_first_sample(make: Any) -> None:
    path = make.clip("clip.mkv", sound=(48000, 1, 0.4), sound_delay_ms=480)
    recording = probe_speech(path)
    waveform, rate = decode_sound(recording)
    assert waveform.shape[2] == recording.sound.sample_count
    # FFmpeg before 8.1 shows AAC priming in Matroska as sound: 1024 samples more.
    assert min(abs(click_at(waveform) - rate // 4 - priming) for priming in (0, 1024)) <= 1


def with_hole(whole: Path, path: Path, start_ms: int, stop_ms: int) -> Path:
    """A copy in mkv without the packets of sound in between."""
    import av

    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            is_sound = packet.stream.type == "audio"
            lost = is_sound and packet.pts and start_ms <= packet.pts < stop_ms
            if packet.size and not lost:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return path


def test_a_hole_in_the_sound_is_silence_of_its_length(make: Any) -> None:
    whole = make.clip("whole.mkv", sound=(48000, 1, 2.0), frame_count=50)
    path = with_hole(whole, make.folder / "hole.mkv", 1000, 1500)
    before, after = decode_sound(probe_clip(whole))[0], decode_sound(probe_clip(path))[0]
    assert abs(before.shape[2] - after.shape[2]) <= 48
    assert np.abs(after[0, 0, 52800:69600]).max() < 1e-6


@pytest.mark.parametrize(("start_ms", "stop_ms"), [(400, 900), (800, 1300)])
def test_a_hole_before_the_first_picture_moves_no_sound_under_it(
    make: Any, start_ms: int, stop_ms: int
) -> None:
    whole = make.clip("whole.mkv", sound=(48000, 1, 2.0), frame_count=25, video_delay_ms=1000)
    path = with_hole(whole, make.folder / "hole.mkv", start_ms, stop_ms)
    before, after = decode_sound(probe_clip(whole))[0], decode_sound(probe_clip(path))[0]
    assert abs(before.shape[2] - after.shape[2]) <= 48
    # A packet of AAC sounds as it should behind one that was decoded before it.
    resumed = max(stop_ms - 1000, 0) * 48 + 2048
    heard = after[0, 0, resumed:48000]
    apart = [np.abs(before[0, 0, resumed + k : 48000 + k] - heard).max() for k in range(-48, 49)]
    assert min(apart) < 1e-3
    assert np.abs(after[0, 0, : max(stop_ms - 1100, 0) * 48]).max(initial=0) < 1e-6


def test_what_is_silent_has_no_sound(make: Any) -> None:
    with pytest.raises(MediaDamaged, match="no sound"):
        decode_sound(make.clip())


def test_reading_sound_can_be_stopped(make: Any) -> None:
    with pytest.raises(Interrupted):
        decode_sound(make.sound(), cancel=lambda: True)


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_sixteen_bits_survive_writing(tmp_path: Path, container: str) -> None:
    samples = (np.random.default_rng(1).integers(-32768, 32768, (2, 30000)) / 32768).astype(
        np.float32
    )
    path = tmp_path / f"a.{container}"
    write_sound(path, samples[np.newaxis], 44100, container)
    back, rate = decode_sound(path)
    assert rate == 44100
    assert np.array_equal(back[0], samples)


@pytest.mark.parametrize("container", ["wav", "flac", "mp3", "mp4", "ogg", "aac"])
@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000, 96000])
def test_every_rate_can_be_written(tmp_path: Path, container: str, sample_rate: int) -> None:
    samples = np.zeros((1, sample_rate), np.float32)
    path = tmp_path / "sound"
    write_sound(path, samples, sample_rate, container)
    sound = probe_speech(path).sound
    assert abs(float(sound.seconds) - 1) < (0.3 if container == "aac" else 0.0005)


@pytest.mark.parametrize("container", ["wav", "flac", "mp3", "mp4"])
def test_writing_sound_can_be_stopped_at_every_piece_and_while_it_is_flushed(
    tmp_path: Path, container: str
) -> None:
    samples, piece_count = np.zeros((2, 20 * 16384), np.float32), 20
    path, whole = tmp_path / "out" / "a", Asked()
    write_sound(path, samples, 48000, container, cancel=whole)
    assert whole.count > piece_count
    path.unlink()
    for number in range(1, piece_count + 2):
        cancel = Asked(yes_to=number)
        with pytest.raises(Interrupted):
            write_sound(path, samples, 48000, container, cancel=cancel)
        assert cancel.count == number
        assert list(path.parent.iterdir()) == []


def test_writing_a_still_stops_while_it_is_coded(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).random((1440, 2560, 3), np.float32)
    path = tmp_path / "out" / "a.png"
    began = time.perf_counter()
    write_still(path, frame)
    whole_seconds = time.perf_counter() - began
    path.unlink()
    began = time.perf_counter()
    with pytest.raises(Interrupted):
        write_still(path, frame, cancel=lambda: time.perf_counter() - began > whole_seconds / 10)
    assert time.perf_counter() - began < whole_seconds / 2
    assert list(path.parent.iterdir()) == []


def test_speech_comes_back_from_aac_with_little_noise(tmp_path: Path) -> None:
    speech, sample_rate = decode_sound(probe_speech(SPEECH))
    write_sound(tmp_path / "speech.m4a", speech, sample_rate, "mp4")
    back, _ = decode_sound(probe_speech(tmp_path / "speech.m4a"))
    assert back.shape == speech.shape
    # FFmpeg's usual coder leaves noise 26.8 dB below this speech, the one that we take 29.0.
    assert 10 * np.log10((speech**2).sum() / ((back - speech) ** 2).sum()) > 28


@pytest.mark.parametrize(
    ("channels", "bit_rate", "is_fast"),
    [(1, None, True), (2, None, True), (1, 63_000, False), (2, 64_000, False), (2, 128_000, True)],
)
def test_few_bits_are_left_to_the_usual_coder(
    tmp_path: Path, channels: int, bit_rate: int | None, is_fast: bool
) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        SoundStream(container, "aac", 48000, channels, bit_rate)
        told = container.streams.audio[0].codec_context.options
    assert told.get("aac_coder") == ("fast" if is_fast else None)


def test_wild_samples_are_tamed(tmp_path: Path) -> None:
    samples = np.array([[np.nan, np.inf, -np.inf, 5, -5, 0.5]], np.float32)
    write_sound(tmp_path / "a.wav", samples, 8000, "wav")
    back, _ = decode_sound(tmp_path / "a.wav")
    assert np.allclose(back[0, 0], [0, 1, -1, 1, -1, 0.5], atol=1e-4)


def test_sound_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for samples, container in ((np.zeros((1, 0)), "wav"), (np.zeros(5), "wav"),
                               (np.zeros((7, 5)), "wav"), (np.zeros((1, 5)), "doc")):  # fmt: skip
        with pytest.raises(InputError):
            write_sound(tmp_path / "a", samples, 8000, container)
    assert list(tmp_path.iterdir()) == []
