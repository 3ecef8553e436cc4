"""Runware's arrays of tasks."""

from __future__ import annotations

import base64
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

Box = Any
CLIP = Path(__file__).parents[2] / "viseme" / "samples" / "talking_head.mp4"


def upload(media: str) -> dict[str, Any]:
    return {
        "taskType": "mediaStorage",
        "taskUUID": str(uuid.uuid4()),
        "operation": "upload",
        "media": media,
    }


def test_an_acknowledgement_then_processing_then_every_result(slow_box: Box) -> None:
    box = slow_box
    task = box.inference(numberResults=3)
    acknowledged = box.runware(task).json()
    name = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
    assert acknowledged == {"data": [name]}
    poll = {"taskType": "getResponse", "taskUUID": task["taskUUID"]}
    assert box.runware(poll).json() == {"data": [name | {"status": "processing"}] * 3}
    details = box.runware({"taskType": "getTaskDetails", "taskUUID": task["taskUUID"]}).json()
    assert details["data"][0]["request"] == [task]
    assert details["data"][0]["response"] == {"data": [name]}
    results = box.runware_finish(task["taskUUID"])["data"]
    assert len({item["videoURL"] for item in results}) == 3
    assert all("cost" not in item and "NSFWContent" not in item for item in results)
    assert all(box.http.get(item["videoURL"]).status_code == 200 for item in results)


def test_a_uuid_is_taken_once_even_in_one_array_and_in_capitals(box: Box) -> None:
    task = box.inference()
    shouted = task | {"taskUUID": task["taskUUID"].upper()}
    answer = box.runware(task, task, shouted)
    assert answer.status_code == 200 and len(answer.json()["data"]) == 1
    assert [e["code"] for e in answer.json()["errors"]] == ["conflictTaskUUID"] * 2
    alone = box.runware(task)
    assert alone.status_code == 400
    (error,) = alone.json()["errors"]
    assert error["taskUUID"] == task["taskUUID"] and error["parameter"] == "taskUUID"
    assert len(box.charges()) == 1


def test_the_key_comes_by_header_or_first_task_never_by_both(box: Box) -> None:
    login = {"taskType": "authentication", "apiKey": "sandbox"}
    answer = box.runware(login, box.inference(), headers={})
    assert answer.status_code == 200
    assert [item["taskType"] for item in answer.json()["data"]] == [
        "authentication",
        "videoInference",
    ]
    assert box.requests()[0]["has_key"]
    assert box.runware(login, box.inference()).status_code == 400
    for headers, code in (
        ({}, "missingApiKey"),
        ({"Authorization": "Bearer wrong"}, "invalidApiKey"),
        ({"Authorization": "Key sandbox"}, "invalidApiKey"),
    ):
        refused = box.runware(box.inference(), headers=headers)
        assert refused.status_code == 401
        assert refused.json()["errors"][0]["code"] == code
    assert len(box.charges()) == 1


@pytest.mark.parametrize(
    ("change", "code", "parameter"),
    [
        ({"outputQuality": 19}, "invalidOutputQuality", "outputQuality"),
        ({"numberResults": 5}, "invalidNumberResults", "numberResults"),
        ({"speech": {"text": "x" * 201, "voice": "auto"}}, "invalidText", "speech.text"),
        ({"outputFormat": "AVI"}, "invalidOutputFormat", "outputFormat"),
        ({"model": "pixverse:other@1"}, "invalidModel", "model"),
        ({"positivePrompt": "x"}, "unsupportedPositivePrompt", "positivePrompt"),
        ({"taskUUID": "no-uuid"}, "invalidTaskUUID", "taskUUID"),
        ({"ttl": 59}, "invalidTtl", "ttl"),
        ({"deliveryMethod": "sync"}, "invalidDeliveryMethod", "deliveryMethod"),
        ({"inputs": {"audio": "https://example.com/a.mp3"}}, "missing", "inputs.referenceVideos"),
    ],
)
def test_wrong_tasks_are_named_by_code_and_parameter(
    box: Box, change: dict[str, Any], code: str, parameter: str
) -> None:
    answer = box.runware(box.inference() | change)
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert any(e["code"].startswith(code) and e["parameter"] == parameter for e in errors), errors
    assert all(e["message"] and e["documentation"] for e in errors)
    assert box.charges() == []


