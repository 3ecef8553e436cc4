"""Rounding of the sandbox's prices."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

_STEP = Decimal("0.000001")


def per_second(seconds: Fraction, usd_per_second: Decimal, times: int = 1) -> Decimal:
    """``seconds`` at ``usd_per_second``, ``times`` over, in whole millionths of a dollar, half up.

    Exact until it is rounded, once, at the end.
    """
    exact = seconds * Fraction(usd_per_second) * times
    steps = (exact.numerator * 2_000_000 + exact.denominator) // (2 * exact.denominator)
    return steps * _STEP
