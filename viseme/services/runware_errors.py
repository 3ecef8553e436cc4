"""Runware's errors as typed errors, and what they say of a submission. Pure.

Source: runware.ai/docs, platform, errors. Runware says that its codes are not stable, so they are
matched by what they contain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import (
    ContentRejected,
    CredentialError,
    JobFailed,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    VendorError,
    VisemeError,
)
from .reading import is_content_refusal

REFUSED_STATUSES = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
SERVER_FAULTS = (
    "internal",
    "server",
    "provider",
    "timeout",
    "timedout",
    "unavailable",
    "overload",
    "connection",
    "taskfailed",
)
UNKNOWN_TASK = ("notfound", "taskfailedornotfound", "unknowntask")


def is_refusal(entry: Mapping[str, Any], status: int) -> bool:
    """Whether an error in the answer to a submission says that the task was not taken.

    ======================================  ===========  ======================  =========
    code                                    HTTP 2xx     ``REFUSED_STATUSES``    any other
    ======================================  ===========  ======================  =========
    key, credit, content, rate limit,       refused      refused                 unclear
    ``invalid``, ``missing``,
    ``unsupported``
    a fault of the server or behind it      unclear      unclear                 unclear
    none, or an unknown one                 unclear      refused                 unclear
    ======================================  ===========  ======================  =========

    What is unclear may be sent again: Runware takes each taskUUID only once.
    """
    if not (200 <= status < 300 or status in REFUSED_STATUSES):
        return False
    if type(error_of(entry, 200)) is not VendorError:  # by its code alone
        return True
    lowered = str(entry.get("code") or "").lower()
    return status in REFUSED_STATUSES and not any(word in lowered for word in SERVER_FAULTS)


def job_failure(entry: Mapping[str, Any]) -> VisemeError:
    """The error of a task that ended with one of ``errors``."""
    problem = error_of(entry, 200)
    if isinstance(problem, ContentRejected):
        return problem
    return JobFailed(
        problem.message,
        field=problem.field,
        code=problem.code,
        remedy="Run the same command again; a failed job leaves no result and is bought anew.",
    )


def error_of(entry: Mapping[str, Any], status: int, *, text: str = "") -> VisemeError:
    """The typed error for an entry of ``errors``.

    An unknown code is shown as it is.
    """
    code = str(entry.get("code") or "") or None
    message = str(entry.get("message") or " ".join(text.split())[:200] or "no text")
    parameter = entry.get("parameter")
    shown = f"Runware: {message} [{code or f'HTTP {status}'}]"
    facts: dict[str, Any] = {
        "code": code,
        "http_status": status,
        "field": str(parameter) if parameter else None,
    }
    lowered = (code or "").lower()
    if status == 401 or "apikey" in lowered:
        facts["field"] = "RUNWARE_API_KEY"
        return CredentialError(
            shown, remedy="Set a valid key with `viseme login runware`.", **facts
        )
    if status == 402 or any(word in lowered for word in ("credit", "balance", "quota")):
        return OutOfCredit(shown, remedy="Top up at my.runware.ai.", **facts)
    if is_content_refusal(code):
        return ContentRejected(shown, remedy="Use other footage or speech.", **facts)
    if status == 429 or "ratelimit" in lowered:
        return RateLimited(shown, remedy="Wait a minute and run the same command again.", **facts)
    if (400 <= status < 500 and status != 408) or lowered.startswith(
        ("invalid", "missing", "unsupported")
    ):
        return RequestRejected(shown, remedy="Change what it names and run again.", **facts)
    return VendorError(shown, remedy="Run the same command again later.", **facts)


def is_unknown(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Runware says that it knows no such task."""
    return any(
        word in str(error.get("code", "")).lower() for error in errors for word in UNKNOWN_TASK
    )
