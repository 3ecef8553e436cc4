"""api.aimlapi.com: generations, logs, balance.

Sources: docs.aimlapi.com, video-models/pixverse/lip-sync, errors-and-messages,
capabilities/request-tracing-and-cost, service-endpoints/usage-logs.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import string
import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from aiohttp import web

from . import orders
from .models import MODELS
from .models.base import Problem
from .orders import Wishes, problems_of
from .records import Job, now
from .vendor import Refusal, Vendor, account_of, is_refused_key
from .wire import Box, Call, Route

PATH = "/v2/video/generations"
MODEL = "pixverse/lip-sync"
MAX_BODY_BYTES = 10 * 1024 * 1024
CREDITS_PER_USD = 2_000_000
OPENING_BALANCE_USD = Decimal(100)
LOG_DELAY_SECONDS = 1.0
LONGEST_WINDOW_SECONDS = 92 * 86_400.0
ID_LETTERS = string.ascii_letters + string.digits + "_-"
CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
KEY_TEXT = (
    "This request requires a valid API key. You can create a new API key on the Billing page: "
    "https://aimlapi.com/app/keys"
)
CREDIT_TEXT = (
    "You've run out of credits. Please top up your balance or update your payment method to "
    "continue: https://aimlapi.com/app/billing/"
)


class Aimlapi(Vendor):
    name = "aimlapi"
    queue_seconds = 2.0
    run_seconds = 8.0

    def authenticate(self, call: Call) -> str:
        scheme, _, key = call.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key.strip() or " " in key.strip() or is_refused_key(key):
            raise Refusal(self.bad_key(missing=not key))
        return account_of(key.strip())

    def has_key(self, call: Call) -> bool:
        return "Authorization" in call.request.headers

    def bad_key(self, *, missing: bool) -> web.Response:
        return refuse(401, KEY_TEXT)

    def no_credit(self) -> web.Response:
        return refuse(403, CREDIT_TEXT)

    def rate_limited(self, retry_after_seconds: float) -> web.Response:
        response = refuse(429, "Too Many Requests")
        response.headers["Retry-After"] = f"{retry_after_seconds:g}"
        return response

    def unavailable(self) -> web.Response:
        return refuse(503, "Service Unavailable")

    def server_error(self) -> web.Response:
        return refuse(500, "Internal Server Error")

    def not_found(self, call: Call) -> web.Response:
        text = f"Cannot {call.request.method} {call.request.path}"
        return refuse(404, text, call.request.path)

    def bad_body(self, call: Call, reason: str, *, too_large: bool) -> web.Response:
        if too_large:
            return refuse(413, "request entity too large", call.request.path)
        return refuse(400, f"The body is not valid JSON: {reason}", call.request.path)

    def result_path(self, token: str, suffix: str) -> str:
        return f"/panda/pixverse/mp4/media/web/ori/{token}_seed0{suffix}"


AIMLAPI = Aimlapi()


def routes(box: Box) -> list[web.RouteDef]:
    submit = Route(
        AIMLAPI, "submit", _submit, has_json=True, spends=True, max_body_bytes=MAX_BODY_BYTES
    )
    return [
        web.post(PATH, submit.bound(box)),
        web.get(PATH, Route(AIMLAPI, "status", _fetch).bound(box)),
        web.get("/v2/logs", Route(AIMLAPI, "list", _logs).bound(box)),
        web.get("/v2/billing", Route(AIMLAPI, "list", _billing).bound(box)),
    ]


def refuse(status: int, message: str, path: str = PATH) -> web.Response:
    """The one shape of the vendor's errors."""
    body = {
        "message": message,
        "path": path,
        "requestId": str(uuid.uuid4()),
        "statusCode": status,
        "timestamp": orders.iso(now()),
    }
    return web.json_response(body, status=status)


async def _submit(call: Call) -> web.Response:
    body = call.json
    if not isinstance(body, dict):
        raise Refusal(refuse(400, "Body validation error\nExpected object"))
    problems = MODELS["aimlapi", MODEL].check(body)
    if problems:
        raise Refusal(refuse(400, _validation_text(problems)))
    sent_id = call.request.headers.get("X-Client-Request-Id", "")
    # A name outside the alphabet is dropped without a word (request-tracing-and-cost).
    client_id = sent_id if CLIENT_ID.fullmatch(sent_id) else None
    wishes = Wishes(
        AIMLAPI.queue_seconds,
        AIMLAPI.run_seconds,
        keeps_payload=False,
        client_request_id=client_id,
    )
    job_id = "".join(secrets.choice(ID_LETTERS) for _ in range(21))
    job = await orders.prepare(call, MODELS["aimlapi", MODEL], body, job_id, wishes)
    orders.accept(call, job)
    return web.json_response(_document(call, job), headers=_tracing(job, costs=True))


def _validation_text(problems: list[Problem]) -> str:
    lines = ["Body validation error"]
    for problem in problems:
        field = ".".join(map(str, problem.loc)) or "body"
        received = "" if problem.input is None else f", received {problem.input!r:.100}"
        lines.append(f"{field}: {problem.message}{received}")
    return "\n".join(lines)


async def _fetch(call: Call) -> web.Response:
    job_id = call.request.query.get("generation_id")
    if not job_id:
        raise Refusal(refuse(400, "Query validation error\ngeneration_id: Required"))
    job = call.box.jobs.find("aimlapi", job_id)
    if job is None or job.account != call.account:
        raise Refusal(refuse(404, f"Generation {job_id} not found"))
    return web.json_response(_document(call, job), headers=_tracing(job, costs=job.is_over))


