"""AI/ML API's generations and its usage log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from viseme.errors import (
    ContentRejected,
    CredentialError,
    JobFailed,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    UnreadableAnswer,
    VendorError,
    VisemeError,
)
from viseme.model import InlineMedia, Vendor
from viseme.services.aimlapi import PHASES, error_of, failure_of
from viseme.services.base import CancelAnswer, Phase
from viseme.transport import AnswerLost, NotSent

IDS = {"generation_id": "z-IMFJo2:a/b"}
QUICKLY = {"Retry_After": "0"}


def refusal(message: Any, status: int | str = 400) -> dict[str, Any]:
    return {"message": message, "path": "/v2", "requestId": "r", "statusCode": status}


# Errors

ERRORS: list[tuple[int, Any, type[VisemeError], str, str]] = [
    (400, refusal("Body validation error\nvideo_url: Required"), RequestRejected, "video_url", ""),
    (400, refusal([{"message": "a"}, "b", 5]), RequestRejected, "a; b; 5", "Change"),
    (400, refusal({"x": 1}), RequestRejected, '{"x": 1}', "Change"),
    (401, refusal("This request requires a valid API key."), CredentialError, "API key", "login"),
    (402, refusal("Payment required"), OutOfCredit, "Payment", "billing"),
    (403, refusal("You've run out of credits."), OutOfCredit, "credits", "billing"),
    (404, refusal("Generation x not found"), RequestRejected, "not found", "Change"),
    (405, refusal("Cannot PUT"), RequestRejected, "PUT", "Change"),
    (408, refusal("Timeout"), VendorError, "Timeout", "later"),
    (409, refusal("Conflict"), RequestRejected, "Conflict", "Change"),
    (413, refusal("request entity too large"), RequestRejected, "too large", "shorter clip"),
    (415, refusal("type"), RequestRejected, "type", "Change"),
    (422, refusal("x"), RequestRejected, "x", "Change"),
    (429, refusal("Too Many Requests", "429"), RateLimited, "Too Many", "Wait"),
    (500, refusal("Internal Server Error"), VendorError, "Internal", "later"),
    (502, b"<html><h1>Bad Gateway</h1></html>", VendorError, "Bad Gateway", "later"),
    (503, refusal("Service Unavailable"), VendorError, "Unavailable", "later"),
    (504, refusal("Gateway Timeout"), VendorError, "Timeout", "later"),
    (500, b"", VendorError, "no text", "later"),
    (500, [], VendorError, "", "later"),
    (500, None, VendorError, "null", "later"),
    (500, {"error": {"message": "x"}}, VendorError, "x", "later"),
    (500, refusal(None), VendorError, "null", "later"),
]


@pytest.mark.parametrize(("status", "body", "kind", "text", "remedy"), ERRORS)
def test_every_error_has_its_class_its_code_and_what_to_do(
    answer_of: Callable[..., Any],
    status: int,
    body: Any,
    kind: type[VisemeError],
    text: str,
    remedy: str,
) -> None:
    problem = error_of(answer_of(status, body))
    assert type(problem) is kind
    assert problem.code == str(status)
    assert problem.http_status == status
    assert problem.message.startswith("AI/ML API: ")
    assert problem.message.endswith(f"[HTTP {status}]")
    assert text in problem.message
    assert problem.remedy is not None
    assert remedy in problem.remedy
    assert len(str(problem)) < 600


FAILURES: list[tuple[Any, type[VisemeError], str | None, str]] = [
    ({"name": "GenerationError", "message": "it broke"}, JobFailed, "GenerationError", "it broke"),
    ({"message": "it broke"}, JobFailed, None, "it broke"),
    (
        {"detail": [{"loc": ["body"], "msg": "no face", "type": "face_detection_error"}]},
        *(JobFailed, "face_detection_error", "no face"),
    ),
    (
        {"detail": [{"msg": "a", "type": "content_policy_violation"}, {"msg": "b"}]},
        *(ContentRejected, "content_policy_violation", "a; b"),
    ),
    ({"detail": []}, JobFailed, None, "detail"),
    ({"detail": ["x", 5]}, JobFailed, None, "detail"),
    ({"detail": "text"}, JobFailed, None, "text"),
    ("plain text", JobFailed, None, "plain text"),
    (["a"], JobFailed, None, "a"),
    ({}, JobFailed, None, ""),
    (None, JobFailed, None, "ended as error"),
]


@pytest.mark.parametrize(("error", "kind", "code", "text"), FAILURES)
def test_both_shapes_of_a_failure_and_all_others(
    error: Any, kind: type[VisemeError], code: str | None, text: str
) -> None:
    problem = failure_of({"id": "x", "status": "error", "error": error})
    assert type(problem) is kind
    assert problem.code == code
    assert text in problem.message
    assert f"[{code or 'error'}]" in problem.message
    assert problem.remedy


# Submissions


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 429])
def test_a_refused_submission_was_not_bought(played: Callable[..., Any], status: int) -> None:
    party, server = played((status, refusal("no")))
    with pytest.raises(VisemeError) as caught:
        party.submit(Vendor.AIMLAPI)
    assert not isinstance(caught.value, (AnswerLost, NotSent))
    assert caught.value.http_status == status
    assert len(server.heads) == 1


@pytest.mark.parametrize("status", [302, 307, 406, 408, 409, 410, 418, 451, 500, 502, 503, 504])
def test_an_answer_that_does_not_say_is_answer_lost(
    played: Callable[..., Any], status: int
) -> None:
    party, server = played((status, refusal("?"), QUICKLY))
    with pytest.raises(AnswerLost, match=f"HTTP {status}"):
        party.submit(Vendor.AIMLAPI)
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"id": ""}', b'{"id": 7}', b'{"status": 1}']
)
def test_a_success_that_cannot_be_read_is_answer_lost(
    played: Callable[..., Any], body: bytes
) -> None:
    with pytest.raises(AnswerLost):
        played((200, body))[0].submit(Vendor.AIMLAPI)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"id": "g"}),
        (201, {"id": "g", "status": "queued"}),
        (200, {"generation_id": "g", "id": "other"}),
    ],
)
def test_an_accepted_job_is_known_by_its_id(
    played: Callable[..., Any], status: int, body: Any
) -> None:
    party, server = played((status, body))
    assert party.submit(Vendor.AIMLAPI, "our-token.1:2_3") == {"generation_id": "g"}
    assert "X-Client-Request-Id: our-token.1:2_3" in server.heads[0]
    assert "Authorization: Bearer c4n4ry" in server.heads[0]


@pytest.mark.parametrize("token", ["", "a" * 129, "a b", "ü", "a/b", "a\nb"])
def test_a_token_that_the_vendor_would_drop_is_never_sent(party: Any, token: str) -> None:
    async def use(service: Any) -> None:
        service.submission(party.request(Vendor.AIMLAPI), token)

    with pytest.raises(ValueError, match="drops"):
        party.run(Vendor.AIMLAPI, use)


def test_a_clip_in_the_body_arrives_as_a_data_uri(
    played: Callable[..., Any], tmp_path: Any
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"abcd")
    party, server = played((200, {"id": "g"}))
    party.submit(Vendor.AIMLAPI, video_url=InlineMedia(path, "video/mp4", 4))
    assert json.loads(server.bodies[0])["video_url"] == "data:video/mp4;base64,YWJjZA=="


# Reports


def report(played: Callable[..., Any], *answers: tuple[Any, ...]) -> Any:
    party, _ = played(*answers)
    return party.run(Vendor.AIMLAPI, lambda service: service.report(IDS, logs=True, items=1))


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("queued", Phase.QUEUED),
        ("waiting", Phase.QUEUED),
        ("pending", Phase.QUEUED),
        ("generating", Phase.RUNNING),
        ("in_progress", Phase.RUNNING),
        ("processing", Phase.RUNNING),
        ("active", Phase.RUNNING),
        ("completed", Phase.SUCCEEDED),
        ("succeeded", Phase.SUCCEEDED),
        ("error", Phase.FAILED),
        ("failed", Phase.FAILED),
        ("expired", Phase.FAILED),
        ("cancelled", Phase.CANCELLED),
        ("something new", Phase.RUNNING),
        ("", Phase.RUNNING),
        (None, Phase.RUNNING),
        (3, Phase.RUNNING),
    ],
)
def test_every_status_and_the_unknown_ones(
    played: Callable[..., Any], status: Any, phase: Phase
) -> None:
    document = {"id": "g", "status": status, "video": {"url": "https://cdn.aimlapi.com/x"}}
    said = report(played, (200, document))
    assert said.phase is phase
    assert said.answer == (document if phase is Phase.SUCCEEDED else None)
    assert (said.problem is not None) is (phase in (Phase.FAILED, Phase.CANCELLED))


def test_the_table_of_statuses_is_tried_whole() -> None:
    assert set(PHASES.values()) == set(Phase) - {Phase.MISSING, Phase.WITHHELD}
    assert len(PHASES) == 13


def test_a_job_is_asked_for_where_it_was_submitted(played: Callable[..., Any]) -> None:
    party, server = played((200, {"id": "g", "status": "queued"}))

    async def use(service: Any) -> None:
        submission = service.submission(party.request(Vendor.AIMLAPI), "t")
        await service.report((await service.submit(submission)).vendor_ids, logs=True, items=1)

    party.run(Vendor.AIMLAPI, use)
    submitted, asked = (head.split(" ")[1].partition("?")[0] for head in server.heads)
    assert submitted == asked == "/v2/video/generations"


def test_an_id_is_asked_for_as_it_is(played: Callable[..., Any]) -> None:
    party, server = played((200, {"status": "queued"}))
    party.run(Vendor.AIMLAPI, lambda service: service.report(IDS, logs=True, items=1))
    assert "generation_id=z-IMFJo2%3Aa%2Fb" in server.heads[0]


def test_a_generation_that_is_not_known_is_missing(played: Callable[..., Any]) -> None:
    said = report(played, (404, refusal("Generation not found")))
    assert said.phase is Phase.MISSING
    assert isinstance(said.problem, RequestRejected)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, refusal("x")), CredentialError),
        ((403, refusal("x")), OutOfCredit),
        ((429, refusal("x"), QUICKLY), RateLimited),
        ((503, refusal("x"), QUICKLY), VendorError),
        ((200, b"<html>"), UnreadableAnswer),
        ((200, b"[]"), UnreadableAnswer),
    ],
)
def test_an_answer_that_says_nothing_of_the_job_ends_nothing(
    played: Callable[..., Any], answer: Any, kind: type[VisemeError]
) -> None:
    with pytest.raises(kind):
        report(played, answer)


def test_a_generation_cannot_be_cancelled(party: Any) -> None:
    said = party.run(Vendor.AIMLAPI, lambda service: service.cancel(IDS))
    assert said is CancelAnswer.UNSUPPORTED


# The sandbox


def finish(party: Any, ids: dict[str, str]) -> Any:
    async def use(service: Any) -> Any:
        for _ in range(400):
            said = await service.report(ids, logs=True, items=1)
            if said.phase.is_end:
                return said
            await asyncio.sleep(0.02)
        raise AssertionError("it did not end")

    return party.run(Vendor.AIMLAPI, use)


def test_a_job_in_the_sandbox_from_submission_to_result(box: Any, party: Any) -> None:
    said = finish(party, party.submit(Vendor.AIMLAPI))
    assert said.phase is Phase.SUCCEEDED
    assert said.answer["video"]["url"].startswith(box.base_urls["aimlapi.results"])
    assert box.charge_count() == 1


@pytest.mark.parametrize(
    ("fault", "kind"), [("job-fails", JobFailed), ("reject-content", ContentRejected)]
)
def test_a_job_that_fails_in_the_sandbox(
    box: Any, party: Any, fault: str, kind: type[VisemeError]
) -> None:
    box.fault(fault, count=1)
    said = finish(party, party.submit(Vendor.AIMLAPI))
    assert said.phase is Phase.FAILED
    assert type(said.problem) is kind
    assert box.charge_count() == 0


def look_up(party: Any, token: str, **values: Any) -> list[str]:
    trace = party.trace(Vendor.AIMLAPI, token, **values)
    finding = party.run(Vendor.AIMLAPI, lambda service: service.look_up(trace))
    assert not finding.absence_is_proof
    return [match.vendor_ids["generation_id"] for match in finding.matches]


def test_a_job_is_found_by_its_token_and_by_nothing_else(box: Any, party: Any) -> None:
    ids = party.submit(Vendor.AIMLAPI, "token-1")
    assert look_up(party, "token-1") == [ids["generation_id"]]
    assert look_up(party, "token-2") == []
    long_ago = datetime.now(timezone.utc) - timedelta(hours=30)
    assert look_up(party, "token-1", sent_from=long_ago, sent_until=long_ago) == []
    box.fault("lookup-hidden", count=2, operation="list")
    assert look_up(party, "token-1") == []
    box.fault("lookup-late", count=2, operation="list", seconds=60)
    assert look_up(party, "token-1") == []


@pytest.mark.parametrize("hours", [-23, -1, 1, 23])
def test_a_job_is_found_though_our_clock_is_hours_off(party: Any, hours: int) -> None:
    ids = party.submit(Vendor.AIMLAPI, "token-1")
    stamped = datetime.now(timezone.utc) + timedelta(hours=hours)
    found = look_up(party, "token-1", sent_from=stamped, sent_until=stamped)
    assert found == [ids["generation_id"]]


def test_two_jobs_with_one_token_are_two_matches(party: Any) -> None:
    ids = [party.submit(Vendor.AIMLAPI, "twice")["generation_id"] for _ in range(2)]
    assert sorted(look_up(party, "twice")) == sorted(ids)


def test_a_job_whose_answer_was_dropped_is_found(box: Any, party: Any) -> None:
    box.fault("drop-after-accept", count=1)
    with pytest.raises(AnswerLost):
        party.submit(Vendor.AIMLAPI, "lost")
    assert len(look_up(party, "lost")) == box.charge_count() == 1


def test_a_log_of_many_pages_is_read_to_its_end(played: Callable[..., Any]) -> None:
    def page(number: int) -> dict[str, Any]:
        rows: list[Any] = [
            {"client_request_id": "t", "inference_id": f"g{number}"},
            {"client_request_id": None, "inference_id": "x"},
            {"client_request_id": "t", "inference_id": None},
            "rubbish",
        ]
        return {"data": rows, "pagination": {"has_more": number < 3}}

    party, server = played((200, page(1)), (200, page(2)), (200, page(3)))
    assert look_up(party, "t") == ["g1", "g2", "g3"]
    for number, head in enumerate(server.heads):
        assert f"offset={100 * number}" in head


@pytest.mark.parametrize(
    "page", [{}, {"data": None}, {"data": "x"}, {"data": [], "pagination": []}, {"pagination": 1}]
)
def test_a_log_of_another_form_has_no_matches(played: Callable[..., Any], page: Any) -> None:
    assert look_up(played((200, page))[0], "t") == []


def test_a_log_without_end_is_left_after_ten_pages(played: Callable[..., Any]) -> None:
    party, server = played((200, {"data": [], "pagination": {"has_more": True}}))
    assert look_up(party, "t") == []
    assert len(server.heads) == 10


def test_a_log_that_is_refused_raises(played: Callable[..., Any]) -> None:
    with pytest.raises(CredentialError):
        look_up(played((401, refusal("x")))[0], "t")
