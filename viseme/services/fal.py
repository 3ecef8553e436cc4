"""fal's queue, and its list of requests for what was lost.

Sources: docs.fal.ai, model APIs, queue and common parameters;
fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timezone
from typing import Any, ClassVar

from ..addresses import path_segment
from ..answer import Answer
from ..bodies import JsonBody
from ..errors import UnreadableAnswer, VisemeError
from ..model import Vendor, WireRequest
from ..transport import Incoming
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
)
from .changes import Changes
from .fal_errors import error_of, failure_of
from .fal_listing import ended_before, is_match, start_of, windows_of
from .fal_storage import FalStorage
from .fal_stream import StatusStream
from .reading import answer_lost, clock_ahead, objects

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

# An entry has the whole body, with media of up to 4 MiB in it: a page must fit into an answer.
LISTING_LIMIT = 10
LISTING_PAGES = 100


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
            "GET",
            vendor_ids["status_path"],
            query={"logs": "1"} if logs else None,
            is_poll=True,
        )
        if answer.status == 404:
            return Report(Phase.MISSING, problem=error_of(answer))
        if not answer.is_success:
            raise error_of(answer)
        status = answer.json_object()
        report = progress_of(status)
        if report.phase is not Phase.SUCCEEDED:
            return report
        return await self._end(vendor_ids, status, report.log_lines)

    def changes(self, vendor_ids: Mapping[str, str], *, logs: bool) -> Changes:
        path, mark, rest = vendor_ids["status_path"].partition("?")

        def open_stream() -> AbstractAsyncContextManager[Incoming]:
            return self._transport.stream(
                self.base,
                f"{path}/stream{mark}{rest}",
                query={"logs": "1"} if logs else None,
                headers={"Authorization": self.authorization(), "Accept": "text/event-stream"},
            )

        def read(data: bytes) -> Report | None:
            try:
                status = self._without_key(Answer(200, {}, data)).json_object()
            except UnreadableAnswer:
                return None
            return progress_of(status) if str(status.get("status")) in PHASES else None

        return StatusStream(open_stream, read)

    async def _end(
        self, vendor_ids: Mapping[str, str], status: Mapping[str, Any], lines: tuple[str, ...]
    ) -> Report:
        answer = await self.call("GET", vendor_ids["response_path"], is_poll=True)
        if not status.get("error"):
            if answer.is_success:
                return Report(Phase.SUCCEEDED, log_lines=lines, answer=answer.json_object())
            if answer.status == 404:
                return Report(Phase.MISSING, log_lines=lines, problem=error_of(answer))
            if is_unclear(answer):
                problem = failure_of(status, answer)
                return Report(Phase.WITHHELD, log_lines=lines, problem=problem)
            if not is_models_own(answer):
                raise error_of(answer)  # the job ended well; only its result cannot be had now
        return Report(Phase.FAILED, log_lines=lines, problem=failure_of(status, answer))

    async def cancel(self, vendor_ids: Mapping[str, str]) -> CancelAnswer:
        answer = await self.call("PUT", vendor_ids["cancel_path"])
        said = CANCEL_ANSWERS.get(str(_document(answer).get("status")))
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
        storage = FalStorage(self, self._transport.addresses, self._settings)
        return await storage.upload(file, on_bytes_sent)

    async def look_up(self, trace: Trace) -> Finding:
        """fal's list of requests, compared by the media and arguments we sent and by when.

        Absence proves nothing: the list may hold ended requests only. Its ``end`` is left out,
        since it may count when a request ended, which can be long after it was sent. When that was
        by fal's clock is known from the ``Date`` of its first answer.
        """
        windows = windows_of(trace)
        first = await self._listed(trace, start_of(windows))
        now = datetime.now(timezone.utc)
        asked_from = start_of(windows)
        windows = windows_of(trace, ahead=clock_ahead(first.headers, now), now=now)
        start = start_of(windows)
        if start < asked_from:
            first = await self._listed(trace, start)
        page = first.json_object()
        matches: dict[str, Acceptance] = {}
        cursor: str | None = None
        for _ in range(LISTING_PAGES):
            items = objects(page.get("items"))
            for item in items:
                request_id = item.get("request_id")
                if isinstance(request_id, str) and request_id and is_match(item, trace, windows):
                    paths = queue_paths(f"/{trace.vendor_model}", request_id)
                    matches[request_id] = Acceptance({"request_id": request_id, **paths})
            following = page.get("next_cursor")
            if not page.get("has_more") or not isinstance(following, str) or following == cursor:
                break
            if any(ended_before(item, start) for item in items):
                break
            cursor = following
            page = (await self._listed(trace, start, cursor)).json_object()
        return Finding(tuple(matches.values()))

    async def _listed(self, trace: Trace, start: datetime, cursor: str | None = None) -> Answer:
        query = {
            "endpoint_id": trace.vendor_model,
            "start": _iso(start),
            "expand": "payloads",
            "limit": str(LISTING_LIMIT),
            **({"cursor": cursor} if cursor else {}),
        }
        answer = await self.call(
            "GET", "/v1/models/requests/by-endpoint", base="fal.platform", query=query
        )
        if not answer.is_success:
            raise error_of(answer)
        return answer


def queue_paths(submit_path: str, request_id: str) -> dict[str, str]:
    """Where a request is asked for: owner and app of the model's id, without the rest.

    ``fal-ai/sync-lipsync/v2/pro`` is submitted to by its full id and polled under
    ``fal-ai/sync-lipsync`` (docs.fal.ai, queue; fal-client).
    """
    owner, app = submit_path.strip("/").split("/")[:2]
    path = f"/{owner}/{app}/requests/{path_segment(request_id)}"
    return {"status_path": f"{path}/status", "response_path": path, "cancel_path": f"{path}/cancel"}


def is_models_own(answer: Answer) -> bool:
    """Whether a result that is no success is what the model itself said of the job.

    A 5xx with ``x-fal-request-id`` comes from fal and not from its ingress (docs.fal.ai, request
    errors; fal-client). It may be how the job ended, which is not billed (docs.fal.ai, FAQ), or
    trouble with the result of one that ended well: only a status with an error tells.
    """
    if answer.status >= 500:
        return "x-fal-request-id" in answer.headers
    return answer.status in MODEL_REFUSALS


def is_unclear(answer: Answer) -> bool:
    """Whether a result's answer leaves open how a job ended of whose status no error is told.

    A 5xx of fal's own may be trouble with the result alone. A 400 with a mere text is also what
    one gets who asks before the result is there; a model that refuses names what it refuses.
    """
    if answer.status == 400:
        return not isinstance(_document(answer).get("detail"), list)
    return answer.status >= 500 and is_models_own(answer)


def _document(answer: Answer) -> Mapping[str, Any]:
    """The JSON object that an answer is; empty where it is none."""
    try:
        return answer.json_object()
    except UnreadableAnswer:
        return {}


def progress_of(status: Mapping[str, Any]) -> Report:
    """How far a status says that its job is; one that no document knows is still running."""
    position = status.get("queue_position")
    return Report(
        PHASES.get(str(status.get("status")), Phase.RUNNING),
        position if isinstance(position, int) else None,
        tuple(log_lines(status)),
    )


def log_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The messages of a status' logs, oldest first."""
    for entry in objects(status.get("logs")):
        if isinstance(entry.get("message"), str):
            yield entry["message"]


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
