"""What a wish costs, at every vendor that sells the model. Pure; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..endpoints import ENDPOINTS, endpoints_of_model, translate
from ..endpoints.base import Endpoint, Order
from ..errors import InputError
from ..model import Footage, Quote, Speech, Timing
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
