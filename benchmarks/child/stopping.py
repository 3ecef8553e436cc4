"""How long somebody waits who stops what is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from viseme import media
from viseme.errors import Interrupted
from viseme.model import Clip

from .passing import CODECS, CONTAINERS
from .source import Source
from .work import Facts, Job

Cancel = Callable[[], bool]


class Stopping:
    """``act`` is told to stop ``after_seconds`` from its beginning; with none, it is let be."""

    def __init__(self, act: Callable[[Cancel], None], after_seconds: float | None) -> None:
        self._act = act
        self._after_seconds = after_seconds
        self._stopped_at: float | None = None
        self._wish = threading.Event()
        self._waited_seconds: float | None = None

    def run(self) -> None:
        timer = threading.Timer(self._after_seconds or 0.0, self._stop)
        if self._after_seconds is not None:
            timer.start()
        try:
            self._act(self._wish.is_set)
        except Interrupted:
            if self._stopped_at is None:
                raise
        finally:
            ended_at = time.perf_counter()
            timer.cancel()
        # One that heeded nothing any more let somebody wait too, until it had done all.
        if self._stopped_at is not None and self._stopped_at < ended_at:
            self._waited_seconds = ended_at - self._stopped_at

    def _stop(self) -> None:
        self._stopped_at = time.perf_counter()
        self._wish.set()

    def facts(self) -> Facts:
        """``waited_seconds`` is None where it had ended before it was told."""
        return {"waited_seconds": self._waited_seconds}


def prepare(job: Job) -> Stopping:
    return Stopping(_act(job), job["after_seconds"])


def _act(job: Job) -> Callable[[Cancel], None]:
    path, target = Path(job["path"]), Path(job["target"])
    if job["method"] == "encode":
        source = Source.of(job)
        frames, sound = source.frames(), (source.waveform(), source.sample_rate)

        def encode(cancel: Cancel) -> None:
            media.encode_clip(target, frames, source.frame_rate, sound, cancel=cancel)

        return encode
    clip, track = _opened(path, job.get("sound_seconds"))
    if job["method"] == "conform":

        def conform(cancel: Cancel) -> None:
            media.conform_clip(
                clip, target.parent, containers=CONTAINERS, codecs=CODECS, cancel=cancel
            )

        return conform
    if job["method"] == "decode":

        def decode(cancel: Cancel) -> None:
            media.decode_frames(clip, cancel=cancel)

        return decode

    def replace(cancel: Cancel) -> None:
        media.replace_sound(clip, track, target, cancel=cancel)

    return replace


@cache
def _opened(path: Path, sound_seconds: int | None) -> tuple[Clip, tuple[Any, int]]:
    """A clip and, to replace its sound with, the first of its own."""
    clip = media.probe_clip(path)
    seconds = None if sound_seconds is None else Fraction(sound_seconds)
    return clip, media.decode_sound(clip, stop_seconds=seconds)
