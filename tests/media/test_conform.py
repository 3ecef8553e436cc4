from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest

from viseme.errors import InputError, Interrupted, MediaDamaged, MediaTooLarge
from viseme.media import (
    ClipWriter,
    Conformed,
    MediaLimits,
    conform_clip,
    conform_speech,
    decode_frames,
    decode_sound,
    iterate_frames,
    iterate_sound,
    probe_clip,
    probe_speech,
    replace_sound,
    trim_clip,
)
from viseme.media.coding import can_copy
from viseme.media.mixdown import mix_matrix
from viseme.media.picture import PictureReader

from .conftest import MIRRORS, Asked, quadrants, tone


def conformed(
    path: Path,
    containers: Collection[str] = ("mp4", "mov"),
    codecs: Collection[str] = ("h264",),
    max_bytes: int | None = None,
) -> Conformed:
    return conform_clip(
        probe_clip(path),
        path.parent / "work",
        containers=containers,
        codecs=codecs,
        max_bytes=max_bytes,
    )


def spoken(
    path: Path,
    containers: Collection[str] = ("mp3", "wav"),
    codecs: Collection[str] = ("mp3", "pcm_s16le"),
    max_bytes: int | None = None,
) -> Conformed:
    return conform_speech(
        probe_speech(path),
        path.parent / "work",
        containers=containers,
        codecs=codecs,
        max_bytes=max_bytes,
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_what_is_taken_passes_untouched(make: Any, name: str) -> None:
    path = make.clip(name, sound=(48000, 1, 0.4))
    result = conformed(path)
    assert result.path == path
    assert result.steps == ("passed through untouched",)
    assert result.size_bytes == path.stat().st_size
    assert (result.width, result.height) == (64, 48)
    assert not (make.folder / "work").exists()


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25)], ids=str)
def test_mkv_is_remuxed_without_touching_a_picture(
    make: Any, b_frames: int, rate: Fraction
) -> None:
    path = make.clip("a.mkv", frame_count=24, rate=rate, b_frames=b_frames, sound=(48000, 2, 1.0))
    result = conformed(path)
    assert result.steps[0] == "remuxed mkv to mp4"
    assert not any("encoded h264" in step for step in result.steps)
    assert result.media_type == "video/mp4"
    assert (result.width, result.height) == (64, 48)
    before, after = probe_clip(path), probe_clip(result.path)
    assert (after.container, after.frame_count, after.frame_rate) == ("mp4", 24, rate)
    assert (after.is_constant_rate, after.start_seconds) == (True, Fraction(0))
    assert after.sound is not None and after.sound.codec == "aac"
    assert np.array_equal(decode_frames(before), decode_frames(after))


def test_a_clip_cut_between_open_groups_begins_with_what_can_be_decoded(make: Any) -> None:
    path = make.cut_open("a.mkv")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        stamps = [packet.pts for packet in packets if packet.pts is not None]
    leading = sum(stamp < stamps[0] for stamp in stamps)
    assert packets[0].is_keyframe and leading > 0
    clip = probe_clip(path)
    assert (clip.frame_count, clip.is_constant_rate) == (len(packets) - leading, True)
    assert len(list(iterate_frames(clip))) == clip.frame_count
    result = conformed(path)
    assert result.steps[0] == "remuxed mkv to mp4"
    assert np.array_equal(decode_frames(probe_clip(result.path)), decode_frames(clip))


@contextlib.contextmanager
def usual_priority() -> Iterator[None]:
    """As root SVT-AV1 leaves the calling thread with the highest real-time priority, which whatever
    it starts from then on inherits; one of those that does not wait starves the whole machine."""
    before = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    yield
    if before is not None:
        os.sched_setscheduler(0, before, os.sched_param(0))


