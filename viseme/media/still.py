"""One frame in memory into a picture file, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from .partfile import part_file, translated_writes
from .pixels import FrameBytes, to_array


def write_still(path: Path, frame: Any) -> None:
    """Write a frame [H, W, 3 or 4] in 0..1 (array or tensor) as PNG of 8 bits; alpha is dropped.

    NaN is 0, what is out of range is clamped. Raises ``LocalError`` where it cannot be written.
    """
    pixels = to_array(frame)
    height, width = pixels.shape[:2]
    taken = FrameBytes(width, height)
    even = taken.from_bytes(pixels) if pixels.dtype == np.uint8 else taken.from_floats(pixels)
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(even[:height, :width]), "rgb24")
    with (
        part_file(path) as part,
        translated_writes(path),
        av.open(f"file:{part.absolute()}", "w", format="image2pipe") as container,
    ):
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
