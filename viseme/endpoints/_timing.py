"""Predicted timing, from exact fractions."""

from __future__ import annotations

from fractions import Fraction

from ..model import Clip, Timing


def frames_in(seconds: Fraction, frame_rate: Fraction) -> int:
    """How many frames are needed to cover a time: rounded up."""
    return -(-(seconds * frame_rate).numerator // (seconds * frame_rate).denominator)


def timing_of(clip: Clip, frame_count: int | None, basis: str, *, is_assumed: bool) -> Timing:
    """A result with the clip's own rate and size; ``frame_count`` None is not known."""
    return Timing(
        frame_count,
        frame_count,
        clip.frame_rate,
        clip.width,
        clip.height,
        basis,
        is_assumed,
    )


def unknown_timing(basis: str) -> Timing:
    return Timing(None, None, None, None, None, basis)
