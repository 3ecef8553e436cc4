"""What is alike in how the vendors' answers are read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
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