def test_pictures_are_copied_whatever_this_machine_can_encode(make: Any) -> None:
    encoder = next((n for n in ("libsvtav1", "libaom-av1") if n in av.codecs_available), None)
    if encoder is None:
        pytest.skip("this PyAV cannot write AV1")
    with usual_priority():
        path = make.clip("a.mkv", codec=encoder)
    result = conformed(path, codecs=("h264", "av1"))
    assert result.steps == ("remuxed mkv to mp4",)
    after = probe_clip(result.path)
    assert (after.codec, after.frame_count) == ("av1", 10)
    assert np.array_equal(decode_frames(probe_clip(path)), decode_frames(after))


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ("padded 65x49 to 66x50", {"size": (65, 49), "pixel_format": "yuv444p"}),
        ("made constant at 25 fps", {"stamps_ms": [0, 40, 80, 200, 240, 280]}),
        ("encoded yuv444p as 8-bit 4:2:0", {"pixel_format": "yuv444p"}),
        ("encoded vp9 as h264", {"name": "a.webm"}),
        ("dropped alpha", {"name": "a.mkv", "codec": "ffv1", "pixel_format": "yuva420p",
                           "alpha": True}),
    ],
)  # fmt: skip
def test_only_what_must_be_is_encoded(make: Any, step: str, options: dict[str, Any]) -> None:
    path = make.clip(**options)
    result = conformed(path)
    assert step in result.steps
    before, after = probe_clip(path), probe_clip(result.path)
    assert (after.codec, after.pixel_format, after.container) == ("h264", "yuv420p", "mp4")
    assert (after.frame_count, after.frame_rate) == (before.frame_count, before.frame_rate)
    assert (after.is_constant_rate, after.has_alpha) == (True, False)
    assert (after.width, after.height) == (
        before.width + before.width % 2, before.height + before.height % 2
    )  # fmt: skip
    assert (result.width, result.height) == (after.width, after.height)
    pairs = zip(
        iterate_frames(before),
        iterate_frames(after, crop_to=(before.width, before.height)),
        strict=True,
    )
    for a, b in pairs:
        assert np.abs(a.astype(int) - b).mean() < 4


@pytest.mark.parametrize(
    ("transfer", "name"), [(18, "HLG"), (16, "PQ"), (1, None)], ids=["HLG", "PQ", "BT.709"]
)
def test_hdr_colours_that_are_written_as_others_are_told(
    make: Any, transfer: int, name: str | None
) -> None:
    path = make.clip("a.mkv", pixel_format="yuv420p10le", transfer=transfer)
    told = f"its HDR colours ({name}) were not converted: they may look flat"
    steps = conformed(path).steps
    assert "encoded yuv420p10le as 8-bit 4:2:0" in steps
    assert (told in steps) is (name is not None)
    assert any("HDR" in step for step in steps) is (name is not None)
    noise = np.random.default_rng(0).integers(0, 256, (25, 288, 352, 3), np.uint8)
    large = make.clip(size=(352, 288), frames=list(noise), frame_count=25, transfer=transfer)
    assert (told in conformed(large, max_bytes=40_000).steps) is (name is not None)
    copied = conform_clip(
        probe_clip(make.clip("b.mkv", transfer=transfer)),
        make.folder / "work",
        containers=["mp4"],
        codecs=["h264"],
    )
    assert copied.steps == ("remuxed mkv to mp4",)


