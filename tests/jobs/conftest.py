"""A vendor of which every word can be set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What the fixtures give; their classes are in tests/conftest.py.
Command = Any
Wire = Any


class Fal:
    """A queue of one request. ``answers`` are the bodies of submit, status, result and list, with
    a whole clip for any other address; ``file_headers`` come with that."""

    def __init__(self, wire_server: Callable[..., Any], clip: Path) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "submit": (200, {"request_id": "r-1"}),
            "status": (200, {"status": "COMPLETED", "request_id": "r-1"}),
            "result": (200, {"video": {"url": "https://example.invalid/a.mp4"}}),
            "list": (200, {"items": [], "has_more": False}),
            "file": (200, clip.read_bytes()),
        }
        self.file_headers: dict[str, str] = {}
        self.calls: list[str] = []
        self.server = wire_server(self._serve)

    def _serve(self, wire: Wire) -> None:
        while head := wire.read_request():
            name = self._named(head.splitlines()[0])
            self.calls.append(name)
            status, body = self.answers[name]
            more = self.file_headers if name == "file" else {}
            wire.answer(status, body if isinstance(body, str | bytes) else json.dumps(body), **more)

    @staticmethod
    def _named(line: str) -> str:
        if line.startswith("POST"):
            return "submit"
        if "/status" in line:
            return "status"
        if "by-endpoint" in line:
            return "list"
        return "result" if "/requests/" in line else "file"


@pytest.fixture
def fal(wire_server: Callable[..., Any], clip: Path) -> Fal:
    return Fal(wire_server, clip)


@pytest.fixture
def run_at_fal(quick: Command, fal: Fal, clip: Path, speech: Path) -> Callable[[], Any]:
    """``viseme run`` of a clip at that vendor."""
    quick.settings(
        base_urls={"fal.queue": fal.server.url, "fal.platform": fal.server.url},
        poll={"fal": {"first_seconds": 0.05, "most_seconds": 0.1}},
        listing_visibility={"fal": 0},
        poll_outage_seconds=0.3,
    )
    quick.environment["FAL_KEY"] = "an-id:a-secret"
    command = ("run", "fal-sync", "--video", clip, "--audio", speech, "--json")
    return lambda: quick(*command)
