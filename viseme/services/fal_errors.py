"""fal's errors, in both of their shapes, as typed errors. Pure.

Sources: docs.fal.ai, model APIs, errors and request errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..answer import Answer
from ..errors import (
    ContentRejected,
    CredentialError,
    JobFailed,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    UnreadableAnswer,
    VendorError,
    VisemeError,
)
from .reading import is_content_refusal, objects


def failure_of(status: Mapping[str, Any], answer: Answer) -> VisemeError:
    """The error of a job that ended as COMPLETED with an error, the result's body telling more."""
    problem = (
        error_of(answer)
        if not answer.is_success
        else VendorError("", code=str(status.get("error_type") or "") or None)
    )
    if isinstance(problem, ContentRejected | RequestRejected):
        return problem
    text = problem.message if problem.message else f"fal: {status.get('error')}"
    return JobFailed(
        text,
        code=problem.code,
        http_status=problem.http_status,
        remedy="Run the same command again; a failed job leaves no result and is bought anew.",
    )


def error_of(answer: Answer) -> VisemeError:
    """The typed error for one of fal's error answers, in either documented shape.

    ``{"detail": [{"loc", "msg", "type"}]}`` from a model, ``{"detail": str, "error_type": str}``
    from the platform. Unknown types are shown as they are.
    """
    text, code = _detail(answer)
    status = answer.status
    shown = f"fal: {text} [{code or f'HTTP {status}'}]"
    facts: dict[str, Any] = {"code": code, "http_status": status}
    lowered = text.lower()
    if status == 401:
        return CredentialError(
            shown, field="FAL_KEY", remedy="Set a valid key with `viseme login fal`.", **facts
        )
    if status == 403 and any(word in lowered for word in ("balance", "locked", "top_up")):
        return OutOfCredit(
            shown, remedy="Top up or unlock the account at fal.ai/dashboard/billing.", **facts
        )
    if status == 403:
        return RequestRejected(
            shown, remedy="Ask fal for access to this model, or use a key that has it.", **facts
        )
    if status == 404:
        return RequestRejected(
            shown, remedy="The model or the request is unknown to fal, or private.", **facts
        )
    if status == 413:
        return RequestRejected(shown, remedy="Send the media by upload: --carry upload.", **facts)
    if status == 429:
        return RateLimited(shown, remedy="Wait a minute and run the same command again.", **facts)
    if is_content_refusal(code):
        return ContentRejected(shown, remedy="Use other footage or speech.", **facts)
    if status in (400, 405, 415, 422):
        return RequestRejected(shown, remedy="Change what fal names and run again.", **facts)
    return VendorError(shown, remedy="fal is in trouble; try again later.", **facts)


def _detail(answer: Answer) -> tuple[str, str | None]:
    """The text and the type of an error body."""
    try:
        document = answer.json()
    except UnreadableAnswer:
        return " ".join(answer.text.split())[:200] or "no text", answer.headers.get(
            "x-fal-error-type"
        )
    detail = document.get("detail", document) if isinstance(document, dict) else document
    code = document.get("error_type") if isinstance(document, dict) else None
    if isinstance(detail, list):
        entries = objects(detail)
        text = "; ".join(_entry_text(entry) for entry in entries)
        kinds = [str(entry["type"]) for entry in entries if "type" in entry]
        return text or json.dumps(detail)[:200], kinds[0] if kinds else code
    return (detail if isinstance(detail, str) else json.dumps(detail)[:200]), (
        str(code) if code else answer.headers.get("x-fal-error-type")
    )


def _entry_text(entry: Mapping[str, Any]) -> str:
    loc = entry.get("loc")
    path = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
    return f"{path}: {entry.get('msg', '')}" if path else str(entry.get("msg", ""))
