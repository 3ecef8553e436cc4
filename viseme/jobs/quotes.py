"""What a wish costs, at every vendor that sells the model. Pure; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..endpoints import ENDPOINTS, endpoints_of_model, translate
from ..endpoints.base import Endpoint, Order
from ..errors import InputError
from ..model import Footage, Quote, Speech, Timing
from ..money import usd_text
from .receipt import quote_json, timing_json
from .wish import Planned


@dataclass(frozen=True, slots=True)
class VendorQuote:
    """One endpoint's quote; ``timing`` is None where it would not take the order at all."""

    endpoint: Endpoint
    quote: Quote
    timing: Timing | None


def quotes(planned: Planned, assumed: Mapping[str, str]) -> tuple[VendorQuote, ...]:
    """The quote of the planned endpoint with its arguments, and of its model's other vendors
    with their defaults, in the order of the endpoints."""
    found = []
    for endpoint in endpoints_of_model(planned.endpoint.model):
        if endpoint is planned.endpoint:
            purchase = planned.purchase
            found.append(VendorQuote(endpoint, purchase.quote, purchase.timing))
            continue
        found.append(_quote(endpoint, lambda target: translate(planned.order, target), assumed))
    return tuple(found)


def quotes_everywhere(
    footage: Footage | None, speech: Speech | None, assumed: Mapping[str, str]
) -> tuple[VendorQuote, ...]:
    """What every endpoint asks for these media with its own defaults, in the order of endpoints.

    Of one that does not take them the price is unknown, and the reason says why. The models
    differ: this compares prices, not results.
    """
    return tuple(
        _quote(endpoint, lambda target: target.order({}, footage, speech), assumed)
        for endpoint in ENDPOINTS.values()
    )


def _quote(
    endpoint: Endpoint, order_at: Callable[[Endpoint], Order], assumed: Mapping[str, str]
) -> VendorQuote:
    try:
        order = order_at(endpoint)
        timing = endpoint.predict(order, assumed)
        return VendorQuote(endpoint, endpoint.quote(order, timing, assumed), timing)
    except InputError as problem:
        reason = f"{endpoint.vendor.label} would refuse it: {problem.message}"
        return VendorQuote(endpoint, Quote.unknown(reason), None)


def price_text(quote: Quote) -> str:
    """``$0.24 to $0.45``, or ``unknown``."""
    return "unknown" if quote.least_usd is None else usd_text(quote.least_usd, quote.most_usd)


def result_text(timing: Timing | None) -> str:
    """``125 frames, 5.00 s, 512x512``, as far as it can be predicted; ``-`` where nothing can."""
    if timing is None:
        return "-"
    parts = []
    least, most = timing.frame_count_least, timing.frame_count_most
    if least is not None and most is not None:
        parts.append(f"{least} frames" if least == most else f"{least} to {most} frames")
    least_seconds, most_seconds = timing.seconds_least, timing.seconds_most
    if least_seconds is not None and most_seconds is not None:
        shown = [f"{float(seconds):.2f}" for seconds in (least_seconds, most_seconds)]
        parts.append(f"{' to '.join(dict.fromkeys(shown))} s")
    if not parts:
        parts.append("length unknown")
    if timing.width is not None and timing.height is not None:
        parts.append(f"{timing.width}x{timing.height}")
    return ", ".join(parts)


def quotes_table(found: Sequence[VendorQuote]) -> str:
    """The quotes as aligned plain text: model, vendor, result, price, and why."""
    rows = [("MODEL", "VENDOR", "RESULT", "PRICE (USD)", "BECAUSE")]
    rows += [
        (
            entry.endpoint.model,
            entry.endpoint.vendor.label,
            result_text(entry.timing),
            price_text(entry.quote),
            entry.quote.unknown_reason or entry.quote.basis,
        )
        for entry in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]
        )
        for row in rows
    )


def quotes_json(found: Sequence[VendorQuote]) -> dict[str, Any]:
    """The quotes as a document, amounts as strings; ``timing`` is null where it was refused."""
    return {
        "quotes": [
            {
                "endpoint": entry.endpoint.id,
                "vendor": entry.endpoint.vendor.value,
                **quote_json(entry.quote),
                "basis": entry.quote.basis or None,
                "timing": None if entry.timing is None else timing_json(entry.timing),
            }
            for entry in found
        ]
    }
