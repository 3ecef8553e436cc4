"""Clips and recordings as the probe would describe them; endpoints never open a file."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from viseme.model import Clip, Recording, Sound

_CLIP = Clip(
    path=Path("clip.mp4"),
    digest="c" * 64,
    size_bytes=1_000_000,
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    width=1280,
    height=720,
    frame_rate=Fraction(25),
    frame_count=100,
)


@pytest.fixture
def clip() -> Clip:
    """4 s at 25 frames a second, 1280x720."""
    return _CLIP


@pytest.fixture
def still() -> Clip:
    return replace(
        _CLIP,
        path=Path("face.png"),
        container="png",
        codec="png",
        frame_rate=Fraction(1),
        frame_count=1,
        is_still=True,
    )


@pytest.fixture
def record() -> Callable[[Fraction], Recording]:
    """Makes a recording of so many seconds (a multiple of 1/48000)."""

    def make(seconds: Fraction) -> Recording:
        sample_count = seconds * 48000
        assert sample_count.denominator == 1
        return Recording(
            path=Path("speech.wav"),
            digest="s" * 64,
            size_bytes=1_000_000,
            container="wav",
            sound=Sound("pcm_s16le", 48000, 1, sample_count.numerator),
        )

    return make


@pytest.fixture
def speech(record: Callable[[Fraction], Recording]) -> Recording:
    """5 s."""
    return record(Fraction(5))