@pytest.mark.parametrize("way", ["turned", "padded", "alpha"])
def test_a_picture_that_is_held_is_converted_once(
    make: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    stamps = [0, 40, 80, 400, 440]
    if way == "turned":
        frames = [np.roll(quadrants(64, 48), 8 * index, 1) for index in range(5)]
        path = make.turned(90, stamps_ms=stamps, frames=frames)
    elif way == "padded":
        path = make.clip(size=(65, 49), pixel_format="yuv444p", stamps_ms=stamps)
    else:
        path = make.clip(
            "a.mkv", codec="ffv1", pixel_format="yuva420p", alpha=True, stamps_ms=stamps
        )
    clip = probe_clip(path)
    assert clip.frame_count == 12
    shown = list(iterate_frames(clip))
    read_bytes, count = PictureReader.read_bytes, 0

    def counted(reader: PictureReader, picture: Any) -> Any:
        nonlocal count
        count += 1
        return read_bytes(reader, picture)

    with monkeypatch.context() as patch:
        patch.setattr(PictureReader, "read_bytes", counted)
        result = conformed(path)
    assert count == len(stamps)
    written = probe_clip(result.path)
    pairs = zip(shown, iterate_frames(written, crop_to=(clip.width, clip.height)), strict=True)
    for a, b in pairs:
        assert np.abs(a.astype(int) - b).mean() < 6


@pytest.mark.parametrize("is_turned", [True, False])
def test_a_picture_that_cannot_be_converted_is_damaged_media(
    make: Any, monkeypatch: pytest.MonkeyPatch, is_turned: bool
) -> None:
    path = make.turned(90) if is_turned else make.clip(pixel_format="yuv444p")

    def fail(*_: Any, **_options: Any) -> None:
        raise av.error.InvalidDataError(1, "Invalid data found when processing input")

    owner, name = (PictureReader, "read_bytes") if is_turned else (ClipWriter, "write_picture")
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(MediaDamaged, match="cannot be read") as caught:
        conformed(path)
    assert str(path) in str(caught.value)
    assert not any((make.folder / "work").iterdir())


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_clips_become_upright(make: Any, degrees: int) -> None:
    path = make.turned(degrees)
    result = conformed(path)
    assert result.steps == (f"turned upright by {degrees} degrees",)
    before, after = probe_clip(path), probe_clip(result.path)
    assert (after.width, after.height) == (before.width, before.height)
    assert (result.width, result.height) == (after.width, after.height)
    assert after.rotation_degrees == 0
    a, b = next(iter(iterate_frames(before))), next(iter(iterate_frames(after)))
    assert np.abs(a.astype(int) - b).mean() < 6


@pytest.mark.parametrize("containers", [("mp4", "mov"), ("mov",)], ids=str)
@pytest.mark.parametrize("mirror", MIRRORS)
def test_mirror_images_are_written_as_they_are_shown(
    make: Any, mirror: str, containers: tuple[str, ...]
) -> None:
    path = make.mirrored(mirror)
    before = probe_clip(path)
    assert before.is_mirrored and before.rotation_degrees == 0
    assert not can_copy(before, "mov")
    result = conformed(path, containers)
    assert result.steps[0] == "mirrored as it is to be shown"
    after = probe_clip(result.path)
    assert (after.is_mirrored, after.rotation_degrees) == (False, 0)
    assert (result.width, result.height) == (after.width, after.height)
    assert (after.width, after.height) == (before.width, before.height)
    a, b = next(iter(iterate_frames(before))), next(iter(iterate_frames(after)))
    assert np.abs(a.astype(int) - b).mean() < 6
    coded = quadrants(64, 48)
    shown = {
        "x": coded[:, ::-1],
        "y": coded[::-1],
        "\\": coded.swapaxes(0, 1),
        "/": coded.swapaxes(0, 1)[::-1, ::-1],
    }
    assert np.abs(shown[mirror].astype(int) - b).mean() < 10


@pytest.mark.parametrize(("sound_delay_ms", "video_delay_ms"), [(480, 0), (0, 480)])
def test_a_delay_is_worked_into_the_sound(
    make: Any, sound_delay_ms: int, video_delay_ms: int
) -> None:
    path = make.clip(
        frame_count=30,
        sound=(48000, 1, 1.0),
        sound_delay_ms=sound_delay_ms,
        video_delay_ms=video_delay_ms,
    )
    result = conformed(path)
    assert "aligned the sound" in result.steps[0]
    before, after = probe_clip(path), probe_clip(result.path)
    assert (after.frame_count, after.start_seconds) == (30, Fraction(0))
    assert after.sound is not None and after.sound.start_seconds == 0
    one, two = decode_sound(before)[0], decode_sound(after)[0]
    assert one.shape == two.shape
    assert np.abs(one - two).mean() < 0.01
    assert np.array_equal(decode_frames(before), decode_frames(after))


def test_a_still_passes_where_stills_are_taken(make: Any) -> None:
    path = make.still()
    result = conformed(path, containers={"mp4", "png"})
    assert (result.path, result.width, result.height) == (path, 64, 48)
    with pytest.raises(MediaTooLarge):
        conformed(path, containers={"mp4", "png"}, max_bytes=10)


@pytest.mark.parametrize(
    ("limit", "sound", "is_scaled"), [(40_000, (48000, 2, 1.0), False), (11_000, None, True)]
)
def test_a_clip_is_made_to_fit(
    make: Any, limit: int, sound: tuple[int, int, float] | None, is_scaled: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (25, 288, 352, 3), np.uint8)
    path = make.clip(size=(352, 288), frames=list(noise), frame_count=25, sound=sound)
    assert path.stat().st_size > 10 * limit
    result = conformed(path, max_bytes=limit)
    assert result.size_bytes == result.path.stat().st_size <= limit
    assert any("to fit 0.0 MB" in step for step in result.steps)
    clip = probe_clip(result.path)
    assert (result.width, result.height) == (clip.width, clip.height)
    assert (clip.frame_count, clip.frame_rate) == (25, Fraction(25))
    assert (clip.sound is None) == (sound is None)
    assert clip.sound is None or clip.sound.sample_count == 48000
    assert (clip.width < 352) == is_scaled
    told = result.path.read_bytes()
    assert b" trellis=1 " in told and b" qcomp=0.60" in told  # x264's faster, as it is
    for impossible in (3_000, 0):
        with pytest.raises(MediaTooLarge, match="decently") as caught:
            conformed(path, max_bytes=impossible)
        assert caught.value.remedy
    assert sorted(p.name for p in (make.folder / "work").iterdir()) in ([], [result.path.name])


def test_a_file_that_lies_where_the_fitted_one_goes_is_not_taken_for_it(make: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (25, 288, 352, 3), np.uint8)
    path = make.clip(size=(352, 288), frames=list(noise), frame_count=25)
    stale = make.folder / "work" / "clip-conformed.mp4"
    stale.parent.mkdir()
    stale.write_bytes(b"of another clip")
    result = conformed(path, max_bytes=40_000)
    assert result.path == stale
    assert any("to fit 0.0 MB" in step for step in result.steps)
    assert probe_clip(result.path).frame_count == 25


def ffprobed_aspect(path: Path) -> str:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"]
    command += ["-show_entries", "stream=sample_aspect_ratio", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("remuxed mkv to mp4", {"name": "a.mkv"}),
        ("made constant at 25 fps", {"stamps_ms": [0, 40, 200, 240, 280]}),
        ("encoded mpeg4 as h264", {"name": "a.avi", "codec": "mpeg4"}),
    ],
)
def test_pixels_that_are_not_square_stay_so(make: Any, way: str, options: dict[str, Any]) -> None:
    path = make.clip(size=(720, 576), frame_count=4, pixel_aspect=Fraction(16, 15), **options)
    clip = probe_clip(path)
    assert clip.pixel_aspect == Fraction(16, 15)
    result = conformed(path)
    assert way in result.steps
    assert (result.width, result.height) == (720, 576)
    assert ffprobed_aspect(result.path) == "16:15"
    assert probe_clip(result.path).pixel_aspect == Fraction(16, 15)


