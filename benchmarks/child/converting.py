"""Pictures and frames changed into each other and nothing else, in one thread.

What a step there is worth is lost in a machine's noise where a coder works beside it.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from viseme import media
from viseme.media.floats import FloatReader
from viseme.media.frames import iterate_pictures
from viseme.media.pixels import FrameBytes

from .source import Source
from .work import Facts, Job, Work

_PICTURES = 12
_TIMES = 3


class ToFloats:
    """Decoded pictures into their places in one array, as a decoder's threads do it."""

    def __init__(self, path: Path) -> None:
        self.pictures = list(islice(iterate_pictures(media.probe_clip(path)), _PICTURES))
        self.reader = FloatReader(self.pictures[0], accurate_colours=False)
        width, height = self.reader.upright_size
        self.frames = np.zeros((len(self.pictures), height, width, 3), np.float32)

    def run(self) -> None:
        for _ in range(_TIMES):
            for picture, frame in zip(self.pictures, self.frames, strict=True):
                self.reader.read(picture, frame)

    def facts(self) -> Facts:
        return {"digest": blake3(self.frames.data.cast("B")).hexdigest()}


class ToBytes:
    """Float frames into RGB bytes, as an encoder's caller does it."""

    def __init__(self, source: Source) -> None:
        self.frames = source.frames(min(source.frame_count, _PICTURES)).numpy()
        self.bytes = FrameBytes(source.width, source.height)
        self.last: NDArray[np.uint8] | None = None

    def run(self) -> None:
        for _ in range(_TIMES):
            for frame in self.frames:
                self.last = self.bytes.from_floats(frame)

    def facts(self) -> Facts:
        return {"digest": "" if self.last is None else blake3(self.last.data.cast("B")).hexdigest()}


def prepare(job: Job) -> Work:
    if job["method"] == "to-bytes":
        return ToBytes(Source.of(job))
    return ToFloats(Path(job["path"]))
