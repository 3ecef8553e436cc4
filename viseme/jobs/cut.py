"""An edit plan applied to real media: the sound cut to the sample, and a picture of the cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..edits import EditPlan, FrameRun, sample_at, segments, sound_segments
from ..media import (
    ClipWriter,
    decode_sound,
    iterate_frames,
    probe_speech,
    write_sound,
)
from ..model import Clip, Recording

Cancel = Callable[[], bool] | None


def cut_samples(
    waveform: NDArray[np.float32],
    sample_rate: int,
    plan: EditPlan,
    frame_count: int,
    frame_rate: Fraction,
) -> NDArray[np.float32]:
    """``waveform`` [1, C, S] cut as ``plan`` cuts ``frame_count`` frames; silence where new."""
    runs = sound_segments(plan, frame_count, frame_rate, sample_rate)
    cut = np.zeros((1, waveform.shape[1], sum(run.sample_count for run in runs)), np.float32)
    position = 0
    for run in runs:
        if run.start_sample is not None:
            piece = waveform[:, :, run.start_sample : run.end_sample]
            cut[:, :, position : position + piece.shape[2]] = piece
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
    cancel: Cancel = None,
) -> Recording:
    """The recording cut alike, as a WAV file at ``target``.

    With ``clip`` the sound is that clip's own track and is aligned to its picture.
    """
    waveform, sample_rate = decode_sound(clip or recording.path, cancel=cancel)
    cut = cut_samples(waveform, sample_rate, plan, frame_count, frame_rate)
    write_sound(target, cut, sample_rate, "wav")
    return probe_speech(target)


def cut_clip(
    clip: Clip,
    recording: Recording | None,
    plan: EditPlan,
    target: Path,
    *,
    recording_is_own: bool = False,
    cancel: Cancel = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cut as a video: new frames hold the last picture before them. Returns its frames.

    ``recording`` is cut alike; ``recording_is_own`` says that it is the clip's own track.
    """
    runs = segments(plan, clip.frame_count)
    total = sum(run.frame_count for run in runs)
    sound: NDArray[np.float32] | None = None
    sample_rate = 0
    if recording is not None:
        source = clip if recording_is_own else recording.path
        waveform, sample_rate = decode_sound(source, cancel=cancel)
        sound = cut_samples(waveform, sample_rate, plan, clip.frame_count, clip.frame_rate)[0]
    with ClipWriter(
        target,
        width=clip.width,
        height=clip.height,
        frame_rate=clip.frame_rate,
        sound=None if sound is None else (sample_rate, sound.shape[0]),
    ) as writer:
        sounded = 0
        for written, frame in enumerate(_cut_frames(clip, runs, cancel), 1):
            writer.write_frame(frame)
            if sound is not None:
                end = min(sound.shape[1], sample_at(written, clip.frame_rate, sample_rate))
                writer.write_sound(sound[:, sounded:end])
                sounded = end
            if on_frame is not None:
                on_frame(written, total)
        if sound is not None and sounded < sound.shape[1]:
            writer.write_sound(sound[:, sounded:])
    return total


def _cut_frames(
    clip: Clip, runs: tuple[FrameRun, ...], cancel: Cancel
) -> Iterator[NDArray[np.uint8]]:
    """The output's frames. New ones before the first source frame show that one."""
    held: NDArray[np.uint8] | None = None
    for run in runs:
        if run.start_frame is not None:
            stop = run.start_frame + run.frame_count
            for frame in iterate_frames(clip, start=run.start_frame, stop=stop, cancel=cancel):
                held = frame
                yield frame
            continue
        if held is None:
            held = next(iter(iterate_frames(clip, start=0, stop=1, cancel=cancel)))
        for _ in range(run.frame_count):
            yield held
