"""What PixVerse LipSync does to a clip, whoever sells it.

Three vendors sell the same model; what differs from one to the other is the request and the
price, and stands in their own files.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

from ..render import Result, render
from ..schedule import looped, picture_count, sample_count
from ..source import Footage, Speech
from .base import RenderOptions

Voice = Literal[
    "Emily",
    "James",
    "Isabella",
    "Liam",
    "Chloe",
    "Adrian",
    "Harper",
    "Ava",
    "Sophia",
    "Julia",
    "Mason",
    "Jack",
    "Oliver",
    "Ethan",
]


def asked_seconds(footage: Footage, speech: Speech, options: RenderOptions) -> Fraction:
    """The speech's length or the clip's; see ``RenderOptions.pixverse_timing``."""
    return footage.seconds if options.pixverse_timing == "clip" else speech.seconds


def output_seconds(footage: Footage, speech: Speech, options: RenderOptions) -> Fraction:
    """How long the result plays: whole pictures at the clip's own rate."""
    count = picture_count(asked_seconds(footage, speech, options), footage.frame_rate)
    return count / footage.frame_rate


def lip_sync(
    footage: Footage,
    speech: Speech,
    path: Path,
    options: RenderOptions,
    cancelled: Callable[[], bool],
    *,
    crf: int = 20,
    note: str = "",
    colour: int = 0,
) -> Path:
    """The clip, repeated from its start where the speech is longer, with the speech as its sound.

    The container follows from the suffix of ``path``.
    """
    seconds = asked_seconds(footage, speech, options)
    count = picture_count(seconds, footage.frame_rate)
    result = Result(
        path=path,
        slots=looped(count, footage.frame_count),
        frame_rate=footage.frame_rate,
        width=footage.width,
        height=footage.height,
        sample_count=sample_count(seconds, speech.sample_rate),
        crf=crf,
        note=note,
        colour=colour,
    )
    return render(footage, speech, result, cancelled)
