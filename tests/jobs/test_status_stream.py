"""A fal job is followed by what its status stream says and by asking; only the latter decides."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Wire = Any

SELDOM = {"fal": {"first_seconds": 3600, "most_seconds": 3600}}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


@pytest.fixture
def words(clip: Path, speech: Path) -> tuple[object, ...]:
    return ("run", "fal-sync", "--video", clip, "--audio", speech, "--json")


def test_completion_is_noticed_without_waiting_for_the_next_poll(
    quick: Command, slow_sandbox: Box, words: tuple[object, ...]
) -> None:
    quick.live(slow_sandbox, poll=SELDOM)
    slow_sandbox.fault("slow-queue", seconds=5, count=1)
    ended = quick.start(*words).ended(timeout=600)
    assert ended.code == 0, ended
    assert quick.states() == ["FETCHED"]
    assert len(slow_sandbox.calls("stream")) == 1
    assert len(slow_sandbox.calls("status")) == 2
    assert "running at fal" in ended.err
    assert len(slow_sandbox.calls("submit")) == len(slow_sandbox.charges()) == 1


def test_an_interrupt_is_noticed_without_waiting_for_the_next_poll(
    quick: Command, slow_sandbox: Box, words: tuple[object, ...]
) -> None:
    quick.live(slow_sandbox, poll=SELDOM)
    slow_sandbox.fault("slow-queue", seconds=600, count=1)
    running = quick.start(*words)
    slow_sandbox.await_call("stream")
    running.signal(signal.SIGINT)
    assert running.ended(timeout=600).code == 130
    assert quick.states() == ["CANCELLED"]
    assert slow_sandbox.charges() == []


def check_that_polling_goes_on(command: Command, box: Box, words: tuple[object, ...]) -> None:
    command.live(box)
    ended = command(*words)
    assert ended.code == 0, ended
    assert command.states() == ["FETCHED"]
    assert len(box.calls("submit")) == len(box.charges()) == 1
    assert box.calls("stream") and len(box.calls("status")) > 1
    assert not any(call["has_key"] for call in box.calls("download"))


def test_a_stream_that_stalls_falls_back_to_polling(
    quick: Command, slow_sandbox: Box, words: tuple[object, ...]
) -> None:
    slow_sandbox.fault("stall", operation="stream", seconds=120)
    check_that_polling_goes_on(quick, slow_sandbox, words)


@pytest.mark.parametrize(
    "fault",
    [
        *("503", "500", "429", "bad-key", "redirect", "drop-before-accept", "drop-after-accept"),
        *("html-200", "wrong-type", "truncate", "lie-length", "endless-body"),
    ],
)
def test_a_stream_that_cannot_be_had_falls_back_to_polling(
    quick: Command, slow_sandbox: Box, words: tuple[object, ...], fault: str
) -> None:
    slow_sandbox.fault(fault, operation="stream")
    check_that_polling_goes_on(quick, slow_sandbox, words)


class Fal:
    """A queue of one request, whose stream says ``streamed``; it ends when its stream has been
    heard and it has been asked three times more."""

    def __init__(self, wire_server: Callable[..., Any]) -> None:
        self.streamed = b""
        self.calls: list[str] = []
        self.server = wire_server(self._serve)

    def _serve(self, wire: Wire) -> None:
        while head := wire.read_request():
            line = head.splitlines()[0]
            if "/status/stream" in line:
                self.calls.append("stream")
                wire.send(HEAD + self.streamed)
                wire.stall()
                return
            document: dict[str, Any] = {"request_id": "r-1"}
            if line.startswith("POST"):
                self.calls.append("submit")
            elif "/status" in line:
                self.calls.append("status")
                heard = "stream" in self.calls
                asked = self.calls[self.calls.index("stream") :].count("status") if heard else 0
                document["status"] = "COMPLETED" if asked > 3 else "IN_QUEUE"
            else:
                self.calls.append("result")
                document = {"video": {"url": "https://example.invalid/a.mp4"}}
            wire.answer(200, json.dumps(document))


@pytest.mark.parametrize(
    ("streamed", "shown"),
    [
        (b'data: {"status": "COMPLETED"}\n\n' * 3, ""),
        (b'data: {"status": "COMPLETED", "error": "it failed", "error_type": "x"}\n\n', ""),
        (b'data: {"status": "IN_QUEUE", "queue_position": 70}\n\n', "queued at position 70 at fal"),
        (b'data: {"status": "IN_PROGRESS", "logs": [{"message": "hm"}]}\n\n', "at fal: hm"),
        (b'data: {"status": "CANCELLED"}\n\ndata: {"status": "FAILED"}\n\n', ""),
        (b"<html>\n\n", ""),
        (b"", ""),
    ],
)
def test_what_a_stream_says_is_shown_and_decides_nothing(
    quick: Command,
    wire_server: Callable[..., Any],
    words: tuple[object, ...],
    streamed: bytes,
    shown: str,
) -> None:
    fal = Fal(wire_server)
    fal.streamed = streamed
    quick.settings(
        base_urls={"fal.queue": fal.server.url, "fal.platform": fal.server.url},
        poll={"fal": {"first_seconds": 0.2, "most_seconds": 0.2}},
    )
    quick.environment["FAL_KEY"] = "an-id:a-secret"
    ended = quick(*words)
    assert shown in ended.err
    assert quick.states() == ["SUCCEEDED"], ended  # the result lies nowhere
    told = fal.calls[: fal.calls.index("result")]
    assert told[told.index("stream") :].count("status") == 4
    assert fal.calls.count("submit") == 1
