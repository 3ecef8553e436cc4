"""Decoded pictures as float32 RGB, upright, each into its place in one array."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from .digest import stop_if
from .identify import damaged
from .opening import translated
from .picture import Orientation, host_matrix_of, matrix_of, orientation_of, rgb_options

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Cancel: TypeAlias = "Callable[[], bool] | None"
Floats: TypeAlias = NDArray[np.float32]
# A picture and the frames [start, stop) that show it.
Shown: TypeAlias = "tuple[VideoFrame, int, int]"

# What ComfyUI converts to bytes first, and divides.
_BYTES_IN_HOST = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "rgb24", "rgba", "pal8"})
# SWS_BILINEAR, SWS_ACCURATE_RND, and SWS_FULL_CHR_H_INT, without which two pixels of RGB bytes have
# one chroma: older PyAV has no names for the last two.
_ACCURATE = 0x2 | 0x40000 | 0x2000
_MOST_THREADS = 4
_KEPT_READERS = 2  # of a thread, since two clips may be decoded at once
# Formats whose values may be anything; those of whole numbers cannot leave 0..1.
_FLOATS = re.compile("f(16|32)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all pictures of a clip become: of ``size`` (width, height) before they are turned."""

    size: tuple[int, int]
    orientation: Orientation
    accurate_colours: bool

    @classmethod
    def like(cls, first: VideoFrame, *, accurate_colours: bool) -> Wanted:
        """In the size and orientation of a clip's first picture."""
        return cls((first.width, first.height), orientation_of(first), accurate_colours)

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height)."""
        width, height = self.size
        return (height, width) if self.orientation.is_transposed else (width, height)


class FloatReader:
    """Turns pictures into float32 RGB, upright and all of one size.

    By default bit for bit what ComfyUI's own VIDEO gives: on average 0.4/255 too dark, and BT.601
    for all that does not name its matrix. With ``accurate_colours`` each value is rounded to the
    nearest of 255 steps, and untagged HD is taken as BT.709, as players do; pictures of more than
    8 bits keep their depth and are converted as ComfyUI does it.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._size = wanted.size
        self._orientation = wanted.orientation
        self._is_accurate = wanted.accurate_colours
        self._reformatter = VideoReformatter()

    def read(self, picture: VideoFrame, out: Floats) -> None:
        """Into [H, W, 3] in 0..1; what is over at the right and bottom is left out."""
        if self._is_accurate and _bits_of(picture) <= 8:
            self._read_bytes(self._convert(picture, "rgb24", _ACCURATE), out)
        elif not self._is_accurate and picture.format.name in _BYTES_IN_HOST:
            self._read_bytes(self._convert(picture, "rgb24", None), out)
        else:
            self._read_planes(self._convert(picture, "gbrpf32le", None), out)
            if _FLOATS.search(picture.format.name):
                np.clip(np.nan_to_num(out, copy=False), 0, 1, out=out)

    def _convert(self, picture: VideoFrame, layout: str, interpolation: int | None) -> VideoFrame:
        width, height = self._size
        return self._reformatter.reformat(
            picture,
            width=width,
            height=height,
            format=layout,
            src_colorspace=(matrix_of if self._is_accurate else host_matrix_of)(picture),
            interpolation=interpolation,
            **rgb_options(),
        )

    def _read_bytes(self, packed: VideoFrame, out: Floats) -> None:
        height, width = out.shape[:2]
        pixels = self._orientation.apply(packed.to_ndarray())
        np.divide(pixels[:height, :width], np.float32(255), out=out)

    def _read_planes(self, planar: VideoFrame, out: Floats) -> None:
        height, width = out.shape[:2]
        for channel, plane in zip((1, 2, 0), planar.planes, strict=True):  # green, blue, red
            rows = np.frombuffer(memoryview(plane), np.float32).reshape(-1, plane.line_size // 4)
            upright = self._orientation.apply(rows[: planar.height, : planar.width])
            out[:, :, channel] = upright[:height, :width]


def _bits_of(picture: VideoFrame) -> int:
    return max(component.bits for component in picture.format.components)


def _wanted_of(path: Path, first: VideoFrame, frames: Floats, accurate_colours: bool) -> Wanted:
    wanted = Wanted.like(first, accurate_colours=accurate_colours)
    width, height = wanted.upright_size
    if width < frames.shape[2] or height < frames.shape[1]:
        raise damaged(path, f"its pictures are {width}x{height} now")
    return wanted


class _Own(threading.local):
    """Of each thread: the readers that it used last, the very last one first."""

    def __init__(self) -> None:
        self.readers: list[tuple[object, FloatReader]] = []


_own = _Own()


def _reader_for(wanted: Wanted, picture: VideoFrame) -> FloatReader:
    """The reader that this thread keeps for pictures like this one, or a new one.

    With a new one comes a new swscale context, which is put into memory behind the first picture
    that it makes. When that picture is freed it leaves a hole that is too small for the next one,
    since glibc's allocator wants room to align it: the thread then holds the memory of two. Old
    PyAV leaves a context with the colours that it was told last, so it serves no others.
    """
    kind = (wanted, picture.format.name, int(picture.colorspace), int(picture.color_range))
    readers = _own.readers
    place = next((k for k, (other, _) in enumerate(readers) if other == kind), None)
    kept = (kind, FloatReader(wanted)) if place is None else readers.pop(place)
    readers.insert(0, kept)
    del readers[_KEPT_READERS:]
    return kept[1]


def _thread_count() -> int:
    return min(os.cpu_count() or 1, _MOST_THREADS)


@cache
def _pool() -> ThreadPoolExecutor:
    """The threads in which all that this process decodes is converted.

    They stay: a thread has memory of its own from the system's allocator, and what was freed there
    is kept when it ends. With new threads for each clip that adds up.
    """
    return ThreadPoolExecutor(_thread_count(), "viseme-frames")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked process has none of them


def fill_frames(
    path: Path,
    frames: Floats,
    shown: Iterable[Shown],
    *,
    accurate_colours: bool,
    cancel: Cancel,
) -> None:
    """Convert each picture into ``frames[start:stop]``, in a few threads beside the caller's.

    While they convert, the caller decodes; two pictures a thread wait at most. A picture that comes
    again right after itself is copied from where it was converted to. When this ends, in whichever
    way, nothing is written to ``frames`` any more. Raises ``MediaDamaged`` where pictures are
    smaller than frames, and ``Interrupted``.
    """
    thread_count, pool = _thread_count(), _pool()

    def convert(wanted: Wanted, picture: VideoFrame, start: int, stop: int) -> None:
        with translated(path):
            _reader_for(wanted, picture).read(picture, frames[start])
        frames[start + 1 : stop] = frames[start]

    # No picture may be converted by two threads at once: PyAV writes into its colour properties.
    previous: VideoFrame | None = None
    wanted: Wanted | None = None
    place = 0
    pending: deque[Future[None]] = deque()
    try:
        for picture, start, stop in shown:
            stop_if(cancel)
            wanted = wanted or _wanted_of(path, picture, frames, accurate_colours)
            if picture is previous:
                while pending:
                    _await_first(pending)
                frames[start:stop] = frames[place]
                continue
            if len(pending) == 2 * thread_count:
                _await_first(pending)
            previous, place = picture, start
            pending.append(pool.submit(convert, wanted, picture, start, stop))
        while pending:
            stop_if(cancel)
            _await_first(pending)
    finally:
        wait([future for future in pending if not future.cancel()])
        # An error that one of them has knows this call, and with it the frames: such a ring would
        # keep them until the garbage collector comes by.
        pending.clear()


def _await_first(pending: deque[Future[None]]) -> None:
    """Raises what it raised. It stays where waiting is interrupted, since it then still writes."""
    pending[0].result()
    pending.popleft()
