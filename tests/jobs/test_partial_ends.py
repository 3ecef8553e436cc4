"""Of several results some come late and some never: they are waited for, and asked for again."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from viseme.home import Home
from viseme.jobs.collect import collect
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Command = Any
Wire = Any
Run = Callable[[], Any]

GRACE_SECONDS = 1.0  # at a vendor whose time runs this fast


class Runware:
    """A vendor of which every word can be set, where a sandbox would be.

    ``says`` is asked for ``(data, errors)`` of the one task at each poll, with the number of
    seconds since the first one; ``calls`` are the kinds of the tasks that were sent, ``fetched``
    the names of the results that were asked for. ``file_answers`` are in the place of some.
    """

    def __init__(self, wire_server: Callable[..., Any], clip: bytes) -> None:
        self.says: Callable[[float], tuple[list[Any], list[Any]]] = lambda _: ([], [])
        self.calls: list[str] = []
        self.fetched: list[str] = []
        self.file_answers: dict[str, tuple[int, bytes]] = {}
        self.poll_answer: tuple[int, Any] | None = None
        self.delete_answer: tuple[int, Any] | None = None
        self._clip = clip
        self._first_poll: float | None = None
        self._lock = threading.Lock()
        self.server = wire_server(self._serve)

    def _serve(self, wire: Wire) -> None:
        while head := wire.read_head():
            body = wire.read_body(head)
            if head.startswith("POST"):
                (task,) = json.loads(body)
                status, said = self._answer(task)
                wire.answer(status, said, Retry_After="0")
            elif "/_sandbox/addresses" in head:
                urls = {"runware": f"{self.server.url}/v1", "runware.results": self.server.url}
                wire.answer(200, {"sandbox_id": "a-box", "time_scale": 0.01, **urls})
            else:
                name = head.split("/")[1].split(".")[0]
                self.fetched.append(name)
                wire.answer(*self.file_answers.get(name, (200, self._clip)))

    def _answer(self, task: dict[str, Any]) -> tuple[int, Any]:
        kind = str(task["taskType"])
        with self._lock:
            self.calls.append(kind)
        named = {"taskType": kind, "taskUUID": task["taskUUID"]}
        if kind == "mediaStorage" and task["operation"] == "delete" and self.delete_answer:
            return self.delete_answer
        if kind == "mediaStorage":
            return 200, {"data": [{**named, "mediaUUID": task["taskUUID"]}]}
        if kind.startswith("get") and self.poll_answer is not None:
            return self.poll_answer
        if kind != "getResponse":
            return 200, {"data": [named]}
        self._first_poll = self._first_poll or time.monotonic()
        data, errors = self.says(time.monotonic() - self._first_poll)
        named["taskType"] = "videoInference"
        entries = {"data": data, "errors": errors}
        return 200, {key: [named | one for one in those] for key, those in entries.items()}

    def tells(self, *names: str) -> None:
        """From now on these have come, and the others of three have failed."""
        videos = [self.video(name) for name in names]
        self.says = lambda _: (videos, [LOST] * (3 - len(videos)))

    @property
    def poll_count(self) -> int:
        return self.calls.count("getResponse")

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


def states(ended: Any) -> list[str]:
    return [str(item["state"]) for item in ended.document["items"]]


def told_missing(ended: Any) -> list[str]:
    return [text for text in ended.document["warnings"] if "results did not come" in text]


def test_results_that_did_not_come_are_asked_for_again_by_resume(
    quick: Command, runware: Runware, run_three: Run
) -> None:
    runware.tells("a")
    first = run_three()
    assert states(first) == ["FETCHED", "MISSING", "MISSING"]
    (warning,) = told_missing(first)
    assert warning.startswith("2 of 3 results did not come: providerError: It was lost.")
    assert f"resume {quick.job_id()} --home {quick.home}` asks again." in warning
    assert first.document["cost_usd"] == "0.01"

    runware.tells("a", "b")
    polls = runware.poll_count
    second = quick("resume", quick.job_id(), "--json")
    assert states(second) == ["FETCHED", "FETCHED", "MISSING"]
    assert told_missing(second) == ["1" + warning[1:]]
    assert second.document["cost_usd"] == "0.02"
    assert len(second.document["vendor_output"]["results"]) == 2
    assert runware.poll_count == polls + 1

    runware.tells("c", "b", "a")  # in another order: it is told by its id which is which
    third = quick("resume", quick.job_id(), "--json")
    assert states(third) == ["FETCHED"] * 3
    assert [item["vendor_id"] for item in third.document["items"]] == ["a", "b", "c"]
    assert told_missing(third) == []
    assert third.document["cost_usd"] == "0.03"
    assert runware.fetched == ["a", "b", "c"]

    polls = runware.poll_count
    last = quick("resume", quick.job_id(), "--json")
    assert len(last.document["files"]) == 3
    assert runware.poll_count == polls
    assert runware.calls.count("videoInference") == 1


@pytest.mark.parametrize("says", ["the same", "less", "nothing", "that it knows no such task"])
def test_a_vendor_that_names_no_more_leaves_what_came_and_the_warning(
    quick: Command, runware: Runware, run_three: Run, says: str
) -> None:
    runware.tells("a", "b")
    first = run_three()
    assert states(first) == ["FETCHED", "FETCHED", "MISSING"]
    if says == "less":
        runware.tells("b")
    elif says == "nothing":
        runware.says = lambda _: (RUNS, [])
    elif says != "the same":
        unknown = {"code": "taskFailedOrNotFound", "message": "There is none."}
        runware.poll_answer = (404, {"errors": [unknown]})
    asked = len(runware.calls)
    again = quick("resume", quick.job_id(), "--json")
    assert again.code == 0, again
    assert len(runware.calls) > asked
    for name in ("items", "warnings", "cost_usd", "vendor_output", "files"):
        assert again.document[name] == first.document[name]


def test_a_vendor_that_is_away_when_asked_for_the_missing_takes_nothing_of_what_came(
    quick: Command, runware: Runware, run_three: Run, tmp_path: Path
) -> None:
    runware.tells("a")
    first = run_three()
    runware.poll_answer = (503, "down")
    away = quick("resume", quick.job_id(), "--json")
    assert away.code == 4, away
    assert "The results that came are kept" in away.error["remedy"]
    assert f"resume {quick.job_id()} --home {quick.home}" in away.error["remedy"]
    assert quick.states() == ["FETCHED"]
    assert run_three().document["files"] == first.document["files"]
    out = tmp_path / "out.mp4"
    copied = quick("resume", quick.job_id(), "-o", out, "--json")
    assert copied.code == 4, copied
    assert f"Copied: {out}." in copied.error["remedy"]
    assert out.read_bytes() == Path(first.document["files"][0]).read_bytes()


@pytest.mark.parametrize("is_away", [False, True])
def test_collecting_brings_what_has_come_late_and_else_what_is_here(
    quick: Command, runware: Runware, run_three: Run, is_away: bool
) -> None:
    runware.tells("a")
    first = run_three()
    runware.tells("a", "b", "c")
    if is_away:
        runware.poll_answer = (503, "down")
    home = Home(quick.home)
    with Ledger.open(home.ledger) as ledger:
        place = Workplace(home, Settings.load(home.settings), ledger)
        found = asyncio.run(collect(quick.job_id(), place, Watch()))
    assert [item["state"] for item in found.receipt["items"]] == (
        ["FETCHED", "MISSING", "MISSING"] if is_away else ["FETCHED"] * 3
    )
    assert str(found.files[0]) == first.document["files"][0]
    assert runware.calls.count("videoInference") == 1


def test_a_result_that_came_late_and_cannot_be_had_yet_is_had_by_the_next_resume(
    quick: Command, runware: Runware, run_three: Run
) -> None:
    runware.tells("a")
    run_three()
    runware.tells("a", "b", "c")
    runware.file_answers = {"b": (200, b"<html>Sign in</html>"), "c": (404, b"")}
    broken = quick("resume", quick.job_id(), "--json")
    assert broken.code == 4, broken
    assert "The results that came are kept" in broken.error["remedy"]
    assert "same command" not in broken.error["remedy"]
    assert told_missing(quick("show", quick.job_id(), "--json"))[0].startswith("2 of 3")
    del runware.file_answers["b"]
    one_gone = quick("resume", quick.job_id(), "--json")
    assert states(one_gone) == ["FETCHED", "FETCHED", "MISSING"]
    assert told_missing(one_gone) == []
    assert sum(text.startswith("Result 3 is gone.") for text in one_gone.document["warnings"]) == 1
    assert one_gone.document["cost_usd"] == "0.03"
    runware.file_answers.clear()
    whole = quick("resume", quick.job_id(), "--json")
    assert states(whole) == ["FETCHED"] * 3
    assert [text for text in whole.document["warnings"] if "gone" in text or "come" in text] == []


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_result_that_comes_late_in_the_answer_itself_is_kept(
    quick: Command, runware: Runware, run_three: Run, clip: Path, damaged: int
) -> None:
    """Also where another one in the same answer, before or after it, is damaged."""
    runware.tells("a")
    run_three()
    data = "data:video/mp4;base64," + base64.b64encode(clip.read_bytes()).decode()
    late = [{"status": "success", "videoUUID": name, "videoDataURI": data} for name in "bc"]
    late[damaged]["videoDataURI"] = data[:-400]
    runware.says = lambda _: ([runware.video("a"), *late], [])
    half = quick("resume", quick.job_id(), "--json")
    assert half.code == 4, half
    runware.says = lambda _: ([runware.video("a"), late[1 - damaged]], [LOST])
    without = quick("resume", quick.job_id(), "--json")
    assert sorted(states(without)) == ["FETCHED", "FETCHED", "MISSING"]
    assert told_missing(without)[0].startswith("1 of 3")
    late[damaged]["videoDataURI"] = data
    runware.says = lambda _: ([runware.video("a"), *late], [])
    whole = quick("resume", quick.job_id(), "--json")
    assert states(whole) == ["FETCHED"] * 3
    assert told_missing(whole) == []
    assert runware.fetched == ["a"]
    for item in whole.document["items"]:
        Path(item["file"]).unlink(missing_ok=True)  # all have the same bytes, so one file
    assert states(quick("resume", quick.job_id(), "--json")) == ["FETCHED"] * 3
    assert runware.calls.count("videoInference") == 1


def test_what_is_told_of_a_late_result_is_told_though_the_ledger_fails_between(
    quick: Command, runware: Runware, run_three: Run
) -> None:
    """As a kill at that moment would: the next one fetches it once more, and tells it."""
    runware.tells("a")
    run_three()
    runware.tells("a", "b", "c")
    trigger = "CREATE TRIGGER fails BEFORE UPDATE OF warnings ON jobs BEGIN "
    with closing(sqlite3.connect(quick.home / "ledger.sqlite3")) as database:
        database.execute(trigger + "SELECT RAISE(ABORT, 'no room'); END")
        database.commit()
        assert quick("resume", quick.job_id(), "--json").code == 1
        database.execute("DROP TRIGGER fails")
        database.commit()
    whole = quick("resume", quick.job_id(), "--json")
    assert states(whole) == ["FETCHED"] * 3
    assert told_missing(whole) == []
    assert sorted(whole.document["timing"]["results"]) == ["1", "2", "3"]


@pytest.mark.parametrize("is_away", [False, True])
def test_only_a_no_of_the_vendor_counts_as_a_try_to_delete_an_upload(
    quick: Command, runware: Runware, run_three: Run, is_away: bool
) -> None:
    """An answer that does not come says nothing of the file: it is asked for again."""
    unknown = {"code": "mediaNotFound", "message": "There is none."}
    runware.delete_answer = (503, "down") if is_away else (404, {"errors": [unknown]})
    runware.tells("a", "b", "c")
    assert run_three().code == 0
    with quick.ledger() as ledger:
        job_id = quick.job_id()
        told = [event.detail for event in ledger.events(job_id) if event.kind == "cleanup"]
        counted = [text for text in told if " not deleted: " in str(text)]
        assert len(told) == len(ledger.uploads(job_id)) == 2
    assert len(counted) == (0 if is_away else 2)
