"""One frame in memory into a picture file, without loss."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from .beside import run_beside
from .digest import stop_if
from .partfile import part_file, translated_writes
from .pixels import FrameBytes, to_array

Cancel: TypeAlias = "Callable[[], bool] | None"

_PIECE_BYTES = 1 << 22


def write_still(path: Path, frame: Any, *, cancel: Cancel = None) -> None:
    """Write a frame [H, W, 3 or 4] in 0..1 (array or tensor) as PNG of 8 bits; alpha is dropped.

    NaN is 0, what is out of range is clamped. Raises ``LocalError`` where it cannot be written,
    and ``Interrupted``.
    """
    pixels = to_array(frame)
    with part_file(path, cancel) as part, translated_writes(path):
        # A large picture is one call of seconds.
        coded = memoryview(run_beside(lambda: _coded(pixels), cancel))
        with part.open("xb") as file:
            for at in range(0, len(coded), _PIECE_BYTES):
                stop_if(cancel)
                file.write(coded[at : at + _PIECE_BYTES])


def _coded(pixels: NDArray[Any]) -> bytes:
    height, width = pixels.shape[:2]
    taken = FrameBytes(width, height)
    even = taken.from_bytes(pixels) if pixels.dtype == np.uint8 else taken.from_floats(pixels)
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(even[:height, :width]), "rgb24")
    coder = av.CodecContext.create("png", "w")
    coder.width, coder.height, coder.pix_fmt = width, height, "rgb24"
    coder.time_base = Fraction(1)
    return b"".join(bytes(packet) for packet in (*coder.encode(picture), *coder.encode(None)))
