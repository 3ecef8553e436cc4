"""What the vendors' answers have in common: files named by URL, and fields to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from ..errors import UnreadableAnswer
from ..model import Carried


def without_query(url: str) -> str:
    """A URL that may be shown: its query may be a signature, its user part a password."""
    if url.startswith("data:"):
        return url.partition(";")[0].partition(",")[0] + ";..."
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def documented(
    answer: Mapping[str, Any], fields: tuple[str, ...], url_fields: tuple[str, ...]
) -> dict[str, Any]:
    """The documented fields that an answer has, URLs without their queries."""
    return {
        name: without_query(answer[name])
        if name in url_fields and isinstance(answer[name], str)
        else answer[name]
        for name in fields
        if name in answer
    }


def unreadable(endpoint_id: str, expected: str, answer: Mapping[str, Any]) -> NoReturn:
    """Raise for an answer that has no result in it; only the names of its fields are shown."""
    names = ", ".join(sorted(str(name)[:40] for name in answer)[:20]) or "nothing"
    raise UnreadableAnswer(
        f"{endpoint_id}: the vendor's answer has no {expected}; it has {names}.",
        field=expected,
        value=names,
        remedy="The job may be finished all the same: check it again, or see the vendor's page.",
    )


def media_text(media: Carried | None) -> Carried:
    """A carried medium that must be there by now."""
    if media is None:
        raise ValueError("recorded speech was ordered, and none was carried")
    return media
