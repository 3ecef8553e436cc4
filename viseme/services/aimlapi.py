"""AI/ML API's video generations and its usage log.

Sources: docs.aimlapi.com, PixVerse lip-sync, errors and messages, request tracing and cost
headers, usage logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from ..answer import Answer
from ..bodies import JsonBody
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
from ..model import Vendor, WireRequest
from .base import (
    Acceptance,
    Finding,
    Phase,
    Report,
    Service,
    Submission,
    Trace,
)
from .reading import answer_lost, is_content_refusal, objects

# The page lists queued, generating, completed, error; its recorded run ends with `succeeded`.
# The others stand in the documents of this vendor's other video models.
PHASES = {
    "queued": Phase.QUEUED,
    "waiting": Phase.QUEUED,
    "pending": Phase.QUEUED,
    "generating": Phase.RUNNING,
    "in_progress": Phase.RUNNING,
    "processing": Phase.RUNNING,
    "active": Phase.RUNNING,
    "completed": Phase.SUCCEEDED,
    "succeeded": Phase.SUCCEEDED,
    "error": Phase.FAILED,
    "failed": Phase.FAILED,
    "expired": Phase.FAILED,
    "cancelled": Phase.CANCELLED,
}
REFUSED_STATUSES = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
TOKEN_FORM = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # anything else is dropped without a word
GENERATIONS_PATH = "/v2/video/generations"  # for submissions of every model, and for polls
LOG_MARGINS = (timedelta(minutes=2), timedelta(days=1))
LOG_PAGES = 10


class AimlapiService(Service):
    """Video generations; each submission carries a token that shows in the usage log."""

    vendor = Vendor.AIMLAPI
    base: ClassVar[str] = "aimlapi"
    least_poll_seconds: ClassVar[float] = 10.0  # docs.aimlapi.com: 15 s; its own client: 10 s
    result_hosts: ClassVar[tuple[str, ...]] = (".aimlapi.com",)

    def authorization(self) -> str:
        return f"Bearer {self._secret.reveal()}"

    def error_of(self, answer: Answer) -> VisemeError:
        return error_of(answer)

    def submission(self, request: WireRequest, token: str) -> Submission:
        if not TOKEN_FORM.fullmatch(token):
            raise ValueError("AI/ML API drops a request id of this form")
        headers = {**request.headers, "X-Client-Request-Id": token}
        return Submission(
            self.base,
            GENERATIONS_PATH + request.path,
            request.query,
            headers,
            JsonBody(request.body),
            token,
        )

    async def submit(self, submission: Submission) -> Acceptance:
        answer = await self.send_once(submission)
        if answer.is_success:
            try:
                document = answer.json_object()
            except UnreadableAnswer as problem:
                raise answer_lost(self.vendor, answer.status) from problem
            generation_id = document.get("generation_id") or document.get("id")
            if isinstance(generation_id, str) and generation_id:
                return Acceptance({"generation_id": generation_id})
            raise answer_lost(self.vendor, answer.status)
        if answer.status in REFUSED_STATUSES:
            raise error_of(answer)
        raise answer_lost(self.vendor, answer.status)

    async def report(self, vendor_ids: Mapping[str, str], *, logs: bool, items: int) -> Report:
        answer = await self.call(
            "GET",
            GENERATIONS_PATH,
            query={"generation_id": vendor_ids["generation_id"]},
            is_poll=True,
        )
        if answer.status == 404:
            return Report(Phase.MISSING, problem=error_of(answer))
        if not answer.is_success:
            raise error_of(answer)
        document = answer.json_object()
        phase = PHASES.get(str(document.get("status")), Phase.RUNNING)
        if phase is Phase.SUCCEEDED:
            return Report(phase, answer=document)
        if phase.is_end:
            return Report(phase, problem=failure_of(document))
        return Report(phase)

    async def look_up(self, trace: Trace) -> Finding:
        """The usage log, by the token we sent. A row without one is never a match.

        First around the times of the submission; then as far as two clocks may be apart, for the
        token alone tells what is ours.
        """
        matches: dict[str, Acceptance] = {}
        for margin in LOG_MARGINS:
            start, end = trace.sent_from - margin, trace.sent_until + margin
            is_whole = await self._add_logged(matches, trace.token, start, end)
            if matches or not is_whole:
                break
        return Finding(tuple(matches.values()))

    async def _add_logged(
        self, matches: dict[str, Acceptance], token: str, start: datetime, end: datetime
    ) -> bool:
        """Add what the log has of a token in that time; whether all of the log was read."""
        for page in range(LOG_PAGES):
            answer = await self.call(
                "GET",
                "/v2/logs",
                query={
                    "start": _iso(start),
                    "end": _iso(end),
                    "limit": "100",
                    "offset": str(100 * page),
                },
            )
            if not answer.is_success:
                raise error_of(answer)
            document = answer.json_object()
            for row in objects(document.get("data")):
                if row.get("client_request_id") == token and row.get("inference_id"):
                    generation_id = str(row["inference_id"])
                    matches[generation_id] = Acceptance({"generation_id": generation_id})
            pagination = document.get("pagination")
            if not isinstance(pagination, dict) or not pagination.get("has_more"):
                return True
        return False


def failure_of(document: Mapping[str, Any]) -> VisemeError:
    """The error of a generation that failed; its ``error`` comes in two shapes."""
    error = document.get("error")
    code: str | None = None
    if isinstance(error, dict) and isinstance(error.get("detail"), list):
        entries = objects(error["detail"])
        text = "; ".join(str(entry.get("msg", "")) for entry in entries) or json.dumps(error)[:200]
        code = next((str(entry["type"]) for entry in entries if "type" in entry), None)
    elif isinstance(error, dict):
        text = str(error.get("message") or json.dumps(error)[:200])
        code = str(error["name"]) if error.get("name") else None
    else:
        text = str(error or f"the generation ended as {document.get('status')}")
    shown = f"AI/ML API: {text} [{code or document.get('status')}]"
    if is_content_refusal(code):
        return ContentRejected(shown, code=code, remedy="Use other footage or speech.")
    return JobFailed(
        shown,
        code=code,
        remedy="A failed generation is not charged. Change what it names, or run again.",
    )


def error_of(answer: Answer) -> VisemeError:
    """The typed error for one of AI/ML API's error answers."""
    status = answer.status
    text = _message(answer)
    shown = f"AI/ML API: {text} [HTTP {status}]"
    facts: dict[str, Any] = {"code": str(status), "http_status": status}
    if status == 401:
        return CredentialError(
            shown,
            field="AIML_API_KEY",
            remedy="Set a valid key with `viseme login aimlapi`.",
            **facts,
        )
    if status in (402, 403):
        return OutOfCredit(shown, remedy="Top up at aimlapi.com/app/billing.", **facts)
    if status == 413:
        return RequestRejected(shown, remedy="Use a shorter clip, or an https URL for it.", **facts)
    if status == 429:
        return RateLimited(shown, remedy="Wait a minute and run the same command again.", **facts)
    if 400 <= status < 500 and status != 408:
        return RequestRejected(shown, remedy="Change what it names and run again.", **facts)
    return VendorError(shown, remedy="AI/ML API is in trouble; try again later.", **facts)


def _message(answer: Answer) -> str:
    try:
        document = answer.json()
    except UnreadableAnswer:
        return " ".join(answer.text.split())[:200] or "no text"
    message = document.get("message", document) if isinstance(document, dict) else document
    if isinstance(message, list):
        return "; ".join(
            str(entry.get("message", entry)) if isinstance(entry, dict) else str(entry)
            for entry in message
        )
    return message if isinstance(message, str) else json.dumps(message)[:300]


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
