"""Pictures and their sound into a file, side by side; frames in memory in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from ..model import Clip
from .clip_sound import ClipSound
from .coding import DEFAULT_SETTINGS, EncodeSettings
from .limits import DEFAULT_LIMITS
from .writer import ClipWriter

Cancel: TypeAlias = "Callable[[], bool] | None"


def encode_clip(
    path: Path,
    frames: Any,
    frame_rate: Fraction,
    sound: tuple[Any, int] | None = None,
    *,
    container: str = "mp4",
    settings: EncodeSettings = DEFAULT_SETTINGS,
    cancel: Cancel = None,
) -> None:
    """Write frames [N, H, W, 3 or 4] in 0..1 (array, tensor, or an iterable of such chunks).

    ``sound`` is (float32 [C, S] or [1, C, S], sample_rate).
    """
    chunks: Iterable[Any] = [frames] if hasattr(frames, "shape") else frames
    one_by_one = (chunk[at : at + 1] for chunk in chunks for at in range(len(chunk)))
    first = next(one_by_one, None)
    if first is None:
        raise InputError(f"{path} got no frames.", remedy="Give at least one frame.")
    height, width = first.shape[1:3]
    track = ClipSound.of(sound, DEFAULT_LIMITS, cancel)
    with ClipWriter(
        path,
        width=width,
        height=height,
        frame_rate=frame_rate,
        container=container,
        sound=None if track is None else (track.sample_rate, track.channels),
        settings=settings,
        cancel=cancel,
    ) as writer:
        write_interleaved(
            writer, chain([first], one_by_one), track, frame_rate, writer.write_frames
        )


def writer_like(
    clip: Clip,
    path: Path,
    container: str,
    track: ClipSound | None,
    *,
    size: tuple[int, int] | None = None,
    settings: EncodeSettings = DEFAULT_SETTINGS,
    cancel: Cancel = None,
) -> ClipWriter:
    """A writer for pictures of ``clip`` with the sound of ``track``.

    ``size`` is (width, height) where it is not that of the clip.
    """
    width, height = size or (clip.width, clip.height)
    return ClipWriter(
        path,
        width=width,
        height=height,
        frame_rate=clip.frame_rate,
        container=container,
        pixel_aspect=clip.pixel_aspect,
        sound=None if track is None else (track.sample_rate, track.channels),
        settings=settings,
        cancel=cancel,
    )


def write_interleaved(
    writer: ClipWriter,
    pictures: Iterator[Any],
    track: ClipSound | None,
    frame_rate: Fraction,
    write: Callable[[Any], None],
) -> None:
    """Write pictures, with the sound keeping pace."""
    sounded = 0
    for index, picture in enumerate(pictures):
        write(picture)
        while track is not None and sounded <= (index + 1) / frame_rate * track.sample_rate:
            piece = next(track.pieces, None)
            if piece is None:
                break
            writer.write_sound(piece)
            sounded += piece.shape[1]
    if track is not None:
        for piece in track.pieces:
            writer.write_sound(piece)
