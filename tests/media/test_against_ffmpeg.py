"""Frame by frame and sample by sample what the ffmpeg program makes of the same files."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.media import decode_frames, decode_sound, encode_clip, iterate_frames, probe_clip

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")

# What swscale needs to round as it should and to have chroma for every pixel.
_EXACT = "flags=accurate_rnd+full_chroma_int+bicubic"
# By which AAC fills the last packet behind its priming and 1.5 s at 48 kHz; ffmpeg may cut it off.
PADDING = -(72000 + 1024) % 1024


def ffmpeg(path: Path, *options: str) -> bytes:
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-"]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def ffmpeg_frames(path: Path, width: int, height: int, *, filters: str = "") -> NDArray[np.uint8]:
    """uint8 [N, H, W, 3]; ``filters`` end with a comma."""
    options = ["-vf", f"{filters}scale={_EXACT}", "-vsync", "passthrough", "-pix_fmt", "rgb24"]
    data = ffmpeg(path, *options, "-f", "rawvideo")
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


def ffmpeg_sound(path: Path, *options: str) -> NDArray[np.float32]:
    """float32 [S], of a mono file."""
    return np.frombuffer(ffmpeg(path, *options, "-f", "f32le"), np.float32)


def scene(width: int, height: int, frame_count: int) -> list[NDArray[np.uint8]]:
    """Ramps and a light bar that moves: no frame, edge or direction is like another.

    Colour itself changes slowly: where it jumps, releases of swscale differ in how they spread it.
    """
    y, x = np.mgrid[0:height, 0:width]
    frames = []
    for index in range(frame_count):
        blue = np.full((height, width), 40 + 10 * index)
        frame = np.stack([x * 255 // width, y * 255 // height, blue], axis=-1)
        frame = frame // 2 + 40
        frame[:, 4 * index : 4 * index + 4] += 60
        frames.append(frame.astype(np.uint8))
    return frames


def assert_alike(
    ours: NDArray[Any], theirs: NDArray[np.uint8], *, most: float = 2, mean: float = 0.5
) -> None:
    """How far one value of 255 may be off at ``most``, and all of them in the ``mean``."""
    assert ours.shape == theirs.shape
    difference = np.abs(ours.astype(np.float64) - theirs)
    assert difference.max() <= most
    assert difference.mean() < mean


def bytes_of(path: Path) -> NDArray[np.uint8]:
    return np.stack(list(iterate_frames(probe_clip(path))))


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("even.mp4", (96, 64), {}),
        ("odd-width.webm", (95, 64), {}),
        ("odd-height.webm", (96, 63), {}),
        ("odd.mp4", (95, 63), {"pixel_format": "yuv444p"}),
        ("deep.mp4", (96, 64), {"pixel_format": "yuv420p10le"}),
        ("full.mp4", (96, 64), {"pixel_format": "yuvj420p"}),
        ("wide.mp4", (1280, 32), {"pixel_format": "yuv444p"}),
        ("alpha.mkv", (96, 64), {"codec": "ffv1", "pixel_format": "yuva420p", "alpha": True}),
        ("in-turn.avi", (96, 64), {"codec": "libx264", "b_frames": 3}),
        ("late.mp4", (96, 64), {"video_delay_ms": 480, "sound": (48000, 1, 1.0)}),
    ],
)
def test_every_pixel_is_what_ffmpeg_shows(
    make: Any, name: str, size: tuple[int, int], options: dict[str, Any]
) -> None:
    path = make.clip(name, size=size, frames=scene(*size, 8), frame_count=8, **options)
    # What is untagged and as wide as HD is taken as BT.709 here, while ffmpeg has to be told.
    told = f"scale=in_color_matrix=bt709:{_EXACT}," if size[0] >= 1280 else ""
    theirs = ffmpeg_frames(path, *size, filters=f"{told}format=rgb24," if told else "")
    assert_alike(bytes_of(path), theirs)
    if not told:
        # The host's conversion rounds all down, and takes the nearest chroma at full range.
        assert_alike(decode_frames(probe_clip(path)) * 255, theirs, most=3, mean=1.5)
    if "deep" not in name:  # of more than 8 bits, which are converted as the host does it
        assert_alike(decode_frames(probe_clip(path), accurate_colours=True) * 255, theirs)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_every_turned_pixel_is_what_ffmpeg_shows(make: Any, degrees: int) -> None:
    path = make.turned(degrees, frames=scene(64, 48, 5))
    clip = probe_clip(path)
    theirs = ffmpeg_frames(path, clip.width, clip.height)
    assert_alike(bytes_of(path), theirs)
    assert_alike(decode_frames(clip, accurate_colours=True) * 255, theirs)


def test_tagged_bars_are_what_ffmpeg_shows(tmp_path: Path) -> None:
    colours = [(r, g, b) for r in (0, 0.75) for g in (0, 0.75) for b in (0, 0.75)]
    row = np.repeat(np.array(colours, np.float32), 16, axis=0)
    path = tmp_path / "bars.mp4"
    encode_clip(path, np.broadcast_to(row, (4, 64, 128, 3)), Fraction(25))
    away = np.abs(np.arange(128) % 16 - 7.5) < 5
    theirs = ffmpeg_frames(path, 128, 64)[:, :, away]
    assert_alike(bytes_of(path)[:, :, away], theirs)
    accurate = decode_frames(probe_clip(path), accurate_colours=True) * 255
    assert_alike(accurate[:, :, away], theirs)


@pytest.mark.parametrize(
    ("stamps", "held_ms", "frame_count"),
    [
        # Between the frames of the constant rate, too: 130 and 307 ms.
        ([0, 40, 80, 130, 280, 307, 360, 400, 440], 0, 12),
        ([0, 40, 80, 130, 280, 307, 360, 400, 440], 500, 25),
        ([0, 40, 80, 120, 160, 200, 240, 280, 320], 520, 22),
    ],
    ids=["between", "held", "even but held"],
)
def test_a_variable_rate_is_what_ffmpeg_makes_constant(
    make: Any, stamps: list[int], held_ms: int, frame_count: int
) -> None:
    path = make.clip(stamps_ms=stamps, size=(96, 64), frames=scene(96, 64, len(stamps)))
    if held_ms:
        path = make.held(path, Fraction(held_ms, 1000))
    clip = probe_clip(path)
    assert (clip.frame_count, clip.is_constant_rate) == (frame_count, False)
    filters = f"fps={clip.frame_rate}:round=near,"
    assert_alike(bytes_of(path), ffmpeg_frames(path, 96, 64, filters=filters))


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("delay_ms", [0, 480])
def test_every_sample_is_what_ffmpeg_plays(make: Any, suffix: str, delay_ms: int) -> None:
    path = make.clip(
        "late" + suffix, frame_count=50, sound=(48000, 1, 1.5), sound_delay_ms=delay_ms
    )
    clip = probe_clip(path)
    ours = decode_sound(clip)[0][0, 0]
    # An edit list tells milliseconds.
    assert abs(len(ours) - 72000 - 48 * delay_ms) <= (48 if delay_ms else 0)
    # Silence up to where the sound begins, and none of it cut off.
    theirs = ffmpeg_sound(path, "-af", "aresample=async=1:first_pts=0")
    assert len(theirs) - len(ours) in (0, PADDING)
    assert np.abs(ours - theirs[: len(ours)]).max() < 1e-4


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_the_tail_that_aac_pads_is_cut_off_and_no_sample_before_it_differs(
    make: Any, sample_rate: int
) -> None:
    path = make.clip("tail.mp4", frame_count=100, sound=(sample_rate, 1, 4.0))
    ours = decode_sound(probe_clip(path))[0][0, 0]
    theirs = ffmpeg_sound(path)
    assert len(ours) == 4 * sample_rate
    assert len(theirs) >= len(ours)
    assert np.abs(ours - theirs[: len(ours)]).max() < 1e-4


def test_pictures_that_come_late_pull_the_sound_with_them(make: Any) -> None:
    path = make.clip(frame_count=50, sound=(48000, 1, 1.5), video_delay_ms=480)
    ours = decode_sound(probe_clip(path))[0][0, 0]
    assert len(ours) == 72000 - 48 * 480
    theirs = ffmpeg_sound(path)[48 * 480 :]
    assert len(theirs) - len(ours) in (0, PADDING)
    assert np.abs(ours - theirs[: len(ours)]).max() < 1e-4
