"""Media of a plan that are no files yet, written on the way to the vendor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .. import media
from ..endpoints.base import Order
from ..errors import LocalError
from ..media.media_guard import BeforeDecoding, let_pass
from ..media.source import file_state
from ..model import Clip, Recording, SourceFile
from .wish import Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..media.remux import Copied

MOST_CHANNELS = 2
_PIECE_SAMPLES = 1 << 16


class WriteClip(Protocol):
    """Writes a clip into a folder, and gives it as counted there; its digest stays the source's.

    ``before_decoding`` is told of a file that has to be decoded for it.
    """

    @property
    def steps(self) -> tuple[str, ...]:
        """What the user is told of it, once it is written."""

    def __call__(
        self,
        folder: Path,
        cancel: Callable[[], bool],
        before_decoding: BeforeDecoding = let_pass,
    ) -> Clip: ...


class WriteRecording(Protocol):
    """The same for a recording."""

    @property
    def steps(self) -> tuple[str, ...]: ...

    def __call__(
        self,
        folder: Path,
        cancel: Callable[[], bool],
        before_decoding: BeforeDecoding = let_pass,
    ) -> Recording: ...


@dataclass(frozen=True)
class Written:
    """An order whose media all are files, and what was done to make them.

    ``is_coded_here``: the pictures come from our own coder, so that they need no checking.
    """

    order: Order
    video_steps: tuple[str, ...] = ()
    sound_steps: tuple[str, ...] = ()
    is_coded_here: bool = False


def write_media(
    planned: Planned,
    folder: Path,
    before_decoding: BeforeDecoding,
    cancel: Callable[[], bool],
) -> Written:
    """Write what of a plan is no file yet into ``folder``. Blocking.

    ``before_decoding`` is told of a file that has to be decoded for it. The order is checked again
    with what the files really are. Raises InputError, LocalError, MediaDamaged and Interrupted.
    """
    order, write_footage = planned.order, planned.wish.write_footage
    write_speech = planned.wish.write_speech
    if write_footage is None and write_speech is None:
        return Written(order)
    footage, speech = order.footage, order.speech
    video_steps: tuple[str, ...] = ()
    sound_steps: tuple[str, ...] = ()
    if write_footage is not None and isinstance(footage, Clip):
        footage = write_footage(folder, cancel, before_decoding)
        video_steps = write_footage.steps
    if write_speech is not None and isinstance(speech, Recording):
        speech = write_speech(folder, cancel, before_decoding)
        sound_steps = write_speech.steps
    again = planned.endpoint.order(order.arguments.model_dump(mode="json"), footage, speech)
    is_copied = isinstance(write_footage, WindowWriter) and write_footage.is_copied
    is_coded_here = write_footage is not None and not is_copied
    return Written(again, video_steps, sound_steps, is_coded_here)


@dataclass(frozen=True, eq=False)
class FramesWriter:
    clip: Clip
    frames: Any = field(repr=False)
    limits: media.MediaLimits
    steps: tuple[str, ...]

    def __call__(
        self,
        folder: Path,
        cancel: Callable[[], bool],
        before_decoding: BeforeDecoding = let_pass,
    ) -> Clip:
        path = folder / self.clip.path
        if self.clip.is_still:
            from ..media.still import write_still

            write_still(path, self.frames[0], cancel=cancel)
        else:
            media.encode_clip(path, self.frames, self.clip.frame_rate, cancel=cancel)
        return _counted(path, self.clip, self.limits, cancel, is_ours=True)


@dataclass(eq=False)
class WindowWriter:
    """``planned_steps`` are known beforehand; what became of colours and sound is when written."""

    clip: Clip
    source: Clip
    start_frame: int
    stop_frame: int
    limits: media.MediaLimits
    planned_steps: tuple[str, ...]
    is_copied: bool = False
    steps: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self.planned_steps

    def __call__(
        self,
        folder: Path,
        cancel: Callable[[], bool],
        before_decoding: BeforeDecoding = let_pass,
    ) -> Clip:
        path = folder / self.clip.path
        copied = media.trim_clip(
            self.source,
            path,
            self.start_frame,
            self.stop_frame,
            limits=self.limits,
            before_decoding=before_decoding,
            cancel=cancel,
        )
        self.steps = (*self.planned_steps, *self._steps_of(copied))
        return _counted(path, self.clip, self.limits, cancel, is_ours=not copied.pictures)

    def _steps_of(self, copied: Copied) -> tuple[str, ...]:
        from ..media.clip_sound import coded_steps  # codecs, which take long to import
        from ..media.copying import hdr_steps

        colours = () if copied.pictures else hdr_steps(self.source, self.limits)
        sound = self.source.sound
        if sound is None:
            return colours
        if copied.sound:
            return (*colours, f"copied its {sound.codec} sound as it is coded")
        return (*colours, *coded_steps(sound, "mp4"))


def _counted(
    path: Path,
    clip: Clip,
    limits: media.MediaLimits,
    cancel: Callable[[], bool],
    *,
    is_ours: bool,
) -> Clip:
    """``is_ours``: the pictures come from our own coder, so that they can be decoded here."""
    # Known by the digest of what it was made of, so its own is not worked out.
    if is_ours:
        written = media.probe_clip(path, limits=limits, digest=clip.digest, cancel=cancel)
    else:
        known = SourceFile(path, clip.digest, file_state(path))
        written = media.MediaGuard(limits=limits).clip(path, known=known, cancel=cancel)
        written = replace(written, source=None)  # the source's file is looked after, not this one
    if (written.frame_count, written.frame_rate) != (clip.frame_count, clip.frame_rate):
        raise LocalError(
            f"{clip.frame_count} frames at {clip.frame_rate} fps became {written.frame_count} at "
            f"{written.frame_rate}; nothing was sent.",
            remedy="Run `viseme doctor` to see which codecs this machine has.",
        )
    return written


class _Pieces(Protocol):
    """Sound in pieces of float32 [C, n]."""

    def __call__(
        self, cancel: Callable[[], bool], before_decoding: BeforeDecoding
    ) -> Iterator[NDArray[Any]]: ...


@dataclass(frozen=True, eq=False)
class SamplePieces:
    samples: Any = field(repr=False)

    def __call__(
        self, cancel: Callable[[], bool], before_decoding: BeforeDecoding
    ) -> Iterator[NDArray[Any]]:
        import numpy as np  # most runs write nothing, and it takes long to import

        from ..media.mixdown import mix_matrix
        from ..media.pixels import to_array

        channels, count = (int(number) for number in self.samples.shape)
        mix = mix_matrix(["NONE"] * channels, MOST_CHANNELS)
        for start in range(0, count, _PIECE_SAMPLES):
            piece = to_array(self.samples[:, start : start + _PIECE_SAMPLES])
            yield mix @ np.nan_to_num(piece, nan=0.0) if channels > MOST_CHANNELS else piece


@dataclass(frozen=True, eq=False)
class WindowPieces:
    source: Clip
    start_frame: int
    stop_frame: int
    limits: media.MediaLimits

    def __call__(
        self, cancel: Callable[[], bool], before_decoding: BeforeDecoding
    ) -> Iterator[NDArray[Any]]:
        before_decoding(self.source, sound=True)
        pieces = media.iterate_sound(
            self.source,
            start_seconds=self.start_frame / self.source.frame_rate,
            stop_seconds=self.stop_frame / self.source.frame_rate,
            most_channels=MOST_CHANNELS,
            limits=self.limits,
            cancel=cancel,
        )
        return (piece for piece, _ in pieces)


@dataclass(frozen=True, eq=False)
class RecordingWriter:
    recording: Recording
    pieces: _Pieces
    limits: media.MediaLimits
    steps: tuple[str, ...]

    def __call__(
        self,
        folder: Path,
        cancel: Callable[[], bool],
        before_decoding: BeforeDecoding = let_pass,
    ) -> Recording:
        path, sound = folder / self.recording.path, self.recording.sound
        with media.SoundWriter(
            path,
            sample_rate=sound.sample_rate,
            channels=sound.channels,
            container="wav",
            cancel=cancel,
        ) as writer:
            for piece in self.pieces(cancel, before_decoding):
                writer.write(piece)
        digest = self.recording.digest
        return media.probe_speech(path, limits=self.limits, digest=digest, cancel=cancel)
