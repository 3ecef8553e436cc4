"""An edit plan applied to real media: the sound cut to the sample, and a picture of the cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..edits import (
    EditPlan,
    FrameRun,
    output_frame_count,
    sample_at,
    segments,
    sound_segments,
)
from ..errors import MediaTooLarge
from ..media import (
    DEFAULT_LIMITS,
    ClipWriter,
    EncodeSettings,
    MediaLimits,
    decode_sound,
    iterate_frames,
    probe_speech,
    write_sound,
)
from ..media.digest import stop_if
from ..media.memory import check_memory
from ..media.pixels import FrameBytes, to_array
from ..model import Clip, Recording
from .marks import Marks

_COPIED_SAMPLES = 1 << 22  # of each channel, before a stop is looked for again

Cancel = Callable[[], bool] | None
Sound: TypeAlias = "tuple[NDArray[np.float32], int]"  # [1, C, S] and its sample rate


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the frames of a cut come from: a file or memory.

    ``frames(start, stop, cancel)`` gives frames ``start <= k < stop``, uint8 [H, W, 3]; each is
    good until the next one comes.
    """

    width: int
    height: int
    frame_count: int
    frame_rate: Fraction
    frames: Callable[[int, int, Cancel], Iterator[NDArray[np.uint8]]]
    pixel_aspect: Fraction = Fraction(1)


