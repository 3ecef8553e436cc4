"""Whether an entry of fal's list of requests is the submission that is looked for. Pure.

Source: fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..bodies import digest_of
from .base import Trace

LISTING_MARGIN = timedelta(minutes=2)  # between our clock and fal's


def is_in_window(item: Mapping[str, Any], trace: Trace) -> bool:
    """Whether a listed request was sent when ours was; one that does not say passes."""
    try:
        sent = datetime.fromisoformat(str(item.get("sent_at")).replace("Z", "+00:00"))
    except ValueError:
        return True
    if sent.tzinfo is None:
        sent = sent.replace(tzinfo=timezone.utc)
    return trace.sent_from - LISTING_MARGIN <= sent <= trace.sent_until + LISTING_MARGIN


def has_media(payload: object, digests: frozenset[str]) -> bool:
    """Whether every media string that was sent stands in a listed payload."""
    found = {digest_of([text.encode("utf-8", "surrogatepass")]) for text in _strings(payload)}
    return bool(digests) and digests <= found


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
