"""Starts the sandbox: one listener for the control address, each vendor host and result host."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..errors import LocalError
from . import (
    aimlapi,
    bodies,
    control,
    fal_platform,
    fal_queue,
    fal_storage,
    results,
    runware,
)
from .aimlapi import AIMLAPI
from .fal import FAL
from .faults import Faults
from .jobs import Jobs
from .lock import HomeLock, state_folder
from .media_store import MediaStore
from .options import SandboxOptions
from .runware_answers import RUNWARE
from .state import State
from .vendor import Vendor
from .webhooks import Couriers
from .wire import Box, Call, Route, give_up_calls

HOST = "127.0.0.1"
LARGEST_BODY_BYTES = 64 * 1024**3
GOODBYE_SECONDS = 0.5  # for calls under way when the sandbox stops
VENDORS: dict[str, Vendor] = {vendor.name: vendor for vendor in (FAL, AIMLAPI, RUNWARE)}

Routes = Callable[[Box], list[web.RouteDef]]
LISTENERS: dict[str, tuple[Vendor, Routes]] = {
    "fal.queue": (FAL, fal_queue.queue_routes),
    "fal.run": (FAL, fal_queue.run_routes),
    "fal.rest": (FAL, fal_storage.rest_routes),
    "fal.cdn": (FAL, fal_storage.cdn_routes),
    "fal.platform": (FAL, fal_platform.routes),
    "aimlapi": (AIMLAPI, aimlapi.routes),
    "runware": (RUNWARE, runware.routes),
    "fal.results": (FAL, lambda box: results.routes(box, FAL)),
    "aimlapi.results": (AIMLAPI, lambda box: results.routes(box, AIMLAPI)),
    "runware.results": (RUNWARE, lambda box: results.routes(box, RUNWARE)),
}
PATHS = {"runware": "/v1"}  # what belongs to a base URL beside host and port


async def serve(options: SandboxOptions, faults: Faults, lock: HomeLock) -> None:
    """Run until SIGINT, SIGTERM or the idle time; ``LocalError`` when the port is taken."""
    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    folder = state_folder(options.home)
    bodies.make_folders(folder)
    state = State(folder)
    addresses: dict[str, str] = {}
    couriers = Couriers(state, options.time_scale)
    jobs = Jobs(state, options, couriers, VENDORS, addresses)
    box = Box(options, state, faults, MediaStore(state), couriers, jobs, addresses)
    runners: list[web.AppRunner] = []
    try:
        for name, (vendor, routes) in LISTENERS.items():
            app = _application([*routes(box), *_not_found(box, vendor)])
            addresses[name] = await _listen(app, 0, runners) + PATHS.get(name, "")
        own = await _listen(_application(control.routes(box)), options.port or 0, runners)
        jobs.resume()
        couriers.resume()
        lock.publish(own)
        _announce(box, own)
        await _until_stopped(box, stopping)
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        await give_up_calls(box)
        await jobs.close()
        await couriers.stop()
        state.close()


def _application(routes: list[web.RouteDef]) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app.add_routes(routes)
    return app


def _not_found(box: Box, vendor: Vendor) -> list[web.RouteDef]:
    """The vendor's own words for whatever else is asked of one of its hosts."""

    async def handler(call: Call) -> web.Response:
        await bodies.drain(call.request)
        return call.vendor.not_found(call)

    asked = Route(vendor, "result", handler, keyed=False)
    sent = Route(vendor, "submit", handler, keyed=False)
    return [
        web.get("/{path:.*}", asked.bound(box)),
        web.route("*", "/{path:.*}", sent.bound(box)),
    ]


async def _listen(app: web.Application, port: int, runners: list[web.AppRunner]) -> str:
    """Start serving; the base URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_SECONDS)
    runners.append(runner)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except (OSError, OverflowError) as error:
        raise LocalError(
            f"The sandbox cannot listen on {HOST}:{port}: {error}.",
            field="--port",
            value=port,
            remedy="Name another port, or none to get a free one.",
        ) from error
    host, bound = runner.addresses[0][:2]
    return f"http://{host}:{bound}"


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopping.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))


def _announce(box: Box, own: str) -> None:
    """Say where everything answers: one JSON line, or a table for a person."""
    document: dict[str, Any] = {"control": own, **control.addresses_document(box)}
    if box.options.json:
        text = json.dumps(document)
    else:
        width = max(map(len, document))
        lines = [f"  {name:<{width}}  {value}" for name, value in document.items()]
        text = "\n".join(["The sandbox is ready; Ctrl+C ends it.", *lines])
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


async def _until_stopped(box: Box, stopping: asyncio.Event) -> None:
    limit = box.options.idle_timeout_seconds
    while not stopping.is_set():
        if limit is None:
            await stopping.wait()
            return
        idle = time.monotonic() - box.last_call
        busy = box.jobs.unfinished_count + len(box.under_way)
        if idle >= limit and not busy:
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopping.wait(), max(limit - idle, 0.2))
