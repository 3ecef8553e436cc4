"""Media in memory, or a window of a file: known as a plan needs them, written when bought.

Plan, quote, fingerprint and receipt follow from the values made here; a file appears only on the
way to a vendor. The path of such a clip or recording is just the name that its file will have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from ..ledger import digest_of
from ..media import DEFAULT_LIMITS, MediaLimits
from ..media.conform import reasons_to_encode
from ..media.copying import can_cut
from ..media.memory_digest import digest_frames, digest_samples
from ..media.sound_stream import written_channels
from ..media.timeline import round_half_up
from ..media.window import frames_in_window
from ..model import Clip, Recording, Sound
from .in_memory import check_frames, check_samples, checked_rate
from .inputs import own_sound
from .writing import (
    MOST_CHANNELS,
    FramesWriter,
    RecordingWriter,
    SamplePieces,
    WindowPieces,
    WindowWriter,
    WriteClip,
    WriteRecording,
)

__all__ = [
    "WriteClip",
    "WriteRecording",
    "clip_of_frames",
    "clip_window",
    "own_sound_of",
    "recording_of_samples",
]

Cancel: TypeAlias = "Callable[[], bool] | None"

_WAV_HEAD_BYTES = 78


def clip_of_frames(
    frames: Any,
    frame_rate: Fraction,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> tuple[Clip, WriteClip]:
    """Frames [N, H, W, 3 or 4] in 0..1, array or tensor, as the clip that they will be.

    One frame is a still and becomes PNG; more become H.264 in mp4, of even size. ``frame_rate``
    29.97 is 30000/1001. The frames are read now, for their digest, and again when written: they
    must stay as they are. Raises InputError for ``media`` and ``source_fps``, and Interrupted.
    """
    count, height, width, channels = check_frames(frames, limits)
    is_still = count == 1
    rate = Fraction(1) if is_still else checked_rate(frame_rate, count, limits)
    clip = Clip(
        path=Path("frame.png" if is_still else "frames.mp4"),
        digest=digest_frames(frames, None if is_still else rate, cancel=cancel),
        size_bytes=0,
        container="png" if is_still else "mp4",
        codec="png" if is_still else "h264",
        pixel_format="rgb24" if is_still else "yuv420p",
        width=width,
        height=height,
        frame_rate=rate,
        frame_count=count,
        is_still=is_still,
    )
    done = "one frame from memory as PNG" if is_still else f"{count} frames from memory as H.264"
    steps = [f"encoded {done}"]
    if channels > 3:
        steps.append("dropped alpha")
    return clip, FramesWriter(clip, frames, limits, (*steps, *_padding(clip)))


def clip_window(
    clip: Clip,
    start_seconds: Fraction,
    duration_seconds: Fraction | None,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> tuple[Clip, WriteClip | None]:
    """The frames of a clip that begin in a window of its file's clock, with their sound.

    The window is half-open and not negative; ``None`` lasts to the end. Where it holds the whole
    clip, the clip itself is given, with nothing to write. Raises InputError for ``media``.
    """
    if start_seconds == 0 and duration_seconds is None:
        return clip, None
    start, stop = frames_in_window(
        clip, start_seconds, duration_seconds, limits=limits, cancel=cancel
    )
    if start == stop:
        end = "its end"
        if duration_seconds is not None:
            end = f"{_text(start_seconds + duration_seconds)} s"
        raise InputError(
            f"media is trimmed to nothing: no frame begins from {_text(start_seconds)} s to {end}.",
            field="media",
            value=f"{_text(start_seconds)} s to {end}",
            limit=f"{_text(clip.start_seconds)} to {_text(clip.start_seconds + clip.seconds)} s",
            remedy="Trim it to a part that it has.",
        )
    if (start, stop) == (0, clip.frame_count):
        return clip, None
    window = replace(
        clip,
        path=Path(f"{clip.path.stem[:60]}-trimmed.mp4"),
        digest=digest_of({"clip": clip.digest, "frames": [start, stop]}),
        size_bytes=0,
        container="mp4",
        codec="h264",
        pixel_format="yuv420p",
        frame_count=stop - start,
        is_constant_rate=True,
        has_alpha=False,
        rotation_degrees=0,
        is_mirrored=False,
        start_seconds=Fraction(0),
        sound=_sound_of_window(clip, start, stop),
    )
    is_copied = can_cut(clip, "mp4", (start, stop), limits=limits, cancel=cancel)
    how = "copied as they are coded" if is_copied else "encoded as H.264"
    reasons = [] if is_copied else reasons_to_encode(clip, [clip.codec], "h264")
    steps = (f"cut to its frames {start} to {stop - 1}, {how}", *reasons)
    return window, WindowWriter(window, clip, start, stop, limits, steps, is_copied)


def recording_of_samples(
    waveform: Any,
    sample_rate: int,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> tuple[Recording, WriteRecording]:
    """Samples [1, C, S] or [C, S] in -1..1, array or tensor, as the WAV file that they will be.

    More than two channels are mixed down. Raises InputError for ``audio``, and Interrupted.
    """
    samples = check_samples(waveform, sample_rate, limits)
    channels, count = (int(number) for number in samples.shape)
    digest = digest_samples(samples, sample_rate, cancel=cancel)
    recording = _wav("audio.wav", digest, sample_rate, min(channels, MOST_CHANNELS), count)
    steps = (f"wrote {count} samples from memory as WAV", *_mixing(channels))
    return recording, RecordingWriter(recording, SamplePieces(samples), limits, steps)


def own_sound_of(
    clip: Clip, write: WriteClip | None, *, cancel: Cancel = None
) -> tuple[Recording, WriteRecording | None]:
    """A clip's own sound as the speech, also where the clip is not written yet.

    Of a window it is taken from the source, not from the copy that is coded once more. Raises
    InputError for ``audio`` where there is no sound.
    """
    if clip.sound is None:
        raise InputError(
            "media has no sound of its own, and nothing is connected to audio.",
            field="audio",
            remedy="Connect the speech to audio.",
        )
    if not isinstance(write, WindowWriter):
        return own_sound(clip, cancel=cancel), None
    sound, digest = clip.sound, digest_of({"sound of": clip.digest})
    channels = min(sound.channels, MOST_CHANNELS)
    recording = _wav("audio.wav", digest, sound.sample_rate, channels, sound.sample_count)
    recording = replace(recording, source=clip.source)
    pieces = WindowPieces(write.source, write.start_frame, write.stop_frame, write.limits)
    steps = ("wrote the sound of the window as WAV", *_mixing(sound.channels))
    return recording, RecordingWriter(recording, pieces, write.limits, steps)


def _wav(name: str, digest: str, sample_rate: int, channels: int, count: int) -> Recording:
    sound = Sound("pcm_s16le", sample_rate, channels, count)
    size_bytes = _WAV_HEAD_BYTES + 2 * channels * count
    return Recording(Path(name), digest, size_bytes, "wav", sound)


def _sound_of_window(clip: Clip, start: int, stop: int) -> Sound | None:
    if clip.sound is None:
        return None
    rate = clip.sound.sample_rate
    first, last = (round_half_up(frame / clip.frame_rate * rate) for frame in (start, stop))
    return Sound("aac", rate, written_channels(clip.sound.channels), last - first)


def _padding(clip: Clip) -> tuple[str, ...]:
    even = (clip.width + clip.width % 2, clip.height + clip.height % 2)
    if clip.is_still or even == (clip.width, clip.height):
        return ()
    return (f"padded {clip.width}x{clip.height} to {even[0]}x{even[1]}",)


def _mixing(channels: int) -> tuple[str, ...]:
    if channels <= MOST_CHANNELS:
        return ()
    return (f"mixed {channels} channels down to {MOST_CHANNELS}",)


def _text(seconds: Fraction) -> str:
    return f"{float(seconds):g}"
