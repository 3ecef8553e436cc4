"""fal's queue, storage and list of requests."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

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
from viseme.model import Vendor, WireRequest
from viseme.services.base import Acceptance, CancelAnswer, OutgoingFile, Phase, Upload
from viseme.services.fal import LISTING_LIMIT, log_lines, queue_paths
from viseme.services.fal_errors import error_of, failure_of
from viseme.services.fal_listing import agrees, is_in_window, read_moment, windows_of
from viseme.services.reading import clock_ahead
from viseme.settings import Settings
from viseme.transport import MAX_ANSWER_BYTES, AnswerLost, NotSent

IDS = {"request_id": "r1", **queue_paths("/fal-ai/pixverse/lipsync", "r1")}
ACCEPTED = {"request_id": "r1", "status": "IN_QUEUE", "queue_position": 3}
QUICKLY = {"Retry_After": "0"}
NGINX = b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head></html>"
LOCKED = "User is locked. Reason: Exhausted balance. Top up at fal.ai/dashboard/billing."


def details(kind: str, text: str = "wrong", *loc: str) -> dict[str, Any]:
    return {"detail": [{"loc": ["body", *loc], "msg": text, "type": kind, "input": "x"}]}


# Errors

ERRORS: list[tuple[int, Any, type[VisemeError], str | None, str]] = [
    (401, {"detail": "No user found for Key ID and Secret"}, CredentialError, None, "login fal"),
    (401, {"detail": "Authentication is required"}, CredentialError, None, "login fal"),
    (403, {"detail": LOCKED}, OutOfCredit, None, "billing"),
    (403, {"detail": "User is locked. Reason: Admin lock"}, OutOfCredit, None, "billing"),
    (403, {"detail": "User is locked. Reason: TOP_UP"}, OutOfCredit, None, "billing"),
    (403, {"detail": "Forbidden"}, RequestRejected, None, "access"),
    (404, {"detail": "Application 'x' not found"}, RequestRejected, None, "unknown"),
    (413, NGINX, RequestRejected, None, "--carry upload"),
    (400, {"detail": "bad", "error_type": "bad_request"}, RequestRejected, "bad_request", "Change"),
    (405, {"detail": "Method Not Allowed"}, RequestRejected, None, "Change"),
    (415, {"detail": "Unsupported"}, RequestRejected, None, "Change"),
    (422, details("missing", "Field required", "video_url"), RequestRejected, "missing", "Change"),
    (422, details("face_detection_error"), RequestRejected, "face_detection_error", "Change"),
    (422, {"detail": "a string at 422"}, RequestRejected, None, "Change"),
    (422, {"detail": []}, RequestRejected, None, "Change"),
    (422, {"detail": [1, "x", None]}, RequestRejected, None, "Change"),
    (
        422,
        details("content_policy_violation"),
        ContentRejected,
        "content_policy_violation",
        "other",
    ),
    (422, details("nsfw_detected"), ContentRejected, "nsfw_detected", "other footage"),
    (
        *(429, {"detail": "Too many", "error_type": "concurrent_requests_limit"}, RateLimited),
        *("concurrent_requests_limit", "Wait"),
    ),
    (408, {"detail": "Timeout"}, VendorError, None, "later"),
    (409, {"detail": "Conflict"}, VendorError, None, "later"),
    (499, {"detail": "c", "error_type": "client_cancelled"}, VendorError, "client_cancelled", ""),
    (418, {"detail": "teapot"}, VendorError, None, "later"),
    (
        500,
        {"detail": "boom", "error_type": "internal_error"},
        VendorError,
        "internal_error",
        "later",
    ),
    (500, b"", VendorError, None, "later"),
    (502, NGINX, VendorError, None, "later"),
    (503, NGINX, VendorError, None, "later"),
    (
        503,
        {"detail": "x", "error_type": "runner_disconnected"},
        VendorError,
        "runner_disconnected",
        "",
    ),
    (
        504,
        {"detail": "x", "error_type": "request_timeout"},
        VendorError,
        "request_timeout",
        "later",
    ),
    (500, [], VendorError, None, "later"),
    (500, None, VendorError, None, "later"),
    (400, {"error": {"type": "validation_error", "message": "limit"}}, RequestRejected, None, ""),
]


@pytest.mark.parametrize(("status", "body", "kind", "code", "remedy"), ERRORS)
def test_every_error_has_its_class_its_code_and_what_to_do(
    answer_of: Callable[..., Any],
    status: int,
    body: Any,
    kind: type[VisemeError],
    code: str | None,
    remedy: str,
) -> None:
    problem = error_of(answer_of(status, body))
    assert type(problem) is kind
    assert problem.code == code
    assert problem.http_status == status
    assert f"[{code or f'HTTP {status}'}]" in problem.message
    assert problem.message.startswith("fal: ")
    assert problem.remedy is not None
    assert remedy in problem.remedy
    assert len(str(problem)) < 600


def test_an_error_says_where_and_what_of_every_detail(answer_of: Callable[..., Any]) -> None:
    body = {
        "detail": [
            {"loc": ["body", "video_url"], "msg": "Field required", "type": "missing"},
            {"loc": ["body", "inputs", 0], "msg": "too long", "type": "too_long"},
            {"loc": None, "msg": "and this", "type": "x"},
        ]
    }
    problem = error_of(answer_of(422, body))
    assert problem.message == (
        "fal: video_url: Field required; inputs.0: too long; and this [missing]"
    )


def test_the_type_of_an_error_is_read_from_the_header_too(answer_of: Callable[..., Any]) -> None:
    assert error_of(answer_of(502, NGINX, X_Fal_Error_Type="runner_x")).code == "runner_x"
    assert error_of(answer_of(500, {"detail": "x"}, X_Fal_Error_Type="t")).code == "t"


# Submissions

REFUSED = (400, 401, 403, 404, 405, 413, 415, 422, 429)
UNCLEAR = (
    *(300, 301, 302, 307, 308, 402, 406, 408, 409, 410, 418, 423, 425, 431, 451, 499),
    *(500, 501, 502, 503, 504, 520, 599),
)


@pytest.mark.parametrize("status", REFUSED)
def test_a_refused_submission_was_not_bought(played: Callable[..., Any], status: int) -> None:
    party, server = played((status, {"detail": "no"}))
    with pytest.raises(VisemeError) as caught:
        party.submit(Vendor.FAL)
    assert not isinstance(caught.value, (AnswerLost, NotSent))
    assert caught.value.http_status == status
    assert len(server.heads) == 1, "sent once"


@pytest.mark.parametrize("status", UNCLEAR)
def test_an_answer_that_does_not_say_is_answer_lost(
    played: Callable[..., Any], status: int
) -> None:
    party, server = played((status, {"detail": "?"}, QUICKLY))
    with pytest.raises(AnswerLost, match=f"HTTP {status}"):
        party.submit(Vendor.FAL)
    assert len(server.heads) == 1, "sent once"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"OK", NGINX, b"[]", b"null", b"{}", b"[" * 100_000),
        *(b'{"request_id": ""}', b'{"request_id": 5}', b'{"detail": "x"}'),
        b'{"request_id": null, "status": "IN_QUEUE"}',
    ],
)
def test_a_success_that_cannot_be_read_is_answer_lost(
    played: Callable[..., Any], body: bytes
) -> None:
    party, server = played((200, body))
    with pytest.raises(AnswerLost):
        party.submit(Vendor.FAL)
    assert len(server.heads) == 1


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_accepted_job_is_known_by_its_id(played: Callable[..., Any], status: int) -> None:
    party, server = played((status, ACCEPTED))

    async def use(service: Any) -> Acceptance:
        submission = service.submission(party.request(Vendor.FAL), "t")
        return Acceptance(**vars_of(await service.submit(submission)))

    acceptance = party.run(Vendor.FAL, use)
    assert acceptance == Acceptance(IDS, 3)
    assert server.heads[0].startswith("POST /fal-ai/pixverse/lipsync HTTP/1.1")
    assert "Authorization: Key 0b1c2d3e-canary-id:" in server.heads[0]
    assert "Content-Type: application/json" in server.heads[0]


def vars_of(acceptance: Acceptance) -> dict[str, Any]:
    return {"vendor_ids": acceptance.vendor_ids, "queue_position": acceptance.queue_position}


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("/fal-ai/sync-lipsync/v2/pro", "/fal-ai/sync-lipsync/requests/r%2F1"),
        ("/fal-ai/pixverse/lipsync", "/fal-ai/pixverse/requests/r%2F1"),
        ("/pipio/lipsync", "/pipio/lipsync/requests/r%2F1"),
    ],
)
def test_a_job_is_asked_for_under_owner_and_app(model: str, base: str) -> None:
    assert queue_paths(model, "r/1") == {
        "status_path": base + "/status",
        "response_path": base,
        "cancel_path": base + "/cancel",
    }


NAMES = ("status", "response", "cancel")


def test_urls_under_fals_own_queue_are_used(
    wire_server: Callable[..., Any], played: Callable[..., Any]
) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.answer(200, ACCEPTED | {f"{name}_url": f"{server.url}/ns/{name}" for name in NAMES})

    server = wire_server(script)
    party = played((200, {}))[0]
    party.base_urls = {"fal.queue": server.url}
    ids = party.submit(Vendor.FAL)
    assert ids == {"request_id": "r1", **{f"{name}_path": f"/ns/{name}" for name in NAMES}}


@pytest.mark.parametrize(
    "make",
    [
        lambda url, evil: evil + "/fal-ai/pixverse/requests/r1",
        lambda url, evil: url + "@" + evil.removeprefix("http://") + "/x",
        lambda url, evil: url + "0/x",
        lambda url, evil: url + ".evil.com/x",
        lambda url, evil: url.replace("http:", "https:") + "/x",
        lambda url, evil: "//" + evil.removeprefix("http://") + "/x",
        lambda url, evil: "",
        lambda url, evil: None,
        lambda url, evil: 5,
    ],
)
def test_a_url_that_leads_elsewhere_never_gets_the_key(
    wire_server: Callable[..., Any], played: Callable[..., Any], make: Callable[[str, str], Any]
) -> None:
    evil = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"{}"))

    def script(wire: Any) -> None:
        while head := wire.read_request():
            if head.startswith("POST"):
                urls = {f"{name}_url": make(server.url, evil.url) for name in NAMES}
                wire.answer(200, ACCEPTED | urls)
            else:
                wire.answer(200, {"status": "IN_QUEUE"})

    server = wire_server(script)
    party = played((200, {}))[0]
    party.base_urls = {"fal.queue": server.url}

    async def use(service: Any) -> dict[str, str]:
        submission = service.submission(party.request(Vendor.FAL), "t")
        ids = dict((await service.submit(submission)).vendor_ids)
        await service.report(ids, logs=True, items=1)
        await service.cancel(ids)
        return ids

    assert party.run(Vendor.FAL, use) == IDS
    assert evil.connection_count == 0
    assert [head.split(" ")[1] for head in server.heads[1:]] == [
        "/fal-ai/pixverse/requests/r1/status?logs=1",
        "/fal-ai/pixverse/requests/r1/cancel",
    ]


# Reports


def report(played: Callable[..., Any], *answers: tuple[Any, ...]) -> Any:
    party, _ = played(*answers)
    return party.run(Vendor.FAL, lambda service: service.report(IDS, logs=True, items=1))


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("IN_QUEUE", Phase.QUEUED),
        ("IN_PROGRESS", Phase.RUNNING),
        ("FAILED", Phase.RUNNING),
        ("CANCELED", Phase.RUNNING),
        ("completed", Phase.RUNNING),
        ("", Phase.RUNNING),
        (None, Phase.RUNNING),
        (7, Phase.RUNNING),
    ],
)
def test_a_status_is_one_that_fal_documents_or_the_job_goes_on(
    played: Callable[..., Any], status: Any, phase: Phase
) -> None:
    document = {"status": status, "queue_position": 2, "logs": [{"message": "a"}, {"x": 1}, 5]}
    said = report(played, (202, document))
    assert (said.phase, said.queue_position, said.log_lines) == (phase, 2, ("a",))
    assert not said.phase.is_end
    assert said.answer is None


def test_a_completed_job_brings_its_whole_answer(played: Callable[..., Any]) -> None:
    result = {"video": {"url": "https://v3.fal.media/x.mp4"}}
    said = report(played, (200, {"status": "COMPLETED", "error": None}), (200, result))
    assert said.phase is Phase.SUCCEEDED
    assert said.answer == result


FAILED: list[tuple[dict[str, Any], int, Any, type[VisemeError], str | None]] = [
    ({"error": "x", "error_type": "m"}, 422, details("missing"), RequestRejected, "missing"),
    ({}, 422, details("missing"), RequestRejected, "missing"),
    ({}, 400, details("missing"), RequestRejected, "missing"),
    ({"error": "no"}, 400, {"detail": "no"}, RequestRejected, None),
    ({"error": "flagged"}, 422, details("content_policy"), ContentRejected, "content_policy"),
    ({"error": "boom"}, 500, {"detail": "boom", "error_type": "t"}, JobFailed, "t"),
    ({"error": "boom", "error_type": "t"}, 200, {}, JobFailed, "t"),
    ({"error": "gone"}, 404, {"detail": "gone"}, RequestRejected, None),
    ({"error": "c"}, 499, {"detail": "c", "error_type": "cancelled"}, JobFailed, "cancelled"),
]


@pytest.mark.parametrize(("status", "result_status", "result", "kind", "code"), FAILED)
def test_a_job_that_ended_badly_says_so(
    played: Callable[..., Any],
    status: dict[str, Any],
    result_status: int,
    result: Any,
    kind: type[VisemeError],
    code: str | None,
) -> None:
    said = report(played, (200, {"status": "COMPLETED"} | status), (result_status, result, QUICKLY))
    assert said.phase is Phase.FAILED
    assert type(said.problem) is kind
    assert said.problem.code == code
    assert said.problem.remedy


def test_the_users_own_start_deadline_is_final_and_not_asked_about_again(
    played: Callable[..., Any],
) -> None:
    deadline = {"detail": "not started in time", "error_type": "request_timeout"}
    party, server = played(
        (200, {"status": "COMPLETED", "error": "not started in time"}),
        (504, deadline, {"X_Fal_Request_Timeout_Type": "user"}),
    )
    said = party.run(Vendor.FAL, lambda service: service.report(IDS, logs=False, items=1))
    assert said.phase is Phase.FAILED
    assert said.problem.code == "request_timeout"
    assert len(server.heads) == 2
    assert "logs" not in server.heads[0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, CredentialError),
        (403, RequestRejected),
        (429, RateLimited),
        (503, VendorError),
        (302, VendorError),
        (451, VendorError),
    ],
)
def test_a_result_that_cannot_be_had_now_does_not_end_a_job_that_went_well(
    played: Callable[..., Any], status: int, kind: type[VisemeError]
) -> None:
    with pytest.raises(kind):
        report(played, (200, {"status": "COMPLETED"}), (status, {"detail": "x"}, QUICKLY))


@pytest.mark.parametrize(
    "body", [{"detail": "Request is still in progress"}, {"detail": "?", "error_type": "t"}, "a b"]
)
def test_a_result_that_is_said_not_to_be_there_yet_ends_no_job_that_went_well(
    played: Callable[..., Any], body: Any
) -> None:
    """What is paid for would be bought anew by the next run."""
    said = report(played, (200, {"status": "COMPLETED"}), (400, body, QUICKLY))
    assert said.phase is Phase.WITHHELD
    assert said.problem.http_status == 400


OURS = {"X_Fal_Request_Id": "r1", "Retry_After": "0"}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_result_that_fal_cannot_give_is_withheld_and_not_failed_after_every_try(
    played: Callable[..., Any], status: int
) -> None:
    """Its status tells no error: it may have ended well, and be charged."""
    said = {"detail": "it broke", "error_type": "internal_error"}
    party, server = played((200, {"status": "COMPLETED"}), (status, said, OURS))
    found = party.run(Vendor.FAL, lambda service: service.report(IDS, logs=True, items=1))
    assert found.phase is Phase.WITHHELD
    assert not found.phase.is_end
    assert type(found.problem) is JobFailed
    assert (found.problem.code, found.problem.http_status) == ("internal_error", status)
    assert len(server.heads) == 4, "the result was asked for three times"


def test_a_models_failure_that_passes_is_none(played: Callable[..., Any]) -> None:
    result = {"video": {"url": "https://v3.fal.media/x.mp4"}}
    said = report(played, (200, {"status": "COMPLETED"}), (503, b"", OURS), (200, result))
    assert said.answer == result


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_ingress_in_trouble_ends_no_job(played: Callable[..., Any], status: int) -> None:
    with pytest.raises(VendorError):
        report(played, (200, {"status": "COMPLETED"}), (status, NGINX, QUICKLY))


@pytest.mark.parametrize("status", [401, 403, 429, 302, 451])
def test_what_fal_itself_says_of_the_call_ends_no_job(
    played: Callable[..., Any], status: int
) -> None:
    with pytest.raises(VisemeError):
        report(played, (200, {"status": "COMPLETED"}), (status, {"detail": "x"}, OURS))


def test_a_result_that_fal_no_longer_knows_is_missing_and_not_failed(
    played: Callable[..., Any],
) -> None:
    said = report(played, (200, {"status": "COMPLETED"}), (404, {"detail": "Request not found"}))
    assert said.phase is Phase.MISSING


def test_a_job_that_fal_does_not_know_is_missing(played: Callable[..., Any]) -> None:
    said = report(played, (404, {"detail": "Request not found"}))
    assert said.phase is Phase.MISSING
    assert isinstance(said.problem, RequestRejected)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, CredentialError), (403, RequestRejected), (429, RateLimited)]
)
def test_a_status_that_is_refused_raises_and_ends_nothing(
    played: Callable[..., Any], status: int, kind: type[VisemeError]
) -> None:
    with pytest.raises(kind):
        report(played, (status, {"detail": "x"}, QUICKLY))


def test_a_page_instead_of_a_status_is_unreadable(played: Callable[..., Any]) -> None:
    with pytest.raises(UnreadableAnswer):
        report(played, (200, b"<html>"))


@pytest.mark.parametrize("logs", [None, "x", {"message": "a"}, 5, [[{"message": "a"}]]])
def test_logs_of_another_form_are_left_out(logs: Any) -> None:
    assert list(log_lines({"logs": logs})) == []


def test_a_failure_without_any_text_is_still_one(answer_of: Callable[..., Any]) -> None:
    problem = failure_of({"error": "it broke"}, answer_of(200, {}))
    assert problem.message == "fal: it broke"
    assert isinstance(problem, JobFailed)


# Cancelling


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"status": "OK"}, CancelAnswer.CANCELLED),
        (202, {"status": "CANCELLATION_REQUESTED"}, CancelAnswer.REQUESTED),
        (400, {"status": "ALREADY_COMPLETED"}, CancelAnswer.TOO_LATE),
        (404, {"status": "NOT_FOUND"}, CancelAnswer.NOT_FOUND),
        (200, {"status": "ALREADY_COMPLETED"}, CancelAnswer.TOO_LATE),
        (400, {"detail": "x"}, CancelAnswer.TOO_LATE),
        (404, NGINX, CancelAnswer.NOT_FOUND),
        (202, b"", CancelAnswer.REQUESTED),
        (204, b"", CancelAnswer.REQUESTED),
        (200, {"status": "WHATEVER"}, CancelAnswer.REQUESTED),
    ],
)
def test_all_answers_to_a_cancel(
    played: Callable[..., Any], status: int, body: Any, said: CancelAnswer
) -> None:
    party, server = played((status, body))
    assert party.run(Vendor.FAL, lambda service: service.cancel(IDS)) is said
    assert server.heads[0].startswith("PUT /fal-ai/pixverse/requests/r1/cancel ")


@pytest.mark.parametrize(("status", "kind"), [(401, CredentialError), (500, VendorError)])
def test_a_cancel_that_is_refused_raises(
    played: Callable[..., Any], status: int, kind: type[VisemeError]
) -> None:
    party, _ = played((status, {"detail": "x"}, QUICKLY))
    with pytest.raises(kind):
        party.run(Vendor.FAL, lambda service: service.cancel(IDS))


def test_the_sandbox_gives_all_four_answers(box: Any, party: Any) -> None:
    def cancel(ids: dict[str, str]) -> CancelAnswer:
        answer: CancelAnswer = party.run(Vendor.FAL, lambda service: service.cancel(ids))
        return answer

    box.fault("slow-queue", count=2, seconds=60)
    queued, also_queued = party.submit(Vendor.FAL), party.submit(Vendor.FAL)
    ended = party.submit(Vendor.FAL)
    assert cancel(queued) is CancelAnswer.CANCELLED
    box.fault("cancel-ignored", count=1)
    assert cancel(also_queued) is CancelAnswer.REQUESTED
    finish(party, ended)
    assert cancel(ended) is CancelAnswer.TOO_LATE
    unknown = {"cancel_path": "/fal-ai/pixverse/requests/none/cancel"}
    assert cancel(unknown) is CancelAnswer.NOT_FOUND


def finish(party: Any, ids: dict[str, str]) -> Any:
    """Ask until the job has ended; the last report."""

    async def use(service: Any) -> Any:
        for _ in range(400):
            said = await service.report(ids, logs=True, items=1)
            if said.phase.is_end:
                return said
            await asyncio.sleep(0.02)
        raise AssertionError("it did not end")

    return party.run(Vendor.FAL, use)


def test_a_job_in_the_sandbox_from_submission_to_result(box: Any, party: Any) -> None:
    said = finish(party, party.submit(Vendor.FAL))
    assert said.phase is Phase.SUCCEEDED
    assert said.answer["video"]["url"].startswith(box.base_urls["fal.results"])
    assert said.log_lines[-1] == "SANDBOX: done"
    assert box.charge_count() == 1


@pytest.mark.parametrize(
    ("fault", "kind"), [("job-fails", JobFailed), ("reject-content", ContentRejected)]
)
def test_a_job_that_fails_in_the_sandbox(
    box: Any, party: Any, fault: str, kind: type[VisemeError]
) -> None:
    box.fault(fault, count=1)
    said = finish(party, party.submit(Vendor.FAL))
    assert said.phase is Phase.FAILED
    assert type(said.problem) is kind
    assert box.charge_count() == 0


def test_a_body_that_the_model_refuses_ends_as_request_rejected(party: Any) -> None:
    said = finish(party, party.submit(Vendor.FAL, voice_id="Nobody"))
    assert said.phase is Phase.FAILED
    assert isinstance(said.problem, RequestRejected)
    assert "voice_id" in said.problem.message


# Uploads


def upload(party: Any, path: Path, **values: int) -> Upload:
    file = OutgoingFile(path, "video/mp4", path.stat().st_size, "clip.mp4")
    seen: list[int] = []
    settings = Settings.model_validate(values)
    result: Upload = party.run(
        Vendor.FAL, lambda service: service.upload(file, seen.append), settings=settings
    )
    if path.stat().st_size:
        assert max(seen) == path.stat().st_size
    return result


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_an_upload_in_one_piece_arrives_byte_for_byte(
    box: Any, party: Any, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "my private name.mp4"
    path.write_bytes(os.urandom(size))
    before = datetime.now(timezone.utc)
    done = upload(party, path)
    assert done.reference.startswith(box.base_urls["fal.cdn"] + "/files/")
    assert "private" not in done.reference
    assert box.download(done.reference) == path.read_bytes()
    assert done.expires_at is not None
    assert done.expires_at - before >= timedelta(days=1)
    assert [call["path"] for call in box.calls("upload")] == ["/files/upload"]
    assert not done.can_be_deleted


@pytest.mark.parametrize("size", [5 * 2**20 + 1, 11 * 2**20])
def test_an_upload_in_parts_arrives_byte_for_byte(
    box: Any, party: Any, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(size))
    done = upload(party, path, multipart_threshold_bytes=5 * 2**20, multipart_part_bytes=5 * 2**20)
    assert box.download(done.reference) == path.read_bytes()
    calls = [(call["method"], call["path"].rpartition("/")[2]) for call in box.calls("upload")]
    count = -(-size // (5 * 2**20))
    assert calls[0] == ("POST", "multipart")
    assert sorted(calls[1:-1]) == [("PUT", str(number)) for number in range(1, count + 1)]
    assert calls[-1] == ("POST", "complete")


def test_the_threshold_itself_is_one_piece(box: Any, party: Any, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(1000))
    upload(party, path, multipart_threshold_bytes=1000)
    upload(party, path, multipart_threshold_bytes=999)
    starts = [call["path"] for call in box.calls("upload") if call["method"] == "POST"]
    assert starts[:2] == ["/files/upload", "/files/upload/multipart"]


def test_the_key_never_goes_to_the_cdn(box: Any, party: Any, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(10))
    upload(party, path)
    upload(party, path, multipart_threshold_bytes=1)
    assert [call["has_key"] for call in box.calls("upload-token")] == [True, True]
    assert {call["has_key"] for call in box.calls("upload")} == {False}


@pytest.mark.parametrize("fault", ["503", "500", "drop-before-accept", "429"])
def test_an_upload_survives_trouble_that_passes(
    box: Any, party: Any, tmp_path: Path, fault: str
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(5000))
    box.fault(fault, count=1, operation="upload", seconds=0)
    assert box.download(upload(party, path).reference) == path.read_bytes()
    assert len(box.calls("upload")) == 2


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ((401, {"detail": "x"}), CredentialError),
        ((403, {"detail": LOCKED}), OutOfCredit),
        ((200, {}), UnreadableAnswer),
        ((200, {"token": 5}), UnreadableAnswer),
        ((200, b"<html>"), UnreadableAnswer),
    ],
)
def test_an_upload_without_a_token_sends_nothing(
    played: Callable[..., Any], tmp_path: Path, token: Any, kind: type[VisemeError]
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(10))
    party, server = played(token)
    with pytest.raises(kind):
        upload(party, path)
    assert len(server.heads) == 1


TOKEN = (200, {"token": "t", "token_type": "Bearer"})


@pytest.mark.parametrize(
    "answer",
    [
        {"access_url": "https://evil.com/files/x", "uploadId": "u"},
        {"access_url": "", "uploadId": "u"},
        {"uploadId": "u"},
        {"access_url": "SERVER/files/a/x"},
        {"access_url": "SERVER/files/a/x", "uploadId": ""},
        {"access_url": "SERVER/files/a/x", "uploadId": 5},
    ],
)
def test_parts_go_to_fals_cdn_or_nowhere(
    wire_server: Callable[..., Any], played: Callable[..., Any], tmp_path: Path, answer: Any
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(10))

    def script(wire: Any) -> None:
        while head := wire.read_request():
            text = json.dumps(TOKEN[1] if "/auth/token" in head else answer)
            wire.answer(200, text.replace("SERVER", server.url))

    server = wire_server(script)
    party = played(TOKEN)[0]
    party.base_urls = {"fal.cdn": server.url, "fal.rest": server.url}
    with pytest.raises(UnreadableAnswer):
        upload(party, path, multipart_threshold_bytes=1)
    assert len(server.heads) == 2


@pytest.mark.parametrize(
    ("said", "kind"), [((403, {"detail": "x"}), RequestRejected), ((200, b""), UnreadableAnswer)]
)
def test_one_part_that_fails_ends_the_upload_and_no_more_is_sent(
    wire_server: Callable[..., Any],
    played: Callable[..., Any],
    tmp_path: Path,
    said: Any,
    kind: type[VisemeError],
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(60 * 2**20))

    def script(wire: Any) -> None:
        while head := wire.read_head():
            if " /files/a/x/multipart/u/1 " in head:
                wire.read_body(head)
                wire.answer(*said)
            elif head.startswith("PUT"):
                wire.stall()
            else:
                wire.read_body(head)
                started = {"access_url": server.url + "/files/a/x", "uploadId": "u"}
                wire.answer(200, TOKEN[1] if "/auth/token" in head else started)

    server = wire_server(script)
    party = played(TOKEN)[0]
    party.base_urls = {"fal.cdn": server.url, "fal.rest": server.url}
    with pytest.raises(kind):
        upload(party, path, multipart_threshold_bytes=1, multipart_part_bytes=6 * 2**20)
    numbers = {head.split(" ")[1].rpartition("/")[2] for head in server.heads if "PUT" in head}
    assert numbers <= {"1", "2", "3", "4", "5"}


# Looking a lost submission up


def look_up(party: Any, *media: str, **values: Any) -> list[str]:
    trace = party.trace(Vendor.FAL, "t", *media, **values)
    finding = party.run(Vendor.FAL, lambda service: service.look_up(trace))
    assert not finding.absence_is_proof
    for match in finding.matches:
        assert dict(match.vendor_ids) == {
            "request_id": match.vendor_ids["request_id"],
            **queue_paths("/fal-ai/pixverse/lipsync", match.vendor_ids["request_id"]),
        }
    return [match.vendor_ids["request_id"] for match in finding.matches]


def test_a_job_is_found_by_the_media_that_were_sent(box: Any, party: Any) -> None:
    ids = party.submit(Vendor.FAL)
    finish(party, ids)
    found = [ids["request_id"]]
    assert look_up(party) == found
    assert look_up(party, party.video_url) == found
    assert look_up(party, party.video_url, "https://example.com/other.mp3") == []
    assert look_up(party, "https://example.com/other.mp4") == []
    assert look_up(party, known_ids=frozenset(found)) == []
    assert look_up(party, vendor_model="fal-ai/sync-lipsync/v2/pro") == []
    assert look_up(party, media_digests=frozenset()) == [], "what has no media is never a match"
    long_ago = datetime.now(timezone.utc) - timedelta(hours=3)
    assert look_up(party, sent_from=long_ago, sent_until=long_ago) == []
    # The ids that a look-up gives are good for asking.
    again = {"request_id": found[0], **queue_paths("/fal-ai/pixverse/lipsync", found[0])}
    assert finish(party, again).phase is Phase.SUCCEEDED


def test_two_jobs_with_the_same_media_are_two_matches(party: Any) -> None:
    ids = [party.submit(Vendor.FAL) for _ in range(2)]
    for one in ids:
        finish(party, one)
    assert sorted(look_up(party)) == sorted(one["request_id"] for one in ids)


def test_jobs_with_the_same_media_are_told_apart_by_their_arguments(party: Any) -> None:
    """A loop and a bounce of the same clip, sent within a minute of each other."""
    model = "fal-ai/sync-lipsync/v2/pro"
    ids = {}
    for mode in ("loop", "bounce"):
        body = {"video_url": party.video_url, "audio_url": party.audio_url, "sync_mode": mode}

        async def use(service: Any, body: dict[str, str] = body) -> dict[str, str]:
            submission = service.submission(WireRequest(f"/{model}", body), "t")
            return dict((await service.submit(submission)).vendor_ids)

        ids[mode] = party.run(Vendor.FAL, use)
        finish(party, ids[mode])

    def found(**arguments: Any) -> set[str]:
        trace = party.trace(Vendor.FAL, "t", vendor_model=model, arguments=arguments)
        finding = party.run(Vendor.FAL, lambda service: service.look_up(trace))
        return {match.vendor_ids["request_id"] for match in finding.matches}

    loop, bounce = ids["loop"]["request_id"], ids["bounce"]["request_id"]
    assert found(sync_mode="loop") == {loop}
    assert found(sync_mode="bounce") == {bounce}
    assert found(sync_mode="remap") == set()
    assert found(sync_mode="loop", something_that_the_list_leaves_out=1) == {loop}
    assert found() == {loop, bounce}, "where nothing was kept, nothing is compared"


@pytest.mark.parametrize(
    ("sent", "listed", "is_same"),
    [
        ({}, {"a": 1}, True),
        ({"a": 1}, {}, True),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": None}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": {"b": 1}}, {"a": 5}, False),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
    ],
)
def test_arguments_agree_where_the_list_has_them(sent: Any, listed: Any, is_same: bool) -> None:
    assert agrees(sent, listed) is is_same


def test_a_job_that_the_list_hides_is_not_found_and_not_disproved(box: Any, party: Any) -> None:
    finish(party, party.submit(Vendor.FAL))
    box.fault("lookup-hidden", count=1, operation="list")
    assert look_up(party) == []
    box.fault("lookup-late", count=1, operation="list", seconds=60)
    assert look_up(party) == []
    assert len(look_up(party)) == 1


def test_a_list_of_many_pages_is_read_to_its_end(played: Callable[..., Any]) -> None:
    def page(number: int) -> dict[str, Any]:
        sent = {"video_url": "https://example.com/clip.mp4", "deep": [{"a": "\ud800"}]}
        return {
            "items": [
                {"request_id": f"r{number}", "json_input": sent},
                {"request_id": f"x{number}", "json_input": {"video_url": "y"}},
                {"request_id": None, "json_input": sent},
                {"request_id": f"n{number}"},
                "rubbish",
            ],
            "has_more": number < 3,
            "next_cursor": f"c{number}" if number < 3 else None,
        }

    party, server = played((200, page(1)), (200, page(2)), (200, page(3)))
    assert look_up(party, party.video_url) == ["r1", "r2", "r3"]
    assert ["cursor=c" in head for head in server.heads] == [False, True, True]


def test_more_jobs_than_a_page_holds_are_all_seen(box: Any, party: Any) -> None:
    ids = [party.submit(Vendor.FAL) for _ in range(LISTING_LIMIT + 2)]
    for one in ids:
        finish(party, one)
    assert sorted(look_up(party)) == sorted(one["request_id"] for one in ids)
    assert len(box.calls("list")) == 2


def test_a_page_of_bodies_with_media_fits_into_an_answer(played: Callable[..., Any]) -> None:
    """Each of the entries has its whole body, up to the largest that we send with media in it."""
    party, server = played((200, {"items": []}))
    look_up(party)
    assert f"limit={LISTING_LIMIT} HTTP" in server.heads[0]
    assert LISTING_LIMIT * Settings().inline_body_bytes < MAX_ANSWER_BYTES


def test_a_list_is_read_no_further_back_than_the_submission(played: Callable[..., Any]) -> None:
    def page(minutes: int) -> dict[str, Any]:
        ended = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        item = {"request_id": "x", "json_input": {}, "ended_at": ended.isoformat()}
        return {"items": [item], "has_more": True, "next_cursor": f"c{minutes}"}

    party, server = played((200, page(0)), (200, page(1)), (200, page(30)), (200, page(60)))
    assert look_up(party) == []
    assert len(server.heads) == 3


HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def shown(sent_at: datetime, fals_clock: datetime | None) -> tuple[Any, ...]:
    """A list with one request of ours, and when fal says that it told it."""
    item = {
        "request_id": "r1",
        "sent_at": sent_at.isoformat(),
        "ended_at": sent_at.isoformat(),
        "json_input": {"video_url": "https://example.com/clip.mp4"},
    }
    date = {} if fals_clock is None else {"Date": format_datetime(fals_clock, usegmt=True)}
    return 200, {"items": [item]}, date


@pytest.mark.parametrize(
    ("sent_at", "fals_clock", "question_count"),
    [
        pytest.param(-MINUTE / 2, timedelta(), 1, id="both clocks agree"),
        pytest.param(HOUR - MINUTE / 2, HOUR, 1, id="ours is an hour behind"),
        pytest.param(-HOUR - MINUTE / 2, -HOUR, 2, id="ours is an hour ahead"),
        pytest.param(-MINUTE / 2, -HOUR, 2, id="ours has gone wrong since, or a cache answers"),
        pytest.param(-MINUTE / 2, None, 1, id="fal names no time"),
    ],
)
def test_a_job_is_found_whatever_is_between_our_clock_and_fals(
    played: Callable[..., Any], sent_at: timedelta, fals_clock: timedelta, question_count: int
) -> None:
    now = datetime.now(timezone.utc)
    date = None if fals_clock is None else now + fals_clock
    party, server = played(shown(now + sent_at, date))
    assert look_up(party, party.video_url) == ["r1"]
    starts = [re.search(r"start=([^&]*)", head) for head in server.heads]
    assert len(starts) == question_count
    asked_from = read_moment(unquote(starts[-1][1])) if starts[-1] else None
    assert asked_from is not None
    assert asked_from <= now + sent_at


def test_a_submission_stamped_by_a_clock_that_was_set_back_since_is_found(
    played: Callable[..., Any],
) -> None:
    now = datetime.now(timezone.utc)
    ahead = {"sent_from": now + 5 * HOUR, "sent_until": now + 5 * HOUR}
    party, _ = played(shown(now - 10 * MINUTE, now))
    assert look_up(party, party.video_url, **ahead) == ["r1"]
    party, _ = played(shown(now - 25 * HOUR, now))
    assert look_up(party, party.video_url, **ahead) == []


@pytest.mark.parametrize("sent_at", [-HOUR, -10 * MINUTE, 10 * MINUTE, HOUR])
def test_a_request_of_another_time_is_no_match_though_clocks_differ(
    played: Callable[..., Any], sent_at: timedelta
) -> None:
    now = datetime.now(timezone.utc)
    party, _ = played(shown(now + sent_at, now + 5 * HOUR))
    assert look_up(party, party.video_url) == []


@pytest.mark.parametrize("date", ["", "soon", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_date_that_cannot_be_read_corrects_nothing(date: str) -> None:
    assert clock_ahead({"date": date}, NOON) == timedelta()
    assert clock_ahead({"date": "Fri, 20 Nov 2026 12:00:05 GMT"}, NOON) == timedelta(seconds=5)
    assert clock_ahead({}, NOON) == timedelta()


NOON = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-11-20T12:00:00Z", 0),
        ("2026-11-20T12:00:00z", 0),
        ("2026-11-20 12:00:00+00:00", 0),
        ("2026-11-20T12:00:00", 0),
        ("2026-11-20T13:00:00+01:00", 0),
        ("2026-11-20T06:30:00-0530", 0),
        ("2026-11-20T12:00:00.1Z", 100_000),
        ("2026-11-20T12:00:00.12Z", 120_000),
        ("2026-11-20T12:00:00.123Z", 123_000),
        ("2026-11-20T12:00:00.1234+00:00", 123_400),
        ("2026-11-20T12:00:00.123456", 123_456),
        ("2026-11-20T12:00:00.123456789Z", 123_456),
    ],
)
def test_a_moment_is_read_with_any_fraction(text: str, microseconds: int) -> None:
    """fal cuts the zeros at the end of a fraction; Python 3.10 reads 3 or 6 digits alone."""
    assert read_moment(text) == NOON.replace(microsecond=microseconds)


NO_MOMENTS = ["", "soon", "2026-11-31T12:00:00Z", "2026-11-20", 1795176000, True, [], {}]


@pytest.mark.parametrize(
    "text", [None, *NO_MOMENTS, "2026-11-20T12:00:00.Z", "٢026-11-20T12:00:00Z"]
)
def test_what_is_no_moment_is_not_read(text: Any) -> None:
    assert read_moment(text) is None


@pytest.mark.parametrize("sent_at", NO_MOMENTS)
def test_a_request_sent_at_a_time_that_cannot_be_read_is_no_match(party: Any, sent_at: Any) -> None:
    assert not is_in_window({"sent_at": sent_at}, windows_of(party.trace(Vendor.FAL, "t")))


@pytest.mark.parametrize("item", [{}, {"sent_at": None}])
def test_a_request_that_does_not_say_when_it_was_sent_may_be_a_match(
    party: Any, item: dict[str, Any]
) -> None:
    assert is_in_window(item, windows_of(party.trace(Vendor.FAL, "t")))


def test_a_request_is_sent_within_two_minutes_of_our_clock(party: Any) -> None:
    trace = party.trace(Vendor.FAL, "t", sent_from=NOON, sent_until=NOON)
    for seconds, is_in in ((-121, False), (-119, True), (0, True), (119, True), (121, False)):
        moment = NOON + timedelta(seconds=seconds)
        text = moment.isoformat().replace("+00:00", ".5Z")
        assert is_in_window({"sent_at": text}, windows_of(trace)) is is_in


def test_a_list_that_goes_round_in_circles_ends(played: Callable[..., Any]) -> None:
    party, server = played((200, {"items": [], "has_more": True, "next_cursor": "same"}))
    assert look_up(party) == []
    assert len(server.heads) == 2


@pytest.mark.parametrize("page", [{}, {"items": None}, {"items": {}}, {"items": "x"}])
def test_a_list_without_items_has_no_matches(played: Callable[..., Any], page: Any) -> None:
    assert look_up(played((200, page))[0]) == []


def test_a_list_that_is_refused_raises(played: Callable[..., Any]) -> None:
    with pytest.raises(CredentialError):
        look_up(played((401, {"detail": "x"}))[0])
