from __future__ import annotations

import json
import shutil
import subprocess
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.conftest import break_sound
from viseme.errors import InputError, Interrupted, MediaDamaged, MediaTooLarge
from viseme.media import (
    DEFAULT_LIMITS,
    MediaLimits,
    conform_clip,
    decode_frames,
    decode_sound,
    open_media,
    probe_clip,
    probe_speech,
)
from viseme.media.opening import translated

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(60000, 1001)], ids=str)
def test_rate_and_frames_are_exact_in_every_container(
    make: Any, suffix: str, rate: Fraction
) -> None:
    clip = probe_clip(make.clip("clip" + suffix, rate=rate, frame_count=23))
    assert (clip.frame_rate, clip.frame_count, clip.is_constant_rate) == (rate, 23, True)
    assert (clip.width, clip.height, clip.start_seconds, clip.sound) == (64, 48, Fraction(0), None)


def test_avi_is_counted(make: Any) -> None:
    clip = probe_clip(make.clip("clip.avi", codec="mjpeg", pixel_format="yuvj420p"))
    assert (clip.container, clip.codec, clip.frame_count) == ("avi", "mjpeg", 10)


def test_reordered_pictures_are_in_order(make: Any) -> None:
    clip = probe_clip(make.clip(b_frames=3, frame_count=40))
    assert (clip.frame_count, clip.is_constant_rate, clip.start_seconds) == (40, True, Fraction(0))


def test_a_clip_is_counted_by_its_packets_of_which_the_first_alone_is_decoded(make: Any) -> None:
    path = make.clip(b_frames=3, frame_count=40)
    expected = probe_clip(path)
    with av.open(str(path)) as container:
        behind = [(packet.pos, packet.size) for packet in container.demux(video=0)][1:]
    data = bytearray(path.read_bytes())
    for at, size in behind:
        if at is not None:
            # Four bytes of length, one that says that it is a picture: what follows is none.
            data[at + 5 : at + size] = bytes(max(size - 5, 0))
    path.write_bytes(data)
    assert probe_clip(path, digest=expected.digest) == expected
    with pytest.raises(MediaDamaged):
        decode_frames(expected)