def test_the_shape_of_pixels_turns_with_the_picture(make: Any) -> None:
    path = make.turned(90, pixel_aspect=Fraction(16, 15))
    clip = probe_clip(path)
    assert clip.pixel_aspect == Fraction(15, 16)
    assert probe_clip(conformed(path).path).pixel_aspect == Fraction(15, 16)
    assert probe_clip(make.turned(180, pixel_aspect=Fraction(16, 15))).pixel_aspect > 1


@pytest.mark.parametrize("aspect", [None, Fraction(0), Fraction(1, 250), Fraction(200)])
def test_a_shape_of_pixels_that_says_nothing_is_square(make: Any, aspect: Fraction | None) -> None:
    assert probe_clip(make.clip(frame_count=2, pixel_aspect=aspect)).pixel_aspect == 1


def test_webm_shows_the_same_with_square_pixels(make: Any) -> None:
    clip = probe_clip(make.clip("a.mkv", frame_count=3, pixel_aspect=Fraction(4, 3)))
    for aspect, size in ((Fraction(4, 3), (86, 48)), (Fraction(3, 4), (64, 64))):
        result = conform_clip(
            replace(clip, pixel_aspect=aspect), make.folder, containers=["webm"], codecs=["vp9"]
        )
        assert "made its pixels square" in result.steps
        after = probe_clip(result.path)
        assert (result.width, result.height) == (after.width, after.height) == size
        assert (after.frame_count, after.pixel_aspect) == (3, Fraction(1))


