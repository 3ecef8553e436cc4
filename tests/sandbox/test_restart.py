"""What survives ``kill -9`` and other ports."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import httpx
import pytest

Box = Any


def test_jobs_charges_uploads_and_results_go_on_after_kill_9(start: Any) -> None:
    box = start("--time-scale", "0.05", "--no-render")  # fal: 0.1 s queued, 0.4 s running
    done = box.fal_result_url()
    content = box.http.get(done).content
    queued = box.fal_submit().json()
    task = box.inference()
    box.runware(task)
    aiml = box.aiml_submit(headers={"X-Client-Request-Id": "mine"}).json()["id"]
    token = box.http.post(
        box.urls["fal.rest"] + "/storage/auth/token", json={}, headers=box.FAL
    ).json()
    bearer = {"Authorization": f"Bearer {token['token']}"}
    upload = box.http.post(
        box.urls["fal.cdn"] + "/files/upload", content=content, headers=bearer
    ).json()["access_url"]
    box.wait_for(lambda: box.fal_status(queued)["status"] == "IN_PROGRESS")
    charges, old = box.charges(), dict(box.urls)
    assert len(charges) == 4
    box.kill()

    box.start()
    assert box.urls["sandbox_id"] == old["sandbox_id"]
    assert box.urls["fal.queue"] != old["fal.queue"]
    assert box.charges() == charges
    assert box.requests()[0]["operation"] == "submit"

    def moved(url: str, name: str) -> str:
        return url.replace(old[name], box.urls[name])

    queued = {key: moved(str(value), "fal.queue") for key, value in queued.items()}
    result = box.fal_finish(queued).json()
    assert result["video"]["url"].startswith(box.urls["fal.results"])
    assert box.http.get(result["video"]["url"]).status_code == 200
    assert box.http.get(moved(done, "fal.results")).content == content
    assert box.runware_finish(task["taskUUID"])["data"][0]["status"] == "success"
    assert box.aiml_finish(aiml)["status"] == "succeeded"
    # An upload's URL from before still means the upload, and a token is still good.
    again = box.fal_submit({"video_url": upload, "text": "Hi"}).json()
    assert box.fal_finish(again).status_code == 200
    new = box.http.post(box.urls["fal.cdn"] + "/files/upload", content=b"x", headers=bearer)
    assert new.status_code == 200
    database = sqlite3.connect(box.home / "sandbox" / "state.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()

    # A clean stop leaves a job to go on likewise, and ends whoever reads or waits.
    old = dict(box.urls)
    box.fault("slow-queue", count=1, seconds=1.5)
    job = box.fal_submit().json()
    box.fault("stall", seconds=60, operation="upload-token")
    with pytest.raises(httpx.ReadTimeout):
        box.http.post(box.urls["fal.rest"] + "/storage/auth/token", headers=box.FAL, timeout=0.1)
    with box.http.stream("GET", job["status_url"] + "/stream", headers=box.FAL) as answer:
        next(answer.iter_raw())
        begin = time.monotonic()
        assert box.stop() == 0
        assert time.monotonic() - begin < 3
    box.start()
    job = {key: moved(str(value), "fal.queue") for key, value in job.items()}
    assert box.fal_finish(job).status_code == 200
    assert len(box.charges()) == 6


def test_an_unfinished_render_is_done_again(start: Any) -> None:
    box = start("--time-scale", "0")
    job = box.fal_submit().json()
    box.wait_for(lambda: box.fal_status(job)["status"] == "IN_PROGRESS")
    box.wait_for(lambda: any((box.home / "sandbox" / "work").rglob("*.mp4*")))
    old = box.urls["fal.queue"]
    box.kill()
    box.start()
    job = {key: str(value).replace(old, box.urls["fal.queue"]) for key, value in job.items()}
    url = box.fal_finish(job).json()["video"]["url"]
    assert len(box.http.get(url).content) > 50_000
    assert len(box.charges()) == 1
    assert not list((box.home / "sandbox" / "work").iterdir())
