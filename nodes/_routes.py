"""The HTTP routes that the page calls: which keys are set, setting them, and which jobs are left.

They are write-only: no answer, log or error holds a key. A key belongs to the server, also with
``--multi-user``: whoever may open this ComfyUI buys with it, and may replace it.

``GET /viseme/keys`` answers ``{"vendors": [{vendor, label, is_set, origin}]}``; ``origin`` is
``environment NAME``, ``keyring``, ``credentials.json`` or null. ``POST /viseme/keys`` takes
``{"vendor": V, "key": TEXT}``, or null for a key to clear it, and answers the same. A refusal is
``{"error": {kind, field, limit, remedy, text}}``.

``GET /viseme/jobs/left`` answers ``{"jobs": [{id, vendor, label, endpoint, state, is_sandbox}]}``,
newest first: those that are not finished and that no program works on.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from aiohttp import web
from server import PromptServer

from ..viseme import credentials
from ..viseme.errors import CredentialError, InputError, VisemeError
from ..viseme.model import Vendor
from ..viseme.secret import Secret
from ._host import home
from ._left import is_sandboxed, jobs_left
from ._same_origin import OWN_HEADER, why_not_ours

_PATH = "/viseme/keys"
_LEFT_PATH = "/viseme/jobs/left"
_MOST_BODY_BYTES = 4096
_MOST_BODY_SECONDS = 5.0
# Two changes at once would each write the file as it was before the other.
_one_change_at_a_time = threading.Lock()


class _Refused(Exception):
    def __init__(self, status: int, error: VisemeError) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


def add_routes() -> None:
    """Add the routes to the host's, once: with a second copy of the pack the first one's stay."""
    routes = PromptServer.instance.routes
    if any(getattr(route, "path", None) == _PATH for route in routes):
        return
    routes.get(_PATH)(_tell)
    routes.post(_PATH)(_change)
    routes.get(_LEFT_PATH)(_tell_left)


async def _tell(request: web.Request) -> web.Response:
    try:
        _check_sender(request, changes=False)
        return await _all_keys()
    except _Refused as refused:
        return _refusal(refused.status, refused.error)
    except VisemeError as error:
        return _refusal(500, error)


async def _tell_left(request: web.Request) -> web.Response:
    try:
        _check_sender(request, changes=False)
        jobs = await asyncio.to_thread(jobs_left)
    except _Refused as refused:
        return _refusal(refused.status, refused.error)
    except VisemeError as error:
        return _refusal(500, error)
    told = [
        {
            "id": job.id,
            "vendor": job.vendor.value,
            "label": job.vendor.label,
            "endpoint": job.endpoint,
            "state": job.state.value,
            "is_sandbox": is_sandboxed(job),
        }
        for job in jobs
    ]
    return _answer(200, {"jobs": told})


async def _change(request: web.Request) -> web.Response:
    try:
        _check_sender(request, changes=True)
        vendor, key = _read_change(await _read_body(request))
        await asyncio.to_thread(_keep_or_forget, vendor, key)
        return await _all_keys()
    except _Refused as refused:
        return _refusal(refused.status, refused.error)
    except VisemeError as error:
        return _refusal(400 if error.field == "key" else 500, error)


def _check_sender(request: web.Request, *, changes: bool) -> None:
    why = why_not_ours(request.headers, changes=changes)
    if why is None:
        return
    # No path of this machine: whoever asks may be a stranger.
    remedy = (
        "Open ComfyUI by https, by its address (http://192.168.1.5:8188) or as localhost, or use "
        f"`viseme login` on its machine. A script sends the header {OWN_HEADER} and no Origin."
    )
    raise _Refused(
        403, InputError(f"This request is refused. {why}", field="Origin", remedy=remedy)
    )


async def _read_body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise _Refused(
            415,
            InputError(
                "This request is not JSON.",
                field="Content-Type",
                limit="application/json",
                remedy="Send it as application/json.",
            ),
        )
    too_large = InputError(
        f"This request is longer than {_MOST_BODY_BYTES} bytes; no key is.",
        field="key",
        limit=_MOST_BODY_BYTES,
        remedy="Copy the key alone, then try again.",
    )
    if (request.content_length or 0) > _MOST_BODY_BYTES:
        raise _Refused(413, too_large)
    try:
        body = await asyncio.wait_for(_read_at_most(request, _MOST_BODY_BYTES), _MOST_BODY_SECONDS)
    except asyncio.TimeoutError:
        late = InputError(
            f"This request was not whole within {_MOST_BODY_SECONDS:g} s.",
            field="body",
            limit=f"{_MOST_BODY_SECONDS:g} s",
            remedy="Send it again.",
        )
        raise _Refused(408, late) from None
    if len(body) > _MOST_BODY_BYTES:
        raise _Refused(413, too_large)
    return body


async def _read_at_most(request: web.Request, most_bytes: int) -> bytes:
    """The body, or its beginning, longer than ``most_bytes``, where it is longer."""
    body = bytearray()
    while len(body) <= most_bytes and (piece := await request.content.readany()):
        body += piece
    return bytes(body)


def _read_change(body: bytes) -> tuple[Vendor, Secret | None]:
    """What a body asks for. No error says what was in it: a key may stand in the wrong place."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):  # not JSON, or nested without end
        document = None
    if not isinstance(document, dict) or set(document) != {"vendor", "key"}:
        raise _Refused(
            400,
            InputError(
                "This request is not understood.",
                field="body",
                limit='{"vendor": "fal", "key": "..."}',
                remedy='Send vendor and key, {"vendor": "fal", "key": null} to clear it.',
            ),
        )
    names = [vendor.value for vendor in Vendor]
    vendor, key = document["vendor"], document["key"]
    if vendor not in names:
        raise _Refused(
            400,
            InputError(
                "There is no such vendor.",
                field="vendor",
                limit=", ".join(names),
                remedy=f"Name one of {', '.join(names)}.",
            ),
        )
    if key is not None and not isinstance(key, str):
        raise _Refused(
            400,
            InputError("A key is a text.", field="key", remedy="Send a text, or null to clear it."),
        )
    return Vendor(vendor), None if key is None else Secret(key)