def test_an_endpoint_that_takes_nothing_that_is_written_here_is_refused(make: Any) -> None:
    with pytest.raises(InputError, match="takes gif"):
        conformed(make.clip(), containers={"gif"}, codecs={"gif"})
    with pytest.raises(InputError, match="takes gif"):
        spoken(make.sound(), containers={"gif"}, codecs={"gif"})


@pytest.mark.parametrize("way", ["trimmed", "conformed", "replaced"])
def test_sound_that_is_coded_beside_pictures_is_read_within_the_limits(make: Any, way: str) -> None:
    path = make.clip("a.mkv", frame_count=50, sound=(48000, 1, 2.0))
    clip, limits, folder = probe_clip(path), MediaLimits(max_seconds=1), make.folder / "out"
    with pytest.raises(MediaTooLarge, match="sound"):
        if way == "trimmed":
            trim_clip(clip, folder / "a.mp4", 3, 50, limits=limits)
        elif way == "conformed":
            conform_clip(clip, folder, containers=["webm"], codecs=["vp9"], limits=limits)
        else:
            replace_sound(clip, probe_speech(path), folder / "a.mp4", limits=limits)
    assert list(folder.iterdir()) == []


def test_conforming_can_be_stopped(make: Any) -> None:
    clip = probe_clip(make.clip("a.webm"))
    with pytest.raises(Interrupted):
        conform_clip(
            clip, make.folder / "w", containers=["mp4"], codecs=["h264"], cancel=lambda: True
        )
    assert not any((make.folder / "w").iterdir())


