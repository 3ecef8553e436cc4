"""Which picture of the clip stands where in the result: pure arithmetic.

A schedule has one ``Slot`` for each picture of the result. Rates and seconds are exact; a length
in seconds is as many pictures as begin before its end: ``ceil(seconds * rate)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple


class Slot(NamedTuple):
    """Source picture ``first``, or a blend with ``share`` (0 to 1) of ``second`` in it."""

    first: int
    second: int
    share: float = 0.0


def picture_count(seconds: Fraction, frame_rate: Fraction) -> int:
    """Pictures that begin before ``seconds`` have passed; at least one."""
    return max(1, ceil(seconds * frame_rate))


def sample_count(seconds: Fraction, sample_rate: int) -> int:
    """Samples in ``seconds``: the nearest whole number, halves up."""
    return floor(seconds * sample_rate + Fraction(1, 2))


def looped(count: int, available: int) -> Iterator[Slot]:
    """The clip from its start, and again from its start."""
    return (Slot(i % available, i % available) for i in range(count))


def bounced(count: int, available: int) -> Iterator[Slot]:
    """The clip forward, then backward, then forward; the turning picture shows twice."""
    for i in range(count):
        turn, offset = divmod(i, available)
        index = offset if turn % 2 == 0 else available - 1 - offset
        yield Slot(index, index)


def held(count: int, available: int) -> Iterator[Slot]:
    """The clip, then its last picture."""
    return (Slot(min(i, available - 1), min(i, available - 1)) for i in range(count))


def stretched(count: int, available: int, speed: Fraction) -> Iterator[Slot]:
    """The clip at ``speed`` times its own (over 1 is faster)."""
    for i in range(count):
        index = min(floor(i * speed), available - 1)
        yield Slot(index, index)
