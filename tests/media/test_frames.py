from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from viseme.errors import InputError, Interrupted, MediaDamaged, MediaTooLarge
from viseme.media import decode_frames, iterate_frames, probe_clip
from viseme.media.floats import fill_frames
from viseme.media.memory import check_memory


def level(index: int) -> int:
    return 20 + index * 17 % 216


def greys(frames: Any, count: int = 201) -> list[int]:
    """Which frame of ``count`` each one shows, told by its grey."""
    known = {level(k): k for k in reversed(range(count))}
    shown = []
    for frame in frames:
        value = float(np.mean(frame, dtype=np.float64))
        nearest = min(known, key=lambda grey: abs(grey - value))
        assert abs(nearest - value) < 4
        shown.append(known[nearest])
    return shown


@pytest.mark.parametrize("name", ["a.mp4", "b.mov", "c.mkv", "d.webm"])
def test_every_frame_comes_once_and_in_order(make: Any, name: str) -> None:
    clip = probe_clip(make.clip(name, frame_count=12))
    frames = list(iterate_frames(clip))
    assert greys(frames) == list(range(12))
    assert frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("name", ["a.mp4", "b.mkv"])
def test_a_window_has_exactly_its_frames(make: Any, name: str, b_frames: int) -> None:
    clip = probe_clip(make.clip(name, frame_count=12, b_frames=b_frames))
    for start, stop in ((0, 1), (5, 9), (11, 12), (4, 4), (0, 12)):
        assert greys(iterate_frames(clip, start=start, stop=stop)) == list(range(start, stop))


def test_reordered_pictures_of_avi_which_has_no_times_for_them_come_in_turn(make: Any) -> None:
    clip = probe_clip(make.clip("a.avi", frame_count=24, codec="libx264", b_frames=3))
    assert (clip.frame_count, clip.is_constant_rate) == (24, True)
    assert greys(iterate_frames(clip), 24) == list(range(24))
    assert greys(iterate_frames(clip, start=9, stop=15), 24) == list(range(9, 15))
    assert greys(decode_frames(clip, start=16) * 255, 24) == list(range(16, 24))


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_picture_of_avi_that_the_decoder_drops_is_told_at_the_end(
    make: Any, at_the_end: bool
) -> None:
    path = make.clip("a.avi", frame_count=10, codec="libx264", b_frames=2)
    clip = probe_clip(make.with_lost_pictures(path, at_the_end=at_the_end))
    with pytest.raises(MediaDamaged, match="cannot be decoded"):
        list(iterate_frames(clip))


def test_a_window_outside_the_clip_is_refused(make: Any) -> None:
    clip = probe_clip(make.clip())
    for start, stop in ((-1, 2), (0, 11), (5, 4)):
        with pytest.raises(InputError, match="leave the clip"):
            list(iterate_frames(clip, start=start, stop=stop))


