"""VIDEO, IMAGE and AUDIO as ComfyUI has them, to clips and recordings, and results back.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import Input, InputImpl

from ..viseme.errors import InputError, LocalError
from ..viseme.home import Home
from ..viseme.jobs.unwritten import (
    WriteClip,
    WriteRecording,
    clip_of_frames,
    clip_window,
    recording_of_samples,
)
from ..viseme.media import DEFAULT_LIMITS, MediaGuard, MediaLimits, decode_frames, decode_sound
from ..viseme.model import Clip, Recording

Cancel = Callable[[], bool]

_NTSC = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120))
_NTSC_TOLERANCE = Fraction(1, 200)
SILENT_RATE = 44100
_reading = threading.Lock()


class Scratch:
    """A folder for files that a graph has only in memory; made when first used."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder: Path | None = None
        self.is_in_use = False  # a job that outlives the node needs its files

    @property
    def folder(self) -> Path:
        if self._folder is None:
            try:
                self._folder = Path(tempfile.mkdtemp(prefix="graph-", dir=self._home.work))
            except OSError as problem:
                raise LocalError(
                    f"{self._home.work} cannot be written: {problem.strerror}.",
                    field="media",
                    remedy="Make room on that disk and make it writable.",
                ) from problem
        return self._folder

    def remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


@dataclass(frozen=True)
class ClipInput:
    """What the socket ``media`` gave.

    ``write`` makes the clip's file where there is none yet; otherwise it is at ``clip.path``.
    ``frames`` are float32 [N, H, W, C] where they are in memory, and ``sound`` is what a VIDEO in
    memory has with them: (float32 [1, C, S], sample_rate).
    """

    clip: Clip
    write: WriteClip | None = None
    frames: Any = None
    sound: tuple[Any, int] | None = None


@dataclass(frozen=True)
class SoundInput:
    """What the socket ``audio`` gave: the recording, how its file is made, and the samples."""

    recording: Recording
    write: WriteRecording
    waveform: Any
    sample_rate: int


def hold(media: object) -> object:
    """What a socket gave, so that it can be read in a thread beside the host's own nodes.

    A VIDEO whose file is in memory has one position at which all nodes read it; it is copied. Call
    it in ``execute`` before anything is awaited: the host runs one node at a time until then.
    """
    if isinstance(media, InputImpl.VideoFromFile) and isinstance(
        media.get_stream_source(), BytesIO
    ):
        return copy.deepcopy(media)
    return media


def _has_edits(video: Any) -> bool:
    """Edits of the host's own, which only the host can carry out; ComfyUI has them from 0.37 on."""
    has_edits = getattr(video, "has_pending_frame_edits", None)
    return has_edits is not None and bool(has_edits())


def clip_input(
    media: object, source_fps: float, scratch: Scratch, guard: MediaGuard, cancel: Cancel
) -> ClipInput:
    """The clip that a VIDEO or IMAGE is, ``hold`` having seen it. Files are not decoded.

    Raises InputError, MediaError, LocalError, Interrupted.
    """
    if isinstance(media, torch.Tensor):
        rate = frame_rate_of(source_fps)
        clip, write = clip_of_frames(media, rate, limits=guard.limits, cancel=cancel)
        return ClipInput(clip, write, frames=media)
    if not isinstance(media, Input.Video):
        raise InputError(
            f"media is {_kind(media)}, neither a VIDEO nor an IMAGE.",
            field="media",
            value=_kind(media),
            limit="VIDEO or IMAGE",
            remedy="Connect the output of Load Video, or frames.",
        )
    if isinstance(media, InputImpl.VideoFromComponents):
        return _components_input(media, guard.limits, cancel)
    return _file_input(media, scratch, guard, cancel)


def _components_input(video: Any, limits: MediaLimits, cancel: Cancel) -> ClipInput:
    parts = video.get_components()
    clip, write = clip_of_frames(
        parts.images, Fraction(parts.frame_rate), limits=limits, cancel=cancel
    )
    sound = None if parts.audio is None else _samples(parts.audio)
    return ClipInput(clip, write, frames=parts.images, sound=sound)


