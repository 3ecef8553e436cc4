"""Each fault does what its name says."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import httpx
import pytest

from viseme.errors import InputError
from viseme.sandbox.faults import KINDS, Fault, Faults, parse_fault

Box = Any
VENDORS = ("fal", "aimlapi", "runware")
# What httpx says of a connection that was closed on it.
LOST = (httpx.RemoteProtocolError, httpx.ReadError)


def submit(box: Box, vendor: str) -> httpx.Response:
    if vendor == "fal":
        answer: httpx.Response = box.fal_submit()
    elif vendor == "aimlapi":
        answer = box.aiml_submit()
    else:
        answer = box.runware(box.inference())
    return answer


def result_url(box: Box, vendor: str) -> str:
    """The URL of a finished video."""
    if vendor == "fal":
        return str(box.fal_result_url())
    if vendor == "aimlapi":
        return str(box.aiml_finish(box.aiml_submit().json()["id"])["video"]["url"])
    task = box.inference()
    box.runware(task)
    return str(box.runware_finish(task["taskUUID"])["data"][0]["videoURL"])


def test_every_documented_name_is_a_fault_and_says_what_it_does() -> None:
    text = """drop-before-accept drop-after-accept stall answer-late 429 503 500 truncate
        lie-length redirect expire-url slow-queue job-fails reject-content no-credit bad-key
        cancel-ignored lookup-hidden lookup-late partial-results endless-body html-200
        wrong-type"""
    names = text.split()
    assert list(KINDS) == names
    assert all(kind.does for kind in KINDS.values())


def test_a_count_is_spent_and_a_probability_is_not() -> None:
    faults = Faults(("stall:2", "500:1.0", "429:0.0"))
    assert [faults.take("stall", "submit", "fal") is not None for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert all(faults.take("500", "submit", "fal") for _ in range(5))
    assert not any(faults.take("429", "submit", "fal") for _ in range(5))
    assert parse_fault("stall") == Fault("stall")
    for text in ("stall:many", "nothing", "stall:0", "stall:1.5"):
        with pytest.raises(InputError):
            parse_fault(text)


def test_a_fault_strikes_only_its_vendor_and_operation(box: Box) -> None:
    box.fault("500", vendor="aimlapi", operation="submit")
    assert box.fal_submit().status_code == 200
    assert box.aiml_submit().status_code == 500
    assert box.http.get(box.urls["aimlapi"] + "/v2/billing", headers=box.BEARER).is_success


@pytest.mark.parametrize("vendor", VENDORS)
def test_drop_before_accept_books_nothing(box: Box, vendor: str) -> None:
    box.fault("drop-before-accept", count=1)
    with pytest.raises(LOST):
        submit(box, vendor)
    assert box.charges() == []
    assert box.requests()[0]["status"] is None and box.requests()[0]["bytes_in"] > 0
    assert submit(box, vendor).status_code == 200


@pytest.mark.parametrize("vendor", VENDORS)
def test_drop_after_accept_books_and_the_job_lives(box: Box, vendor: str) -> None:
    box.fault("drop-after-accept", count=1)
    with pytest.raises(LOST):
        submit(box, vendor)
    (charge,) = box.charges()
    assert charge["vendor"] == vendor
    if vendor == "fal":
        box.wait_for(box.fal_list)
        (item,) = box.fal_list(expand="payloads")
        assert item["request_id"] == charge["vendor_id"]
        assert item["json_input"] == box.FAL_BODY
    elif vendor == "aimlapi":
        assert box.aiml_finish(charge["vendor_id"])["status"] == "succeeded"
    else:
        assert box.runware_finish(charge["vendor_id"])["data"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("name", "status"), [("429", 429), ("503", 503), ("500", 500)])
def test_refusals_without_acceptance(box: Box, vendor: str, name: str, status: int) -> None:
    box.fault(name, count=1, seconds=7)
    answer = submit(box, vendor)
    assert answer.status_code == status and box.charges() == []
    if status == 429:
        assert answer.headers["retry-after"] == "7"
    if vendor == "fal" and status == 503:
        assert "nginx" in answer.text and "x-fal-request-id" not in answer.headers
    else:
        assert answer.json()
    assert submit(box, vendor).status_code == 200


def test_stall_goes_on_and_answer_late_has_booked_before(box: Box) -> None:
    box.fault("stall", count=1, seconds=0.4)
    begin = time.monotonic()
    assert box.fal_submit().status_code == 200
    assert time.monotonic() - begin >= 0.4
    box.reset()
    box.fault("answer-late", count=1, seconds=1)
    with pytest.raises(httpx.ReadTimeout):
        box.fal_submit(timeout=0.3)
    assert len(box.charges()) == 1
    box.reset()
    box.fault("stall", count=1, seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        box.fal_submit(timeout=0.1)
    assert box.charges() == []
    box.wait_for(box.charges)


def test_a_call_from_before_a_reset_takes_no_fault_from_after_it(box: Box) -> None:
    box.fault("answer-late", operation="submit", count=1, seconds=0.6)
    with pytest.raises(httpx.ReadTimeout):
        box.fal_submit(timeout=0.1)
    box.reset()
    box.fault("drop-after-accept", count=1)
    time.sleep(1.0)
    with pytest.raises(LOST):
        box.fal_submit()


def test_a_call_from_before_a_reset_books_nothing_after_it(box: Box) -> None:
    box.fault("stall", operation="submit", count=1, seconds=0.6)
    with pytest.raises(httpx.ReadTimeout):
        box.fal_submit(timeout=0.1)
    box.reset()
    time.sleep(1.0)
    assert box.charges() == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_credit_and_bad_key(box: Box, vendor: str) -> None:
    box.fault("no-credit", count=1)
    box_status = {"fal": 403, "aimlapi": 403, "runware": 402}
    answer = submit(box, vendor)
    assert answer.status_code == box_status[vendor]
    if vendor == "fal":
        assert "User is locked. Reason: Exhausted balance" in answer.json()["detail"]
    box.fault("bad-key", count=1)
    assert submit(box, vendor).status_code == 401
    assert box.charges() == []
    assert submit(box, vendor).status_code == 200


def test_a_locked_fal_account_cannot_start_an_upload_but_still_reads(box: Box) -> None:
    job = box.fal_submit().json()
    box.fault("no-credit")
    url = box.urls["fal.rest"] + "/storage/upload/initiate"
    body = {"file_name": "a.mp4", "content_type": "video/mp4"}
    assert box.http.post(url, json=body, headers=box.FAL).status_code == 403
    assert box.fal_finish(job).status_code == 200


def test_job_fails_and_reject_content_end_unbilled_in_each_vendors_words(box: Box) -> None:
    box.fault("job-fails")
    job = box.fal_submit().json()
    assert len(box.charges()) <= 1
    result = box.fal_finish(job)
    assert result.status_code == 500 and result.json()["error_type"] == "internal_error"
    assert result.headers["x-fal-error-type"] == "internal_error"
    assert box.fal_status(job)["error_type"] == "internal_error"
    failed = box.aiml_finish(box.aiml_submit().json()["id"])
    assert failed["status"] == "error" and failed["error"]["name"]
    task = box.inference()
    assert box.runware(task).status_code == 200
    answer = box.runware_finish(task["taskUUID"])
    assert [entry["code"] for entry in answer["errors"]] == ["taskFailed"]
    assert answer["errors"][0]["taskUUID"] == task["taskUUID"]
    box.reset()
    box.fault("reject-content")
    result = box.fal_finish(box.fal_submit().json())
    assert result.status_code == 422
    assert result.json()["detail"][0]["type"] == "content_policy_violation"
    rejected = box.aiml_finish(box.aiml_submit().json()["id"])
    assert rejected["error"]["detail"][0]["type"] == "content_policy_violation"
    task = box.inference()
    box.runware(task)
    (entry,) = box.runware_finish(task["taskUUID"])["errors"]
    assert entry["code"] == "providerContentPolicyViolation"
    assert box.charges() == []


def test_slow_queue_holds_a_job_in_the_queue(box: Box) -> None:
    box.fault("slow-queue", count=2, seconds=60)
    first, second = box.fal_submit().json(), box.fal_submit().json()
    assert [box.fal_status(job)["queue_position"] for job in (first, second)] == [0, 1]
    third = box.fal_submit().json()
    assert box.fal_finish(third).status_code == 200
    assert box.fal_status(first)["status"] == "IN_QUEUE"


def test_cancel_ignored_answers_as_if_and_the_job_is_billed(slow_box: Box) -> None:
    box = slow_box
    box.fault("cancel-ignored")
    job = box.fal_submit().json()
    answer = box.http.put(job["cancel_url"], headers=box.FAL)
    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert box.fal_finish(job).status_code == 200
    assert len(box.charges()) == 1


def test_lookups_can_be_hidden_or_late(box: Box) -> None:
    job = box.fal_submit().json()
    box.fal_finish(job)
    box.aiml_finish(box.aiml_submit().json()["id"])
    task = box.inference()
    box.runware(task)
    box.runware_finish(task["taskUUID"])

    def seen() -> list[bool]:
        lookups = [
            box.runware({"taskType": kind, "taskUUID": task["taskUUID"]})
            for kind in ("getResponse", "getTaskDetails")
        ]
        return [bool(box.fal_list()), bool(box.aiml_logs())] + [a.is_success for a in lookups]

    assert seen() == [True] * 4
    box.fault("lookup-hidden", count=4)
    assert seen() == [False] * 4
    assert seen() == [True] * 4
    box.fault("lookup-late", seconds=3600, vendor="fal")
    assert seen() == [False, True, True, True]
    again = box.runware(task).json()
    assert again["errors"][0]["code"] == "conflictTaskUUID"


def test_partial_results_name_the_missing_one_and_bill_the_rest(box: Box) -> None:
    box.fault("partial-results", count=1)
    task = box.inference(numberResults=4, includeCost=True)
    box.runware(task)
    full = float(box.charges()[0]["usd"])
    answer = box.runware_finish(task["taskUUID"])
    assert len(answer["data"]) == 3 and len(answer["errors"]) == 1
    assert answer["errors"][0]["taskUUID"] == task["taskUUID"]
    assert float(box.charges()[0]["usd"]) == pytest.approx(full * 3 / 4, abs=1e-4)
    single = box.inference()
    box.runware(single)
    assert "errors" not in box.runware_finish(single["taskUUID"])


def test_truncate_sends_half_of_what_it_announces(box: Box) -> None:
    url = box.fal_result_url()
    whole = box.http.get(url).content
    box.fault("truncate", count=1)
    got = b""
    with pytest.raises(LOST), box.http.stream("GET", url) as answer:
        assert int(answer.headers["content-length"]) == len(whole)
        for chunk in answer.iter_bytes():
            got += chunk
    assert whole.startswith(got) and len(got) <= len(whole) // 2
    assert box.http.get(url).content == whole


def test_lie_length_announces_half_of_what_it_sends(box: Box) -> None:
    url = box.fal_result_url()
    whole = box.http.get(url).content
    box.fault("lie-length", count=1)
    with httpx.Client() as client:
        answer = client.get(url)
    assert int(answer.headers["content-length"]) == len(whole) // 2
    assert answer.content == whole[: len(whole) // 2]


@pytest.mark.parametrize("vendor", VENDORS)
def test_redirect_leads_to_the_same_bytes_on_another_origin(box: Box, vendor: str) -> None:
    url = result_url(box, vendor)
    whole = box.http.get(url).content
    box.fault("redirect", count=1)
    answer = box.http.get(url)
    assert answer.status_code == 302
    there = httpx.URL(answer.headers["location"])
    assert there.port != httpx.URL(url).port and there.path == httpx.URL(url).path
    assert there.params["X-Signature"]
    assert box.http.get(there).content == whole


def test_expire_url_html_and_wrong_type(box: Box) -> None:
    url = box.fal_result_url()
    box.fault("expire-url", count=1)
    assert box.http.get(url).status_code == 404
    box.fault("html-200", count=1)
    page = box.http.get(url)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    box.fault("wrong-type", count=1)
    image = box.http.get(url)
    assert image.headers["content-type"] == "image/png" and image.content.startswith(b"\x89PNG")
    assert box.http.get(url).headers["content-type"] == "video/mp4"


def test_endless_body_has_no_length_and_no_end(box: Box) -> None:
    url = box.fal_result_url()
    box.fault("endless-body", count=1)
    got = 0
    with box.http.stream("GET", url) as answer:
        assert "content-length" not in answer.headers
        for chunk in answer.iter_raw():
            got += len(chunk)
            if got > 8 * 1024 * 1024:
                break
    box.wait_for(lambda: box.requests()[-1]["bytes_out"] >= got)
    assert box.fal_submit().status_code == 200


@pytest.mark.parametrize("name", ["truncate", "lie-length", "html-200", "wrong-type"])
def test_answers_of_the_interface_can_be_garbled_too(box: Box, name: str) -> None:
    box.fault(name, count=1, operation="submit")
    with httpx.Client() as client:
        url = box.urls["runware"]
        try:
            answer = client.post(url, json=[box.inference()], headers=box.BEARER)
            with pytest.raises(ValueError, match=r"."):
                answer.json()
        except LOST:
            assert name == "truncate"
    assert len(box.charges()) == 1


def test_a_redirected_submission_is_not_carried_out(box: Box) -> None:
    box.fault("redirect", count=1, operation="submit")
    answer = box.fal_submit()
    assert answer.status_code == 307 and answer.headers["location"].startswith("http://127.0.0.1:")
    assert box.charges() == []
    assert str(uuid.UUID(box.fal_submit().json()["request_id"]))


@pytest.mark.parametrize(
    "name", ["truncate", "lie-length", "html-200", "wrong-type", "endless-body"]
)
def test_a_status_stream_is_garbled_once_for_each_count(box: Box, name: str) -> None:
    box.fault("slow-queue", seconds=60)
    job = box.fal_submit().json()
    url = job["status_url"] + "/stream"

    def beginning() -> bytes:
        got = b""
        try:
            with httpx.Client() as client, client.stream("GET", url, headers=box.FAL) as answer:
                for chunk in answer.iter_raw():
                    got += chunk
                    if b"\n\n" in got:
                        break
        except LOST:
            assert name == "truncate"
        return got

    box.fault(name, count=2, operation="stream")
    garbled = [beginning(), beginning()]
    sound = beginning()
    assert json.loads(sound.removeprefix(b"data:"))["status"] == "IN_QUEUE"
    for got in garbled:
        assert name == "endless-body" or not got.endswith(b"\n\n")
        if name in ("truncate", "lie-length"):
            assert sound.startswith(got) and len(got) < len(sound)
        elif name != "endless-body":
            assert b"data:" not in got
