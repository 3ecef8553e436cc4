"""Runware's manners: keys, errors, what it answers for a task in every state."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from aiohttp import web

from .models.base import Problem
from .orders import problems_of
from .records import Failure, Job, ResultFile
from .vendor import Announcement, Refusal, Vendor, account_of, is_refused_key
from .wire import Call

DOCS = "https://runware.ai/docs"


class Runware(Vendor):
    name = "runware"
    queue_seconds = 1.0
    run_seconds = 5.0

    def authenticate(self, call: Call) -> str:
        header = call.request.headers.get("Authorization")
        first = _authentication(call)
        if header is not None and first is not None:
            text = "Authenticate by the header or by the first task, never by both."
            raise Refusal(errors_reply(400, "conflictAuthentication", text))
        scheme, _, key = (header or "").partition(" ")
        if first is not None:
            scheme, key = "Bearer", str(first.get("apiKey") or "")
        if not key.strip():
            raise Refusal(self.bad_key(missing=True))
        if scheme != "Bearer" or " " in key.strip() or is_refused_key(key):
            raise Refusal(self.bad_key(missing=False))
        return account_of(key.strip())

    def has_key(self, call: Call) -> bool:
        return "Authorization" in call.request.headers or _authentication(call) is not None

    def bad_key(self, *, missing: bool) -> web.Response:
        if missing:
            return errors_reply(401, "missingApiKey", "An API key is required.", "apiKey")
        return errors_reply(401, "invalidApiKey", "Invalid API key.", "apiKey")

    def no_credit(self) -> web.Response:
        return errors_reply(402, "insufficientCredits", "The balance is insufficient.")

    def rate_limited(self, retry_after_seconds: float) -> web.Response:
        response = errors_reply(429, "rateLimitExceeded", "Too many requests.")
        response.headers["Retry-After"] = f"{retry_after_seconds:g}"
        return response

    def unavailable(self) -> web.Response:
        return errors_reply(503, "serviceUnavailable", "The service is unavailable.")

    def server_error(self) -> web.Response:
        return errors_reply(500, "internalServerError", "Internal server error.")

    def not_found(self, call: Call) -> web.Response:
        return errors_reply(404, "notFound", f"There is nothing at {call.request.path}.")

    def bad_body(self, call: Call, reason: str, *, too_large: bool) -> web.Response:
        return self.invalid_body(f"The body is not valid JSON: {reason}")

    def invalid_body(self, text: str) -> web.Response:
        return errors_reply(400, "invalidBody", text)

    def result_path(self, token: str, suffix: str) -> str:
        return f"/video/ws/5/vi/{uuid.UUID(token)}{suffix}"

    def announcements(self, job: Job, results_address: str) -> list[Announcement]:
        sent = [
            Announcement("upload", job.upload_url, disk=f"results/{_disk_name(result)}")
            for result in job.results
            if job.upload_url is not None
        ]
        if job.webhook_url is not None:
            done, failed = results_of(job, results_address)
            sent += [Announcement("webhook", job.webhook_url, item) for item in done + failed]
        return sent


RUNWARE = Runware()


def _disk_name(result: ResultFile) -> str:
    stem, _, suffix = result.path.rpartition("/")[2].partition(".")
    return f"{uuid.UUID(stem).hex}.{suffix}"


def _authentication(call: Call) -> dict[str, Any] | None:
    first = call.json[0] if isinstance(call.json, list) and call.json else None
    if isinstance(first, dict) and first.get("taskType") == "authentication":
        return first
    return None


class TaskError(Exception):
    """One task failed; ``entries`` go into ``errors``, ``status`` counts if nothing worked."""

    def __init__(
        self, status: int, code: str, text: str, task: dict[str, Any], parameter: str | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.entries = [error_entry(code, text, task, parameter)]

    @classmethod
    def of_problems(cls, problems: list[Problem], task: dict[str, Any]) -> TaskError:
        error = cls(400, "invalidRequest", problems[0].message, task)
        error.entries = problem_errors(problems, task)
        return error


def error_entry(
    code: str, text: str, task: dict[str, Any], parameter: str | None = None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"code": code, "message": text}
    page = f"{DOCS}/platform/errors"
    if parameter is not None:
        entry["parameter"] = parameter
        anchor = parameter.replace(".", "-").lower()
        page = f"{DOCS}/models/pixverse-lipsync#request-{anchor}"
    entry["documentation"] = page
    for name in ("taskType", "taskUUID"):
        if isinstance(task.get(name), str):
            entry[name] = task[name]
    return entry


def errors_reply(status: int, code: str, text: str, parameter: str | None = None) -> web.Response:
    return web.json_response({"errors": [error_entry(code, text, {}, parameter)]}, status=status)


def problem_errors(problems: list[Problem], task: dict[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with a task, in the vendor's codes: invalidOutputQuality, missingModel ..."""
    entries = []
    for problem in problems:
        parameter = ".".join(str(part) for part in problem.loc if isinstance(part, str))
        last = next((part for part in reversed(problem.loc) if isinstance(part, str)), "request")
        verb = {"missing": "missing", "extra_forbidden": "unsupported"}.get(problem.type, "invalid")
        text = f"Invalid value for '{parameter or 'request'}' parameter. {problem.message}."
        entry = error_entry(f"{verb}{last[0].upper()}{last[1:]}", text, task, parameter or None)
        entries.append(entry | {"type": problem.type})
    return entries


def ack(job: Job) -> dict[str, Any]:
    return {"taskType": "videoInference", "taskUUID": job.body["taskUUID"]}


def results_of(job: Job, address: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """``data`` and ``errors`` that getResponse has for a task."""
    if not job.is_over:
        return [ack(job) | {"status": "processing"} for _ in range(job.result_count)], []
    if job.failure is not None:
        return [], _failure_errors(job, job.failure)
    data = [_result(job, result, address) for result in job.results]
    missing = job.result_count - len(data)
    text = "One of the results could not be generated."
    return data, [
        error_entry("providerError", text, ack(job)) | {"status": "error"} for _ in range(missing)
    ]


def _result(job: Job, result: ResultFile, address: str) -> dict[str, Any]:
    item = ack(job) | {
        "status": "success",
        "videoUUID": result.uuid,
        "videoURL": address + result.path,
        "seed": result.seed,
    }
    if job.body.get("safety", {}).get("checkContent"):
        item["NSFWContent"] = False
    if job.body.get("includeCost"):
        item["cost"] = float((Decimal(job.price_usd) / len(job.results)).quantize(Decimal("1e-6")))
    return item


def _failure_errors(job: Job, failure: Failure) -> list[dict[str, Any]]:
    if failure.kind == "media":
        entries = problem_errors(problems_of(failure), ack(job))
    elif failure.kind == "rejected":
        entries = [error_entry("providerContentPolicyViolation", failure.message, ack(job))]
    else:
        entries = [error_entry("taskFailed", failure.message, ack(job))]
    return [entry | {"status": "error"} for entry in entries]


def details(job: Job, sent: Any, address: str) -> dict[str, Any]:
    """getTaskDetails: the request as it came, and what has been answered to it so far."""
    data, errors = results_of(job, address) if job.is_over else ([ack(job)], [])
    response: dict[str, Any] = {"data": data}
    if errors:
        response["errors"] = errors
    task_uuid = job.body["taskUUID"]
    return {
        "taskType": "getTaskDetails",
        "taskUUID": task_uuid,
        "request": [sent],
        "response": response,
    }
