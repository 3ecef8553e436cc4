"""The control address: what a test or a tool asks the sandbox itself.

``GET /_sandbox/addresses charges requests`` and ``POST /_sandbox/faults reset`` are the contract;
``GET /_sandbox/faults`` shows the faults in force, ``DELETE /_sandbox/faults`` ends them, and
``GET /_sandbox/deliveries`` has the webhooks and uploads that were sent or, to addresses that are
not loopback, only recorded. Beside the requests stands how many are being dealt with just now.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from ..errors import InputError
from .faults import read_fault
from .wire import Box, give_up_calls, touch


def addresses_document(box: Box) -> dict[str, Any]:
    """``sandbox_id``, ``time_scale`` and the base URLs by name."""
    return {
        "sandbox_id": box.state.sandbox_id,
        "time_scale": box.options.time_scale,
        **box.addresses,
    }


def routes(box: Box) -> list[web.RouteDef]:
    async def addresses(_: web.Request) -> Any:
        return addresses_document(box)

    async def charges(_: web.Request) -> Any:
        return {"charges": box.state.charges()}

    async def requests(_: web.Request) -> Any:
        return {"requests": box.state.requests(), "under_way": len(box.under_way)}

    async def show_faults(_: web.Request) -> Any:
        return {"faults": box.faults.documents()}

    async def add_fault(request: web.Request) -> Any:
        try:
            document = json.loads(await request.read())
        except ValueError as error:
            raise InputError(f"The body is not JSON: {error}", field="faults") from None
        if not isinstance(document, dict):
            raise InputError("The body must be an object with a name.", field="faults")
        box.faults.add(read_fault(document))
        return {"faults": box.faults.documents()}

    async def end_faults(_: web.Request) -> Any:
        box.faults.clear()
        return {"faults": []}

    async def deliveries(_: web.Request) -> Any:
        rows = box.state.deliveries()
        return {"deliveries": [_delivery(row) for row in rows]}

    async def reset(_: web.Request) -> Any:
        await reset_box(box)
        return {"sandbox_id": box.state.sandbox_id}

    def call(handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        return _control_call(box, handler)

    return [
        web.get("/_sandbox/addresses", call(addresses)),
        web.get("/_sandbox/charges", call(charges)),
        web.get("/_sandbox/requests", call(requests)),
        web.get("/_sandbox/faults", call(show_faults)),
        web.get("/_sandbox/deliveries", call(deliveries)),
        web.post("/_sandbox/faults", call(add_fault)),
        web.delete("/_sandbox/faults", call(end_faults)),
        web.post("/_sandbox/reset", call(reset)),
    ]


def _control_call(box: Box, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        touch(box)
        try:
            return web.json_response(await handler(request))
        except InputError as error:
            document = {
                "kind": error.kind,
                "message": error.message,
                "field": error.field,
                "value": error.value,
                "limit": error.limit,
            }
            return web.json_response({"error": document}, status=400)

    return handle


def _delivery(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: row[key] for key in ("time", "vendor", "kind", "url", "attempts", "status")}
    payload = None if row["payload"] is None else json.loads(row["payload"])
    return shown | {"state": row["state"], "payload": payload}


async def reset_box(box: Box) -> None:
    """Forget jobs, charges, requests, deliveries and faults; uploads and the id stay.

    Calls under way are given up first: what they would have bought belongs to what is forgotten.
    """
    await give_up_calls(box)
    await box.jobs.stop()
    await box.couriers.stop(forget=True)
    box.faults.clear()
    delete_files(box.state.folder, box.state.forget())


def delete_files(folder: Path, names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
