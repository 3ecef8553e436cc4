"""Of several results some come late and some never: they are waited for, and asked for again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What the fixtures give; their classes are in tests/conftest.py.
Command = Any
Wire = Any
Run = Callable[[], Any]

GRACE_SECONDS = 1.0  # at a vendor whose time runs this fast


class Runware:
    """A vendor of which every word can be set, where a sandbox would be.

    ``says`` is asked for ``(data, errors)`` of the one task at each poll, with the number of
    seconds since the first one; ``calls`` are the kinds of the tasks that were sent.
    """

    def __init__(self, wire_server: Callable[..., Any], clip: bytes) -> None:
        self.says: Callable[[float], tuple[list[Any], list[Any]]] = lambda _: ([], [])
        self.calls: list[str] = []
        self.gone: set[str] = set()
        self._clip = clip
        self._first_poll: float | None = None
        self._lock = threading.Lock()
        self.server = wire_server(self._serve)

    def _serve(self, wire: Wire) -> None:
        while head := wire.read_head():
            body = wire.read_body(head)
            if head.startswith("POST"):
                (task,) = json.loads(body)
                wire.answer(200, self._answer(task))
            elif "/_sandbox/addresses" in head:
                urls = {"runware": f"{self.server.url}/v1", "runware.results": self.server.url}
                wire.answer(200, {"sandbox_id": "a-box", "time_scale": 0.01, **urls})
            elif head.split("/")[1].split(".")[0] in self.gone:
                wire.answer(404)
            else:
                wire.answer(200, self._clip)

    def _answer(self, task: dict[str, Any]) -> dict[str, Any]:
        kind = str(task["taskType"])
        with self._lock:
            self.calls.append(kind)
        named = {"taskType": kind, "taskUUID": task["taskUUID"]}
        if kind == "mediaStorage":
            return {"data": [{**named, "mediaUUID": task["taskUUID"]}]}
        if kind != "getResponse":
            return {"data": [named]}
        self._first_poll = self._first_poll or time.monotonic()
        data, errors = self.says(time.monotonic() - self._first_poll)
        named["taskType"] = "videoInference"
        return {"data": [named | one for one in data], "errors": [named | one for one in errors]}

    def video(self, name: str, **more: Any) -> dict[str, Any]:
        url = f"{self.server.url}/{name}.mp4"
        return {"status": "success", "videoUUID": name, "videoURL": url, "cost": 0.01} | more


LOST = {"code": "providerError", "message": "It was lost."}
RUNS = [{"status": "processing"}]


@pytest.fixture
def runware(wire_server: Callable[..., Any], clip: Path) -> Runware:
    return Runware(wire_server, clip.read_bytes())


@pytest.fixture
def run_three(quick: Command, runware: Runware, clip: Path, speech: Path) -> Run:
    """``viseme run`` of three results at that vendor."""
    quick.settings(poll={"runware": {"first_seconds": 1.0, "most_seconds": 2.0}})
    media = ("--video", clip, "--audio", speech, "--set", "numberResults=3")
    where = ("--sandbox", runware.server.url, "--json")
    return lambda: quick("run", "runware-pixverse", *media, *where)


def test_results_that_are_no_longer_told_of_for_a_while_are_not_given_up_at_once(
    runware: Runware, run_three: Run
) -> None:
    """Partial once, then at work again for longer than the wait, then partial, then whole."""

    def says(seconds: float) -> tuple[list[Any], list[Any]]:
        partial = ([runware.video("a")], [LOST])
        if seconds < 0.2 or GRACE_SECONDS + 0.4 < seconds < GRACE_SECONDS + 0.8:
            return partial
        if seconds < GRACE_SECONDS + 0.4:
            return RUNS, []
        return [runware.video("a"), runware.video("b")], [LOST]

    runware.says = says
    ended = run_three()
    assert ended.code == 0, ended
    states = [item["state"] for item in ended.document["items"]]
    assert states == ["FETCHED", "FETCHED", "MISSING"]
    assert runware.calls.count("videoInference") == 1


def test_results_that_stay_untold_of_are_done_without_in_the_end(
    runware: Runware, run_three: Run
) -> None:
    runware.says = lambda _: ([runware.video("a")], [LOST])
    started = time.monotonic()
    ended = run_three()
    assert ended.code == 0, ended
    assert time.monotonic() - started > GRACE_SECONDS
    states = [item["state"] for item in ended.document["items"]]
    assert states == ["FETCHED", "MISSING", "MISSING"]


def test_a_job_that_fails_after_some_of_it_came_says_why(
    quick: Command, runware: Runware, run_three: Run
) -> None:
    quick.settings(
        poll={"runware": {"first_seconds": 1.0, "most_seconds": 2.0}}, deadline_seconds=10
    )

    def says(seconds: float) -> tuple[list[Any], list[Any]]:
        if seconds < 0.2:
            return [runware.video("a")], [LOST]
        return (RUNS, []) if seconds < GRACE_SECONDS + 0.2 else ([], [LOST])

    runware.says = says
    ended = run_three()
    assert ended.code == 4, ended
    assert "It was lost. [providerError]" in ended.error["message"]
    assert quick.states() == ["FAILED"]
