"""A vendor that says what no document knows: nothing is lost, nothing is bought twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What the fixtures give; their classes are in tests/conftest.py.
Command = Any
Wire = Any

STATUS = {"status": "COMPLETED", "request_id": "r-1"}


class Fal:
    """A queue of one request. ``answers`` are the bodies of submit, status and result."""

    def __init__(self, wire_server: Callable[..., Any]) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "submit": (200, {"request_id": "r-1"}),
            "status": (200, STATUS),
            "result": (200, {"video": {"url": "https://example.invalid/a.mp4"}}),
            "list": (200, {"items": [], "has_more": False}),
        }
        self.calls: list[str] = []
        self.server = wire_server(self._serve)

    def _serve(self, wire: Wire) -> None:
        while head := wire.read_request():
            line = head.splitlines()[0]
            name = "submit" if line.startswith("POST") else "result"
            name = "status" if "/status" in line else "list" if "by-endpoint" in line else name
            self.calls.append(name)
            status, body = self.answers[name]
            wire.answer(status, body if isinstance(body, str) else json.dumps(body))


@pytest.fixture
def fal(wire_server: Callable[..., Any]) -> Fal:
    return Fal(wire_server)


@pytest.fixture
def run(quick: Command, fal: Fal, clip: Path, speech: Path) -> Callable[[], Any]:
    quick.settings(
        base_urls={"fal.queue": fal.server.url, "fal.platform": fal.server.url},
        poll={"fal": {"first_seconds": 0.05, "most_seconds": 0.1}},
        listing_visibility={"fal": 0},
        poll_outage_seconds=0.3,
    )
    quick.environment["FAL_KEY"] = "an-id:a-secret"
    command = ("run", "fal-sync", "--video", clip, "--audio", speech, "--json")
    return lambda: quick(*command)


@pytest.mark.parametrize(
    "body",
    [{}, {"video": None}, {"video": {"link": "x"}}, {"video": "nothing"}, [], "no json", "null"],
)
def test_a_result_that_cannot_be_read_leaves_the_job_to_be_resumed(
    quick: Command, fal: Fal, run: Callable[[], Any], body: Any
) -> None:
    fal.answers["result"] = (200, body)
    ended = run()
    assert ended.code == 4, ended
    assert "A mistake in Viseme" not in ended.err
    assert ended.error["job_id"] == quick.job_id()
    assert f"resume {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    assert quick.states()[0] not in ("FAILED", "CANCELLED", "UNKNOWN")
    assert run().code == 4
    assert fal.calls.count("submit") == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"request_id": None},
        {"request_id": 7},
        {"request_id": ""},
        {"request_id": "../../x"},
        [],
        "null",
        "",
        "<html>",
    ],
)
def test_an_acceptance_that_cannot_be_read_is_never_repeated(
    quick: Command, fal: Fal, run: Callable[[], Any], body: Any
) -> None:
    fal.answers["submit"] = (200, body)
    first, second = run(), run()
    assert fal.calls.count("submit") == 1
    for ended in (first, second):
        assert ended.code in (4, 5), ended
        assert ended.error["job_id"] == quick.job_id()
        assert "A mistake in Viseme" not in ended.err


@pytest.mark.parametrize(
    "body",
    [{"status": "DANCING"}, {"status": None}, {}, [], "null", {"status": "COMPLETED", "logs": 3}],
)
def test_a_status_that_no_document_knows_is_waited_out(
    quick: Command, fal: Fal, run: Callable[[], Any], body: Any
) -> None:
    fal.answers["status"] = (200, body)
    quick.environment["VISEME_DEADLINE_SECONDS"] = "0.5"
    ended = run()
    assert ended.code == 4, ended
    assert "A mistake in Viseme" not in ended.err
    assert "resume" in ended.error["remedy"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.invalid/a.mp4",
        "file:///etc/passwd",
        "https://127.0.0.1/a.mp4",
        "https://169.254.169.254/latest",
        "https://user:pw@fal.media/a.mp4",
        "//example.invalid/a.mp4",
        "nonsense",
        "",
    ],
)
def test_a_result_is_not_fetched_from_anywhere(
    quick: Command, fal: Fal, run: Callable[[], Any], url: str
) -> None:
    fal.answers["result"] = (200, {"video": {"url": url}})
    ended = run()
    assert ended.code == 4, ended
    assert "A mistake in Viseme" not in ended.err
    assert f"resume {quick.job_id()}" in ended.error["remedy"]
    assert fal.calls.count("submit") == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], "null", {"items": None}, {"items": [None, 3]}, {"items": [{"json_input": []}]}],
)
def test_a_list_that_no_document_knows_leaves_the_outcome_unknown(
    quick: Command, fal: Fal, run: Callable[[], Any], body: Any
) -> None:
    fal.answers["submit"] = (502, "bad gateway")
    fal.answers["list"] = (200, body)
    ended = run()
    assert ended.code == 5, ended
    assert quick.states() == ["UNKNOWN"]
    assert fal.calls.count("submit") == 1