def pictures_of_clip(
    clip: Clip,
    start_frame: int = 0,
    stop_frame: int | None = None,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Pictures:
    """The frames of a file, or a window of them, decoded one at a time."""
    stop_frame = clip.frame_count if stop_frame is None else stop_frame

    def frames(start: int, stop: int, cancel: Cancel) -> Iterator[NDArray[np.uint8]]:
        return iterate_frames(
            clip,
            start=start_frame + start,
            stop=start_frame + stop,
            limits=limits,
            cancel=cancel,
        )

    count = stop_frame - start_frame
    return Pictures(clip.width, clip.height, count, clip.frame_rate, frames, clip.pixel_aspect)


def pictures_of_frames(images: Any, frame_rate: Fraction) -> Pictures:
    """Frames in memory, [N, H, W, 3 or 4] in 0..1 (array or tensor), made bytes one at a time."""
    frame_count, height, width = (int(side) for side in images.shape[:3])

    def frames(start: int, stop: int, cancel: Cancel) -> Iterator[NDArray[np.uint8]]:
        bytes_of = FrameBytes(width, height)
        for index in range(start, stop):
            stop_if(cancel)
            yield bytes_of.from_floats(to_array(images[index]))[:height, :width]

    return Pictures(width, height, frame_count, Fraction(frame_rate), frames)


def check_cut(
    plan: EditPlan,
    frame_count: int,
    frame_rate: Fraction,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> int:
    """How many frames the cut of ``frame_count`` has.

    Raises ``InputError`` for a plan that does not fit, ``MediaTooLarge`` for a cut that is longer
    than ``limits`` allow.
    """
    cut_count = output_frame_count(plan, frame_count)
    seconds = cut_count / frame_rate
    if seconds > limits.max_seconds:
        raise MediaTooLarge(
            f"edits makes {cut_count} frames of the clip, {float(seconds):.0f} s; at most "
            f"{limits.max_seconds} s are cut.",
            field="edits",
            value=f"{float(seconds):.0f} s",
            limit=f"{limits.max_seconds} s",
            remedy="Add less, or raise max_seconds under media_limits in settings.json.",
        )
    if cut_count > limits.max_frames:
        raise MediaTooLarge(
            f"edits makes {cut_count} frames of the clip; at most {limits.max_frames} are cut.",
            field="edits",
            value=f"{cut_count} frames",
            limit=f"{limits.max_frames} frames",
            remedy="Add less, or raise max_frames under media_limits in settings.json.",
        )
    return cut_count


def cut_samples(
    waveform: NDArray[np.float32],
    sample_rate: int,
    plan: EditPlan,
    frame_count: int,
    frame_rate: Fraction,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> NDArray[np.float32]:
    """``waveform`` [1, C, S] cut as ``plan`` cuts ``frame_count`` frames; silence where new.

    Raises as ``check_cut``, and ``MediaTooLarge`` where free memory has no room for it.
    """
    check_cut(plan, frame_count, frame_rate, limits)
    runs = sound_segments(plan, frame_count, frame_rate, sample_rate)
    shape = (1, waveform.shape[1], sum(run.sample_count for run in runs))
    check_memory(
        shape[1] * shape[2] * waveform.itemsize,
        "The cut sound",
        "Add less, or cut a part of the clip.",
        field="edits",
    )
    cut = np.zeros(shape, np.float32)
    position = 0
    for run in runs:
        if run.start_sample is not None:
            piece = waveform[:, :, run.start_sample : run.end_sample]
            for start in range(0, piece.shape[2], _COPIED_SAMPLES):
                stop_if(cancel)
                part = piece[:, :, start : start + _COPIED_SAMPLES]
                at = position + start
                cut[:, :, at : at + part.shape[2]] = part
        position += run.sample_count
    return cut


def cut_recording(
    recording: Recording,
    clip: Clip | None,
    plan: EditPlan,
    frame_count: int,
    frame_rate: Fraction,
    target: Path,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> Recording:
    """The recording cut alike, as a WAV file at ``target``.

    With ``clip`` the sound is that clip's own track and is aligned to its picture.
    """
    check_cut(plan, frame_count, frame_rate, limits)
    waveform, sample_rate = decode_sound(clip or recording.path, limits=limits, cancel=cancel)
    cut = cut_samples(
        waveform, sample_rate, plan, frame_count, frame_rate, limits=limits, cancel=cancel
    )
    write_sound(target, cut, sample_rate, "wav", cancel=cancel)
    return probe_speech(target, limits=limits, cancel=cancel)


def cut_clip(
    clip: Clip,
    recording: Recording | None,
    plan: EditPlan,
    target: Path,
    *,
    recording_is_own: bool = False,
    is_marked: bool = False,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cut as a video: new frames hold the last picture before them. Returns its frames.

    ``recording`` is cut alike; ``recording_is_own`` says that it is the clip's own track.
    ``is_marked`` as for ``cut_pictures``.
    """
    check_cut(plan, clip.frame_count, clip.frame_rate, limits)  # before sound is decoded
    sound: Sound | None = None
    if recording is not None:
        source = clip if recording_is_own else recording.path
        waveform, sample_rate = decode_sound(source, limits=limits, cancel=cancel)
        cut = cut_samples(
            waveform,
            sample_rate,
            plan,
            clip.frame_count,
            clip.frame_rate,
            limits=limits,
            cancel=cancel,
        )
        sound = (cut, sample_rate)
    return cut_pictures(
        pictures_of_clip(clip, limits=limits),
        sound,
        plan,
        target,
        is_marked=is_marked,
        cancel=cancel,
        on_frame=on_frame,
    )


def cut_pictures(
    pictures: Pictures,
    sound: Sound | None,
    plan: EditPlan,
    target: Path,
    *,
    is_marked: bool = False,
    settings: EncodeSettings | None = None,
    cancel: Cancel = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cut of ``pictures`` as a video, with ``sound``, which is cut already.

    New frames hold the last picture before them; with ``is_marked`` additions and bridges are
    drawn over, each in its own colour. ``on_frame`` is told of frames written and frames in all.
    Returns the frames.
    """
    runs = segments(plan, pictures.frame_count)
    total = sum(run.frame_count for run in runs)
    samples, sample_rate = (None, 0) if sound is None else (sound[0][0], sound[1])
    with ClipWriter(
        target,
        width=pictures.width,
        height=pictures.height,
        frame_rate=pictures.frame_rate,
        pixel_aspect=pictures.pixel_aspect,
        sound=None if samples is None else (sample_rate, samples.shape[0]),
        settings=settings or EncodeSettings(),
        cancel=cancel,
    ) as writer:
        marks = Marks(pictures.width, pictures.height) if is_marked else None
        sounded = 0
        for written, frame in enumerate(_cut_frames(pictures, runs, marks, cancel), 1):
            writer.write_frame(frame)
            if samples is not None:
                end = min(samples.shape[1], sample_at(written, pictures.frame_rate, sample_rate))
                writer.write_sound(samples[:, sounded:end])
                sounded = end
            if on_frame is not None:
                on_frame(written, total)
        if samples is not None and sounded < samples.shape[1]:
            writer.write_sound(samples[:, sounded:])
    return total


def _cut_frames(
    pictures: Pictures, runs: tuple[FrameRun, ...], marks: Marks | None, cancel: Cancel
) -> Iterator[NDArray[np.uint8]]:
    """The output's frames. New ones before the first source frame show that one."""
    held: NDArray[np.uint8] | None = None
    for run in runs:
        if run.start_frame is not None:
            stop = run.start_frame + run.frame_count
            for frame in pictures.frames(run.start_frame, stop, cancel):
                held = frame
                yield frame
            continue
        if held is None:
            held = next(iter(pictures.frames(0, 1, cancel)))
        if marks is not None and run.origin != "source":
            yield from marks.over(held, run.origin, run.frame_count)
            continue
        for _ in range(run.frame_count):
            yield held
