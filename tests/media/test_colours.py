"""Floats out of files: as the host has them, or rounded as they should be."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import wait_for
from viseme.errors import Interrupted, MediaDamaged
from viseme.media import decode_frames, encode_clip, floats, iterate_frames, probe_clip
from viseme.media.floats import FloatReader


def in_the_plainest_way(path: Path, layout: str) -> NDArray[np.float32]:
    """One picture after the other as PyAV converts it, on one thread."""
    with av.open(str(path)) as container:
        pictures = [
            picture.reformat(format=layout, threads=1).to_ndarray()
            for picture in container.decode(video=0)
        ]
    frames = np.stack(pictures)
    return frames if layout == "gbrpf32le" else frames.astype(np.float32) / np.float32(255)


def ramps(width: int, height: int) -> NDArray[np.float32]:
    """float32 [6, H, W, 3]: every value on the way from dark to light, in all channels."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack(
        [np.stack([x / width, y / height, np.full_like(x, k / 6)], axis=-1) for k in range(6)]
    )


@pytest.mark.parametrize(
    ("name", "layout", "options"),
    [
        ("untagged.mp4", "gbrpf32le", {}),
        ("odd.mp4", "gbrpf32le", {"size": (65, 49), "pixel_format": "yuv444p"}),
        ("deep.mp4", "gbrpf32le", {"pixel_format": "yuv420p10le"}),
        ("full.mp4", "rgb24", {"pixel_format": "yuvj420p"}),
        ("untagged-hd.mp4", "gbrpf32le", {"size": (1280, 720), "frame_count": 2}),
        ("alpha.mkv", "gbrpf32le", {"codec": "ffv1", "pixel_format": "yuva420p", "alpha": True}),
        ("rgb.mkv", "gbrpf32le", {"codec": "ffv1", "pixel_format": "bgra", "alpha": True}),
    ],
)
def test_frames_are_bit_for_bit_those_of_the_plainest_conversion(
    make: Any, name: str, layout: str, options: dict[str, Any]
) -> None:
    path = make.clip(name, **options)
    assert np.array_equal(decode_frames(probe_clip(path)), in_the_plainest_way(path, layout))


def test_tagged_frames_are_bit_for_bit_those_of_the_plainest_conversion(tmp_path: Path) -> None:
    path = tmp_path / "tagged.mp4"
    encode_clip(path, ramps(96, 64), Fraction(25))
    assert np.array_equal(decode_frames(probe_clip(path)), in_the_plainest_way(path, "gbrpf32le"))


def test_accurate_colours_are_the_nearest_and_the_hosts_are_too_dark(make: Any) -> None:
    path = make.folder / "any.mkv"
    planes = np.random.default_rng(7).integers((80, 110, 110), (180, 146, 146), (48, 64, 3))
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv444p"
        video.colorspace, video.color_range = 1, 1  # BT.709, limited
        picture = av.VideoFrame(64, 48, "yuv444p")
        for plane, values in zip(picture.planes, np.moveaxis(planes, 2, 0), strict=True):
            plane.update(np.ascontiguousarray(values.astype(np.uint8)).tobytes())
        picture.pts, picture.colorspace, picture.color_range = 0, 1, 1
        out.mux(video.encode(picture))
        out.mux(video.encode(None))
    luma = (planes[:, :, 0] - 16) / 219
    blue_less, red_less = ((planes[:, :, k] - 128) / 224 for k in (1, 2))
    red, blue = luma + 1.5748 * red_less, luma + 1.8556 * blue_less
    exact = np.stack([red, (luma - 0.2126 * red - 0.0722 * blue) / 0.7152, blue], axis=-1)
    clip = probe_clip(path)
    hosts = (decode_frames(clip)[0] - exact) * 255
    accurate = (decode_frames(clip, accurate_colours=True)[0] - exact) * 255
    assert -0.55 < hosts.mean() < -0.35
    assert abs(accurate.mean()) < 0.05
    assert np.abs(accurate).max() < 0.6


