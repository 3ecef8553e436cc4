"""A vendor that says what no document knows: nothing is lost, nothing is bought twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

# What the fixtures give; their classes are in tests/conftest.py and conftest.py.
Command = Any
Fal = Any


@pytest.mark.parametrize(
    "body",
    [{}, {"video": None}, {"video": {"link": "x"}}, {"video": "nothing"}, [], "no json", "null"],
)
def test_a_result_that_cannot_be_read_leaves_the_job_to_be_resumed(
    quick: Command, fal: Fal, run_at_fal: Callable[[], Any], body: Any
) -> None:
    fal.answers["result"] = (200, body)
    ended = run_at_fal()
    assert ended.code == 4, ended
    assert "A mistake in Viseme" not in ended.err
    assert ended.error["job_id"] == quick.job_id()
    assert f"resume {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    assert quick.states()[0] not in ("FAILED", "CANCELLED", "UNKNOWN")
    assert run_at_fal().code == 4
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
    quick: Command, fal: Fal, run_at_fal: Callable[[], Any], body: Any
) -> None:
    fal.answers["submit"] = (200, body)
    first, second = run_at_fal(), run_at_fal()
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
    quick: Command, fal: Fal, run_at_fal: Callable[[], Any], body: Any
) -> None:
    fal.answers["status"] = (200, body)
    quick.environment["VISEME_DEADLINE_SECONDS"] = "0.5"
    ended = run_at_fal()
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
    quick: Command, fal: Fal, run_at_fal: Callable[[], Any], url: str
) -> None:
    fal.answers["result"] = (200, {"video": {"url": url}})
    ended = run_at_fal()
    assert ended.code == 4, ended
    assert "A mistake in Viseme" not in ended.err
    assert f"resume {quick.job_id()}" in ended.error["remedy"]
    assert fal.calls.count("submit") == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], "null", {"items": None}, {"items": [None, 3]}, {"items": [{"json_input": []}]}],
)
def test_a_list_that_no_document_knows_leaves_the_outcome_unknown(
    quick: Command, fal: Fal, run_at_fal: Callable[[], Any], body: Any
) -> None:
    fal.answers["submit"] = (502, "bad gateway")
    fal.answers["list"] = (200, body)
    ended = run_at_fal()
    assert ended.code == 5, ended
    assert quick.states() == ["UNKNOWN"]
    assert fal.calls.count("submit") == 1
