"""fal's hosts beyond what its client uses."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Box = Any
CLIP = Path(__file__).parents[2] / "viseme" / "samples" / "talking_head.mp4"


def test_a_submission_answers_with_the_urls_below_owner_and_app(box: Box) -> None:
    answer = box.fal_submit(path="/fal-ai/sync-lipsync/v2/pro")
    job = answer.json()
    base = f"{box.urls['fal.queue']}/fal-ai/sync-lipsync/requests/{job['request_id']}"
    assert (job["response_url"], job["status_url"]) == (base, base + "/status")
    assert job["cancel_url"] == base + "/cancel"
    assert job["status"] == "IN_QUEUE" and job["queue_position"] == 0
    assert answer.headers["x-fal-request-id"] == job["request_id"]


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        (None, "Authentication is required to access this application"),
        ("Key no-colon", "No user found for Key ID and Secret"),
        ("Key id:wrong", "No user found for Key ID and Secret"),
        ("Key INVALID:secret", "No user found for Key ID and Secret"),
        ("Bearer id:secret", "No user found for Key ID and Secret"),
    ],
)
def test_keys(box: Box, key: str | None, detail: str) -> None:
    headers = {} if key is None else {"Authorization": key}
    url = f"{box.urls['fal.queue']}/{box.MODEL}"
    answer = box.http.post(url, json=box.FAL_BODY, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/fal-ai/nothing", b"{}", 404),
        ("/fal-ai/pixverse/lipsync", b"{not json", 400),
        ("/fal-ai/pixverse/lipsync", b"[]", 400),
    ],
)
def test_what_the_queue_does_not_take(box: Box, path: str, content: bytes, status: int) -> None:
    answer = box.http.post(box.urls["fal.queue"] + path, content=content, headers=box.FAL)
    assert answer.status_code == status and isinstance(answer.json()["detail"], str)
    assert box.charges() == []


@pytest.mark.parametrize("logs", ["1", "true", "0", "false", ""])
def test_logs_come_when_asked_for(slow_box: Box, logs: str) -> None:
    job = slow_box.fal_submit().json()
    url = job["status_url"]
    slow_box.wait_for(lambda: slow_box.fal_status(job)["status"] == "IN_PROGRESS")
    answer = slow_box.http.get(url, params={"logs": logs}, headers=slow_box.FAL)
    assert answer.status_code == 202
    wanted = logs in ("1", "true")
    assert isinstance(answer.json()["logs"], list) if wanted else answer.json()["logs"] is None
    early = slow_box.http.get(job["response_url"], headers=slow_box.FAL)
    assert early.status_code == 400


def test_the_stream_tells_every_state_and_ends(slow_box: Box) -> None:
    job = slow_box.fal_submit().json()
    events: list[dict[str, Any]] = []
    with slow_box.http.stream(
        "GET", job["status_url"] + "/stream?logs=1", headers=slow_box.FAL
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events += [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    states = list(dict.fromkeys(event["status"] for event in events))
    assert states == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert events[-1]["logs"][-1]["message"] == "SANDBOX: done"


def test_readers_and_senders_that_leave_do_no_harm(box: Box) -> None:
    box.fault("slow-queue", seconds=60)
    job = box.fal_submit().json()
    with box.http.stream("GET", job["status_url"] + "/stream", headers=box.FAL) as answer:
        next(answer.iter_raw())
    box.wait_for(lambda: box.requests()[-1]["bytes_out"] > 0)

    def half() -> Iterator[bytes]:
        yield b'{"video_url": "data:video/mp4;base64,' + b"A" * 2_000_000
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            box.fal_submit(None, content=half())
    box.wait_for(lambda: not list((box.home / "sandbox" / "incoming").iterdir()))
    assert len(box.charges()) == 1


def test_cancel_while_running_stops_the_job_unbilled(slow_box: Box) -> None:
    job = slow_box.fal_submit().json()
    slow_box.wait_for(lambda: slow_box.fal_status(job)["status"] == "IN_PROGRESS")
    answer = slow_box.http.put(job["cancel_url"], headers=slow_box.FAL)
    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    result = slow_box.fal_finish(job)
    assert result.status_code == 499 and result.json()["error_type"] == "client_cancelled"
    assert slow_box.charges() == []
    late = slow_box.http.put(job["cancel_url"], headers=slow_box.FAL)
    assert (late.status_code, late.json()) == (400, {"status": "ALREADY_COMPLETED"})
    nowhere = job["cancel_url"].replace(job["request_id"], "nothing")
    unknown = slow_box.http.put(nowhere, headers=slow_box.FAL)
    assert (unknown.status_code, unknown.json()) == (404, {"status": "NOT_FOUND"})


def test_a_start_deadline_ends_a_job_that_waits_longer(box: Box) -> None:
    box.fault("slow-queue", seconds=60)
    job = box.fal_submit(headers={"X-Fal-Request-Timeout": "0.2"}).json()
    result = box.fal_finish(job)
    assert result.status_code == 504 and result.json()["error_type"] == "request_timeout"
    assert result.headers["x-fal-request-timeout-type"] == "user"
    assert box.charges() == []
    refused = box.fal_submit(headers={"X-Fal-Request-Timeout": "soon"})
    assert refused.status_code == 400
    assert box.fal_submit(headers={"X-Fal-Queue-Priority": "high"}).status_code == 400


def test_a_results_lifetime_ends(box: Box) -> None:
    lifecycle = {"X-Fal-Object-Lifecycle-Preference": '{"expiration_duration_seconds": 0.3}'}
    url = box.fal_finish(box.fal_submit(headers=lifecycle).json()).json()["video"]["url"]
    assert box.http.get(url).status_code == 200
    box.wait_for(lambda: box.http.get(url).status_code == 404, 3)


def test_results_serve_ranges_and_heads(box: Box) -> None:
    url = box.fal_result_url()
    whole = box.http.get(url).content
    part = box.http.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    rest = box.http.get(url, headers={"Range": f"bytes={len(whole) - 5}-"})
    assert rest.content == whole[-5:]
    assert box.http.get(url, headers={"Range": "bytes=-5"}).content == whole[-5:]
    beyond = box.http.get(url, headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416
    head = box.http.head(url)
    assert int(head.headers["content-length"]) == len(whole) and head.content == b""
    assert box.http.get(url + "x").status_code == 404


def test_media_can_be_inline_and_the_listing_has_it_as_sent(box: Box) -> None:
    uri = "data:video/mp4;base64," + base64.b64encode(CLIP.read_bytes()).decode()
    small = "data:audio/wav;base64," + base64.b64encode(b"RIFF not a sound").decode()
    job = box.fal_submit({"video_url": uri, "text": "Hello."}).json()
    assert box.fal_finish(job).status_code == 200
    (item,) = box.fal_list(expand="payloads")
    assert item["json_input"] == {"video_url": uri, "text": "Hello."}
    assert item["json_output"]["video"]["url"] and item["status_code"] == 200
    broken = box.fal_finish(box.fal_submit({"video_url": uri, "audio_url": small}).json())
    assert broken.status_code == 422
    assert broken.json()["detail"][0]["loc"][:2] == ["body", "audio_url"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/clip.mp4",
        "https://localhost/clip.mp4",
        "https://10.1.2.3/clip.mp4",
        "data:video/mp4;base64,####",
        "data:video/mp4;base64," + "#" * 100_000,
    ],
)
def test_media_that_a_vendor_could_not_fetch_is_a_422(box: Box, url: str) -> None:
    result = box.fal_finish(box.fal_submit({"video_url": url, "text": "Hi"}).json())
    assert result.status_code == 422
    assert result.json()["detail"][0]["loc"] == ["body", "video_url"]
    assert box.charges() == []


def test_the_listing_shows_ended_jobs_of_this_key_and_keeps_no_payload_when_told(
    box: Box,
) -> None:
    private = box.fal_submit(headers={"X-Fal-Store-IO": "0"}).json()
    box.fal_finish(private)
    failed = box.fal_submit({}).json()
    box.fal_finish(failed)
    box.fault("slow-queue", seconds=60)
    box.fal_submit()
    items = box.fal_list(expand="payloads")
    assert {item["request_id"] for item in items} == {private["request_id"], failed["request_id"]}
    hidden = next(item for item in items if item["request_id"] == private["request_id"])
    assert "json_input" not in hidden and "json_output" not in hidden
    assert [i["status_code"] for i in box.fal_list(status="user_error")] == [422]
    assert len(box.fal_list(limit=1)) == 1
    assert box.fal_list(request_id=private["request_id"], start="2020-01-01") == [hidden]
    tomorrow = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    assert box.fal_list(start=tomorrow) == []
    assert box.fal_list(endpoint_id="pipio/lipsync") == []
    url = box.urls["fal.platform"] + "/v1/models/requests/by-endpoint"
    other = box.http.get(
        url, params={"endpoint_id": box.MODEL}, headers={"Authorization": "Key other:key"}
    )
    assert other.json()["items"] == []
    assert box.http.get(url, headers=box.FAL).status_code == 400


def test_another_key_does_not_see_the_job(box: Box) -> None:
    job = box.fal_submit().json()
    answer = box.http.get(job["status_url"], headers={"Authorization": "Key other:key"})
    assert answer.status_code == 404


def test_uploads_need_a_token_and_parts_must_fit(box: Box) -> None:
    cdn, rest = box.urls["fal.cdn"], box.urls["fal.rest"]
    assert box.http.post(cdn + "/files/upload", content=b"x", headers=box.FAL).status_code == 401
    token = box.http.post(rest + "/storage/auth/token", json={}, headers=box.FAL).json()
    assert token["base_url"] == cdn and token["token_type"] == "Bearer"
    bearer = {"Authorization": f"Bearer {token['token']}"}
    begun = box.http.post(cdn + "/files/upload/multipart", headers=bearer).json()
    base = f"{begun['access_url']}/multipart/{begun['uploadId']}"
    etag = box.http.put(base + "/1", content=b"one", headers=bearer).headers["etag"]
    wrong = [{"partNumber": 1, "etag": '"0"'}], [{"partNumber": 2, "etag": etag}], "parts"
    for parts in wrong:
        answer = box.http.post(base + "/complete", json={"parts": parts}, headers=bearer)
        assert answer.status_code == 400
    parts = [{"partNumber": 1, "etag": etag}]
    done = box.http.post(base + "/complete", json={"parts": parts}, headers=bearer)
    assert done.status_code == 200 and box.http.get(begun["access_url"]).content == b"one"


def test_the_signed_upload_in_parts(box: Box) -> None:
    body = {"file_name": "c.bin", "content_type": "application/octet-stream"}
    url = box.urls["fal.rest"] + "/storage/upload/initiate-multipart"
    begun = box.http.post(url, json=body, headers=box.FAL).json()
    place, _, query = begun["upload_url"].partition("?")
    etags = [
        box.http.put(f"{place}/{number}?{query}", content=data).headers["etag"]
        for number, data in ((1, b"ab"), (2, b"cd"))
    ]
    parts = [{"partNumber": number + 1, "etag": etag} for number, etag in enumerate(etags)]
    assert box.http.post(f"{place}/complete?{query}", json={"parts": parts}).status_code == 200
    assert box.http.get(begun["file_url"]).content == b"abcd"
    assert box.http.put(place + "/1?signature=x", content=b"").status_code == 403