def test_accurate_colours_of_an_untagged_hd_clip_are_those_of_its_bytes(make: Any) -> None:
    colours = np.full((720, 1280, 3), (40, 200, 90), np.uint8)
    clip = probe_clip(make.clip(size=(1280, 720), frames=[colours] * 2, frame_count=2))
    accurate = decode_frames(clip, accurate_colours=True) * 255
    assert np.abs(accurate - np.stack(list(iterate_frames(clip)))).max() < 1
    assert np.abs(decode_frames(clip) * 255 - accurate).max() > 5


def test_accurate_colours_keep_more_than_eight_bits(make: Any) -> None:
    clip = probe_clip(make.clip("deep.mp4", pixel_format="yuv420p10le"))
    assert np.array_equal(decode_frames(clip, accurate_colours=True), decode_frames(clip))


def test_values_beyond_white_and_no_numbers_are_tamed(make: Any) -> None:
    path = make.folder / "floats.mkv"
    with av.open(str(path), "w") as out:
        options = {"strict": "experimental", "level": "4"}
        video = out.add_stream("ffv1", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "gbrpf32le"
        picture = av.VideoFrame(64, 48, "gbrpf32le")
        for plane, value in zip(picture.planes, (1.5, -0.5, np.nan), strict=True):
            plane.update(np.full(plane.buffer_size // 4, value, np.float32).tobytes())
        picture.pts = 0
        try:
            out.mux(video.encode(picture))
        except av.error.FFmpegError:
            pytest.skip("this FFmpeg codes no floats")
        out.mux(video.encode(None))
    assert np.array_equal(decode_frames(probe_clip(path))[0, 0, 0], [0, 1, 0])


def test_held_frames_are_equal_however_long_they_are_held(make: Any) -> None:
    stamps = [0, 40, 80, 120, 2000, 2040, 2080]
    clip = probe_clip(make.clip(stamps_ms=stamps))
    frames = decode_frames(clip)
    shown = [round(float(frame.mean()), 5) for frame in frames]
    assert len(set(shown)) == len(stamps)
    assert all(np.array_equal(frame, frames[3]) for frame in frames[3:50])
    assert not np.array_equal(frames[50], frames[3])


@pytest.mark.parametrize("accurate_colours", [False, True])
def test_decoding_into_memory_can_be_stopped_at_any_picture_and_nothing_goes_on(
    make: Any, monkeypatch: pytest.MonkeyPatch, accurate_colours: bool
) -> None:
    """What would still be written then is an array that nobody holds."""
    clip = probe_clip(make.clip(frame_count=40))
    read, begun, ended = FloatReader.read, SimpleQueue[None](), SimpleQueue[None]()

    def counted(reader: FloatReader, picture: Any, out: Any) -> None:
        begun.put(None)
        try:
            time.sleep(0.01)
            read(reader, picture, out)
        finally:
            ended.put(None)

    monkeypatch.setattr(FloatReader, "read", counted)
    for most in (0, 1, 7, 39):
        asked = iter(range(10**6))
        with pytest.raises(Interrupted):
            decode_frames(
                clip,
                accurate_colours=accurate_colours,
                cancel=lambda asked=asked, most=most: next(asked) >= most,  # type: ignore[misc]
            )
        begun_by_then = begun.qsize()
        assert ended.qsize() == begun_by_then
        time.sleep(0.05)
        assert begun.qsize() == begun_by_then
    assert begun.qsize() > 7


def test_every_clip_is_converted_by_the_same_few_threads(make: Any) -> None:
    clip = probe_clip(make.clip(frame_count=40))
    seen: set[int | None] = set()
    for _ in range(5):
        decode_frames(clip)
        alive = {one.ident for one in threading.enumerate() if one.name.startswith("viseme-frames")}
        assert seen <= alive
        seen = alive
    assert 0 < len(seen) <= (os.cpu_count() or 1)


def test_clips_alike_are_converted_by_the_same_converters(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each converter that is made anew costs its thread the memory of a picture of floats."""
    clips = [
        probe_clip(make.clip(name, size=size, frame_count=20))
        for name, size in (("a.mp4", (64, 48)), ("b.mp4", (48, 64)))
    ]
    init, made = FloatReader.__init__, SimpleQueue[None]()

    def counted(reader: FloatReader, *arguments: Any) -> None:
        made.put(None)
        init(reader, *arguments)

    monkeypatch.setattr(FloatReader, "__init__", counted)
    for _ in range(5):
        for clip in clips:
            decode_frames(clip)
    assert 0 < made.qsize() <= len(clips) * floats._thread_count()


def test_a_clip_after_one_of_another_kind_has_the_same_frames(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = make.folder / "tagged.mp4"
    encode_clip(tagged, ramps(64, 48), Fraction(25))
    clips = [
        probe_clip(path)
        for path in (
            make.clip("untagged.mp4"),
            tagged,
            make.clip("full.mp4", pixel_format="yuvj420p"),
            make.clip("other.mp4", pixel_format="yuv444p"),
            make.turned(90),
            make.clip("small.mp4", size=(32, 48)),
        )
    ]
    expected = []
    for clip in clips:
        with ThreadPoolExecutor(1) as fresh:
            monkeypatch.setattr(floats, "_pool", lambda fresh=fresh: fresh)
            expected.append((decode_frames(clip), decode_frames(clip, accurate_colours=True)))
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(floats, "_pool", lambda: pool)
        for number in (0, 1, 0, 2, 3, 4, 5, 3, 2, 1, 0):
            found = decode_frames(clips[number])
            assert np.array_equal(found, expected[number][0])
            accurate = decode_frames(clips[number], accurate_colours=True)
            assert np.array_equal(accurate, expected[number][1])


def test_frames_of_which_one_cannot_be_converted_need_no_garbage_collector(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be gigabytes, and the garbage collector may be long in coming."""
    clip = probe_clip(make.clip(frame_count=12))
    read, kept = FloatReader.read, []

    def failing(reader: FloatReader, picture: Any, out: Any) -> None:
        kept.append(weakref.ref(out.base))
        if len(kept) > 3:
            raise RuntimeError("this one fails")
        read(reader, picture, out)

    monkeypatch.setattr(FloatReader, "read", failing)
    gc.disable()
    try:
        with contextlib.suppress(RuntimeError):
            decode_frames(clip)
        assert len(kept) > 3
        # The thread that failed tells so first, and forgets what it was at right after.
        wait_for(lambda: kept[0]() is None, 10)
    finally:
        gc.enable()


FORKING = """
import os, sys
from pathlib import Path
from viseme.media import decode_frames, probe_clip

clip = probe_clip(Path(sys.argv[1]))
frames = decode_frames(clip)
forked = os.fork()
if forked == 0:
    sys.exit(not (decode_frames(clip) == frames).all())
assert os.waitpid(forked, 0)[1] == 0
assert (decode_frames(clip) == frames).all()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_decodes_with_threads_of_its_own(make: Any) -> None:
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run(
        [*program, str(make.clip(frame_count=40))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_long_hold_can_be_stopped(make: Any) -> None:
    clip = probe_clip(make.clip(stamps_ms=[0, 40, 80, 60_000]))
    asked = iter(range(10**6))
    with pytest.raises(Interrupted):
        decode_frames(clip, cancel=lambda: next(asked) == 30)
    assert next(asked) == 31


def test_a_clip_whose_pictures_became_smaller_is_damaged(make: Any) -> None:
    clip = probe_clip(make.clip(size=(64, 48)))
    make.clip(size=(32, 48))
    with pytest.raises(MediaDamaged, match="32x48"):
        decode_frames(clip)


def test_one_processor_gives_the_same_frames(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moving, held = make.clip("a.mp4", frame_count=12), make.clip(stamps_ms=[0, 40, 1000, 1040])
    clips = [probe_clip(path) for path in (moving, held)]
    frames = [decode_frames(clip) for clip in clips]
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(floats, "_pool", lambda: pool)
        for clip, one in zip(clips, frames, strict=True):
            assert np.array_equal(decode_frames(clip), one)
