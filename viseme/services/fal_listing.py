"""Whether an entry of fal's list of requests is the submission that is looked for. Pure.

Source: fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..bodies import digest_of
from .base import Trace

LISTING_MARGIN = timedelta(minutes=2)  # around the times of a submission
LEAST_CLOCK_ERROR = timedelta(seconds=30)  # a ``Date`` has whole seconds, and its answer took time
LONGEST_SET_BACK = timedelta(days=1)
Window = tuple[datetime, datetime]
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-][0-9]{2}):?([0-9]{2}))?"
)


def windows_of(
    trace: Trace, *, ahead: timedelta = timedelta(), now: datetime | None = None
) -> tuple[Window, ...]:
    """Between which moments of fal's clock the submission may have been taken. Pure.

    ``ahead`` is how far fal's clock is ahead of ours, which says ``now``. Ours may have been put
    right, or wrong, since the submission: its times are taken as they stand and as corrected by
    that. Where they lie ahead of now, our clock was set back since, nobody knows by how much: it
    may have been any time of the last day.
    """
    sent = trace.sent_from - LISTING_MARGIN, trace.sent_until + LISTING_MARGIN
    windows = [sent]
    if abs(ahead) > LEAST_CLOCK_ERROR:
        windows.append((sent[0] + ahead, sent[1] + ahead))
    if now is not None and trace.sent_from > now + LISTING_MARGIN:
        windows.append((now + ahead - LONGEST_SET_BACK, now + ahead + LISTING_MARGIN))
    return tuple(windows)


def is_match(item: Mapping[str, Any], trace: Trace, windows: Sequence[Window]) -> bool:
    """Whether an entry of the list may be the submission that left ``trace``."""
    payload = item.get("json_input")
    return (
        item.get("request_id") not in trace.known_ids
        and is_in_window(item, windows)
        and has_media(payload, trace.media_digests)
        and (not trace.arguments or agrees(trace.arguments, payload))
    )


def is_in_window(item: Mapping[str, Any], windows: Sequence[Window]) -> bool:
    """Whether a listed request was sent when ours was; one that does not say passes."""
    if item.get("sent_at") is None:
        return True
    sent = read_moment(item["sent_at"])
    return sent is not None and any(start <= sent <= end for start, end in windows)


def start_of(windows: Sequence[Window]) -> datetime:
    """Before it nothing is ours."""
    return min(start for start, _ in windows)


def ended_before(item: Mapping[str, Any], moment: datetime) -> bool:
    """Whether a listed request had ended by then.

    The list begins with what ended last, so nothing that follows this entry ended later.
    """
    ended = read_moment(item.get("ended_at"))
    return ended is not None and ended < moment


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