def test_sound_and_text_together_are_refused(box: Box) -> None:
    answer = box.runware(box.inference(speech={"text": "Hi", "voice": "auto"}))
    assert answer.status_code == 400 and box.charges() == []


@pytest.mark.parametrize("content", [b"{}", b"[]", b"nothing", b"[1]", b'[{"taskType": "x"}]'])
def test_bodies_that_are_no_tasks(box: Box, content: bytes) -> None:
    answer = box.http.post(box.urls["runware"], content=content, headers=box.BEARER)
    assert answer.status_code == 400 and answer.json()["errors"][0]["code"]


def test_stored_media_by_data_uri_base64_and_url(box: Box) -> None:
    data = base64.b64encode(CLIP.read_bytes()).decode()
    tasks = [upload(m) for m in (f"data:video/mp4;base64,{data}", data, box.VIDEO_URL)]
    stored = box.runware(*tasks).json()["data"]
    assert [item["taskUUID"] for item in stored] == [task["taskUUID"] for task in tasks]
    assert box.http.get(stored[0]["mediaURL"]).content == CLIP.read_bytes()
    for item in stored:
        for name in (item["mediaUUID"], item["mediaURL"]):
            inputs = {"referenceVideos": [name], "audio": box.AUDIO_URL}
            task = box.inference(inputs=inputs)
            assert box.runware(task).status_code == 200, name
            assert "errors" not in box.runware_finish(task["taskUUID"])
    gone = {
        "taskType": "mediaStorage",
        "taskUUID": str(uuid.uuid4()),
        "operation": "delete",
        "media": stored[0]["mediaUUID"],
    }
    assert box.runware(gone).json()["data"][0]["mediaUUID"] == stored[0]["mediaUUID"]
    assert box.runware(gone).status_code == 404
    inputs = {"referenceVideos": [stored[0]["mediaUUID"]], "audio": box.AUDIO_URL}
    refused = box.runware(box.inference(inputs=inputs))
    assert refused.json()["errors"][0]["code"] == "invalidReferenceVideos"
    bad = box.runware(upload("data:video/mp4;base64,####"))
    assert bad.json()["errors"][0]["code"] == "invalidMedia"


def test_media_that_is_no_sound_fails_in_the_poll_unbilled(box: Box) -> None:
    text = base64.b64encode(b"this is a text, not a sound").decode()
    (stored,) = box.runware(upload(f"data:audio/wav;base64,{text}")).json()["data"]
    inputs = {"referenceVideos": [box.VIDEO_URL], "audio": stored["mediaUUID"]}
    task = box.inference(inputs=inputs)
    assert box.runware(task).status_code == 200
    answer = box.runware_finish(task["taskUUID"])
    assert answer["errors"][0]["taskUUID"] == task["taskUUID"]
    assert box.charges() == []


def test_the_task_of_another_account_is_not_found(box: Box) -> None:
    task = box.inference()
    box.runware(task)
    poll = {"taskType": "getResponse", "taskUUID": task["taskUUID"]}
    answer = box.runware(poll, headers={"Authorization": "Bearer other"})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "taskFailedOrNotFound"


def test_a_call_under_way_is_logged_as_what_its_body_asks_for(box: Box) -> None:
    """All of Runware has one address: a poll must not be taken for a submission meanwhile."""
    box.fault("stall", operation="status", seconds=0.4, count=1)
    task = {"taskType": "getResponse", "taskUUID": str(uuid.uuid4())}
    names: list[str] = []
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(box.runware, task)
        while "status" not in names:
            assert not slow.done()
            names = [str(call["operation"]) for call in box.requests()]
            assert names in ([], ["unread"], ["status"])
        slow.result()
    assert [call["operation"] for call in box.requests()] == ["status"]
