"""Pictures and frames changed into each other and nothing else, in one thread.

What a step there is worth is lost in a machine's noise where a coder works beside it. (Where the
writer itself is needed, that coder does next to nothing.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from viseme import media
from viseme.media.frames import iterate_pictures
from viseme.media.picture import PictureReader
from viseme.media.pixels import FrameBytes
from viseme.media.to_code import PicturesToCode

from .source import Source
from .work import Facts, Job, Work

_PICTURES = 12
_ALPHA_PICTURES = 4
_TIMES = 3
_HELD_FRAMES = 8
_LITTLE_CODING = media.EncodeSettings(preset="ultrafast", crf=40)


class Converting:
    """Each of ``given`` several times. With ``digest``, the facts have that of what comes out."""

    given: Sequence[Any]
    digest = False

    def run(self) -> None:
        for _ in range(_TIMES):
            for one in self.given:
                self.convert(one)

    def convert(self, one: Any) -> Any:
        """What comes out; the next may overwrite it."""
        raise NotImplementedError

    def pixels_of(self, made: Any) -> NDArray[Any]:
        return np.asarray(made)

    def facts(self) -> Facts:
        if not self.digest:
            return {}
        hasher = blake3()
        for one in self.given:
            hasher.update(np.ascontiguousarray(self.pixels_of(self.convert(one))).data.cast("B"))
        return {"digest": hasher.hexdigest()}


class ToRgb(Converting):
    """Decoded pictures into RGB bytes, as for what is turned or looked at."""

    def __init__(self, path: Path) -> None:
        self.given = _pictures(path)
        self.reader = PictureReader()

    def convert(self, one: Any) -> Any:
        return self.reader.read_bytes(one)


class ToBytes(Converting):
    """Float frames into RGB bytes, as an encoder's caller does it."""

    def __init__(self, source: Source, *, alpha: bool) -> None:
        frames = source.frames(min(source.frame_count, _PICTURES)).numpy()
        if alpha:
            frames = frames[:_ALPHA_PICTURES]
            frames = np.concatenate((frames, np.ones_like(frames[..., :1])), axis=3)
        self.given = list(frames)
        self.bytes = FrameBytes(source.width, source.height)

    def convert(self, one: Any) -> Any:
        return self.bytes.from_floats(one)


class ToCode(Converting):
    """RGB bytes into pictures for a coder, as an encoder's caller does it next."""

    def __init__(self, source: Source) -> None:
        frames = source.frames(min(source.frame_count, _PICTURES)).numpy()
        rgb = FrameBytes(source.width, source.height)
        self.given = [rgb.from_floats(frame).copy() for frame in frames]
        self.pictures = PicturesToCode((rgb.even_width, rgb.even_height))

    def convert(self, one: Any) -> Any:
        return self.pictures.from_bytes(one)

    def pixels_of(self, made: Any) -> NDArray[Any]:
        return np.asarray(made.to_ndarray())


def _pictures(path: Path) -> list[Any]:
    return list(islice(iterate_pictures(media.probe_clip(path)), _PICTURES))


class Held:
    """Pictures in another matrix that are held for several frames, into a file hardly coded."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.clip = media.probe_clip(path)
        self.pictures = _pictures(path)
        self.target = folder / "held.mp4"

    def run(self) -> None:
        clip = self.clip
        with media.ClipWriter(
            self.target,
            width=clip.width,
            height=clip.height,
            frame_rate=clip.frame_rate,
            settings=_LITTLE_CODING,
        ) as writer:
            for picture in self.pictures:
                for _ in range(_HELD_FRAMES):
                    writer.write_picture(picture)

    def facts(self) -> Facts:
        return {"frame_count": media.probe_clip(self.target).frame_count}


def prepare(job: Job) -> Work:
    if job["method"] == "held":
        return Held(Path(job["path"]), Path(job["folder"]))
    work = _conversion(job)
    work.digest = bool(job.get("digest"))
    return work


def _conversion(job: Job) -> Converting:
    method = job["method"]
    if method == "to-rgb":
        return ToRgb(Path(job["path"]))
    source = Source.of(job)
    return ToCode(source) if method == "to-code" else ToBytes(source, alpha=method == "from-alpha")
