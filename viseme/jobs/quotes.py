"""What a wish costs, at every vendor that sells the model. Pure; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..endpoints import endpoints_of_model, translate
from ..endpoints.base import Endpoint
from ..errors import InputError
from ..model import Quote, Timing
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
        try:
            order = translate(planned.order, endpoint)
            timing = endpoint.predict(order, assumed)
            found.append(VendorQuote(endpoint, endpoint.quote(order, timing, assumed), timing))
        except InputError as problem:
            reason = f"{endpoint.vendor.label} would refuse it: {problem.message}"
            found.append(VendorQuote(endpoint, Quote.unknown(reason), None))
    return tuple(found)