def _file_input(video: Any, scratch: Scratch, guard: MediaGuard, cancel: Cancel) -> ClipInput:
    # A VIDEO of another pack's making may be written now, and may not bear two that read it.
    with _reading:
        if _has_edits(video):
            path = scratch.folder / "edited.mp4"
            video.save_to(str(path))  # with the window cut out
            return ClipInput(guard.clip(path, cancel=cancel))
        source = video.get_stream_source()
        start_seconds, duration_seconds = video.get_active_trim_window()
    if isinstance(source, BytesIO):
        path = scratch.folder / "video"
        path.write_bytes(source.getbuffer())
        source = path
    clip = guard.clip(Path(source), cancel=cancel)
    return _window(clip, start_seconds, duration_seconds, guard, cancel)


def _window(
    clip: Clip, start: float, duration: float, guard: MediaGuard, cancel: Cancel
) -> ClipInput:
    if not start and not duration:
        return ClipInput(clip)
    window, write = clip_window(
        clip,
        Fraction(start),
        Fraction(duration) if duration else None,
        limits=guard.limits,
        cancel=cancel,
    )
    return ClipInput(window, write)


def sound_input(audio: object, cancel: Cancel, limits: MediaLimits = DEFAULT_LIMITS) -> SoundInput:
    """The recording that an AUDIO is: any mapping with ``waveform`` and ``sample_rate``.

    Raises InputError, Interrupted.
    """
    waveform, sample_rate = _samples(audio)
    recording, write = recording_of_samples(waveform, sample_rate, limits=limits, cancel=cancel)
    return SoundInput(recording, write, waveform, sample_rate)


def _samples(audio: Any) -> tuple[Any, int]:
    try:
        waveform, sample_rate = audio["waveform"], int(audio["sample_rate"])
    except (KeyError, TypeError, IndexError, ValueError) as problem:
        raise InputError(
            f"audio is {_kind(audio)}, no AUDIO.",
            field="audio",
            value=_kind(audio),
            limit="AUDIO: a waveform and its sample rate",
            remedy="Connect the output of Load Audio, or of another node that gives AUDIO.",
        ) from problem
    return waveform, sample_rate


def _kind(thing: object) -> str:
    name = type(thing).__name__
    return f"an {name}" if name[:1] in "aeiouAEIO" else f"a {name}"


def frame_rate_of(number: float) -> Fraction:
    """The exact rate that a number means: 29.97 is 30000/1001, 12.5 is 25/2. Pure.

    Raises InputError for what is no rate.
    """
    if not 0 < number <= 1000:
        raise InputError(
            f"source_fps is {number}.",
            field="source_fps",
            value=number,
            limit="over 0, to 1000",
            remedy="Give the frames per second of the images.",
        )
    rate = Fraction(str(number)).limit_denominator(1000)
    if rate.denominator == 1:
        return rate
    close = min(_NTSC, key=lambda ntsc: abs(ntsc - rate))
    return close if abs(close - rate) <= _NTSC_TOLERANCE else rate


# ------------------------------------------------------------------------------------ results


def video_output(path: Path) -> Any:
    """VIDEO backed by the file; nothing is decoded."""
    return InputImpl.VideoFromFile(str(path))


def frames_output(
    clip: Clip,
    crop_to: tuple[int, int] | None,
    cancel: Cancel,
    *,
    accurate_colours: bool = False,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> torch.Tensor:
    """IMAGE: float32 [N, H, W, 3] in 0..1, by default with the values that the host would give.

    Raises MediaTooLarge where memory has no room for it, MediaDamaged, Interrupted.
    """
    frames = decode_frames(
        clip, crop_to=crop_to, accurate_colours=accurate_colours, limits=limits, cancel=cancel
    )
    return torch.from_numpy(frames)


def audio_output(
    clip: Clip, cancel: Cancel, limits: MediaLimits = DEFAULT_LIMITS
) -> dict[str, Any]:
    """AUDIO, as long as the picture: that of the clip, or silence where it has none."""
    if clip.sound is None:
        count = round(clip.seconds * SILENT_RATE)
        return {"waveform": torch.zeros(1, 1, count), "sample_rate": SILENT_RATE}
    waveform, sample_rate = decode_sound(clip, limits=limits, cancel=cancel)
    return {"waveform": torch.from_numpy(waveform), "sample_rate": sample_rate}
