"""AI/ML API's host."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

Box = Any
CLIP = Path(__file__).parents[2] / "viseme" / "samples" / "talking_head.mp4"


def test_a_job_from_queued_to_succeeded_with_its_usage(slow_box: Box) -> None:
    box = slow_box
    submitted = box.aiml_submit(headers={"X-Client-Request-Id": "order-8f:21._c-4"})
    job_id = submitted.json()["id"]
    assert submitted.json()["status"] == "queued"
    assert submitted.headers["x-inference-id"] == job_id
    assert submitted.headers["x-client-request-id"] == "order-8f:21._c-4"
    box.wait_for(lambda: box.aiml_fetch(job_id).json()["status"] == "generating")
    done = box.aiml_finish(job_id)
    assert done["status"] == "succeeded"
    assert done["meta"]["usage"] == {"credits_used": 2_000_000, "usd_spent": 1.0}
    headers = box.aiml_fetch(job_id).headers
    assert headers["x-aimlapi-credits-used"] == "2000000"
    assert float(headers["x-aimlapi-usd-spent"]) == 1
    billing = box.http.get(box.urls["aimlapi"] + "/v2/billing", headers=box.BEARER).json()
    assert billing == {"current_balance": 99.0, "currency": "USD"}
    box.wait_for(lambda: box.aiml_logs())
    (row,) = box.aiml_logs()
    assert row["inference_id"] == job_id and row["client_request_id"] == "order-8f:21._c-4"
    assert row["status"] == "succeeded" and row["cost"] == {"usd": 1.0, "credits": 2_000_000}


@pytest.mark.parametrize("name", ["a b", "x" * 129, "ä".encode(), "", None])
def test_a_client_id_outside_the_alphabet_is_dropped_without_a_word(box: Box, name: Any) -> None:
    headers = {} if name is None else {"X-Client-Request-Id": name}
    answer = box.aiml_submit(headers=headers)
    assert answer.status_code == 200 and "x-client-request-id" not in answer.headers
    assert box.aiml_logs()[0]["client_request_id"] is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": "pixverse/other"}, "model"),
        ({"video_url": None}, "video_url"),
        ({"lip_sync_tts_content": "Hi", "lip_sync_tts_speaker": "Ava"}, ""),
        ({"audio_url": None, "lip_sync_tts_content": "Hi"}, ""),
        ({"extra": 1}, "extra"),
        ({"lip_sync_tts_speaker": "Nobody", "audio_url": None, "lip_sync_tts_content": "x"}, "Nob"),
    ],
)
def test_a_wrong_body_is_told_in_the_vendors_shape(box: Box, change: Any, word: str) -> None:
    body = {key: value for key, value in (box.AIML_BODY | change).items() if value is not None}
    answer = box.aiml_submit(body)
    document = answer.json()
    assert answer.status_code == 400 and document["statusCode"] == 400
    assert document["message"].startswith("Body validation error") and word in document["message"]
    assert set(document) == {"message", "path", "requestId", "statusCode", "timestamp"}
    assert document["path"] == "/v2/video/generations" and box.charges() == []


def test_a_body_over_ten_megabytes_is_refused_and_one_below_is_taken(box: Box) -> None:
    clip = base64.b64encode(CLIP.read_bytes()).decode()
    uri = "data:video/mp4;base64," + clip
    body = {"model": "pixverse/lip-sync", "video_url": uri, "audio_url": box.AUDIO_URL}
    assert box.aiml_submit(body).status_code == 200
    whole = json.dumps(body).encode()
    for size, status in ((10 * 1024 * 1024, 200), (10 * 1024 * 1024 + 1, 413)):
        content = whole + b" " * (size - len(whole))
        answer = box.aiml_submit(None, content=content)
        assert answer.status_code == status, answer.text
    stream = (b" " * 1024 * 1024 for _ in range(11))
    assert box.aiml_submit(None, content=stream).status_code == 413


@pytest.mark.parametrize("key", [None, "Bearer wrong", "Bearer", "Key sandbox", "Bearer in valid"])
def test_keys(box: Box, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": key}
    url = box.urls["aimlapi"] + "/v2/video/generations"
    answer = box.http.post(url, json=box.AIML_BODY, headers=headers)
    assert answer.status_code == 401 and "valid API key" in answer.json()["message"]


def test_unknown_generations_and_pages(box: Box) -> None:
    assert box.aiml_fetch("nothing").status_code == 404
    assert box.http.get(box.urls["aimlapi"] + "/v3", headers=box.BEARER).json()["path"] == "/v3"


def test_logs_are_paged_filtered_and_strict_about_their_window(box: Box) -> None:
    box.fault("job-fails", count=1)
    failed = box.aiml_submit().json()["id"]
    good = box.aiml_submit().json()["id"]
    for job_id in (failed, good):
        box.aiml_finish(job_id)
    assert [row["inference_id"] for row in box.aiml_logs()] == [good, failed]
    (row,) = box.aiml_logs(status="failed")
    assert row["inference_id"] == failed and row["cost"]["usd"] == 0
    assert [row["inference_id"] for row in box.aiml_logs(limit=1, offset=1)] == [failed]
    assert box.aiml_logs(model="openai/gpt-5") == [] and len(box.aiml_logs(model="lip-sync")) == 2
    url = box.urls["aimlapi"] + "/v2/logs"
    for query in (
        {},
        {"period": "1h", "start": "2026-01-01", "end": "2026-01-02"},
        {"start": "2026-01-01"},
        {"period": "soon"},
        {"period": "93d"},
        {"period": "1h", "status": "succeeded,failed"},
        {"period": "1h", "limit": "101"},
    ):
        assert box.http.get(url, params=query, headers=box.BEARER).status_code == 400, query