def test_fragmented_mp4_is_counted_though_its_header_counts_nothing(make: Any) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = make.clip(container_options=options, frame_count=30, sound=(48000, 1, 1.2))
    clip = probe_clip(path)
    assert (clip.frame_count, clip.frame_rate, clip.is_constant_rate) == (30, Fraction(25), True)


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])  # FFmpeg before 8.1 writes none to mkv
def test_a_last_picture_that_is_held_is_counted_and_kept(
    make: Any, name: str, b_frames: int
) -> None:
    path = make.held(make.clip(name, frame_count=10, b_frames=b_frames), Fraction(5))
    clip = probe_clip(path)
    with av.open(str(path)) as container:
        told = Fraction(container.duration or 0, 1_000_000)
    assert clip.seconds == told and told > 5
    assert (clip.frame_rate, clip.is_constant_rate) == (Fraction(25), False)
    result = conform_clip(clip, make.folder / "out", containers=["mp4"], codecs=["h264"])
    again = probe_clip(result.path)
    assert (again.seconds, again.is_constant_rate) == (told, True)
    frames = decode_frames(again)
    assert np.abs(frames[9:] - frames[9]).max() < 0.02
    assert np.abs(frames[8] - frames[9]).max() > 0.05


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.webm", "d.mov", "frag.mp4", "vp8.webm"])
def test_frames_are_those_that_ffprobe_decodes(make: Any, name: str) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "frag.mp4" else None
    codec = "libvpx" if name == "vp8.webm" else None
    path = make.clip(name, frame_count=31, codec=codec, container_options=options)
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0"]
    command += ["-show_entries", "stream=nb_read_frames", "-of", "json", str(path)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert probe_clip(path).frame_count == int(answer["streams"][0]["nb_read_frames"])


def test_variable_rate_is_seen_and_counted_at_a_constant_one(make: Any) -> None:
    stamps = [*range(0, 960, 40), *range(960, 2000, 120)]
    clip = probe_clip(make.clip(stamps_ms=stamps))
    assert clip.is_constant_rate is False
    assert clip.frame_rate == 25
    assert clip.frame_count >= 1920 // 40 + 1


@pytest.mark.parametrize(("degrees", "size"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_rotation_is_applied_to_the_size(make: Any, degrees: int, size: tuple[int, int]) -> None:
    clip = probe_clip(make.turned(degrees))
    assert (clip.width, clip.height) == size
    assert clip.rotation_degrees == degrees


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("odd.mp4", "libx264", "yuv444p"), ("odd.mkv", "ffv1", "yuv420p"), ("odd.webm", None, None)],
)
def test_odd_sizes_are_told_as_they_are(
    make: Any, name: str, codec: str | None, pixel_format: str | None
) -> None:
    options = {"pixel_format": pixel_format} if pixel_format else {}
    clip = probe_clip(make.clip(name, size=(65, 49), codec=codec, **options))
    assert (clip.width, clip.height) == (65, 49)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_delays_are_told_within_a_millisecond(make: Any, suffix: str) -> None:
    late = probe_clip(make.clip("late" + suffix, sound=(48000, 1, 0.4), sound_delay_ms=480))
    early = probe_clip(make.clip("early" + suffix, sound=(48000, 1, 0.4), video_delay_ms=480))
    assert late.sound is not None and early.sound is not None
    # Where the container does not hide the encoder's priming, sound begins that much earlier.
    expected = Fraction(480, 1000)
    for sound, delay in ((late.sound, expected), (early.sound, -expected)):
        begins = (delay, delay - Fraction(1024, 48000))
        assert min(abs(sound.start_seconds - begin) for begin in begins) <= Fraction(1, 1000)
    assert abs(early.start_seconds - expected) <= Fraction(1, 1000)


@pytest.mark.parametrize(
    ("name", "sample_rate", "channels"),
    [
        ("a.wav", 8000, 1),
        ("a.wav", 96000, 2),
        ("a.flac", 96000, 2),
        ("a.mp3", 44100, 2),
        ("a.mp3", 8000, 1),
        ("a.m4a", 44100, 1),
        ("a.m4a", 96000, 2),
        ("a.ogg", 48000, 1),
        ("a.mp4", 48000, 2),
        ("a.webm", 48000, 1),
    ],
)
def test_samples_are_counted_without_padding(
    make: Any, name: str, sample_rate: int, channels: int
) -> None:
    if name in ("a.mp4", "a.webm"):
        path = make.clip(name, sound=(sample_rate, channels, 1.2345))
    else:
        path = make.sound(name, sample_rate=sample_rate, channels=channels, seconds=1.2345)
    sound = probe_speech(path).sound
    assert (sound.sample_rate, sound.channels) == (sample_rate, channels)
    assert sound.sample_count == round(1.2345 * sample_rate)
    assert sound.start_seconds == 0


def test_a_recording_may_be_the_sound_track_of_a_video(make: Any) -> None:
    recording = probe_speech(make.clip(sound=(48000, 2, 0.4)))
    assert recording.has_video is True
    assert recording.container == "mp4"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_still_is_a_clip_of_one_frame(make: Any, suffix: str) -> None:
    clip = probe_clip(make.still("still" + suffix))
    assert (clip.is_still, clip.frame_count, clip.frame_rate) == (True, 1, Fraction(1))
    assert (clip.width, clip.height) == (64, 48)


def test_alpha_is_seen(make: Any) -> None:
    assert probe_clip(make.still(alpha=True)).has_alpha is True
    ffv1 = make.clip("a.mkv", codec="ffv1", pixel_format="yuva420p", alpha=True)
    assert probe_clip(ffv1).has_alpha is True


def test_the_digest_is_that_of_the_bytes(make: Any, tmp_path: Path) -> None:
    path = make.clip()
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(path.read_bytes())
    assert probe_clip(path).digest == probe_clip(copy).digest
    assert probe_clip(make.clip("other.mp4", frame_count=11)).digest != probe_clip(path).digest


def test_names_that_look_like_protocols_are_files(make: Any) -> None:
    path = make.clip()
    for name in ("concat:a|b.mp4", "a:b.mp4", "%03d.mp4", "clip [1] é.mp4"):
        assert probe_clip(path.with_name(name) if path.rename(path.with_name(name)) else path)
        path = path.with_name(name)


def test_what_is_no_medium_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 100)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(MediaDamaged, match="not a video"):
        probe_clip(text)
    with pytest.raises(MediaDamaged, match="0 bytes"):
        probe_clip(empty)
    with pytest.raises(InputError, match="no such file"):
        probe_clip(tmp_path / "missing.mp4")
    with pytest.raises(InputError, match="folder"):
        probe_speech(tmp_path)