def test_a_variable_rate_is_held_to_the_time_of_each_picture(make: Any) -> None:
    clip = probe_clip(make.clip(stamps_ms=[0, 40, 80, 120, 280, 320, 360, 400]))
    assert clip.frame_rate == 25
    assert greys(iterate_frames(clip)) == [0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7][: clip.frame_count]
    assert greys(iterate_frames(clip, start=5, stop=8)) == [3, 3, 4]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_are_upright(make: Any, degrees: int) -> None:
    clip = probe_clip(make.turned(degrees))
    frame = next(iter(iterate_frames(clip)))
    assert frame.shape == (clip.height, clip.width, 3)
    colours = np.array([[(200, 20, 20), (20, 200, 20)], [(20, 20, 200), (235, 235, 235)]])
    upright = np.rot90(colours, -degrees // 90)
    for row, y in enumerate((0.25, 0.75)):
        for column, x in enumerate((0.25, 0.75)):
            pixel = frame[int(y * clip.height), int(x * clip.width)]
            assert np.abs(pixel.astype(int) - upright[row, column]).max() < 25
    assert np.abs(decode_frames(clip)[0] * 255 - frame).mean() < 2


def test_floats_are_those_of_the_bytes(make: Any) -> None:
    clip = probe_clip(make.clip(frame_count=5))
    floats = decode_frames(clip)
    assert floats.shape == (5, 48, 64, 3) and floats.dtype == np.float32
    assert floats.min() >= 0 and floats.max() <= 1
    for a, b in zip(floats, iterate_frames(clip), strict=True):
        assert np.abs(a * 255 - b).max() <= 1.5


def test_padding_is_cropped_back(make: Any) -> None:
    clip = probe_clip(make.clip(size=(66, 50), frame_count=2))
    assert next(iter(iterate_frames(clip, crop_to=(65, 49)))).shape == (49, 65, 3)
    assert decode_frames(clip, crop_to=(65, 49)).shape == (2, 49, 65, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_still_is_one_frame(make: Any, suffix: str) -> None:
    frames = list(iterate_frames(probe_clip(make.still("still" + suffix))))
    assert len(frames) == 1
    assert np.abs(frames[0][5, 5].astype(int) - (200, 20, 20)).max() < 12


def test_alpha_is_dropped(make: Any) -> None:
    clip = probe_clip(make.clip("a.mkv", codec="ffv1", pixel_format="yuva420p", alpha=True))
    assert greys(iterate_frames(clip)) == list(range(10))


def test_a_clip_that_lost_frames_since_it_was_counted_is_damaged(make: Any) -> None:
    clip = probe_clip(make.clip(frame_count=20))
    make.clip(frame_count=12)
    with pytest.raises(MediaDamaged, match="12 of 20"):
        list(iterate_frames(clip))


@pytest.mark.parametrize(
    "stamps", [None, [0, 40, 80, 120, 280, 320, 360, 400, 440, 480]], ids=["cfr", "vfr"]
)
@pytest.mark.parametrize(("name", "at_the_end"), [("a.mp4", 0), ("a.mp4", 1), ("a.mkv", 0)])
def test_a_picture_that_the_decoder_drops_is_told(
    make: Any, name: str, stamps: list[int] | None, at_the_end: int
) -> None:
    path = make.clip(name, stamps_ms=stamps, frame_count=10, b_frames=2)
    clip = probe_clip(make.with_lost_pictures(path, at_the_end=bool(at_the_end)))
    assert clip.is_constant_rate == (stamps is None)
    with pytest.raises(MediaDamaged, match="cannot be decoded"):
        list(iterate_frames(clip))
    with pytest.raises(MediaDamaged, match="cannot be decoded"):
        decode_frames(clip, start=1)


def test_reordered_pictures_of_a_variable_rate_all_come(make: Any) -> None:
    stamps = [0, 40, 80, 120, 280, 320, 360, 400, 440, 600, 640, 680]
    clip = probe_clip(make.clip(stamps_ms=stamps, b_frames=3))
    assert sorted(set(greys(iterate_frames(clip)))) == list(range(12))
    assert greys(iterate_frames(clip, start=9)) == greys(iterate_frames(clip))[9:]


def test_a_variable_rate_clip_that_was_replaced_by_a_shorter_one_is_damaged(make: Any) -> None:
    stamps = [0, 40, 80, 120, 280, 320, 360, 400]
    clip = probe_clip(make.clip(stamps_ms=stamps))
    make.clip(stamps_ms=stamps[:6])
    with pytest.raises(MediaDamaged, match="changed"):
        list(iterate_frames(clip))


def test_a_picture_that_is_held_is_converted_once(tmp_path: Path) -> None:
    frames = np.full((40, 48, 64, 3), np.nan, np.float32)
    picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 200, np.uint8), "rgb24")

    def shown() -> Iterator[tuple[av.VideoFrame, int, int]]:
        yield picture, 0, 8
        for _ in range(30_000):
            if not np.isnan(frames[:8]).any():
                break
            time.sleep(0.001)
        # Were it read anew, it would be black.
        picture.planes[0].update(bytes(picture.planes[0].buffer_size))
        for start in range(8, 40, 8):
            yield picture, start, start + 8

    fill_frames(tmp_path / "a.mp4", frames, shown(), accurate_colours=False, cancel=None)
    assert np.array_equal(frames, np.full_like(frames, np.float32(200) / np.float32(255)))


def test_frames_of_held_pictures_are_those_of_the_pictures(make: Any) -> None:
    stamps = [0, 40, 80, 1200, 1240, 2000, 2040, 2080]
    clip = probe_clip(make.clip(stamps_ms=stamps))
    frames = decode_frames(clip)
    for index in (0, 1, 2, 30, 31, 50, 51):
        assert np.array_equal(decode_frames(clip, start=index, stop=index + 1)[0], frames[index])
    for a, b in zip(frames, iterate_frames(clip), strict=True):
        assert np.abs(a * 255 - b).max() <= 1.5
    assert (frames[2:30] == frames[2]).all() and (frames[31:50] == frames[31]).all()


def test_decoding_can_be_stopped(make: Any) -> None:
    clip = probe_clip(make.clip())
    with pytest.raises(Interrupted):
        list(iterate_frames(clip, cancel=lambda: True))


def test_what_does_not_fit_into_memory_is_refused_before_it_is_built() -> None:
    with pytest.raises(MediaTooLarge, match="GiB"):
        check_memory(1 << 60, "a clip", "Decode fewer frames.")


def test_delayed_pictures_are_counted_from_the_first(make: Any) -> None:
    clip = probe_clip(make.clip(video_delay_ms=480, sound=(48000, 1, 0.4)))
    assert greys(iterate_frames(clip)) == list(range(10))


def test_tagged_colour_bars_come_back(make: Any, tmp_path: Path) -> None:
    from viseme.media import encode_clip

    colours = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1)]
    bars = np.repeat(np.array(colours, np.float32) * 0.75, 32, axis=0)
    frames = np.broadcast_to(bars, (3, 96, len(bars), 3))
    path = tmp_path / "bars.mp4"
    encode_clip(path, frames, Fraction(25))
    decoded = decode_frames(probe_clip(path))
    inner = np.arange(len(bars)) % 32
    away = (inner > 4) & (inner < 27)
    assert np.abs(decoded - frames)[:, :, away].mean(axis=(0, 1, 2)).max() * 255 < 1.0


def test_media_needs_no_torch() -> None:
    import subprocess

    program = "import sys; sys.modules['torch'] = None; import viseme.media"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("width", [62, 66, 74, 178])
def test_decoding_twice_gives_the_same_pixels(make: Any, width: int) -> None:
    ramp = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
    frames = [np.broadcast_to(ramp, (50, width, 3)).copy()] * 4
    clip = probe_clip(make.clip(size=(width, 50), frames=frames, frame_count=4))
    floats, pixels = decode_frames(clip), list(iterate_frames(clip))
    for _ in range(15):
        assert np.array_equal(decode_frames(clip), floats)
        assert np.array_equal(list(iterate_frames(clip)), pixels)
