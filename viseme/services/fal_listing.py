"""Whether an entry of fal's list of requests is the submission that is looked for. Pure.

Source: fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..bodies import digest_of
from .base import Trace

LISTING_MARGIN = timedelta(minutes=2)  # between our clock and fal's
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-][0-9]{2}):?([0-9]{2}))?"
)


def is_match(item: Mapping[str, Any], trace: Trace) -> bool:
    """Whether an entry of the list may be the submission that left ``trace``."""
    payload = item.get("json_input")
    return (
        item.get("request_id") not in trace.known_ids
        and is_in_window(item, trace)
        and has_media(payload, trace.media_digests)
        and (not trace.arguments or agrees(trace.arguments, payload))
    )


def is_in_window(item: Mapping[str, Any], trace: Trace) -> bool:
    """Whether a listed request was sent when ours was; one that does not say passes."""
    if item.get("sent_at") is None:
        return True
    sent = read_moment(item["sent_at"])
    if sent is None:
        return False
    return trace.sent_from - LISTING_MARGIN <= sent <= trace.sent_until + LISTING_MARGIN


def ended_before(item: Mapping[str, Any], trace: Trace) -> bool:
    """Whether a listed request had ended before ours was sent.

    The list begins with what ended last, so nothing that follows this entry is ours.
    """
    ended = read_moment(item.get("ended_at"))
    return ended is not None and ended < trace.sent_from - LISTING_MARGIN


def read_moment(text: object) -> datetime | None:
    """A date and time of ISO 8601 with any fraction of a second, UTC where it names no zone; None
    for anything else. (Python 3.10 reads neither ``Z`` nor every fraction by itself.)"""
    found = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    day, clock, fraction, hours, minutes = found.groups()
    zone = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}{zone}")
    except ValueError:  # the 31st of February
        return None


def has_media(payload: object, digests: frozenset[str]) -> bool:
    """Whether every media string that was sent stands in a listed payload."""
    found = {digest_of([text.encode("utf-8", "surrogatepass")]) for text in _strings(payload)}
    return bool(digests) and digests <= found


def agrees(sent: object, listed: object) -> bool:
    """Whether what is listed is what was sent, wherever the list has it at all.

    A vendor may add what we left to its defaults, and leave out what it does not keep.
    """
    if isinstance(sent, Mapping) and isinstance(listed, Mapping):
        return all(agrees(value, listed[name]) for name, value in sent.items() if name in listed)
    if isinstance(sent, list) and isinstance(listed, list):
        return len(sent) == len(listed) and all(map(agrees, sent, listed))
    return sent == listed and isinstance(sent, bool) is isinstance(listed, bool)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
