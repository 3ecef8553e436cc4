"""The frames of a file that lie in a window of time."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..model import Clip
from .awaited import ShownPackets
from .digest import stop_if
from .identify import damaged
from .limits import DEFAULT_LIMITS, MediaLimits
from .opening import open_media
from .picture import pick_video
from .timeline import frame_at

Cancel: TypeAlias = "Callable[[], bool] | None"


def frames_in_window(
    clip: Clip,
    start_seconds: Fraction,
    duration_seconds: Fraction | None,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> tuple[int, int]:
    """The frames [start, stop) of a clip whose pictures begin in a window of the file's own clock.

    The window is half-open; ``None`` lasts to the end. Its ends fall on the tick of the file at or
    before them, as ComfyUI's own trimming has it, so that the same frames are kept. May be empty.
    Raises ``MediaDamaged`` and ``Interrupted``.
    """
    stamps, time_base = _stamps(clip, limits, cancel)
    first = int(np.searchsorted(stamps, _tick(float(start_seconds), time_base)))
    last = len(stamps)
    if duration_seconds is not None:
        end = float(start_seconds) + float(duration_seconds)
        last = max(first, int(np.searchsorted(stamps, _tick(end, time_base))))
    if clip.is_constant_rate:
        return first, last

    def frame_of(index: int) -> int:
        if index >= len(stamps):
            return clip.frame_count
        frame = frame_at(int(stamps[index]) * time_base - clip.start_seconds, clip.frame_rate)
        return min(max(frame, 0), clip.frame_count)

    return frame_of(first), frame_of(last) if last > first else frame_of(first)


def _tick(seconds: float, time_base: Fraction) -> int:
    # In floating point like the host's: exact arithmetic would put a window that was typed as a
    # decimal number on the other side of some ticks.
    return int(seconds / float(time_base))


def _stamps(clip: Clip, limits: MediaLimits, cancel: Cancel) -> tuple[NDArray[np.int64], Fraction]:
    """The times of all pictures, sorted, in ticks of the file."""
    stamps = array("q")
    with open_media(clip.path, limits=limits) as container:
        stream = pick_video(container)
        if stream is None or stream.time_base is None:
            raise damaged(clip.path, "its picture track is gone")
        shown = ShownPackets(stream)
        for packet in container.demux(stream):
            stop_if(cancel)
            if not shown.has(packet):
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                stamp = stamps[-1] + (packet.duration or 1) if stamps else 0
            stamps.append(stamp)
        time_base = stream.time_base
    if clip.is_constant_rate and len(stamps) != clip.frame_count:
        raise damaged(clip.path, "it has changed since its frames were counted")
    ordered = np.frombuffer(stamps, np.int64).copy()
    ordered.sort()
    return ordered, time_base
