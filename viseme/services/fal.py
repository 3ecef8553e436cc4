"""fal's queue, file storage and list of requests.

Sources: docs.fal.ai, model APIs (queue, common parameters, errors, request errors, CDN) and
fal.ai/docs/platform-apis/v1/models/requests/by-endpoint; storage as fal-client 1.0.3 uses it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ..addresses import path_segment
from ..answer import Answer
from ..bodies import FileBody, JsonBody, digest_of
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
    CancelAnswer,
    Finding,
    OutgoingFile,
    Phase,
    Report,
    Service,
    Submission,
    Trace,
    Upload,
    answer_lost,
    is_content_refusal,
    objects,
)

# docs.fal.ai, queue: there is no status for failure; a failed job is COMPLETED with an error.
PHASES = {
    "IN_QUEUE": Phase.QUEUED,
    "IN_PROGRESS": Phase.RUNNING,
    "COMPLETED": Phase.SUCCEEDED,
}
CANCEL_ANSWERS = {
    "OK": CancelAnswer.CANCELLED,
    "CANCELLATION_REQUESTED": CancelAnswer.REQUESTED,
    "ALREADY_COMPLETED": CancelAnswer.TOO_LATE,
    "NOT_FOUND": CancelAnswer.NOT_FOUND,
}
# Answers to a submission that say it was not accepted. 408, 409 and 5xx do not say that.
REFUSED_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})

# Statuses of a result by which the model itself refuses what it was sent.
MODEL_REFUSALS = frozenset({400, 413, 415, 422})

MULTIPART_PARALLEL_PARTS = 4
LISTING_MARGIN = timedelta(minutes=2)  # between our clock and fal's
LISTING_PAGES = 20


class FalService(Service):
    """The queue at ``queue.fal.run``; the synchronous host is never used, since a dropped
    connection there loses a result that is charged."""

    vendor = Vendor.FAL
    base: ClassVar[str] = "fal.queue"
    cancelled_codes = frozenset({"client_cancelled"})
    result_hosts: ClassVar[tuple[str, ...]] = (".fal.media", "storage.googleapis.com")
    can_cancel = True

    def authorization(self) -> str:
        return f"Key {self._secret.reveal()}"

    def error_of(self, answer: Answer) -> VisemeError:
        return error_of(answer)

    def submission(self, request: WireRequest, token: str) -> Submission:
        return Submission(
            self.base, request.path, request.query, request.headers, JsonBody(request.body), token
        )

    async def submit(self, submission: Submission) -> Acceptance:
        answer = await self.send_once(submission)
        if answer.is_success:
            try:
                return self._acceptance(answer.json_object(), submission.path)
            except UnreadableAnswer as problem:
                raise answer_lost(self.vendor, answer.status) from problem
        if answer.status in REFUSED_STATUSES:
            raise error_of(answer)
        raise answer_lost(self.vendor, answer.status)

    def _acceptance(self, document: Mapping[str, Any], submit_path: str) -> Acceptance:
        request_id = document.get("request_id")
        if not isinstance(request_id, str) or not request_id:
            raise UnreadableAnswer("fal accepted the job without a request_id.")
        position = document.get("queue_position")
        return Acceptance(
            {
                "request_id": request_id,
                **queue_paths(submit_path, request_id),
                **self._paths_given(document),
            },
            position if isinstance(position, int) else None,
        )

    def _paths_given(self, document: Mapping[str, Any]) -> dict[str, str]:
        """The paths of the URLs that fal gave, where they lie under its queue's own address.

        Any other address would be sent the key, so it is not used: the path is then built from
        the id as fal-client does.
        """
        paths = {}
        for name in ("status", "response", "cancel"):
            found = self._transport.addresses.locate(str(document.get(f"{name}_url", "")))
            if found is not None and found[0] == self.base:
                paths[f"{name}_path"] = found[1]
        return paths

    async def report(self, vendor_ids: Mapping[str, str], *, logs: bool, items: int) -> Report:
        answer = await self.call(
            "GET", vendor_ids["status_path"], query={"logs": "1"} if logs else None
        )
        if answer.status == 404:
            return Report(Phase.MISSING, problem=error_of(answer))
        if not answer.is_success:
            raise error_of(answer)
        status = answer.json_object()
        phase = PHASES.get(str(status.get("status")), Phase.RUNNING)
        lines = tuple(log_lines(status))
        if phase is not Phase.SUCCEEDED:
            position = status.get("queue_position")
            return Report(phase, position if isinstance(position, int) else None, lines)
        return await self._end(vendor_ids, status, lines)

    async def _end(
        self, vendor_ids: Mapping[str, str], status: Mapping[str, Any], lines: tuple[str, ...]
    ) -> Report:
        answer = await self.call("GET", vendor_ids["response_path"])
        if not status.get("error"):
            if answer.is_success:
                return Report(Phase.SUCCEEDED, log_lines=lines, answer=answer.json_object())
            if answer.status == 404:
                return Report(Phase.MISSING, log_lines=lines, problem=error_of(answer))
            if answer.status not in MODEL_REFUSALS:
                raise error_of(answer)  # the job ended well; only its result cannot be had now
        return Report(Phase.FAILED, log_lines=lines, problem=failure_of(status, answer))

    async def cancel(self, vendor_ids: Mapping[str, str]) -> CancelAnswer:
        answer = await self.call("PUT", vendor_ids["cancel_path"])
        try:
            said = CANCEL_ANSWERS.get(str(answer.json_object().get("status")))
        except UnreadableAnswer:
            said = None
        if said is not None:
            return said
        by_status = {400: CancelAnswer.TOO_LATE, 404: CancelAnswer.NOT_FOUND}
        if answer.status in by_status:
            return by_status[answer.status]
        if answer.is_success:
            return CancelAnswer.REQUESTED
        raise error_of(answer)

    async def upload(
        self, file: OutgoingFile, on_bytes_sent: Callable[[int], None] | None = None
    ) -> Upload:
        """Upload to fal's CDN, where the file is public to whoever knows its address.

        Above ``multipart_threshold_bytes`` it goes in parts of ``multipart_part_bytes``.
        """
        lifetime = self._settings.fal_upload_lifetime_seconds
        headers = {
            "Authorization": await self._storage_token(),
            "X-Fal-File-Name": file.name,
            "X-Fal-Object-Lifecycle": json.dumps({"expiration_duration_seconds": lifetime}),
        }
        if file.size_bytes > self._settings.multipart_threshold_bytes:
            url = await self._upload_parts(file, headers, on_bytes_sent)
        else:
            answer = await self.call(
                "POST",
                "/files/upload",
                base="fal.cdn",
                headers={**headers, "Content-Type": file.media_type},
                body=FileBody(file.path, 0, file.size_bytes),
                with_key=False,
                timeout_seconds=self._settings.upload_timeout_seconds,
                on_bytes_sent=on_bytes_sent,
            )
            url = self._access_url(answer)
        return Upload(url, datetime.now(timezone.utc) + timedelta(seconds=lifetime))

    async def _storage_token(self) -> str:
        """A short-lived token for the CDN, so that the key itself never goes there."""
        answer = await self.call(
            "POST",
            "/storage/auth/token",
            base="fal.rest",
            query={"storage_type": "fal-cdn-v3"},
            headers={"Content-Type": "application/json"},
            body=JsonBody({}),
        )
        if not answer.is_success:
            raise error_of(answer)
        document = answer.json_object()
        token, kind = document.get("token"), document.get("token_type", "Bearer")
        if not isinstance(token, str) or not isinstance(kind, str):
            raise UnreadableAnswer("fal gave no upload token.", http_status=answer.status)
        return f"{kind} {token}"

    def _access_url(self, answer: Answer) -> str:
        if not answer.is_success:
            raise error_of(answer)
        url = answer.json_object().get("access_url")
        if not isinstance(url, str) or not url:
            raise UnreadableAnswer("fal stored a file without saying where.")
        return url

    async def _upload_parts(
        self,
        file: OutgoingFile,
        headers: Mapping[str, str],
        on_bytes_sent: Callable[[int], None] | None,
    ) -> str:
        answer = await self.call(
            "POST",
            "/files/upload/multipart",
            base="fal.cdn",
            headers={**headers, "Content-Type": file.media_type},
            with_key=False,
        )
        url = self._access_url(answer)
        upload_id = answer.json_object().get("uploadId")
        located = self._transport.addresses.locate(url)
        if located is None or located[0] != "fal.cdn":
            raise UnreadableAnswer("fal wants the parts of a file sent to an unknown address.")
        if not isinstance(upload_id, str) or not upload_id:
            raise UnreadableAnswer("fal began an upload in parts without naming it.")
        parts_path = f"{urlsplit(located[1]).path}/multipart/{path_segment(upload_id)}"
        part_bytes = self._settings.multipart_part_bytes
        sent_by_part: dict[int, int] = {}
        turn = asyncio.Semaphore(MULTIPART_PARALLEL_PARTS)

        async def send_part(number: int, offset: int) -> dict[str, Any]:
            def count(sent: int) -> None:
                sent_by_part[number] = sent
                if on_bytes_sent is not None:
                    on_bytes_sent(sum(sent_by_part.values()))

            async with turn:
                part = await self.call(
                    "PUT",
                    f"{parts_path}/{number}",
                    base="fal.cdn",
                    headers={**headers, "Accept-Encoding": "identity"},
                    body=FileBody(file.path, offset, min(part_bytes, file.size_bytes - offset)),
                    with_key=False,
                    timeout_seconds=self._settings.upload_timeout_seconds,
                    on_bytes_sent=count,
                )
            if not part.is_success:
                raise error_of(part)
            if "etag" not in part.headers:
                raise UnreadableAnswer("fal stored a part of a file without an etag.")
            return {"partNumber": number, "etag": part.headers["etag"]}

        offsets = range(0, file.size_bytes, part_bytes)
        tasks = [asyncio.ensure_future(send_part(n, offset)) for n, offset in enumerate(offsets, 1)]
        try:
            parts = await asyncio.gather(*tasks)
        finally:  # one part that fails ends the upload, and nobody would look after the others
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        done = await self.call(
            "POST",
            f"{parts_path}/complete",
            base="fal.cdn",
            headers={**headers, "Content-Type": "application/json"},
            body=JsonBody({"parts": parts}),
            with_key=False,
        )
        if not done.is_success:
            raise error_of(done)
        return url

    async def look_up(self, trace: Trace) -> Finding:
        """fal's list of requests, compared by the media strings we sent and by when.

        Absence proves nothing: the list may hold ended requests only. Its ``end`` is left out,
        since it may count when a request ended, which can be long after it was sent.
        """
        matches: list[Acceptance] = []
        cursor: str | None = None
        for _ in range(LISTING_PAGES):
            query = {
                "endpoint_id": trace.vendor_model,
                "start": _iso(trace.sent_from - LISTING_MARGIN),
                "expand": "payloads",
                "limit": "100",
                **({"cursor": cursor} if cursor else {}),
            }
            answer = await self.call(
                "GET", "/v1/models/requests/by-endpoint", base="fal.platform", query=query
            )
            if not answer.is_success:
                raise error_of(answer)
            page = answer.json_object()
            for item in objects(page.get("items")):
                request_id = item.get("request_id")
                if not isinstance(request_id, str) or not request_id:
                    continue
                if (
                    request_id not in trace.known_ids
                    and _is_in_window(item, trace)
                    and _has_media(item.get("json_input"), trace.media_digests)
                ):
                    paths = queue_paths(f"/{trace.vendor_model}", request_id)
                    matches.append(Acceptance({"request_id": request_id, **paths}))
            following = page.get("next_cursor")
            if not page.get("has_more") or not isinstance(following, str) or following == cursor:
                break
            cursor = following
        return Finding(tuple(matches))


def queue_paths(submit_path: str, request_id: str) -> dict[str, str]:
    """Where a request is asked for: owner and app of the model's id, without the rest.

    ``fal-ai/sync-lipsync/v2/pro`` is submitted to by its full id and polled under
    ``fal-ai/sync-lipsync`` (docs.fal.ai, queue; fal-client).
    """
    owner, app = submit_path.strip("/").split("/")[:2]
    path = f"/{owner}/{app}/requests/{path_segment(request_id)}"
    return {"status_path": f"{path}/status", "response_path": path, "cancel_path": f"{path}/cancel"}


def log_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The messages of a status' logs, oldest first."""
    for entry in objects(status.get("logs")):
        if isinstance(entry.get("message"), str):
            yield entry["message"]


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


def _is_in_window(item: Mapping[str, Any], trace: Trace) -> bool:
    """Whether a listed request was sent when ours was; one that does not say passes."""
    try:
        sent = datetime.fromisoformat(str(item.get("sent_at")).replace("Z", "+00:00"))
    except ValueError:
        return True
    if sent.tzinfo is None:
        sent = sent.replace(tzinfo=timezone.utc)
    return trace.sent_from - LISTING_MARGIN <= sent <= trace.sent_until + LISTING_MARGIN


def _has_media(payload: object, digests: frozenset[str]) -> bool:
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


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
