"""Pictures out of files: at a constant rate, upright, in RGB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model import Clip
from .awaited import Awaited
from .digest import stop_if
from .floats import Shown, fill_frames
from .identify import damaged
from .limits import DEFAULT_LIMITS, MediaLimits
from .memory import check_memory
from .opening import open_media, translated
from .picture import PictureReader, pick_video
from .timeline import frame_at

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Cancel: TypeAlias = "Callable[[], bool] | None"
Bytes: TypeAlias = NDArray[np.uint8]

# A picture that is held is copied so often at a time: between, decoding can be stopped.
_MOST_HELD = 8
_SEEKABLE = frozenset({"mp4", "mov", "matroska", "webm"})


def iterate_pictures(
    clip: Clip,
    *,
    start: int = 0,
    stop: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> Iterator[VideoFrame]:
    """Decoded pictures as they are coded, one for each frame ``start <= k < stop``.

    The same picture comes again where it is held. Raises ``MediaDamaged`` where the file has
    fewer pictures than were counted.
    """
    start, stop = check_window(clip, start, stop)
    if start == stop:
        return
    with open_media(clip.path, limits=limits) as container:
        stream = pick_video(container)
        if stream is None:
            raise damaged(clip.path, "its picture track is gone")
        stream.thread_type = "AUTO"
        has_sought = start > 0 and clip.container in _SEEKABLE
        if has_sought:
            _seek(container, stream, clip, start)
        awaited = Awaited(clip.path, stream, container=clip.container, has_sought=has_sought)
        pictures = _paced(clip, container, stream, awaited, start, stop, cancel)
        at, picture = next(pictures)
        if has_sought and at > start:
            # The index was wrong about where a picture can be decoded from.
            container.seek(0)
            awaited = Awaited(clip.path, stream, container=clip.container, has_sought=False)
            pictures = _paced(clip, container, stream, awaited, start, stop, cancel)
            at, picture = next(pictures)
        position = start
        for next_at, next_picture in pictures:
            while position < min(next_at, stop):
                yield picture
                position += 1
            if position == stop:
                return
            picture = next_picture
        while position < stop:
            yield picture
            position += 1


def _paced(
    clip: Clip,
    container: InputContainer,
    stream: VideoStream,
    awaited: Awaited,
    start: int,
    stop: int,
    cancel: Cancel,
) -> Iterator[tuple[int, VideoFrame]]:
    """Each decoded picture with the frame it begins at."""
    counted, at, previous = 0, -1, start - 1
    for stamp, picture in _decoded(container, stream, awaited, cancel):
        if stamp is None or picture.time_base is None:
            at += 1
        else:
            at = frame_at(stamp * picture.time_base - clip.start_seconds, clip.frame_rate)
            at = max(at, 0) if not counted else at
        if clip.is_constant_rate and at > previous + 1 and (counted or not start):
            raise damaged(clip.path, f"frame {previous + 1} cannot be decoded")
        counted, previous = counted + 1, at
        yield at, picture
    if counted == 0 or (clip.is_constant_rate and at < min(stop, clip.frame_count) - 1):
        raise damaged(
            clip.path, f"only {max(at + 1, 0)} of {clip.frame_count} frames could be decoded"
        )
    # At a variable rate the last picture is held, for as long as need be.
    if not clip.is_constant_rate and clip.path.stat().st_size != clip.size_bytes:
        raise damaged(clip.path, "it has changed since its frames were counted")


def _decoded(
    container: InputContainer, stream: VideoStream, awaited: Awaited, cancel: Cancel
) -> Iterator[tuple[int | None, VideoFrame]]:
    """Each picture with the time that it is shown at, in units of its ``time_base``."""
    for packet in container.demux(stream):
        stop_if(cancel)
        awaited.push(packet)
        for picture in stream.decode(packet):
            yield awaited.pop(picture), picture
    awaited.finish()


def _seek(container: InputContainer, stream: VideoStream, clip: Clip, start: int) -> None:
    if stream.time_base is None:
        return
    seconds = clip.start_seconds + start / clip.frame_rate
    container.seek((seconds / stream.time_base).__floor__(), stream=stream)


def check_window(clip: Clip, start: int, stop: int | None) -> tuple[int, int]:
    """The half-open window, checked. Raises ``InputError`` where it leaves the clip."""
    stop = clip.frame_count if stop is None else stop
    if not 0 <= start <= stop <= clip.frame_count:
        raise InputError(
            f"frames [{start}, {stop}) leave the clip, which has {clip.frame_count}.",
            value=f"[{start}, {stop})",
            limit=f"0 to {clip.frame_count}",
            remedy="Name frames inside the clip.",
        )
    return start, stop


def iterate_frames(
    clip: Clip,
    *,
    start: int = 0,
    stop: int | None = None,
    crop_to: tuple[int, int] | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> Iterator[Bytes]:
    """Frames ``start <= k < stop`` at the clip's constant rate, uint8 [H, W, 3], RGB.

    Rotation is applied, the colour matrix honoured, alpha dropped. One frame is held at a time;
    a frame must not be written to, since a held one comes again. ``crop_to`` (width, height)
    cuts off at the right and bottom what an encoder had to add. Raises ``InputError`` for a
    window outside the clip, ``MediaDamaged``, ``Interrupted``.
    """
    width, height = crop_to or (clip.width, clip.height)
    reader = PictureReader()
    previous: VideoFrame | None = None
    frame: Bytes = np.empty((0, 0, 3), np.uint8)
    pictures = iterate_pictures(clip, start=start, stop=stop, limits=limits, cancel=cancel)
    for picture in pictures:
        if picture is not previous:
            with translated(clip.path):
                frame = reader.read_bytes(picture)[:height, :width]
            previous = picture
        yield frame


def decode_frames(
    clip: Clip,
    *,
    start: int = 0,
    stop: int | None = None,
    crop_to: tuple[int, int] | None = None,
    accurate_colours: bool = False,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> NDArray[np.float32]:
    """The frames as one float32 array [N, H, W, 3] in 0..1, decoded into place.

    At a constant rate and unrotated, bit for bit what ComfyUI's own VIDEO of the same file gives;
    there BT.601 is assumed for every file that does not name its matrix. ``accurate_colours``
    rounds colours to the nearest of 255 steps, where ComfyUI's are 0.4 of one too dark, and takes
    untagged HD as BT.709, as ``iterate_frames`` does. Otherwise as ``iterate_frames``. Raises
    ``MediaTooLarge`` where it does not fit into free memory.
    """
    start, stop = check_window(clip, start, stop)
    width, height = crop_to or (clip.width, clip.height)
    width, height = min(width, clip.width), min(height, clip.height)
    count = stop - start
    check_memory(
        count * height * width * 12,
        f"{clip.path} as {count} frames of {width}x{height}",
        "Decode fewer frames or scale the clip down; as a file it needs no such memory.",
    )
    frames = np.empty((count, height, width, 3), np.float32)
    pictures = iterate_pictures(clip, start=start, stop=stop, limits=limits, cancel=cancel)
    with translated(clip.path), closing(pictures):  # type: ignore[type-var]
        shown = _shown(pictures)
        fill_frames(clip.path, frames, shown, accurate_colours=accurate_colours, cancel=cancel)
    return frames


def _shown(pictures: Iterator[VideoFrame]) -> Iterator[Shown]:
    """Each picture with the frames [start, stop) that show it, counted from 0."""
    held: VideoFrame | None = None
    start = stop = 0
    for picture in pictures:
        if held is not None and (picture is not held or stop - start == _MOST_HELD):
            yield held, start, stop
            start = stop
        held, stop = picture, stop + 1
    if held is not None:
        yield held, start, stop