@pytest.mark.parametrize("content", ["#EXTM3U\n/etc/passwd\n", "ffconcat version 1.0\nfile /a\n"])
def test_playlists_are_never_followed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list.mp4"
    path.write_text(content)
    with pytest.raises(MediaDamaged):
        probe_clip(path)


def test_a_video_without_frames_is_refused(make: Any) -> None:
    with pytest.raises(MediaDamaged, match="without a single frame"):
        probe_clip(make.without_frames())


def test_sound_alone_is_no_video_and_a_silent_video_no_speech(make: Any) -> None:
    with pytest.raises(InputError, match="no picture") as caught:
        probe_clip(make.sound("sound.m4a").rename(make.folder / "sound.mp4"))
    assert caught.value.field == "--video"
    with pytest.raises(InputError, match="no sound") as caught:
        probe_speech(make.clip())
    assert caught.value.field == "--audio"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
def test_a_video_that_is_cut_off_is_damaged(make: Any, name: str) -> None:
    path = make.cut_off(make.clip(name, frame_count=50), 0.7)
    with pytest.raises(MediaDamaged, match="damaged"):
        probe_clip(path)


def test_a_wav_that_is_cut_off_is_damaged_but_one_of_unknown_size_is_not(make: Any) -> None:
    path = make.sound("speech.wav")
    with pytest.raises(MediaDamaged, match="cut off"):
        probe_speech(make.cut_off(path))
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert probe_speech(path).sound.sample_count == 48000


def test_damage_inside_a_file_never_escapes_as_another_error(make: Any) -> None:
    whole = make.clip(frame_count=20, sound=(48000, 1, 0.8)).read_bytes()
    path = make.folder / "damaged.mp4"
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:at] + b"\xff\x00\xa5\x5a" * 4 + whole[at + 16 :])
        try:
            probe_clip(path)
            probe_speech(path)
        except InputError:
            pass


def test_limits_are_kept(make: Any) -> None:
    path = make.clip(frame_count=30)
    for limits in (
        MediaLimits(max_pixels=1000),
        MediaLimits(max_frames=29),
        MediaLimits(max_seconds=1),
        MediaLimits(max_bytes=100),
        MediaLimits(max_streams=0),
    ):
        with pytest.raises(MediaTooLarge):
            probe_clip(path, limits=limits)
    assert probe_clip(path, limits=DEFAULT_LIMITS).frame_count == 30


def test_probing_can_be_stopped(make: Any) -> None:
    with pytest.raises(Interrupted):
        probe_clip(make.clip(), cancel=lambda: True)


