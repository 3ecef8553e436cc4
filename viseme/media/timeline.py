"""Presentation times to frames at a constant rate. Pure arithmetic.

Pictures are shown at ``stamp * time_base`` seconds. Frame ``k`` of the constant rate is shown at
``first + k / rate``; a picture belongs to the nearest frame, so nothing moves by more than half
a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_HALF = Fraction(1, 2)
_MILLISECOND = Fraction(1, 1000)
_NTSC = tuple(Fraction(n * 1000, 1001) for n in (15, 24, 30, 48, 60, 120, 240))
_WHOLE = tuple(Fraction(n) for n in (1, 2, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60))
STANDARD_RATES = (*_WHOLE, *(Fraction(n) for n in (72, 90, 100, 120, 240)), *_NTSC, Fraction(25, 2))
_LEAST_RATE, _MOST_RATE = Fraction(1), Fraction(120)
_DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a clip plays, from the times of its pictures."""

    rate: Fraction
    is_constant: bool
    frame_count: int
    first_seconds: Fraction  # when frame 0 begins, on the clock of the stamps


def round_half_up(value: Fraction) -> int:
    return (value + _HALF).__floor__()


def frame_at(seconds: Fraction, rate: Fraction) -> int:
    """The frame nearest to a time after the first picture."""
    return round_half_up(seconds * rate)


def find_pace(
    stamps: NDArray[np.int64],
    time_base: Fraction,
    last_duration: int,
    hints: Sequence[Fraction | None],
) -> Pace:
    """Judge the times of all pictures (sorted, at least one, in units of ``time_base``).

    ``last_duration`` is how long the last picture is shown, 0 where unknown; ``hints`` are the
    rates that the header claims, tried against the times before a rate is worked out from them.

    A last picture that is held makes the rate variable, also where all others come evenly. Players
    show it for so long, perhaps with sound; ffprobe counts it, and so may a vendor that charges by
    the second: left out, the clip would be quoted too low and its end would lose its picture. As
    it is now coded anew, what is sent is as long as what was quoted, whoever counts it and how.
    Less than half a frame more is taken for rounding, which is not worth that.
    """
    pace = _pace_of(stamps, time_base, last_duration, hints)
    held = last_duration * time_base
    if not pace.is_constant or held * pace.rate < 3 * _HALF:
        return pace
    end = int(stamps[-1]) * time_base + held - pace.first_seconds
    return replace(pace, is_constant=False, frame_count=frame_at(end, pace.rate))


def _pace_of(
    stamps: NDArray[np.int64],
    time_base: Fraction,
    last_duration: int,
    hints: Sequence[Fraction | None],
) -> Pace:
    first = int(stamps[0]) * time_base
    claimed = [snap_rate(rate) for rate in hints if rate is not None and 0 < rate <= 1000]
    if len(stamps) == 1:
        shown = Fraction(1) / (last_duration * time_base) if last_duration > 0 else _DEFAULT_RATE
        return Pace(claimed[0] if claimed else snap_rate(shown), True, 1, first)
    deltas = np.diff(stamps)
    for rate in _candidates(stamps, deltas, time_base, claimed):
        if _is_constant_at(stamps, time_base, rate):
            return Pace(rate, True, len(stamps), first)
    # Fragmented mp4 without an edit list holds the first picture longer, by the sound's priming:
    # the second one tells when the first should have begun.
    gap = int(deltas[0]) * time_base
    for rate in _candidates(stamps[1:], deltas[1:], time_base, claimed) if len(stamps) > 3 else ():
        if gap * rate < 2 and _is_constant_at(stamps[1:], time_base, rate):
            return Pace(rate, True, len(stamps), first + gap - 1 / rate)
    # H.264 in avi gives the last picture the time of a field.
    gap = int(deltas[-1]) * time_base
    for rate in (
        _candidates(stamps[:-1], deltas[:-1], time_base, claimed) if len(stamps) > 3 else ()
    ):
        if _HALF <= gap * rate < 3 * _HALF and _is_constant_at(stamps[:-1], time_base, rate):
            return Pace(rate, True, len(stamps), first)
    rate = _typical_rate(deltas, time_base)
    last = (int(stamps[-1]) - int(stamps[0])) * time_base
    end = last + (last_duration * time_base if last_duration > 0 else 1 / rate)
    return Pace(rate, False, max(frame_at(last, rate) + 1, frame_at(end, rate)), first)


def snap_rate(rate: Fraction, tolerance: Fraction = Fraction(1, 5000)) -> Fraction:
    """The standard rate that ``rate`` is a rounding of, or ``rate`` itself."""
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= tolerance * nearest else rate


def _candidates(
    stamps: NDArray[np.int64],
    deltas: NDArray[np.int64],
    time_base: Fraction,
    claimed: list[Fraction],
) -> list[Fraction]:
    span = (int(stamps[-1]) - int(stamps[0])) * time_base
    if span <= 0:
        return []
    mean = (len(stamps) - 1) / span
    near = [rate for rate in STANDARD_RATES if abs(rate - mean) <= mean / 50]
    found = [*claimed, *sorted(near, key=lambda rate: abs(rate - mean))]
    first_delta = int(deltas[0])
    if first_delta > 0 and int(deltas.min()) == int(deltas.max()):
        exact = 1 / (first_delta * time_base)
        # Coarse ticks (Matroska's milliseconds) round 1/24 s to 42 ms: the header knows better.
        found.insert(0 if first_delta >= 200 else len(found), exact)
    # A few pictures that are hours apart are shown at a rate that rounds to none.
    return [rate for rate in (*found, mean.limit_denominator(1001)) if rate > 0]


def _is_constant_at(stamps: NDArray[np.int64], time_base: Fraction, rate: Fraction) -> bool:
    # stamp * time_base - index / rate, scaled by (time_base.denominator * rate.numerator)
    stamp_scale = time_base.numerator * rate.numerator
    index_scale = rate.denominator * time_base.denominator
    first = int(stamps[0])
    largest = max((int(stamps[-1]) - first) * stamp_scale, len(stamps) * index_scale)
    exact = np.dtype(np.int64) if largest < 2**62 else np.dtype(object)
    offsets = (stamps - first).astype(exact) * stamp_scale
    offsets -= np.arange(len(stamps)).astype(exact) * index_scale
    spread = int(offsets.max()) - int(offsets.min())
    tolerance = min(max(time_base, _MILLISECOND), 1 / (4 * rate))
    return spread <= tolerance * time_base.denominator * rate.numerator


def _typical_rate(deltas: NDArray[np.int64], time_base: Fraction) -> Fraction:
    shown = deltas[deltas > 0]
    if len(shown) == 0:
        return _DEFAULT_RATE
    rate = 1 / (int(np.median(shown)) * time_base)
    rate = min(max(rate, _LEAST_RATE), _MOST_RATE)
    exact = snap_rate(rate)
    if exact in STANDARD_RATES:
        return exact
    # Milliseconds cannot tell 29.97 from 30: the whole number is as good.
    nearest = min(_WHOLE, key=lambda standard: abs(standard - rate))
    return (
        nearest if abs(nearest - rate) <= rate * Fraction(3, 100) else rate.limit_denominator(1001)
    )
