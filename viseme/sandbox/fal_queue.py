"""queue.fal.run and fal.run: submit, status, stream, result, cancel; and the synchronous call.

Sources: fal.ai/docs/api-reference/inference-api, docs.fal.ai/documentation/model-apis/inference.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from functools import partial
from typing import Any

from aiohttp import web

from . import orders
from .fal import (
    FAL,
    error_of,
    infrastructure,
    lifetime_seconds,
    logs_of,
    reply,
    result_of,
    validation_details,
)
from .models import MODELS
from .models.base import Model
from .orders import Wishes
from .records import Job
from .transfers import Counted, Source, Stream
from .vendor import Refusal
from .wire import Box, Call, Route

STREAM_LOOK_SECONDS = 0.05
STREAM_PING_SECONDS = 15.0
CANCEL_STATUS = {"OK": 200, "CANCELLATION_REQUESTED": 202, "ALREADY_COMPLETED": 400}


def queue_routes(box: Box) -> list[web.RouteDef]:
    request = r"/{owner}/{app}/requests/{id}"
    status = Route(FAL, "status", _status)
    stream = Route(FAL, "stream", _stream)
    result = Route(FAL, "result", _result)
    cancel = Route(FAL, "cancel", _cancel)
    submit = Route(FAL, "submit", _submit, has_json=True, spends=True)
    return [
        web.get(request + "/status", status.bound(box)),
        web.get(request + "/status/stream", stream.bound(box)),
        web.get(request, result.bound(box)),
        web.put(request + "/cancel", cancel.bound(box)),
        web.post("/{model:.+}", submit.bound(box)),
    ]


def run_routes(box: Box) -> list[web.RouteDef]:
    run = Route(FAL, "submit", _run, has_json=True, spends=True)
    return [web.post("/{model:.+}", run.bound(box))]


async def _submit(call: Call) -> web.Response:
    job = await _prepare(call, queue_seconds=FAL.queue_seconds)
    if call.request.query.get("fal_webhook"):
        job.webhook_url = call.request.query["fal_webhook"]
    orders.accept(call, job)
    return reply(200, _status_document(call, job), job.id)


async def _run(call: Call) -> web.Response:
    job = await _prepare(call, queue_seconds=0.0)
    if job.failure is not None and job.failure.kind == "invalid":
        return reply(422, {"detail": validation_details(job.failure)}, job.id)
    orders.accept(call, job)
    await call.box.jobs.wait(job)
    return _result_reply(call, job)


async def _prepare(call: Call, *, queue_seconds: float) -> Job:
    model = _model(call)
    if not isinstance(call.json, dict):
        raise Refusal(infrastructure(400, "The body must be a JSON object", "bad_request"))
    headers = call.request.headers
    priority = headers.get("X-Fal-Queue-Priority", "normal")
    if priority not in ("normal", "low"):
        detail = f"X-Fal-Queue-Priority must be normal or low, got {priority}"
        raise Refusal(infrastructure(400, detail, "bad_request"))
    wishes = Wishes(
        queue_seconds=queue_seconds * (2 if priority == "low" else 1),
        run_seconds=FAL.run_seconds,
        start_deadline_seconds=_start_deadline(headers.get("X-Fal-Request-Timeout")),
        lifetime_seconds=lifetime_seconds(headers.get("X-Fal-Object-Lifecycle-Preference")),
        keeps_payload=headers.get("X-Fal-Store-IO", "1") != "0",
    )
    return await orders.prepare(call, model, call.json, str(uuid.uuid4()), wishes)


def _model(call: Call) -> Model:
    name = call.request.match_info["model"]
    model = MODELS.get(("fal", name))
    if model is None:
        raise Refusal(reply(404, {"detail": f"Application '{name}' not found"}))
    return model


def _start_deadline(text: str | None) -> float | None:
    """Seconds within which the job must start; the documented least is over 0.1."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 < seconds < float("inf"):
        detail = f"X-Fal-Request-Timeout must be a number of seconds over 0.1, got {text}"
        raise Refusal(infrastructure(400, detail, "bad_request"))
    return seconds


async def _status(call: Call) -> web.Response:
    job = _job(call)
    document = _status_document(call, job, logs=_wants_logs(call))
    return reply(200 if job.is_over else 202, document, job.id)


async def _stream(call: Call) -> Stream:
    job = _job(call)
    first = _event(_status_document(call, job, logs=_wants_logs(call)))
    return Stream(Source(first, "text/event-stream"), partial(_send_stream, call, job))


async def _send_stream(call: Call, job: Job) -> web.StreamResponse:
    response = Counted(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "x-fal-request-id": job.id,
        }
    )
    await response.prepare(call.request)
    sent: dict[str, Any] | None = None
    quiet_since = time.monotonic()
    while not _is_gone(call.request):
        job = call.box.jobs.find("fal", job.id) or job
        document = _status_document(call, job, logs=_wants_logs(call))
        if document != sent:
            await response.write(_event(document))
            sent, quiet_since = document, time.monotonic()
        elif time.monotonic() - quiet_since > STREAM_PING_SECONDS:
            await response.write(b": ping\n\n")
            quiet_since = time.monotonic()
        if job.is_over:
            break
        await asyncio.sleep(STREAM_LOOK_SECONDS)
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


def _event(document: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def _is_gone(request: web.Request) -> bool:
    """Whether the reader has closed the connection."""
    return request.transport is None or request.transport.is_closing()


async def _result(call: Call) -> web.Response:
    job = _job(call)
    if not job.is_over:
        return reply(400, {"detail": "Request is still in progress"}, job.id)
    return _result_reply(call, job)


def _result_reply(call: Call, job: Job) -> web.Response:
    status, body, headers = result_of(job, call.box.addresses["fal.results"])
    return reply(status, body, job.id, headers)


async def _cancel(call: Call) -> web.Response:
    try:
        job = _job(call)
    except Refusal:
        return reply(404, {"status": "NOT_FOUND"})
    fault = call.struck_by("cancel-ignored")
    word = call.box.jobs.cancel(job, ignore=fault is not None)
    return reply(CANCEL_STATUS[word], {"status": word}, job.id)


def _job(call: Call) -> Job:
    """The job that the path names; only its owner and only its own app know it."""
    match = call.request.match_info
    job = call.box.jobs.find("fal", match["id"])
    app = f"{match['owner']}/{match['app']}"
    if job is None or job.account != call.account or _app(job.model) != app:
        raise Refusal(reply(404, {"detail": "Request not found"}))
    return job


def _app(model: str) -> str:
    """Status, result and cancel are below owner and app only."""
    return "/".join(model.split("/")[:2])


def _wants_logs(call: Call) -> bool:
    return call.request.query.get("logs", "0").lower() in ("1", "true")


def _status_document(call: Call, job: Job, *, logs: bool = False) -> dict[str, Any]:
    base = f"{call.box.addresses['fal.queue']}/{_app(job.model)}/requests/{job.id}"
    document: dict[str, Any] = {
        "status": {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}.get(job.state, "COMPLETED"),
        "request_id": job.id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
    }
    if job.state == "queued":
        return document | {"queue_position": call.box.jobs.queue_position(job)}
    document["logs"] = logs_of(job) if logs else None
    if job.is_over:
        ran = None if job.started_at is None else (job.ended_at or 0) - job.started_at
        document["metrics"] = {"inference_time": None if ran is None else round(ran, 3)}
        document |= error_of(job)
    return document
