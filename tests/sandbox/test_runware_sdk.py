"""Runware's own Python SDK against the sandbox, over its REST transport."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

runware = pytest.importorskip("runware", reason="runware-sdk needs Python 3.11")

Box = Any
CLIP = Path(__file__).parents[2] / "viseme" / "samples" / "talking_head.mp4"
SPEECH = Path(__file__).parents[2] / "viseme" / "samples" / "speech.wav"


def with_client(
    box: Box, work: Callable[[Any], Awaitable[Any]], key: str = "sandbox", **config: Any
) -> Any:
    async def run() -> Any:
        async with runware.Runware(
            api_key=key,
            transport="rest",
            http_base_url=box.urls["runware"],
            validate=False,
            retry_delay=10,
            **config,
        ) as client:
            return await work(client)

    return asyncio.run(run())


def test_upload_run_lookup_and_delete(box: Box) -> None:
    task_uuid = str(uuid.uuid4())

    async def work(client: Any) -> Any:
        uploads = []
        for path, kind in ((CLIP, "video/mp4"), (SPEECH, "audio/wav")):
            data = base64.b64encode(path.read_bytes()).decode()
            media = f"data:{kind};base64,{data}" if kind == "video/mp4" else data
            uploads += await client.media_storage({"operation": "upload", "media": media})
        results = await client.run(
            {
                "taskType": "videoInference",
                "taskUUID": task_uuid,
                "model": "pixverse:lipsync@1",
                "inputs": {
                    "referenceVideos": [uploads[0]["mediaUUID"]],
                    "audio": uploads[1]["mediaUUID"],
                },
                "numberResults": 2,
                "includeCost": True,
                "safety": {"checkContent": True},
                "outputFormat": "WEBM",
            }
        )
        polled = await client.get_response({"taskUUID": task_uuid})
        details = await client.get_task_details({"taskUUID": task_uuid})
        removed = await client.media_storage(
            {"operation": "delete", "media": uploads[0]["mediaUUID"]}
        )
        return uploads, results, polled, details, removed

    uploads, results, polled, details, removed = with_client(box, work)
    assert box.http.get(uploads[0]["mediaURL"]).status_code == 404  # deleted by now
    assert box.http.get(uploads[1]["mediaURL"]).content == SPEECH.read_bytes()
    assert removed[0]["mediaUUID"] == uploads[0]["mediaUUID"]
    assert len({item["videoUUID"] for item in results}) == 2
    assert len({item["seed"] for item in results}) == 2
    assert all(item["videoURL"].endswith(".webm") for item in results)
    assert all(item["NSFWContent"] is False for item in results)
    usd = sum(item["cost"] for item in results)
    assert usd == pytest.approx(float(box.charges()[0]["usd"]), abs=1e-5)
    assert polled == results
    assert details[0]["response"] == {"data": results}
    assert details[0]["request"][0]["taskUUID"] == task_uuid
    operations = {row["operation"] for row in box.requests() if row["vendor"] == "runware"}
    assert operations == {"upload", "submit", "status", "list", "download"}


def test_errors_reach_the_sdk_with_their_category(box: Box) -> None:
    async def refused(client: Any) -> Any:
        with pytest.raises(runware.RunwareError) as caught:
            await client.run(box.inference(outputQuality=5))
        return caught.value

    error = with_client(box, refused)
    assert (error.code, error.parameter, error.status_code) == ("validation", "outputQuality", 400)
    assert with_client(box, refused, key="invalid-key").code == "auth"
    box.fault("no-credit")
    assert (with_client(box, refused).code, box.charges()) == ("quota", [])


def test_a_failed_job_and_a_repeated_uuid(box: Box) -> None:
    task = box.inference()

    async def work(client: Any) -> tuple[str, str]:
        with pytest.raises(runware.RunwareError) as failed:
            await client.run(task)
        with pytest.raises(runware.RunwareError) as repeated:
            await client.run(task)
        return failed.value.code, repeated.value.code

    box.fault("reject-content", count=1)
    assert with_client(box, work) == ("safety", "validation")
    assert box.charges() == []


def test_its_retry_after_a_lost_answer_never_buys_twice(box: Box) -> None:
    task = box.inference()

    async def work(client: Any) -> str:
        with pytest.raises(runware.RunwareError) as caught:
            await client.run(task)
        return str(caught.value.message)

    box.fault("drop-after-accept", count=1)
    assert "conflict" in with_client(box, work)
    assert [charge["vendor_id"] for charge in box.charges()] == [task["taskUUID"]]
