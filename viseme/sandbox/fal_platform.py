"""api.fal.ai: the list of requests.

Source: fal.ai/docs/platform-apis/v1/models/requests/by-endpoint. It shows ended requests; whether
unfinished ones are listed is not said, and can be set (``fal_lists_unfinished``). Nor is it said
which of a request's times the window is about; it is taken as the end, by which the list is sorted.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from . import orders
from .fal import FAL, reply, result_of
from .records import Job, now
from .vendor import Refusal
from .wire import Box, Call, Route

LISTING_DELAY_SECONDS = 1.0
DAY_SECONDS = 86_400.0
STATUS_CODES = {"success": range(200, 300), "user_error": range(400, 500), "error": range(500, 600)}


def routes(box: Box) -> list[web.RouteDef]:
    listing = Route(FAL, "list", _list)
    return [web.get("/v1/models/requests/by-endpoint", listing.bound(box))]


async def _list(call: Call) -> web.Response:
    query = call.request.query
    endpoints = {name for text in query.getall("endpoint_id", []) for name in text.split(",")}
    if not 1 <= len(endpoints) <= 50:
        raise _wrong("endpoint_id", "between 1 and 50 endpoint ids are required")
    request_id = query.get("request_id")
    since = 90 * DAY_SECONDS if request_id else DAY_SECONDS
    start = _moment(call, "start", now() - since)
    end = _moment(call, "end", now() + 1)
    limit = _limit(query.get("limit", "50"))
    page = _page(query.get("cursor"))
    wanted_status = query.get("status")
    if wanted_status is not None and wanted_status not in STATUS_CODES:
        raise _wrong("status", "Input should be 'success', 'error' or 'user_error'")
    jobs = [
        job
        for job in _visible(call)
        if job.model in endpoints
        and request_id in (None, job.id)
        and start <= _ended(job) < end
        and (wanted_status is None or _code(call, job) in STATUS_CODES[wanted_status])
    ]
    by_duration = query.get("sort_by") == "duration"
    jobs.sort(key=_duration if by_duration else _ended, reverse=True)
    shown = jobs[page * limit : (page + 1) * limit]
    more = len(jobs) > (page + 1) * limit
    expand = {name for text in query.getall("expand", []) for name in text.split(",")}
    document = {
        "items": [_item(call, job, payloads="payloads" in expand) for job in shown],
        "next_cursor": base64.b64encode(str(page + 1).encode()).decode() if more else None,
        "has_more": more,
    }
    return reply(200, document)


def _visible(call: Call) -> list[Job]:
    """The caller's jobs that the listing knows by now."""
    until = orders.hidden_until(call, LISTING_DELAY_SECONDS)
    if until is None:
        return []
    unfinished = call.box.options.fal_lists_unfinished
    return [
        job
        for job in call.box.state.jobs("fal")
        if job.account == call.account and (job.is_over or unfinished) and job.accepted_at <= until
    ]


def _ended(job: Job) -> float:
    return job.ended_at or now()


def _duration(job: Job) -> float:
    return _ended(job) - (job.started_at or _ended(job))


def _code(call: Call, job: Job) -> int | None:
    return result_of(job, "")[0] if job.is_over else None


def _item(call: Call, job: Job, *, payloads: bool) -> dict[str, Any]:
    item = {
        "request_id": job.id,
        "endpoint_id": job.model,
        "sent_at": orders.iso(job.accepted_at),
        "started_at": orders.iso(job.started_at),
        "ended_at": orders.iso(job.ended_at),
        "status_code": _code(call, job),
        "duration": round(_duration(job), 3),
    }
    if payloads and job.keeps_payload and job.body_disk is not None:
        item["json_input"] = _sent_body(call.box.state.folder / job.body_disk)
        if job.is_over:
            item["json_output"] = result_of(job, call.box.addresses["fal.results"])[1]
    return item


def _sent_body(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _moment(call: Call, name: str, default: float) -> float:
    text = call.request.query.get(name)
    if text is None:
        return default
    try:
        return orders.read_time(text)
    except ValueError:
        raise _wrong(name, "Input should be an ISO8601 date or time") from None


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise _wrong("limit", "Input should be between 1 and 100")
    return int(text)


def _page(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.b64decode(cursor, validate=True))
    except (ValueError, binascii.Error):
        raise _wrong("cursor", "not a cursor of this listing") from None


def _wrong(field: str, message: str) -> Refusal:
    error = {"type": "validation_error", "message": f"{field}: {message}"}
    return Refusal(reply(400, {"error": error}))