def _keep_or_forget(vendor: Vendor, key: Secret | None) -> None:
    with _one_change_at_a_time:
        if key is None:
            credentials.forget(vendor, home())
            return
        try:
            credentials.store(vendor, key, home())
        except CredentialError as error:
            if error.field != "key":
                raise
            # Its remedy is the command line's; here the field is in front of the user.
            raise CredentialError(
                error.message, field="key", remedy="Copy the whole key alone, then enter it again."
            ) from None


async def _all_keys() -> web.Response:
    states = await asyncio.to_thread(
        lambda: [credentials.status(vendor, home()) for vendor in Vendor]
    )
    vendors = [
        {
            "vendor": state.vendor.value,
            "label": state.vendor.label,
            "is_set": state.is_set,
            "origin": _origin(state),
        }
        for state in states
    ]
    return _answer(200, {"vendors": vendors})


def _origin(state: credentials.Status) -> str | None:
    """From where, without a path of this machine."""
    if state.origin is None or state.origin == "keyring":
        return state.origin
    if state.origin == credentials.ENVIRONMENT_VARIABLES[state.vendor]:
        return f"environment {state.origin}"
    return home().credentials.name


def _refusal(status: int, error: VisemeError) -> web.Response:
    named = {name: getattr(error, name) for name in ("kind", "field", "limit", "remedy")}
    return _answer(status, {"error": {**named, "text": str(error)}})


def _answer(status: int, document: dict[str, Any]) -> web.Response:
    return web.json_response(document, status=status, headers={"Cache-Control": "no-store"})
