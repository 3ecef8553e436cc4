"""One call from its first byte to its record: key, faults, handler, answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import bodies, faults, transfers
from .faults import Fault, Faults
from .jobs import Jobs
from .media_store import MediaStore
from .options import SandboxOptions
from .state import State
from .vendor import Refusal, Vendor
from .webhooks import Couriers

Answer = web.StreamResponse | transfers.Source | transfers.Stream


@dataclass
class Box:
    """The running sandbox, as its parts see it. ``addresses`` are base URLs by name."""

    options: SandboxOptions
    state: State
    faults: Faults
    media: MediaStore
    couriers: Couriers
    jobs: Jobs
    addresses: dict[str, str] = field(default_factory=dict)
    last_call: float = field(default_factory=time.monotonic)
    under_way: set[asyncio.Task[Any]] = field(default_factory=set)


@dataclass
class Call:
    """One request to one vendor. ``body`` is set where the route reads JSON."""

    box: Box
    vendor: Vendor
    request: web.Request
    operation: str
    row_id: int = 0  # in the log of calls
    body: bodies.JsonBody | None = None
    account: str = ""
    keeps_body: bool = False  # a job or a stored medium has taken over the body's media

    def __post_init__(self) -> None:
        self._faults_generation = self.box.faults.generation

    def struck_by(self, name: str, operation: str | None = None) -> Fault | None:
        """The fault of this name that strikes this call now, its count spent; ``None`` mostly.

        ``operation`` is that of a part of a body that has several.
        """
        if self._faults_generation != self.box.faults.generation:
            return None
        return self.box.faults.take(name, operation or self.operation, self.vendor.name)

    @property
    def json(self) -> Any:
        return None if self.body is None else self.body.value


Handler = Callable[[Call], Awaitable[Answer]]
AioHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """How the calls of one route are dealt with.

    ``operation`` is its name in the log of calls, until ``classify`` finds another in the body.
    ``spends`` says that it is refused without credit.
    """

    vendor: Vendor
    operation: str
    handler: Handler
    has_json: bool = False
    keyed: bool = True
    spends: bool = False
    max_body_bytes: int | None = None
    classify: Callable[[Any], str] | None = None

    def bound(self, box: Box) -> AioHandler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await _handle(box, self, request)

        return handle


async def give_up_calls(box: Box) -> None:
    """End the calls that are still under way; each is recorded as unanswered."""
    tasks = list(box.under_way)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def touch(box: Box) -> None:
    """Somebody called: the idle time starts anew."""
    box.last_call = time.monotonic()


async def _handle(box: Box, route: Route, request: web.Request) -> web.StreamResponse:
    touch(box)
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a call is always dealt with in a task")
    call = Call(box, route.vendor, request, route.operation)
    call.row_id = box.state.open_request(
        route.vendor.name,
        route.operation,
        request.method,
        request.path,
        has_key=route.vendor.has_key(call),
    )
    response: web.StreamResponse | None = None
    box.under_way.add(task)
    try:
        response = await _send(request, await _answer(call, route))
    except ConnectionError:
        response = response or transfers.Hangup()
    finally:
        touch(box)
        box.under_way.discard(task)
        if call.body is not None:
            call.body.discard(with_media=not call.keeps_body)
        sent = transfers.sent_bytes(response)
        hung_up = isinstance(response, transfers.Hangup) and not sent
        box.state.close_request(
            call.row_id,
            call.operation,
            status=None if hung_up or response is None else response.status,
            bytes_in=getattr(request.content, "total_bytes", 0),
            bytes_out=sent,
            has_key=route.vendor.has_key(call),
        )
    return response


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send here and not in aiohttp, so that the log has what was sent."""
    if isinstance(answer, transfers.Source):
        return await transfers.send_file(request, answer)
    if isinstance(answer, transfers.Stream):
        return await answer.send()
    if not isinstance(answer, transfers.Hangup) and not answer.prepared:
        await answer.prepare(request)
        await answer.write_eof()
    return answer


async def _answer(call: Call, route: Route) -> Answer:
    try:
        if route.has_json:
            await _read_body(call, route)
        before = await _strike_before(call)
        if before is not None:
            return before
        if route.keyed:
            call.account = call.vendor.authenticate(call)
        if route.spends and call.struck_by("no-credit"):
            return call.vendor.no_credit()
        answer: Answer = await route.handler(call)
    except Refusal as refusal:
        answer = refusal.response
    return await _strike_after(call, answer)


async def _read_body(call: Call, route: Route) -> None:
    try:
        call.body = await bodies.read_json(
            call.request, call.box.state.folder, max_bytes=route.max_body_bytes
        )
    except bodies.BodyTooLarge:
        raise Refusal(call.vendor.bad_body(call, "too large", too_large=True)) from None
    except bodies.BodyNotJson as error:
        raise Refusal(call.vendor.bad_body(call, str(error), too_large=False)) from None
    if route.classify is not None:
        call.operation = route.classify(call.body.value)
        call.box.state.classify_request(call.row_id, call.operation)


async def _strike_before(call: Call) -> Answer | None:
    """The faults that come before anything is done."""
    stall = call.struck_by("stall")
    if stall is not None:
        await asyncio.sleep(stall.lasting_seconds)
    if call.struck_by("drop-before-accept"):
        await bodies.drain(call.request)
        return transfers.Hangup()
    if call.struck_by("bad-key"):
        return call.vendor.bad_key(missing=False)
    limited = call.struck_by("429")
    if limited is not None:
        return call.vendor.rate_limited(limited.lasting_seconds)
    if call.struck_by("503"):
        return call.vendor.unavailable()
    if call.struck_by("500"):
        return call.vendor.server_error()
    if call.struck_by("redirect"):
        return _redirect(call)
    return None


def _redirect(call: Call) -> web.Response:
    """To another of the result hosts, all of which have all results; signed, as files often are."""
    here = f"http://{call.request.host}"
    names = ("fal.results", "aimlapi.results", "runware.results")
    other = next(
        address
        for address in (call.box.addresses[name] for name in names)
        if address.rstrip("/") != here
    )
    location = other + call.request.raw_path
    if call.operation != "download":
        return web.Response(status=307, headers={"Location": location})
    return web.Response(status=302, headers={"Location": f"{location}?X-Signature=s1gned0"})


async def _strike_after(call: Call, answer: Answer) -> Answer:
    """The faults that come when all is done."""
    late = call.struck_by("answer-late")
    if late is not None:
        await asyncio.sleep(late.lasting_seconds)
    if call.struck_by("drop-after-accept"):
        return transfers.Hangup()
    if isinstance(answer, web.StreamResponse) and (
        answer.prepared or not isinstance(answer, web.Response)
    ):
        return answer
    for name in faults.GARBLING:
        if not call.struck_by(name):
            continue
        if isinstance(answer, transfers.Stream):
            return await transfers.send_garbled(call.request, answer.beginning, name)
        if isinstance(answer, transfers.Source):
            return await transfers.send_garbled(call.request, answer, name)
        content = answer.body if isinstance(answer.body, bytes) else b""
        source = transfers.Source(content, answer.content_type)
        return await transfers.send_garbled(call.request, source, name, status=answer.status)
    return answer
