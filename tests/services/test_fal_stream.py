"""fal's status stream: what is told, how it is given up, and what it never does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from viseme.model import Vendor
from viseme.services import Service
from viseme.services.base import Phase, Report
from viseme.services.fal import queue_paths
from viseme.services.fal_stream import MAX_EVENT_BYTES, MAX_STREAM_BYTES

from .conftest import CANARY_KEYS, Party

IDS = {"request_id": "r1", **queue_paths("/fal-ai/pixverse/lipsync", "r1")}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
Wire = Any
ServerOf = Callable[[Callable[[Wire], None]], Any]


def event(status: str, **values: Any) -> bytes:
    return b"data: " + json.dumps({"status": status, **values}).encode() + b"\n\n"


def said(server: Any, count: int, ids: dict[str, str] = IDS, seconds: float = 60) -> list[Report]:
    """The first words that a stream of this server's says."""

    async def use(service: Service) -> list[Report]:
        changes = service.changes(ids, logs=True)
        try:
            found = [await changes.next(seconds) for _ in range(count)]
        finally:
            await changes.close()
        return [report for report in found if report is not None]

    return Party({"fal.queue": server.url}).run(Vendor.FAL, use)


@pytest.mark.parametrize(
    ("spoken", "report"),
    [
        (event("IN_QUEUE", queue_position=4), Report(Phase.QUEUED, 4)),
        (
            event("IN_PROGRESS", logs=[{"message": "frame 3", "level": "INFO"}]),
            Report(Phase.RUNNING, None, ("frame 3",)),
        ),
        (event("COMPLETED", logs=None, error="it broke"), Report(Phase.SUCCEEDED)),
    ],
)
def test_position_log_lines_and_end_are_told_while_the_stream_goes_on(
    wire_server: ServerOf, spoken: bytes, report: Report
) -> None:
    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(HEAD + b": hello\n\n" + spoken)
        wire.stall()

    assert said(wire_server(script), 1) == [report]


def test_the_stream_is_asked_for_where_the_status_is_and_with_the_key(
    wire_server: ServerOf,
) -> None:
    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(HEAD + event("IN_PROGRESS"))
        wire.stall()

    server = wire_server(script)
    said(server, 1)
    said(server, 1, {**IDS, "status_path": "/x/y/requests/r1/status?a=b"})
    first, second = server.heads
    assert first.startswith("GET /fal-ai/pixverse/requests/r1/status/stream?logs=1 HTTP/1.1")
    assert second.startswith("GET /x/y/requests/r1/status/stream?")
    assert f"authorization: key {CANARY_KEYS[Vendor.FAL]}" in first.lower()
    assert "accept-encoding: identity" in first.lower()


def test_a_key_that_a_stream_repeats_is_not_shown(wire_server: ServerOf) -> None:
    def script(wire: Wire) -> None:
        wire.read_head()
        log = {"message": f"called with {CANARY_KEYS[Vendor.FAL]}"}
        wire.send(HEAD + event("IN_PROGRESS", logs=[log]))
        wire.stall()

    assert said(wire_server(script), 1)[0].log_lines == ("called with ***",)


def test_a_redirected_stream_is_not_followed(wire_server: ServerOf) -> None:
    elsewhere = wire_server(lambda wire: wire.answer(200))

    def script(wire: Wire) -> None:
        while wire.read_head():
            wire.answer(307, Location=f"{elsewhere.url}/status/stream")

    assert said(wire_server(script), 1, seconds=0.5) == []
    assert elsewhere.connection_count == 0


@pytest.mark.parametrize(
    "rubbish",
    [
        b"data: no json\n\n",
        b"data: [1]\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: \xff\xfe\n\n",
        b'data: {"status": ["IN_QUEUE"]}\n\ndata: {"status": "DANCING"}\n\ndata: {}\n\n',
        bytes(300_000) + b"\n\n",
        b'event: error\ndata: {"detail": "gone"}\n\n',
    ],
)
def test_what_is_no_status_is_passed_over(wire_server: ServerOf, rubbish: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(HEAD + rubbish + event("IN_QUEUE", queue_position=1))
        wire.stall()

    assert said(wire_server(script), 1) == [Report(Phase.QUEUED, 1)]


@pytest.mark.parametrize(
    "kind", ["an event without end", "events without end", "a break", "no stream", "an end"]
)
def test_a_stream_that_fails_is_asked_for_again_after_a_while(
    wire_server: ServerOf, kind: str
) -> None:
    def script(wire: Wire) -> None:
        wire.read_head()
        if wire.number > 1:
            wire.send(HEAD + event("COMPLETED"))
        elif kind == "an event without end":
            sent[0] = send_until_left(wire, b"data: " + bytes(60_000))
        elif kind == "events without end":
            sent[0] = send_until_left(wire, b": " + bytes(60_000) + b"\n\n")
        elif kind == "no stream":
            wire.answer(200, {"status": "COMPLETED"})
        elif kind == "a break":
            wire.send(HEAD + b"data: {")
            wire.reset()
        else:
            wire.send(HEAD)

    sent = [0]
    server = wire_server(script)
    assert said(server, 1) == [Report(Phase.SUCCEEDED)]
    assert server.connection_count == 2
    if kind == "an event without end":
        assert MAX_EVENT_BYTES < sent[0] < 4 * MAX_EVENT_BYTES
    if kind == "events without end":
        assert MAX_STREAM_BYTES < sent[0] < 1.5 * MAX_STREAM_BYTES


def send_until_left(wire: Wire, piece: bytes) -> int:
    """How many bytes the other side took before it left."""
    count = 0
    wire.send(HEAD)
    while count < 3 * MAX_STREAM_BYTES:
        try:
            wire.send(piece)
        except OSError:
            break
        count += len(piece)
    return count


def test_a_stream_that_works_and_is_cut_again_and_again_is_soon_asked_for_each_time(
    wire_server: ServerOf,
) -> None:
    """Pauses that doubled would be of 1, 2, 4 and 8 seconds."""
    begun: list[float] = []

    def script(wire: Wire) -> None:
        begun.append(time.monotonic())
        wire.read_head()
        wire.send(HEAD + event("IN_QUEUE", queue_position=len(begun)))

    server = wire_server(script)
    assert [report.queue_position for report in said(server, 5)] == [1, 2, 3, 4, 5]
    assert begun[4] - begun[3] < 4 * (begun[1] - begun[0])


def test_a_false_end_is_told_once_a_stream(wire_server: ServerOf) -> None:
    """Who asks after each of them must not be kept asking."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(HEAD)
        while not server.ended.is_set():
            wire.send(event("COMPLETED") + event("IN_PROGRESS"))

    server = wire_server(script)
    assert said(server, 2, seconds=0.5) == [Report(Phase.SUCCEEDED)]
    assert server.connection_count == 1


def test_of_many_words_the_latest_is_told(wire_server: ServerOf) -> None:
    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(HEAD + b"".join(event("IN_QUEUE", queue_position=n) for n in range(999, -1, -1)))
        wire.stall()

    server = wire_server(script)

    async def use(service: Service) -> int:
        changes = service.changes(IDS, logs=False)
        try:
            words = 1
            while (report := await changes.next(60)) is None or report.queue_position != 0:
                words += 1
        finally:
            await changes.close()
        return words

    assert Party({"fal.queue": server.url}).run(Vendor.FAL, use) < 100