@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_speech_that_is_taken_passes_untouched(make: Any, name: str) -> None:
    path = make.sound(name)
    assert spoken(path) == Conformed(
        path, {"a.wav": "audio/wav", "a.mp3": "audio/mpeg"}[name], path.stat().st_size,
        ("passed through untouched",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sample_rate", "channels"),
    [("a.flac", 96000, 2), ("a.m4a", 8000, 1), ("a.ogg", 48000, 2), ("a.mp4", 48000, 2)],
)
def test_other_speech_keeps_every_sample(
    make: Any, name: str, sample_rate: int, channels: int
) -> None:
    if name == "a.mp4":
        path = make.clip(name, sound=(sample_rate, channels, 0.8))
    else:
        path = make.sound(name, sample_rate=sample_rate, channels=channels, seconds=0.8)
    before = decode_sound(path)[0]
    for containers, codecs in ((("mp3", "wav"), ("mp3", "pcm_s16le")), (("flac",), ("opus",))):
        result = spoken(path, containers, codecs)
        after, rate = decode_sound(result.path)
        assert (rate, after.shape) == (sample_rate, before.shape)
        assert np.abs(after - before).max() < 1e-4


@pytest.mark.parametrize("sample_rate", [8000, 11025, 44100, 96000, 192000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_nothing_lossless_is_resampled(make: Any, name: str, sample_rate: int) -> None:
    path = make.sound(name, sample_rate=sample_rate, seconds=0.2)
    suffix = Path(name).suffix[1:]
    taken = spoken(path, {suffix}, {"pcm_s16le", "flac"})
    assert (taken.path, taken.steps) == (path, ("passed through untouched",))
    other = {"wav": "flac", "flac": "wav"}[suffix]
    written = probe_speech(spoken(path, {other}, {"none"}).path).sound
    assert (written.sample_rate, written.sample_count) == (sample_rate, sample_rate // 5)


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("container", ["mp3", "mp4"])
def test_lossy_sound_keeps_a_rate_that_it_can_have(
    make: Any, container: str, sample_rate: int
) -> None:
    result = spoken(make.sound(sample_rate=sample_rate, seconds=0.3), {container}, {"none"})
    assert probe_speech(result.path).sound.sample_rate == sample_rate


@pytest.mark.parametrize("container", ["wav", "flac", "mp3", "mp4", "ogg"])
def test_surround_sound_is_mixed_for_every_container(make: Any, container: str) -> None:
    path = make.sound("a.m4a", channels=6, seconds=0.5)
    result = spoken(path, {container}, {"none"})
    assert result.steps[-1] == "mixed 6 channels down to 2"
    before, after = decode_sound(path)[0][0], decode_sound(result.path)[0][0]
    names = ("FL", "FR", "FC", "LFE", "BL", "BR")
    assert after.shape == (2, before.shape[1])
    assert np.abs(after - mix_matrix(names, 2) @ before).mean() < 0.01


def test_surround_sound_that_is_taken_keeps_its_channels(make: Any) -> None:
    path = make.sound("a.wav", channels=6, seconds=0.2)
    assert spoken(path).steps == ("passed through untouched",)
    assert probe_speech(path).sound.channels == 6


def test_speech_that_is_written_anew_can_be_stopped_at_every_piece(make: Any) -> None:
    recording = probe_speech(make.sound(seconds=10.0))
    read = Asked()
    pieces = [piece for piece, _ in iterate_sound(recording, cancel=read)]

    def write(cancel: Asked) -> None:
        conform_speech(
            recording, make.folder / "work", containers=["flac"], codecs=["flac"], cancel=cancel
        )

    whole = Asked()
    write(whole)
    # Asked for each piece that is read and for each that is written, and before the disk has it.
    assert whole.count > read.count + len(pieces)
    (path,) = (make.folder / "work").iterdir()
    path.unlink()
    with pytest.raises(Interrupted):
        write(Asked(yes_to=read.count + len(pieces) + 1))
    assert not any((make.folder / "work").iterdir())


def test_speech_of_24_bits_becomes_wav_of_16(make: Any) -> None:
    result = spoken(make.sound("a.wav", codec="pcm_s24le"))
    assert probe_speech(result.path).sound.codec == "pcm_s16le"
    assert result.path.name != "a.wav"


def test_speech_is_made_to_fit(make: Any) -> None:
    path = make.sound(seconds=4.0, channels=2)
    for limit in (40_000, 14_000):
        result = spoken(path, max_bytes=limit)
        assert result.size_bytes <= limit
        assert result.media_type == "audio/mpeg"
        assert "kbit/s" in result.steps[0]
        assert ("mixed 2 channels down to 1" in result.steps) == (limit < 24_000)
        assert abs(float(probe_speech(result.path).seconds) - 4) < 0.001
    for containers in (("mp3", "wav"), ("wav",)):
        with pytest.raises(MediaTooLarge):
            spoken(path, containers=containers, max_bytes=1000)


def test_sound_is_replaced_without_touching_a_picture(make: Any) -> None:
    path = make.clip(frame_count=25, b_frames=2, sound=(48000, 2, 1.0))
    clip = probe_clip(path)
    samples = np.zeros((1, 1, 44100), np.float32)
    samples[0, 0, 22050] = 0.9
    out = make.folder / "out.mp4"
    replace_sound(clip, (samples, 44100), out)
    result = probe_clip(out)
    assert np.array_equal(decode_frames(clip), decode_frames(result))
    back, rate = decode_sound(result)
    assert (rate, back.shape) == (44100, samples.shape)
    assert abs(int(back[0, 0].argmax()) - 22050) <= 1
    replace_sound(clip, probe_speech(make.sound(seconds=0.5)), out)
    sound = probe_clip(out).sound
    assert sound is not None and sound.sample_count == 24000
    replace_sound(clip, None, out)
    assert probe_clip(out).sound is None


def test_seven_channels_go_into_a_clip_as_two(make: Any) -> None:
    clip = probe_clip(make.clip("a.mkv", frame_count=10, sound=(48000, 7, 0.4)))
    assert clip.sound is not None and clip.sound.channels == 7
    result = conform_clip(clip, make.folder, containers=["mp4"], codecs=["h264"])
    assert result.steps[-1] == "mixed 7 channels down to 2"
    sound = probe_clip(result.path).sound
    assert sound is not None and sound.channels == 2
    # Matroska tells times in milliseconds.
    expected = clip.sound.sample_count + clip.sound.start_seconds * 48000
    assert abs(sound.sample_count - expected) <= 48


@pytest.mark.parametrize("channels", [7, 9])
def test_samples_of_more_channels_than_a_clip_holds_are_mixed_down_to_two(
    make: Any, channels: int
) -> None:
    clip = probe_clip(make.clip(frame_count=25))
    out = make.folder / "out.mp4"
    samples = tone(48000, channels, 1.0)
    replace_sound(clip, (samples[np.newaxis], 48000), out)
    heard, _ = decode_sound(probe_clip(out))
    assert heard.shape == (1, 2, 48000)
    mixed = mix_matrix(["NONE"] * channels, 2) @ samples
    assert np.abs(heard[0] - mixed).mean() < 0.01


@pytest.mark.parametrize("shape", [(2, 1, 4800), (0, 1, 4800), (1, 0, 4800), (4800,)])
def test_a_batch_of_sounds_is_refused_rather_than_cut_to_its_first(
    make: Any, shape: tuple[int, ...]
) -> None:
    clip = probe_clip(make.clip())
    sound = (np.zeros(shape, np.float32), 48000)
    with pytest.raises(InputError, match="sound of the shape") as caught:
        replace_sound(clip, sound, make.folder / "out.mp4")
    assert caught.value.remedy
    assert not (make.folder / "out.mp4").exists()


def test_a_trimmed_clip_has_its_frames_and_their_sound(make: Any) -> None:
    clip = probe_clip(make.clip(frame_count=25, sound=(48000, 1, 1.0)))
    out = make.folder / "out.mp4"
    trim_clip(clip, out, 5, 15)
    result = probe_clip(out)
    assert (result.frame_count, result.frame_rate) == (10, Fraction(25))
    assert np.abs(decode_frames(result) - decode_frames(clip, start=5, stop=15)).mean() < 0.02
    sound, rate = decode_sound(result)
    assert sound.shape[2] == rate * 10 // 25
    window, _ = decode_sound(clip, start_seconds=Fraction(1, 5), stop_seconds=Fraction(3, 5))
    inner, around = sound[0, 0, 500:-500], window[0, 0]
    alike = [float(inner @ around[500 + lag : len(around) - 500 + lag]) for lag in range(-99, 100)]
    assert int(np.argmax(alike)) - 99 == 0
    with pytest.raises(InputError):
        trim_clip(clip, out, 5, 5)
    with pytest.raises(InputError):
        trim_clip(clip, out, 5, 26)
