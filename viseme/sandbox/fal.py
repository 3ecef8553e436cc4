"""fal's manners: keys, its two shapes of error, names of results.

Sources: fal.ai/docs/documentation/model-apis/errors, .../request-errors,
docs.fal.ai/documentation/model-apis/common-parameters.
"""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any

from aiohttp import web

from .orders import iso, problems_of
from .records import Failure, Job, now
from .vendor import Announcement, Refusal, Vendor, account_of, is_refused_key
from .wire import Call

NGINX_PAGE = (
    "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
    "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
FOLDERS = ("penguin", "monkey", "panda", "zebra", "koala", "lion")
CONTENT_TEXT = (
    "The content could not be processed because it contained material flagged by a content checker."
)


class Fal(Vendor):
    name = "fal"
    queue_seconds = 2.0
    run_seconds = 8.0

    def authenticate(self, call: Call) -> str:
        scheme, _, key = call.request.headers.get("Authorization", "").partition(" ")
        if not key:
            raise Refusal(self.bad_key(missing=True))
        key_id, colon, secret = key.strip().partition(":")
        if scheme != "Key" or not (key_id and colon and secret) or is_refused_key(key):
            raise Refusal(self.bad_key(missing=False))
        return account_of(key)

    def has_key(self, call: Call) -> bool:
        return call.request.headers.get("Authorization", "").startswith("Key ")

    def bad_key(self, *, missing: bool) -> web.Response:
        if missing:
            return reply(401, {"detail": "Authentication is required to access this application"})
        return reply(401, {"detail": "No user found for Key ID and Secret"})

    def no_credit(self) -> web.Response:
        text = (
            "User is locked. Reason: Exhausted balance. "
            "Top up your balance at fal.ai/dashboard/billing."
        )
        return reply(403, {"detail": text})

    def rate_limited(self, retry_after_seconds: float) -> web.Response:
        response = infrastructure(429, "Too many requests", "concurrent_requests_limit")
        response.headers["Retry-After"] = f"{retry_after_seconds:g}"
        response.headers["X-Fal-Needs-Retry"] = "true"
        return response

    def unavailable(self) -> web.Response:
        return web.Response(status=503, text=NGINX_PAGE, content_type="text/html")

    def server_error(self) -> web.Response:
        return infrastructure(500, "Internal server error", "internal_error")

    def not_found(self, call: Call) -> web.Response:
        return reply(404, {"detail": f"Path {call.request.path} not found"})

    def bad_body(self, call: Call, reason: str, *, too_large: bool) -> web.Response:
        if too_large:
            return infrastructure(413, "Request body too large", "bad_request")
        return infrastructure(400, f"The body is not valid JSON: {reason}", "bad_request")

    def result_path(self, token: str, suffix: str) -> str:
        return f"/files/{secrets.choice(FOLDERS)}/{token}_output{suffix}"

    def announcements(self, job: Job, results_address: str) -> list[Announcement]:
        if job.webhook_url is None:
            return []
        status, body, _ = result_of(job, results_address)
        payload = {
            "request_id": job.id,
            "gateway_request_id": job.id,
            "status": "OK" if status == 200 else "ERROR",
            "payload": body,
            "error": None if status == 200 else f"Invalid status code: {status}",
        }
        return [Announcement("webhook", job.webhook_url, payload)]


FAL = Fal()


def reply(
    status: int, body: Any, request_id: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """JSON with fal's request id, whose presence says that it is not the ingress that answers."""
    return web.json_response(
        body,
        status=status,
        headers={"x-fal-request-id": request_id or str(uuid.uuid4())} | (headers or {}),
    )


def infrastructure(status: int, detail: str, error_type: str) -> web.Response:
    """The shape of errors that come from fal and not from the model."""
    body = {"detail": detail, "error_type": error_type}
    return reply(status, body, headers={"X-Fal-Error-Type": error_type})


def result_of(job: Job, results_address: str) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers of an ended job's result."""
    if job.failure is not None:
        return _failure(job.failure)
    result = job.results[0]
    video = {
        "url": results_address + result.path,
        "content_type": result.media_type,
        "file_name": result.name,
        "file_size": result.size_bytes,
    }
    return 200, {"video": video}, {}


def _failure(failure: Failure) -> tuple[int, Any, dict[str, str]]:
    if failure.kind in ("invalid", "media"):
        return 422, {"detail": validation_details(failure)}, {}
    if failure.kind == "rejected":
        detail = _detail(["body"], CONTENT_TEXT, "content_policy_violation", None)
        return 422, {"detail": [detail]}, {}
    status, error_type = {
        "cancelled": (499, "client_cancelled"),
        "start-timeout": (504, "request_timeout"),
    }.get(failure.kind, (500, "internal_error"))
    headers = {"X-Fal-Error-Type": error_type}
    if failure.kind == "start-timeout":
        headers["X-Fal-Request-Timeout-Type"] = "user"
    return status, {"detail": failure.message, "error_type": error_type}, headers


def validation_details(failure: Failure) -> list[dict[str, Any]]:
    return [
        _detail(["body", *problem.loc], problem.message, problem.type, problem.input)
        for problem in problems_of(failure)
    ]


def _detail(loc: list[str | int], message: str, kind: str, given: Any) -> dict[str, Any]:
    return {
        "loc": loc,
        "msg": message,
        "type": kind,
        "url": f"https://docs.fal.ai/errors#{kind}",
        "input": given,
    }


def error_of(job: Job) -> dict[str, str]:
    """``error`` and ``error_type`` in the status of a job that ended badly."""
    if job.failure is None:
        return {}
    _, body, _ = _failure(job.failure)
    if isinstance(body["detail"], str):
        return {"error": body["detail"], "error_type": body["error_type"]}
    first = body["detail"][0]
    text = f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}".removeprefix(": ")
    return {"error": text, "error_type": first["type"]}


LOG_LINES = (
    (0.0, "SANDBOX: fetching the media"),
    (0.1, "SANDBOX: finding the face"),
    (0.4, "SANDBOX: moving the lips"),
    (0.8, "SANDBOX: writing the video"),
)


def logs_of(job: Job) -> list[dict[str, str | None]]:
    """What the model has written so far."""
    if job.started_at is None:
        return []
    reached = job.ended_at or now()
    lines = [
        (job.started_at + share * job.run_seconds, text, "INFO")
        for share, text in LOG_LINES
        if job.started_at + share * job.run_seconds <= reached
    ]
    if job.is_over and job.failure is not None:
        lines.append((reached, f"SANDBOX: {job.failure.message}", "ERROR"))
    elif job.is_over:
        lines.append((reached, "SANDBOX: done", "INFO"))
    return [
        {"message": text, "level": level, "source": "USER", "timestamp": iso(moment)}
        for moment, text, level in lines
    ]


def lifetime_seconds(text: str | None) -> float | None:
    """``expiration_duration_seconds`` of a lifecycle header; raises ``Refusal``."""
    if text is None:
        return None
    try:
        wanted = json.loads(text).get("expiration_duration_seconds")
        if wanted is None:
            return None
        seconds = float(wanted)
    except (ValueError, TypeError, AttributeError):
        seconds = -1.0
    if seconds <= 0:
        detail = "X-Fal-Object-Lifecycle must be JSON with a positive expiration_duration_seconds"
        raise Refusal(infrastructure(400, detail, "bad_request"))
    return seconds
