"""What Edit Ranges does: an edit plan applied to what a graph has, and drawn."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import torch
from numpy.typing import NDArray

from ..viseme.edits import to_json
from ..viseme.errors import InputError, LocalError
from ..viseme.jobs.cut import (
    Pictures,
    check_cut,
    cut_pictures,
    cut_samples,
    pictures_of_clip,
    pictures_of_frames,
)
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.unwritten import recording_of_samples
from ..viseme.jobs.workplace import media_guard
from ..viseme.jobs.writing import WindowWriter
from ..viseme.ledger import digest_of
from ..viseme.media import EncodeSettings, MediaGuard, MediaLimits, decode_sound
from ..viseme.media.partfile import translated_writes
from ..viseme.media.pixels import to_array
from ..viseme.model import Clip
from . import _host
from ._edits_text import plan_of
from ._host import log
from ._media import Cancel, ClipInput, Scratch, SoundInput, clip_input, sound_input
from ._runner import Execution
from ._types import EditsValue

# The player in the node is made without being asked for, and the lip-sync waits for it: 20 s of
# 1080p or 2.5 minutes of 512x512, which take two slow cores about 20 s. A longer cut is only drawn
# for whoever has connected the preview output.
_MOST_SHOWN_PIXELS = 1_000_000_000
_PREVIEW = EncodeSettings(preset="ultrafast", crf=20)


@dataclass(frozen=True)
class Cut:
    """What the node gives. Audio and preview are None where they were not made."""

    edits: EditsValue
    frame_count: int
    audio: dict[str, Any] | None
    preview: Path | None
    note: str

    @property
    def seconds(self) -> Fraction:
        return self.frame_count / self.edits.frame_rate

    @property
    def line(self) -> str:
        """In a few words what the plan does."""
        before = self.edits.frame_count
        text = f"{before} frames -> {self.frame_count} frames, {float(self.seconds):.2f} s"
        return f"{text} ({self.note})" if self.note else text


async def cut(
    media: Any,
    audio: Any,
    text: str,
    source_fps: float,
    consumed: frozenset[str] | None,
    execution: Execution,
) -> Cut:
    """``consumed`` names the outputs that somebody takes in; None makes all that can be made.

    Raises InputError, MediaError, LocalError, Interrupted.
    """
    execution.report(Progress(Step.PROBE, "reading the media"))
    place = await asyncio.to_thread(_host.workplace)
    scratch = Scratch(place.home)
    guard, cancel = media_guard(place), execution.cancel
    try:
        source = await asyncio.to_thread(clip_input, media, source_fps, scratch, guard, cancel)
        heard = None
        if audio is not None:
            heard = await asyncio.to_thread(sound_input, audio, cancel, guard.limits)
        made = await asyncio.to_thread(_cut_source, source, heard, text, consumed, guard, execution)
    finally:
        await asyncio.to_thread(scratch.remove)
    execution.say_last(made.line)
    return made


def _cut_source(
    source: ClipInput,
    heard: SoundInput | None,
    text: str,
    consumed: frozenset[str] | None,
    guard: MediaGuard,
    execution: Execution,
) -> Cut:
    clip, cancel = source.clip, execution.cancel
    if clip.is_still:
        raise InputError(
            "media is a single image, and edits cut a clip of several frames.",
            field="media",
            value="1 frame",
            limit="2 frames or more",
            remedy="Connect a VIDEO, or all frames of the clip as one IMAGE batch.",
        )
    plan = plan_of(text, clip.frame_rate)
    frame_count = check_cut(plan, clip.frame_count, clip.frame_rate, guard.limits)
    is_shown = frame_count * clip.width * clip.height <= _MOST_SHOWN_PIXELS
    wanted = frozenset({"audio", "preview"}) if consumed is None else consumed
    has_preview = is_shown or "preview" in wanted
    is_heard = has_preview or "audio" in wanted
    sound = _sound(source, heard, guard, cancel, is_needed=is_heard, with_frames=has_preview)
    if sound is None and consumed is not None and "audio" in consumed:
        raise InputError(
            "media has no sound to cut, and audio is not connected.",
            field="audio",
            value="nothing",
            limit="AUDIO, or a VIDEO with sound",
            remedy="Connect the speech to audio, or leave the audio output unconnected.",
        )
    digest = seconds = None
    if sound is not None:
        recording, _ = recording_of_samples(*sound, limits=guard.limits, cancel=cancel)
        digest, seconds = recording.digest, recording.seconds
    elif clip.sound is not None:
        seconds = clip.sound.seconds
    value = EditsValue(plan, clip.frame_rate, clip.frame_count, digest, seconds)
    if has_preview and source.frames is None:
        guard.check(_file_of(source), frames=True, cancel=cancel)
    cut = None
    if sound is not None:
        cut = (_cut_sound(sound[0], sound[1], value, guard.limits, cancel), sound[1])
    preview = None
    if has_preview:
        try:
            preview = _preview(source, value, cut, guard.limits, execution)
        except LocalError as problem:
            if consumed is not None and "preview" in consumed:
                raise
            log.warning("The cut cannot be shown in its node: %s", problem)
    return Cut(
        value,
        frame_count,
        None if cut is None else {"waveform": torch.from_numpy(cut[0]), "sample_rate": cut[1]},
        preview,
        _note(value, sound),
    )


def _sound(
    source: ClipInput,
    heard: SoundInput | None,
    guard: MediaGuard,
    cancel: Cancel,
    *,
    is_needed: bool,
    with_frames: bool,
) -> tuple[NDArray[np.float32], int] | None:
    """The uncut sound, float32 [1, C, S], and its rate; None where there is none.

    ``is_needed`` says whether a file's own sound is worth decoding, and ``with_frames`` that its
    frames will be decoded too, so that both are checked at once.
    """
    limits = guard.limits
    given = None
    if heard is not None:
        given = (heard.waveform, heard.sample_rate)
    elif source.sound is not None:
        given = source.sound
        recording_of_samples(*given, limits=limits, cancel=cancel)  # refuses what is no sound
    if given is not None:
        samples = to_array(given[0]).astype(np.float32, copy=False)
        return (samples if samples.ndim == 3 else samples[np.newaxis]), given[1]
    clip, write = source.clip, source.write
    if clip.sound is None or not is_needed:
        return None
    guard.check(_file_of(source), frames=with_frames, sound=True, cancel=cancel)
    if not isinstance(write, WindowWriter):
        return decode_sound(clip, limits=limits, cancel=cancel)
    start, stop = (frame / clip.frame_rate for frame in (write.start_frame, write.stop_frame))
    return decode_sound(
        write.source, start_seconds=start, stop_seconds=stop, limits=limits, cancel=cancel
    )


def _cut_sound(
    samples: NDArray[np.float32],
    sample_rate: int,
    value: EditsValue,
    limits: MediaLimits,
    cancel: Cancel,
) -> NDArray[np.float32]:
    """Cut as the frames are; sound that no edit touches stays as it is, however long."""
    if value.plan.is_empty:
        return samples
    return cut_samples(
        samples,
        sample_rate,
        value.plan,
        value.frame_count,
        value.frame_rate,
        limits=limits,
        cancel=cancel,
    )


def _note(value: EditsValue, sound: tuple[NDArray[np.float32], int] | None) -> str:
    if sound is None or value.plan.is_empty:
        return ""
    over = Fraction(sound[0].shape[2], sound[1]) - value.frame_count / value.frame_rate
    if over < Fraction(1, 20):
        return ""
    return f"{float(over):.2f} s of sound after the clip's end are left out"


def _file_of(source: ClipInput) -> Clip:
    """The clip whose file holds the pictures, of which the source may be a window."""
    return source.write.source if isinstance(source.write, WindowWriter) else source.clip


def _pictures(source: ClipInput, limits: MediaLimits) -> Pictures:
    if source.frames is not None:
        return pictures_of_frames(source.frames, source.clip.frame_rate)
    write = source.write
    if isinstance(write, WindowWriter):
        return pictures_of_clip(write.source, write.start_frame, write.stop_frame, limits=limits)
    return pictures_of_clip(source.clip, limits=limits)


def _preview(
    source: ClipInput,
    value: EditsValue,
    cut: tuple[NDArray[np.float32], int] | None,
    limits: MediaLimits,
    execution: Execution,
) -> Path:
    """The file of the marked cut in the host's temp folder.

    It is named by what it shows and written once: a second run finds it, and so does a preview
    output that is connected later.
    """
    identity = digest_of(
        {
            "clip": source.clip.digest,
            "sound": value.uncut_digest,
            "plan": to_json(value.plan),
            "rate": value.frame_rate,
        }
    )
    folder = Path(folder_paths.get_temp_directory()) / "viseme"
    target = folder / f"cut-{identity[:24]}.mp4"
    if target.is_file():
        return target
    part = folder / f".{target.stem}.{os.getpid()}.{threading.get_ident()}.mp4"
    if cut is not None and cut[0].shape[1] > 2:
        cut = (cut[0].mean(axis=1, keepdims=True), cut[1])

    def on_frame(done: int, total: int) -> None:
        text = f"drawing the cut: {done} of {total} frames"
        execution.report(Progress(Step.RUN, text, fraction=done / total))

    try:
        cut_pictures(
            _pictures(source, limits),
            cut,
            value.plan,
            part,
            is_marked=True,
            settings=_PREVIEW,
            cancel=execution.cancel,
            on_frame=on_frame,
        )
        with translated_writes(target):
            part.replace(target)
    finally:
        with suppress(OSError):  # what keeps it from being written keeps it from being removed
            part.unlink()
    return target
