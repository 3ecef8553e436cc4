"""Makes a result: pictures in the order of a schedule, the speech under them, our marks on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from .. import media
from ..errors import Interrupted
from ..media.picture import one_thread
from .overlay import Overlay, loudness
from .schedule import Slot
from .source import Footage, PictureReader, SoundReader, Speech

_CONTAINERS: dict[str, Literal["mp4", "mov", "webm"]] = {
    ".mp4": "mp4",
    ".mov": "mov",
    ".webm": "webm",
}


@dataclass(frozen=True)
class Result:
    """One file to be made; the suffix of ``path`` (.mp4, .mov, .webm) says of which kind.

    ``slots`` has a picture's source for each of the result's pictures. ``sample_count`` is the
    length of its sound, at the speech's rate: speech that is longer is cut, shorter is followed
    by silence. ``note`` stands after the word SANDBOX; ``colour`` numbers the meter's colour.
    """

    path: Path
    slots: Iterable[Slot]
    frame_rate: Fraction
    width: int
    height: int
    sample_count: int
    crf: int = 20
    note: str = ""
    colour: int = 0


def render(footage: Footage, speech: Speech, result: Result, cancelled: Callable[[], bool]) -> Path:
    """Make ``result.path``; memory does not grow with the length of anything.

    Raises ``Interrupted`` once ``cancelled()`` is true; the file is there only when whole.
    """
    sound = SoundReader(speech)
    overlay = Overlay(result.width, result.height, note=result.note, colour=result.colour)
    samples_per_picture = speech.sample_rate / result.frame_rate
    written = 0
    with (
        closing(PictureReader(footage)) as pictures,
        media.ClipWriter(
            result.path,
            width=result.width,
            height=result.height,
            frame_rate=result.frame_rate,
            container=_CONTAINERS[result.path.suffix],
            pixel_aspect=footage.pixel_aspect,
            sound=(speech.sample_rate, speech.channels),
            settings=media.EncodeSettings(preset="veryfast", crf=result.crf, x264_params=""),
        ) as writer,
    ):
        for number, slot in enumerate(result.slots, start=1):
            if cancelled():
                raise Interrupted("The job was cancelled.")
            due = min(floor(number * samples_per_picture), result.sample_count)
            samples = sound.take(due - written)
            written = due
            picture = resized(_picture(pictures, slot), result.width, result.height)
            overlay.draw(picture, loudness(samples))
            writer.write_frame(picture)
            if samples.shape[1]:
                writer.write_sound(samples)
        if written < result.sample_count:
            writer.write_sound(sound.take(result.sample_count - written))
    return result.path


def write_canned_clip(path: Path, note: str = "") -> Path:
    """A valid clip with sound in a few milliseconds: 64x64, 5 pictures at 25 fps.

    For runs in which only the traffic matters; its timing has nothing to do with any request.
    """
    overlay = Overlay(64, 64, note=note)
    with media.ClipWriter(
        path,
        width=64,
        height=64,
        frame_rate=Fraction(25),
        container=_CONTAINERS[path.suffix],
        sound=(24_000, 1),
    ) as writer:
        for number in range(5):
            picture = np.full((64, 64, 3), 48, dtype=np.uint8)
            overlay.draw(picture, number / 5)
            writer.write_frame(picture)
        time = np.arange(4_800, dtype=np.float32) / 24_000
        writer.write_sound((0.2 * np.sin(2 * np.pi * 220 * time))[np.newaxis, :].astype(np.float32))
    return path


def _picture(pictures: PictureReader, slot: Slot) -> NDArray[np.uint8]:
    """The slot's picture, free to be drawn on."""
    first = pictures.at(slot.first)
    if slot.first == slot.second or slot.share <= 0.0:
        return np.array(first)
    second = pictures.at(slot.second)
    share = round(256 * slot.share)
    mixed = first.astype(np.uint16) * (256 - share) + second.astype(np.uint16) * share
    return (mixed >> 8).astype(np.uint8)


def resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """uint8 [H,W,3] scaled to a size, whatever its proportions."""
    if picture.shape[:2] == (height, width):
        return picture
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    scaled = frame.reformat(width=width, height=height, interpolation="BICUBIC", **one_thread())
    return np.asarray(scaled.to_ndarray(), dtype=np.uint8)
