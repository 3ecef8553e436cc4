"""US dollars as ``Decimal``: read, multiplied, rounded and written, never through a float.

Rounding: amounts are kept to a millionth of a dollar. A quote is rounded up, so that it never
says less than its arithmetic; what a vendor says it charged is rounded to the nearest.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

from .errors import InputError

MICRO_USD = Decimal("0.000001")
MOST_USD = Decimal(1_000_000)
_WRITTEN = re.compile(r"\$?\s*([0-9]{1,7}(?:\.[0-9]{1,6})?)(?:\s*USD)?", re.IGNORECASE | re.ASCII)


def parse_usd(text: str | int | Decimal, *, field: str = "amount") -> Decimal:
    """An amount as somebody writes it: ``1``, ``1.00``, ``$0.25``, ``0.25 USD``.

    At most six decimals, not negative, at most a million. Raises ``InputError`` for anything else.
    """
    written = _WRITTEN.fullmatch(str(text).strip()) if not isinstance(text, bool) else None
    amount = Decimal(written[1]) if written else None
    if amount is None or amount > MOST_USD:
        raise InputError(
            f"{field} is {str(text)[:40]!r}, which is no amount of US dollars.",
            field=field,
            value=str(text)[:40],
            limit="0 to 1000000 with at most 6 decimals",
            remedy="Write it like 1.00 or 0.25.",
        )
    return amount


def charged_usd(value: object) -> Decimal | None:
    """An amount from a vendor's JSON, or None where it is none (absent, negative, not a number).

    A float is read by its shortest decimal text, which is what the vendor wrote.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or amount > MOST_USD:
        return None
    return amount.quantize(MICRO_USD, ROUND_HALF_UP)


def times(price_usd: Decimal, quantity: Fraction | int) -> Decimal:
    """Price times quantity, exact, then rounded up to a millionth of a dollar."""
    exact = Fraction(price_usd) * quantity * 1_000_000
    return Decimal(-(-exact.numerator // exact.denominator)).scaleb(-6)


def usd_json(amount: Decimal) -> str:
    """The amount for JSON documents and the ledger: ``0.1696``, ``0.20``, without exponent."""
    text = f"{amount.quantize(MICRO_USD, ROUND_HALF_UP):f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def usd_text(amount: Decimal, most: Decimal | None = None) -> str:
    """The amount for people: ``$0.1696``, or ``$0.24 to $0.45`` where ``most`` differs."""
    if most is None or most == amount:
        return f"${usd_json(amount)}"
    return f"${usd_json(amount)} to ${usd_json(most)}"
