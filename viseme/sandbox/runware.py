"""api.runware.ai/v1: arrays of tasks.

Sources: runware.ai/docs/models/pixverse-lipsync; runware.ai/docs/platform: introduction,
authentication, task-polling, task-details, media-storage, webhooks, errors.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from . import bodies, orders
from .media_store import UUID_TEXT, MediaMissing, is_private_host, sniff_media_type
from .models import MODELS
from .orders import Wishes
from .records import Job, StoredFile
from .runware_answers import RUNWARE, TaskError, ack, details, results_of
from .vendor import Refusal
from .wire import Box, Call, Route

MODEL = "pixverse:lipsync@1"
MAX_TASKS = 100
OPERATIONS = {
    "videoInference": "submit",
    "mediaStorage": "upload",
    "getResponse": "status",
    "getTaskDetails": "list",
}

Answers = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def routes(box: Box) -> list[web.RouteDef]:
    route = Route(RUNWARE, "unread", _post, has_json=True, classify=_operation)
    return [web.post("/v1", route.bound(box))]


def _operation(value: Any) -> str:
    """The operation of the first task that is not an authentication."""
    tasks = value if isinstance(value, list) else []
    kinds = [task.get("taskType") for task in tasks if isinstance(task, dict)]
    known = [OPERATIONS[kind] for kind in kinds if kind in OPERATIONS]
    return known[0] if known else "submit"


async def _post(call: Call) -> web.Response:
    tasks = call.json
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= MAX_TASKS:
        raise Refusal(RUNWARE.invalid_body("The body must be an array of 1 to 100 task objects."))
    data: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    status = 200
    for task in tasks:
        try:
            done, failed = await _do(call, task)
        except TaskError as error:
            errors += error.entries
            status = error.status if status == 200 else status
            continue
        data += done
        errors += failed
    body: dict[str, Any] = {"data": data} if data or not errors else {}
    if errors:
        body["errors"] = errors
    # A request of which anything worked is a 200 that also holds errors.
    return web.json_response(body, status=200 if data or status == 200 else status)


async def _do(call: Call, task: Any) -> Answers:
    if not isinstance(task, dict):
        raise TaskError(400, "invalidTask", "Every task must be an object.", {})
    kind = task.get("taskType")
    if kind == "authentication":
        session = {"taskType": kind, "connectionSessionUUID": str(uuid.uuid4())}
        return [session], []
    doers: dict[Any, Callable[[Call, dict[str, Any]], Awaitable[Answers]]] = {
        "videoInference": _infer,
        "mediaStorage": _store,
        "getResponse": _respond,
        "getTaskDetails": _detail,
    }
    if kind not in doers:
        text = f"Invalid value for 'taskType' parameter: {kind!r} is not supported here."
        raise TaskError(400, "unsupportedTaskType", text, task, "taskType")
    task_uuid = task.get("taskUUID")
    if not isinstance(task_uuid, str) or not UUID_TEXT.fullmatch(task_uuid):
        word = "missing" if task_uuid is None else "invalid"
        text = "The 'taskUUID' parameter must be a UUID v4."
        raise TaskError(400, f"{word}TaskUUID", text, task, "taskUUID")
    return await doers[kind](call, task)


async def _infer(call: Call, task: dict[str, Any]) -> Answers:
    if call.struck_by("no-credit", "submit"):
        raise TaskError(402, "insufficientCredits", "The balance is insufficient.", task)
    model = MODELS.get(("runware", str(task.get("model"))))
    if model is None:
        text = f"Invalid value for 'model' parameter: {task.get('model')!r} is not known."
        raise TaskError(400, "invalidModel", text, task, "model")
    problems = model.check(task)
    if problems:
        raise TaskError.of_problems(problems, task)
    _check_uuids(call, task, list(model.media(task).items()))
    if call.box.jobs.find("runware", task["taskUUID"].lower()):
        raise _conflict(task)
    wishes = Wishes(
        RUNWARE.queue_seconds,
        RUNWARE.run_seconds,
        result_count=task.get("numberResults", 1),
        lifetime_seconds=task.get("ttl"),
        webhook_url=task.get("webhookURL"),
        upload_url=task.get("uploadEndpoint"),
    )
    job = await orders.prepare(call, model, task, task["taskUUID"].lower(), wishes)
    if job.failure is not None and job.failure.kind == "invalid":
        raise TaskError(400, "invalidRequest", job.failure.message, task)
    try:
        _accept(call, job)
    except sqlite3.IntegrityError:
        raise _conflict(task) from None
    return [ack(job)], []


def _accept(call: Call, job: Job) -> None:
    """Book one task; it alone is kept as it was sent, not the array around it."""
    disk = f"bodies/runware-{uuid.uuid4()}.json"
    job.body_disk = disk
    path = call.box.state.folder / disk
    path.write_text(json.dumps(job.body), "utf-8")
    call.keeps_body = True
    try:
        call.box.jobs.accept(job)
    except sqlite3.IntegrityError:
        path.unlink()
        raise


def _conflict(task: dict[str, Any]) -> TaskError:
    text = "Task UUID conflict: a task with this UUID has been received before."
    return TaskError(400, "conflictTaskUUID", text, task, "taskUUID")


def _check_uuids(call: Call, task: dict[str, Any], media: list[tuple[str, str]]) -> None:
    for role, text in media:
        if UUID_TEXT.fullmatch(text) and call.box.state.media(text.lower()) is None:
            parameter = "inputs.referenceVideos" if role == "video" else "inputs.audio"
            code = "invalidReferenceVideos" if role == "video" else "invalidAudio"
            message = f"Invalid value for '{parameter}' parameter: no media has the UUID {text}."
            raise TaskError(400, code, message, task, parameter)


async def _store(call: Call, task: dict[str, Any]) -> Answers:
    operation, media = task.get("operation"), task.get("media")
    answer = {"taskType": "mediaStorage", "taskUUID": task["taskUUID"], "operation": operation}
    if operation == "delete":
        # The vendor's SDK types name the UUID `media`; its answers call it `mediaUUID`.
        media_uuid = str(media if media is not None else task.get("mediaUUID")).lower()
        stored = call.box.state.media(media_uuid)
        if stored is None:
            text = f"No stored media has the UUID {media_uuid}."
            raise TaskError(404, "mediaNotFound", text, task, "media")
        call.box.state.drop_media(media_uuid)
        call.box.media.on_disk(stored).unlink(missing_ok=True)
        return [answer | {"mediaUUID": media_uuid}], []
    if operation != "upload":
        text = "The 'operation' parameter must be upload or delete."
        raise TaskError(400, "invalidOperation", text, task, "operation")
    if not isinstance(media, str) or not media:
        text = "The 'media' parameter must be a public URL, a data URI or base64."
        raise TaskError(400, "invalidMedia", text, task, "media")
    stored = _take_in(call, task, media)
    call.box.state.add_file(stored)
    call.keeps_body = True
    url = call.box.addresses["runware.results"] + stored.path
    return [answer | {"mediaUUID": stored.media_uuid, "mediaURL": url}], []


def _take_in(call: Call, task: dict[str, Any], media: str) -> StoredFile:
    """Store a medium; a foreign URL is stored as a reference, since nothing is fetched."""
    media_uuid = str(uuid.uuid4())
    source_url: str | None = None
    try:
        if media.startswith(("http://", "https://")):
            path = call.box.media.resolve(media, "video")
            source_url = None if is_private_host(urlsplit(media).hostname or "") else media
        elif bodies.marked_file(media, call.box.state.folder) or media.startswith("data:"):
            path = call.box.media.resolve(media, "video")
        else:
            path = call.box.media.decode(media)
        media_type = sniff_media_type(path)
    except (MediaMissing, OSError) as error:
        raise TaskError(400, "invalidMedia", str(error), task, "media") from None
    folder = call.box.state.folder
    disk = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    place = f"/media/{media_uuid}"
    return StoredFile("runware.results", place, disk, media_type, media_uuid, source_url)


def _job(call: Call, task: dict[str, Any]) -> Job:
    """The caller's job of a lookup, unless a fault hides it."""
    until = orders.hidden_until(call, 0.0)
    job = call.box.jobs.find("runware", task["taskUUID"].lower())
    if job is None or job.account != call.account or until is None or job.accepted_at > until:
        text = "The task has failed or was not found."
        raise TaskError(404, "taskFailedOrNotFound", text, task, "taskUUID")
    return job


async def _respond(call: Call, task: dict[str, Any]) -> Answers:
    return results_of(_job(call, task), call.box.addresses["runware.results"])


async def _detail(call: Call, task: dict[str, Any]) -> Answers:
    job = _job(call, task)
    sent = _read(call.box.state.folder / job.body_disk) if job.body_disk else job.body
    return [details(job, sent, call.box.addresses["runware.results"])], []


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())
