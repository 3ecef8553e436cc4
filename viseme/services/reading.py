"""What is alike in how the vendors' answers are read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from ..model import Vendor
from ..transport import AnswerLost


def is_content_refusal(code: str | None) -> bool:
    """Whether a vendor's code says that the content itself was refused."""
    lowered = (code or "").lower().replace("_", "")
    return any(word in lowered for word in ("contentpolicy", "nsfw", "moderation"))


def objects(entries: object) -> list[Mapping[str, Any]]:
    """The objects in a list of an answer; what is no list and what is no object is left out."""
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def answer_lost(vendor: Vendor, status: int, *, code: object = None) -> AnswerLost:
    """For an answer to a submission that does not tell whether the vendor took it."""
    shown = f"HTTP {status} [{code}]" if code else f"HTTP {status}"
    return AnswerLost(
        f"{vendor.label} answered the submission with {shown}, "
        "which does not say whether it was accepted.",
        code=str(code) if code else None,
        http_status=status,
    )


def clock_ahead(headers: Mapping[str, str], now: datetime) -> timedelta:
    """How far the vendor's clock is ahead of ours, which said ``now`` (UTC) when its answer came;
    nothing where the answer has no ``Date`` that can be read."""
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    if date.tzinfo is None:  # RFC 9110 has it in GMT; "-0000" is read as no zone
        date = date.replace(tzinfo=timezone.utc)
    return date - now