def _document(call: Call, job: Job) -> dict[str, Any]:
    document: dict[str, Any] = {"id": job.id}
    if not job.is_over:
        document["status"] = "queued" if job.state == "queued" else "generating"
        return document | {"meta": {"usage": {"credits_used": _credits(job.price_usd)}}}
    if job.failure is not None:
        return document | {"status": "error", "error": _error(job)}
    # The vendor's recorded run of this model says `succeeded`, its schema `completed`.
    document["status"] = "succeeded"
    folder, _, name = job.results[0].path[1:].partition("/")
    base = call.box.addresses["aimlapi.results"]
    document["video"] = {"url": f"{base}/{folder}/{quote(name, safe='')}"}
    usage = {
        "credits_used": _credits(job.price_usd),
        "usd_spent": float(Decimal(job.price_usd)),
    }
    return document | {"meta": {"usage": usage}}


def _error(job: Job) -> dict[str, Any]:
    """Either of the two shapes that the vendor's samples show."""
    failure = job.failure
    if failure is None:
        return {}
    if failure.kind == "failed":
        return {"name": "GenerationError", "message": failure.message}
    details = [
        {
            "loc": ["body", *problem.loc],
            "msg": problem.message,
            "type": problem.type,
            "input": problem.input,
        }
        for problem in problems_of(failure)
    ]
    flagged = {
        "loc": ["body"],
        "msg": failure.message,
        "type": "content_policy_violation",
        "input": None,
    }
    return {"detail": details or [flagged]}


def _credits(usd: str) -> int:
    return int(Decimal(usd) * CREDITS_PER_USD)


def _tracing(job: Job, *, costs: bool) -> dict[str, str]:
    headers = {"x-inference-id": job.id}
    if job.client_request_id is not None:
        headers["x-client-request-id"] = job.client_request_id
    if costs:
        usd = "0" if job.failure is not None else job.price_usd
        headers["x-aimlapi-credits-used"] = str(_credits(usd))
        headers["x-aimlapi-usd-spent"] = f"{Decimal(usd):.9f}"
    return headers


async def _logs(call: Call) -> web.Response:
    query = call.request.query
    start, end = _window(call)
    limit = _number(call, "limit", 50, 1, 100)
    offset = _number(call, "offset", 0, 0, 10**9)
    statuses, models = set(query.getall("status", [])), set(query.getall("model", []))
    if not statuses <= {"succeeded", "failed"}:
        raise Refusal(refuse(400, "status: Expected 'succeeded' | 'failed'", "/v2/logs"))
    until = orders.hidden_until(call, LOG_DELAY_SECONDS)
    rows = [
        _row(job)
        for job in reversed(call.box.state.jobs("aimlapi"))
        if job.account == call.account
        and until is not None
        and job.accepted_at <= until
        and start <= job.accepted_at <= end
    ]
    rows = [
        row
        for row in rows
        if (not statuses or row["status"] in statuses)
        and (not models or row["model"] in models or row["model"].split("/")[-1] in models)
    ]
    pagination = {
        "limit": limit,
        "offset": offset,
        "total": len(rows),
        "has_more": len(rows) > offset + limit,
    }
    return web.json_response({"data": rows[offset : offset + limit], "pagination": pagination})


def _row(job: Job) -> dict[str, Any]:
    """One request. It costs nothing until its generation has ended well."""
    usd = job.price_usd if job.is_over and job.failure is None else "0"
    return {
        "created": orders.iso(job.accepted_at),
        "status": "failed" if job.failure is not None else "succeeded",
        "origin": "api",
        "model": job.model,
        "cost": {"usd": float(usd), "credits": _credits(usd)},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": f"req-{job.id}",
        "inference_id": job.id,
        "client_request_id": job.client_request_id,
    }


def _window(call: Call) -> tuple[float, float]:
    """Either ``period`` or both ``start`` and ``end``, never both."""
    query = call.request.query
    period, start, end = query.get("period"), query.get("start"), query.get("end")
    window: tuple[float, float] | None = None
    if period is not None and start is None and end is None:
        found = re.fullmatch(r"([1-9]\d{0,4})([hd])", period)
        if found is not None:
            unit = 3600.0 if found.group(2) == "h" else 86_400.0
            window = (now() - int(found.group(1)) * unit, now())
    elif period is None and start is not None and end is not None:
        with contextlib.suppress(ValueError):
            window = (orders.read_time(start), orders.read_time(end))
    if window is None or not 0 <= window[1] - window[0] <= LONGEST_WINDOW_SECONDS:
        text = "Expected either period (24h, 7d) or both start and end, at most 92 days apart"
        raise Refusal(refuse(400, f"Query validation error\n{text}", "/v2/logs"))
    return window


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.request.query.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        text = f"Query validation error\n{name}: Expected {least} to {most}"
        raise Refusal(refuse(400, text, "/v2/logs"))
    return int(text)


async def _billing(call: Call) -> web.Response:
    spent = sum(
        (Decimal(row["usd"]) for row in call.box.state.charges() if row["vendor"] == "aimlapi"),
        Decimal(0),
    )
    balance = float(OPENING_BALANCE_USD - spent)
    return web.json_response({"current_balance": balance, "currency": "USD"})
