"""Runware's task arrays."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
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
from viseme.model import Vendor
from viseme.services.base import CancelAnswer, OutgoingFile, Phase, Upload
from viseme.services.runware import PHASES, read_items
from viseme.services.runware_errors import error_of, is_refusal
from viseme.transport import AnswerLost, NotSent

TASK = "0a0b0c0d-0000-4000-8000-000000000001"
OTHER = "0a0b0c0d-0000-4000-8000-000000000002"
IDS = {"taskUUID": TASK}
QUICKLY = {"Retry_After": "0"}
VIDEO = {"status": "success", "videoUUID": "v", "videoURL": "https://vm.runware.ai/v.mp4"}


def fails(code: str, task: str | None = TASK, **more: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"code": code, "message": f"about {code}"} | more
    return entry if task is None else entry | {"taskUUID": task}


def errors(code: str, task: str | None = TASK) -> dict[str, Any]:
    return {"errors": [fails(code, task)]}


def data(*entries: dict[str, Any]) -> dict[str, Any]:
    named = {"taskType": "videoInference", "taskUUID": TASK}
    return {"data": [named | entry for entry in entries]}


UNKNOWN = (404, errors("taskFailedOrNotFound"))

# Errors

ERRORS: list[tuple[str, int, type[VisemeError], str]] = [
    ("invalidApiKey", 401, CredentialError, "login runware"),
    ("missingApiKey", 401, CredentialError, "login runware"),
    ("invalidApiKey", 200, CredentialError, "login runware"),
    ("", 401, CredentialError, "login runware"),
    ("insufficientCredits", 402, OutOfCredit, "Top up"),
    ("insufficientCredits", 200, OutOfCredit, "Top up"),
    ("lowBalance", 400, OutOfCredit, "Top up"),
    ("quotaExceeded", 403, OutOfCredit, "Top up"),
    ("", 402, OutOfCredit, "Top up"),
    ("contentPolicyViolation", 200, ContentRejected, "other footage"),
    ("providerContentPolicyViolation", 200, ContentRejected, "other footage"),
    ("nsfwContentDetected", 400, ContentRejected, "other footage"),
    ("rateLimitExceeded", 429, RateLimited, "Wait"),
    ("RateLimit", 200, RateLimited, "Wait"),
    ("", 429, RateLimited, "Wait"),
    ("invalidOutputQuality", 400, RequestRejected, "Change"),
    ("invalidOutputQuality", 200, RequestRejected, "Change"),
    ("missingModel", 200, RequestRejected, "Change"),
    ("unsupportedTaskType", 200, RequestRejected, "Change"),
    ("conflictTaskUUID", 400, RequestRejected, "Change"),
    ("", 403, RequestRejected, "Change"),
    ("notFound", 404, RequestRejected, "Change"),
    ("", 413, RequestRejected, "Change"),
    ("", 422, RequestRejected, "Change"),
    ("", 408, VendorError, "later"),
    ("timeoutProvider", 200, VendorError, "later"),
    ("taskFailed", 200, VendorError, "later"),
    ("noAvailableServer", 503, VendorError, "later"),
    ("internalServerError", 500, VendorError, "later"),
    ("somethingNew", 200, VendorError, "later"),
    ("", 504, VendorError, "later"),
]


@pytest.mark.parametrize(("code", "status", "kind", "remedy"), ERRORS)
def test_every_error_has_its_class_its_code_and_what_to_do(
    code: str, status: int, kind: type[VisemeError], remedy: str
) -> None:
    entry = {"code": code, "message": "it is said so", "parameter": "outputQuality"}
    problem = error_of(entry, status)
    assert type(problem) is kind
    assert problem.code == (code or None)
    assert f"[{code or f'HTTP {status}'}]" in problem.message
    assert "it is said so" in problem.message
    assert problem.field == ("RUNWARE_API_KEY" if kind is CredentialError else "outputQuality")
    assert problem.remedy is not None
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    "body", [b"<html>Bad\n Gateway</html>", b"", b"[]", b"null", {"errors": {}}, {"errors": [1]}]
)
def test_an_error_of_no_known_form_is_one_all_the_same(
    party: Any, answer_of: Callable[..., Any], body: Any
) -> None:
    async def use(service: Any) -> VisemeError:
        found: VisemeError = service.error_of(answer_of(502, body))
        return found

    problem = party.run(Vendor.RUNWARE, use)
    assert type(problem) is VendorError
    assert "[HTTP 502]" in problem.message
    assert "\n" not in problem.message


# Submissions


def submit(played: Callable[..., Any], *answers: tuple[Any, ...]) -> dict[str, str]:
    ids: dict[str, str] = played(*answers)[0].submit(Vendor.RUNWARE, TASK)
    return ids


@pytest.mark.parametrize(
    "answer",
    [
        (200, data({})),
        (200, {"data": [{"taskType": "videoInference"}]}),
        (200, data({}) | {"errors": []}),
        (200, data({}) | {"errors": None}),
        (200, data({}) | errors("somethingElse", OTHER)),
        # An acknowledgement is one, whatever stands beside it; asking tells the rest.
        (200, data({}) | errors("timeoutProvider")),
        # The UUID is ours, and so is the task that has it already.
        (400, errors("conflictTaskUUID")),
        (200, errors("conflictTaskUUID")),
        (409, errors("conflictTaskUUID")),
        (400, errors("conflictTaskUUID", None)),
    ],
)
def test_an_accepted_task_is_known_by_our_uuid(played: Callable[..., Any], answer: Any) -> None:
    assert submit(played, answer) == IDS


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 429])
@pytest.mark.parametrize("body", [errors("x"), errors("x", None), b"<html>"])
def test_a_refused_submission_was_not_bought(
    played: Callable[..., Any], status: int, body: Any
) -> None:
    party, server = played((status, body))
    with pytest.raises(VisemeError) as caught:
        party.submit(Vendor.RUNWARE, TASK)
    assert not isinstance(caught.value, (AnswerLost, NotSent))
    assert caught.value.http_status == status
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalidApiKey", CredentialError),
        ("insufficientCredits", OutOfCredit),
        ("invalidAudio", RequestRejected),
        ("contentPolicyViolation", ContentRejected),
        ("rateLimitExceeded", RateLimited),
    ],
)
def test_an_error_in_a_200_is_a_refusal(
    played: Callable[..., Any], code: str, kind: type[VisemeError]
) -> None:
    with pytest.raises(kind):
        submit(played, (200, errors(code)))


TAKEN_OR_NOT = [
    # code, refused in a 200, refused in a 400, refused in a 500
    ("invalidApiKey", True, True, False),
    ("missingApiKey", True, True, False),
    ("insufficientCredits", True, True, False),
    ("lowBalance", True, True, False),
    ("quotaExceeded", True, True, False),
    ("contentPolicyViolation", True, True, False),
    ("providerContentPolicyViolation", True, True, False),
    ("nsfwContentDetected", True, True, False),
    ("rateLimitExceeded", True, True, False),
    ("providerRateLimit", True, True, False),
    ("invalidAudio", True, True, False),
    ("invalidProviderSettings", True, True, False),
    ("missingModel", True, True, False),
    ("unsupportedTaskType", True, True, False),
    ("timeoutProvider", False, False, False),
    ("providerError", False, False, False),
    ("internalServerError", False, False, False),
    ("internalError", False, False, False),
    ("noAvailableServer", False, False, False),
    ("modelUnavailable", False, False, False),
    ("connectionLost", False, False, False),
    ("requestTimedOut", False, False, False),
    ("systemOverloaded", False, False, False),
    ("taskFailed", False, False, False),
    ("downloadFailed", False, True, False),
    ("somethingNew", False, True, False),
    ("", False, True, False),
    (None, False, True, False),
]


@pytest.mark.parametrize(("code", "in_200", "in_400", "in_500"), TAKEN_OR_NOT)
def test_only_a_clear_no_is_one(code: str | None, in_200: bool, in_400: bool, in_500: bool) -> None:
    entry = {"code": code, "message": "about it"}
    assert is_refusal(entry, 200) is in_200
    for status in (400, 401, 402, 403, 404, 405, 413, 415, 422, 429):
        assert is_refusal(entry, status) is in_400
    for status in (302, 408, 409, 500, 502, 503, 504):
        assert is_refusal(entry, status) is in_500


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize("code", ["timeoutProvider", "noAvailableServer", "internalServerError"])
def test_a_servers_fault_is_no_refusal(played: Callable[..., Any], status: int, code: str) -> None:
    """The task may have been taken; the same UUID again tells, and buys nothing twice."""
    with pytest.raises(AnswerLost, match=code) as caught:
        submit(played, (status, errors(code)))
    assert (caught.value.code, caught.value.http_status) == (code, status)


def test_a_refusal_beside_a_servers_fault_is_none(played: Callable[..., Any]) -> None:
    both = {"errors": [fails("invalidAudio"), fails("timeoutProvider")]}
    with pytest.raises(AnswerLost, match="timeoutProvider"):
        submit(played, (400, both))


@pytest.mark.parametrize(
    "answer",
    [
        *((status, errors("x"), QUICKLY) for status in (302, 307, 408, 409, 500, 502, 503, 504)),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, {}),
        (200, {"data": []}),
        (200, {"data": None, "errors": None}),
        (200, {"data": [{"taskUUID": OTHER}]}),
        (200, errors("invalidAudio", OTHER)),
    ],
)
def test_an_answer_that_does_not_say_is_answer_lost(
    played: Callable[..., Any], answer: Any
) -> None:
    party, server = played(answer)
    with pytest.raises(AnswerLost):
        party.submit(Vendor.RUNWARE, TASK)
    assert len(server.heads) == 1


def test_a_submission_is_an_array_with_our_uuid(played: Callable[..., Any]) -> None:
    party, server = played((200, data({})))
    party.submit(Vendor.RUNWARE, TASK)
    (task,) = json.loads(server.bodies[0])
    assert task["taskUUID"] == TASK
    assert task["taskType"] == "videoInference"
    assert server.heads[0].startswith("POST /v1 HTTP/1.1")
    assert "Authorization: Bearer c4n4ry" in server.heads[0]


# Reports


def report(played: Callable[..., Any], *answers: tuple[Any, ...], items: int = 1) -> Any:
    party, _ = played(*answers)
    return party.run(Vendor.RUNWARE, lambda s: s.report(IDS, logs=True, items=items))


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        *(("queued", Phase.QUEUED), ("scheduled", Phase.QUEUED), ("waiting", Phase.QUEUED)),
        *(("pending", Phase.RUNNING), ("processing", Phase.RUNNING)),
        *(("success", Phase.SUCCEEDED), ("error", Phase.FAILED)),
        *(("somethingNew", Phase.RUNNING), ("", Phase.RUNNING), (None, Phase.RUNNING)),
    ],
)
def test_every_status_and_the_unknown_ones(
    played: Callable[..., Any], status: Any, phase: Phase
) -> None:
    said = report(played, (200, data({"status": status, "videoURL": "u"})))
    assert said.phase is phase
    assert (said.answer is not None) is (phase is Phase.SUCCEEDED)
    assert (said.problem is not None) is (phase is Phase.FAILED)


def test_the_table_of_statuses_is_tried_whole() -> None:
    assert len(PHASES) == 7


@pytest.mark.parametrize(
    ("given", "failed", "items", "phase", "done", "lost"),
    [
        ([], [], 1, Phase.RUNNING, 0, 0),
        ([{}], [], 1, Phase.RUNNING, 0, 0),  # an acknowledgement
        ([VIDEO], [], 1, Phase.SUCCEEDED, 1, 0),
        ([{"videoURL": "u"}], [], 1, Phase.SUCCEEDED, 1, 0),  # no status, and a result
        ([VIDEO], [], 2, Phase.RUNNING, 0, 0),
        ([VIDEO, {"status": "processing"}], [], 2, Phase.RUNNING, 0, 0),
        ([VIDEO, VIDEO], [], 2, Phase.SUCCEEDED, 2, 0),
        ([VIDEO] * 4, [], 4, Phase.SUCCEEDED, 4, 0),
        ([VIDEO] * 3, [fails("x")], 4, Phase.SUCCEEDED, 3, 1),
        ([VIDEO], [fails("x")] * 3, 4, Phase.SUCCEEDED, 1, 3),
        ([VIDEO, {"status": "error"}], [], 2, Phase.SUCCEEDED, 1, 1),
        ([VIDEO, {"status": "processing"}], [fails("x")], 3, Phase.RUNNING, 0, 0),
        # Nothing is said of the third: it may still be listed.
        ([VIDEO], [fails("x")], 3, Phase.RUNNING, 1, 1),
        ([VIDEO, VIDEO, {"status": "error"}], [], 4, Phase.RUNNING, 2, 1),
        ([{"status": "processing"}], [fails("x")], 2, Phase.RUNNING, 0, 0),
        ([], [fails("x")], 1, Phase.FAILED, 0, 0),
        ([], [fails("x")], 4, Phase.FAILED, 0, 0),  # one error for the whole task
        ([], [fails("x")] * 4, 4, Phase.FAILED, 0, 0),
        ([{"status": "queued"}] * 2, [], 2, Phase.QUEUED, 0, 0),
        ([{"status": "queued"}, {"status": "processing"}], [], 2, Phase.RUNNING, 0, 0),
    ],
)
def test_a_task_of_several_results(
    given: list[Any], failed: list[Any], items: int, phase: Phase, done: int, lost: int
) -> None:
    named = data(*given)["data"]
    said = read_items(named, failed, items)
    assert said.phase is phase
    assert said.is_partial is (phase is Phase.RUNNING and done > 0)
    if done:
        assert said.answer is not None
        assert (len(said.answer["data"]), len(said.answer["errors"])) == (done, lost)
    else:
        assert said.answer is None
    if phase is Phase.FAILED:
        assert isinstance(said.problem, JobFailed)
        assert said.problem.code == "x"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, errors("taskFailed")), JobFailed),
        ((200, errors("timeoutProvider")), JobFailed),
        ((400, errors("taskFailed")), JobFailed),
        ((200, errors("providerContentPolicyViolation")), ContentRejected),
        ((200, errors("invalidAudio")), JobFailed),
    ],
)
def test_a_task_that_failed_is_failed(
    played: Callable[..., Any], answer: Any, kind: type[VisemeError]
) -> None:
    said = report(played, answer)
    assert said.phase is Phase.FAILED
    assert type(said.problem) is kind
    assert said.problem.remedy


@pytest.mark.parametrize("task", [TASK, None])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "internalServerError", VendorError),
        (502, "badGateway", VendorError),
        (503, "serviceUnavailable", VendorError),
        (504, "timeout", VendorError),
        (408, "timeout", VendorError),
        (401, "invalidApiKey", CredentialError),
        (402, "insufficientCredits", OutOfCredit),
        (403, "forbidden", RequestRejected),
        (429, "rateLimitExceeded", RateLimited),
        (200, "rateLimitExceeded", RateLimited),
        (200, "invalidApiKey", CredentialError),
    ],
)
def test_trouble_with_asking_does_not_fail_the_task(
    played: Callable[..., Any], status: int, code: str, kind: type[VisemeError], task: str | None
) -> None:
    """An outage while a paid task runs: the task goes on, and so does the asking."""
    with pytest.raises(kind) as caught:
        report(played, (status, errors(code, task), QUICKLY))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer", [(200, errors("internalServerError", None)), (502, b"<html>", QUICKLY)]
)
def test_an_error_that_names_no_task_is_of_the_call(
    played: Callable[..., Any], answer: Any
) -> None:
    with pytest.raises(VendorError):
        report(played, answer)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": [{"taskUUID": OTHER}]}])
def test_a_success_that_says_nothing_of_the_task_ends_nothing(
    played: Callable[..., Any], body: Any
) -> None:
    assert report(played, (200, body)).phase is Phase.RUNNING


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_what_is_no_answer_does_not_say_that_a_task_runs(
    played: Callable[..., Any], body: bytes
) -> None:
    with pytest.raises(UnreadableAnswer):
        report(played, (200, body))


def details(*given: dict[str, Any], failed: list[Any] | None = None) -> tuple[int, Any]:
    response: dict[str, Any] = {"data": data(*given)["data"]}
    if failed:
        response["errors"] = failed
    task = {"taskType": "getTaskDetails", "taskUUID": TASK, "response": response}
    return 200, {"data": [task]}


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (details(VIDEO), Phase.SUCCEEDED),
        (details({}), Phase.RUNNING),  # what was answered to the submission, and no more
        (details({"status": "processing"}), Phase.RUNNING),
        (details(failed=[fails("taskFailed")]), Phase.FAILED),
        ((200, {"data": [{"taskUUID": TASK}]}), Phase.RUNNING),
        ((200, {"data": [{"taskUUID": TASK, "response": "x"}]}), Phase.RUNNING),
        ((200, {"data": [{"taskUUID": TASK, "response": {"data": 5}}]}), Phase.RUNNING),
        (UNKNOWN, Phase.MISSING),
        ((200, errors("taskNotFound")), Phase.MISSING),
        ((200, {"data": []}), Phase.MISSING),
    ],
)
def test_a_task_that_getresponse_has_forgotten_is_asked_for_by_its_details(
    played: Callable[..., Any], answer: Any, phase: Phase
) -> None:
    party, server = played(UNKNOWN, answer)
    said = party.run(Vendor.RUNWARE, lambda s: s.report(IDS, logs=True, items=1))
    assert said.phase is phase
    kinds = [json.loads(body)[0]["taskType"] for body in server.bodies]
    assert kinds == ["getResponse", "getTaskDetails"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((503, errors("serviceUnavailable"), QUICKLY), VendorError),
        ((429, errors("rateLimitExceeded"), QUICKLY), RateLimited),
        ((200, errors("rateLimitExceeded")), RateLimited),
        ((401, errors("invalidApiKey")), CredentialError),
        ((200, b"<html>"), UnreadableAnswer),
        ((200, b""), UnreadableAnswer),
    ],
)
def test_absence_is_told_by_the_vendor_and_not_by_an_outage(
    played: Callable[..., Any], answer: Any, kind: type[VisemeError]
) -> None:
    with pytest.raises(kind):
        report(played, UNKNOWN, answer)
    party, _ = played(UNKNOWN, answer)
    with pytest.raises(kind):
        party.run(Vendor.RUNWARE, lambda s: s.look_up(party.trace(Vendor.RUNWARE, TASK)))


def test_a_task_cannot_be_cancelled(party: Any) -> None:
    said = party.run(Vendor.RUNWARE, lambda service: service.cancel(IDS))
    assert said is CancelAnswer.UNSUPPORTED


# The sandbox


def finish(party: Any, ids: dict[str, str], items: int = 1) -> Any:
    async def use(service: Any) -> Any:
        for _ in range(400):
            said = await service.report(ids, logs=True, items=items)
            if said.phase.is_end:
                return said
            await asyncio.sleep(0.02)
        raise AssertionError("it did not end")

    return party.run(Vendor.RUNWARE, use)


def test_a_job_in_the_sandbox_from_submission_to_result(box: Any, party: Any) -> None:
    said = finish(party, party.submit(Vendor.RUNWARE))
    assert said.phase is Phase.SUCCEEDED
    (result,) = said.answer["data"]
    assert result["videoURL"].startswith(box.base_urls["runware.results"])
    assert result["cost"] > 0
    assert box.charge_count() == 1


def test_some_of_several_results_are_better_than_none(box: Any, party: Any) -> None:
    box.fault("partial-results", count=1)
    said = finish(party, party.submit(Vendor.RUNWARE, numberResults=3), items=3)
    assert said.phase is Phase.SUCCEEDED
    assert len(said.answer["data"]) == 2
    assert [entry["code"] for entry in said.answer["errors"]] == ["providerError"]


@pytest.mark.parametrize(
    ("fault", "kind"), [("job-fails", JobFailed), ("reject-content", ContentRejected)]
)
def test_a_job_that_fails_in_the_sandbox(
    box: Any, party: Any, fault: str, kind: type[VisemeError]
) -> None:
    box.fault(fault, count=1)
    said = finish(party, party.submit(Vendor.RUNWARE))
    assert said.phase is Phase.FAILED
    assert type(said.problem) is kind
    assert box.charge_count() == 0


def test_the_same_uuid_again_buys_nothing_new(box: Any, party: Any) -> None:
    token = str(uuid.uuid4())
    box.fault("drop-after-accept", count=1)
    with pytest.raises(AnswerLost):
        party.submit(Vendor.RUNWARE, token)
    assert party.submit(Vendor.RUNWARE, token) == {"taskUUID": token}
    assert box.charge_count() == 1
    assert [call["status"] for call in box.calls("submit")] == [None, 400]


def look_up(party: Any, token: str) -> Any:
    trace = party.trace(Vendor.RUNWARE, token)
    return party.run(Vendor.RUNWARE, lambda service: service.look_up(trace))


def test_a_task_is_found_by_its_uuid_and_its_absence_is_proof(box: Any, party: Any) -> None:
    ids = party.submit(Vendor.RUNWARE)
    found = look_up(party, ids["taskUUID"])
    assert [dict(match.vendor_ids) for match in found.matches] == [ids]
    nothing = look_up(party, str(uuid.uuid4()))
    assert (nothing.matches, nothing.absence_is_proof) == ((), True)
    # Forgotten by one of the two places that know tasks, it is found in the other.
    box.fault("lookup-hidden", count=1, operation="status")
    assert len(look_up(party, ids["taskUUID"]).matches) == 1
    # Hidden in both, it seems absent: only time tells these apart (listing_visibility).
    box.fault("lookup-late", count=2, seconds=60)
    assert look_up(party, ids["taskUUID"]).matches == ()


@pytest.mark.parametrize("is_known", [True, False])
def test_an_answer_that_says_nothing_of_a_task_is_no_word_that_it_is_there(
    played: Callable[..., Any], is_known: bool
) -> None:
    """Its details are: where there are none, what never arrived would be waited for, for hours."""
    known = data({"taskType": "getTaskDetails", "request": {}})
    party, server = played((200, {"data": []}), (200, known) if is_known else UNKNOWN)
    found = look_up(party, TASK)
    assert len(found.matches) == is_known
    assert b"getTaskDetails" in server.bodies[1]


def test_a_running_task_that_getresponse_forgot_is_not_taken_for_done(box: Any, party: Any) -> None:
    box.fault("slow-queue", count=1, seconds=60)
    ids = party.submit(Vendor.RUNWARE)
    box.fault("lookup-hidden", count=1, operation="status")
    said = party.run(Vendor.RUNWARE, lambda s: s.report(ids, logs=True, items=1))
    assert said.phase is Phase.RUNNING
    assert [call["operation"] for call in box.calls()][-2:] == ["status", "list"]


# Uploads


def upload(party: Any, path: Path) -> Upload:
    file = OutgoingFile(path, "video/mp4", path.stat().st_size, "clip.mp4")
    done: Upload = party.run(Vendor.RUNWARE, lambda service: service.upload(file))
    return done


def test_an_upload_arrives_byte_for_byte_and_can_be_deleted(
    box: Any, party: Any, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + os.urandom(50_000))
    done = upload(party, path)
    assert done.can_be_deleted
    uuid.UUID(done.reference)
    url = f"{box.base_urls['runware.results']}/media/{done.reference}"
    assert box.download(url) == path.read_bytes()
    party.run(Vendor.RUNWARE, lambda service: service.delete_upload(done.reference))
    assert box.download(url) != path.read_bytes()
    with pytest.raises(RequestRejected):
        party.run(Vendor.RUNWARE, lambda service: service.delete_upload(done.reference))


def test_an_upload_is_a_data_uri(played: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"abcde")
    party, server = played((200, {"data": [{"mediaUUID": OTHER}]}))
    assert upload(party, path) == Upload(OTHER, can_be_deleted=True)
    (task,) = json.loads(server.bodies[0])
    assert task["operation"] == "upload"
    assert task["media"] == "data:video/mp4;base64," + base64.b64encode(b"abcde").decode()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, errors("invalidMedia", None)), RequestRejected),
        ((200, errors("invalidMedia", None)), RequestRejected),
        ((402, errors("insufficientCredits", None)), OutOfCredit),
        ((503, b"<html>", QUICKLY), VendorError),
        ((200, {"data": [{"mediaUUID": None}]}), UnreadableAnswer),
        ((200, {"data": []}), UnreadableAnswer),
        ((200, b"<html>"), UnreadableAnswer),
    ],
)
def test_an_upload_that_is_refused_raises(
    played: Callable[..., Any], tmp_path: Path, answer: Any, kind: type[VisemeError]
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"abc")
    with pytest.raises(kind):
        upload(played(answer)[0], path)
