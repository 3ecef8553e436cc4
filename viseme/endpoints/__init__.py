"""What can be bought: one file for each endpoint, data and pure functions."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import InputError
from ._arguments import Wording, read_arguments
from ._pixverse import NAMES as PIXVERSE_VOICES
from .aimlapi_pixverse import AimlapiPixverse
from .base import Arguments, Assumption, Edited, Endpoint, MediaRules, Order
from .fal_pipio import FalPipio
from .fal_pixverse import FalPixverse
from .fal_sync import FalSync
from .runware_pixverse import RunwarePixverse

__all__ = [
    "ENDPOINTS",
    "PIXVERSE_VOICES",
    "Arguments",
    "Assumption",
    "Edited",
    "Endpoint",
    "MediaRules",
    "Order",
    "Wording",
    "endpoint",
    "endpoints_of_model",
    "read_arguments",
    "translate",
]

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        entry.id: entry
        for entry in (
            FalPixverse(),
            FalSync(),
            FalPipio(),
            AimlapiPixverse(),
            RunwarePixverse(),
        )
    }
)


def endpoint(endpoint_id: str) -> Endpoint:
    """The endpoint of that name. Raises ``InputError`` with the list of all."""
    found = ENDPOINTS.get(endpoint_id)
    if found is not None:
        return found
    close = difflib.get_close_matches(endpoint_id, ENDPOINTS, n=1)
    raise InputError(
        f"There is no endpoint {endpoint_id[:60]!r}.",
        field="endpoint",
        value=endpoint_id[:60],
        limit=", ".join(ENDPOINTS),
        remedy=f"Did you mean {close[0]}?" if close else f"There are {', '.join(ENDPOINTS)}.",
    )


def endpoints_of_model(model: str) -> tuple[Endpoint, ...]:
    """All endpoints that sell a model, in the order of ``ENDPOINTS``."""
    return tuple(entry for entry in ENDPOINTS.values() if entry.model == model)


def translate(order: Order, target: Endpoint) -> Order:
    """The same footage and speech, asked of another endpoint with its own defaults.

    Voices have the same names everywhere. Raises ``InputError`` where the target does not take
    what was ordered: too long a text, or a UUID that only another vendor knows.
    """
    return target.order({}, order.footage, order.speech)