def test_opening_translates_what_goes_wrong_inside(make: Any) -> None:
    with pytest.raises(MediaDamaged), open_media(make.clip()) as container:
        raise IndexError(container)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_file_a_thousand_times_larger_takes_no_more_memory(make: Any) -> None:
    small = make.clip("small.mp4", frame_count=50)
    large = make.folder / "large.mp4"
    large.write_bytes(small.read_bytes())
    padding = 60_000_000
    with large.open("ab") as file:
        file.write(padding.to_bytes(4, "big") + b"free")
        file.truncate(file.tell() + padding - 8)
    program = (
        "import sys; from pathlib import Path; from viseme.media import probe_clip;"
        "probe_clip(Path(sys.argv[1]));"
        "print([l for l in open('/proc/self/status') if 'VmHWM' in l][0].split()[1])"
    )
    peaks = [
        int(subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True,
                           cwd=Path(__file__).parents[2]).stdout)
        for path in (str(small), str(large))
    ]  # fmt: skip
    assert peaks[1] - peaks[0] < 16 * 1024


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize(
    ("sound", "options"),
    [
        ((48000, 2, 3.0), {}),
        ((44100, 1, 2.999), {}),
        ((8000, 1, 0.1), {}),
        ((48000, 1, 0.01), {}),
        ((48000, 1, 2.0), {"sound_delay_ms": 480}),
        ((48000, 1, 2.0), {"video_delay_ms": 480}),
        ((48000, 1, 2.0), {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ((48000, 1, 2.0), {"container_options": {"movflags": "faststart"}}),
    ],
)
def test_aac_is_counted_by_its_packets_as_by_decoding_it(
    make: Any, suffix: str, sound: tuple[int, int, float], options: dict[str, Any]
) -> None:
    path = make.clip("a" + suffix, frame_count=75, sound=sound, sound_codec="aac", **options)
    clip = probe_clip(path, sound=True)
    assert clip.sound is not None
    assert probe_clip(path) == clip
    waveform, _ = decode_sound(path)
    assert clip.sound.sample_count == waveform.shape[2]


@pytest.mark.parametrize("gap", [Fraction(1, 10), Fraction(2)])
def test_a_gap_in_aac_is_counted_as_by_decoding_it(make: Any, gap: Fraction) -> None:
    whole = make.clip(frame_count=100, sound=(48000, 1, 4.0))
    path = make.with_a_gap_in_its_sound(whole, "gap.mp4", gap)
    clip = probe_clip(path, sound=True)
    assert probe_clip(path) == clip
    assert clip.sound is not None
    assert clip.sound.sample_count == (4 + gap) * 48000


@pytest.mark.parametrize("what", ["video", "audio"])
@pytest.mark.parametrize("frame_count", [1, 2, 7])
def test_aac_that_an_edit_list_cuts_is_counted_as_by_decoding_it(
    make: Any, frame_count: int, what: str
) -> None:
    whole = make.clip(frame_count=50, sound=(48000, 1, 2.0))
    path = make.hidden(whole, "hidden.mp4", frame_count, what)
    assert probe_clip(path) == probe_clip(path, sound=True)


@pytest.mark.parametrize("said", ["Error number -50531338 occurred", ""])
def test_an_error_that_ffmpeg_has_no_words_for_is_told_in_ours(tmp_path: Path, said: str) -> None:
    with (
        pytest.raises(MediaDamaged, match="its content cannot be read"),
        translated(tmp_path / "a.mp4"),
    ):
        raise av.error.FFmpegError(50531338, said)


def test_counting_aac_decodes_next_to_none_of_it(make: Any) -> None:
    path = break_sound(make.clip(frame_count=100, sound=(48000, 1, 4.0)))
    clip = probe_clip(path)
    assert clip.sound is not None
    assert clip.sound.sample_count == 4 * 48000
    for read in (partial(probe_clip, sound=True), probe_speech):
        with pytest.raises(MediaDamaged):
            read(path)


def test_an_mp3_that_lost_its_end_is_damaged(make: Any) -> None:
    path = make.sound("a.mp3")
    assert probe_speech(path).sound.sample_count == 48000
    with pytest.raises(MediaDamaged, match="cut off"):
        probe_speech(make.cut_off(path, 0.9))


def test_an_mp3_that_lost_sound_on_the_way_is_damaged(make: Any) -> None:
    path = make.sound("a.mp3")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(MediaDamaged, match="pieces of sound"):
        probe_speech(path)


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
def test_matroska_that_lost_its_middle_or_end_is_damaged(make: Any, name: str) -> None:
    path = make.clip(name, frame_count=100, sound=(48000, 1, 4.0))
    assert probe_clip(path).frame_count == 100
    whole = path.read_bytes()
    for first, last in ((0.3, 0.6), (0.5, 0.99)):
        data = bytearray(whole)
        start, stop = int(len(data) * first), int(len(data) * last)
        data[start:stop] = bytes(stop - start)
        path.write_bytes(data)
        with pytest.raises(MediaDamaged):
            probe_clip(path)
            probe_speech(path)


def test_a_recording_that_was_written_live_declares_no_length_and_is_whole(make: Any) -> None:
    path = make.clip("a.webm", frame_count=30, container_options={"live": "1"})
    assert probe_clip(path).frame_count == 30
