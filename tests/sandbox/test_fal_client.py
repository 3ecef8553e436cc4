"""fal's own Python client against the sandbox; its URL constants are pointed there."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fal_client
import pytest
from fal_client import client as constants

Box = Any
# The client never closes what it uploads with.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``point(box)`` makes a client that talks to the sandbox."""
    made: list[Any] = []

    def make(box: Box, key: str | None = None) -> Any:
        monkeypatch.setattr(constants, "RUN_URL_FORMAT", box.urls["fal.run"] + "/")
        monkeypatch.setattr(constants, "QUEUE_URL_FORMAT", box.urls["fal.queue"] + "/")
        monkeypatch.setattr(constants, "REST_URL", box.urls["fal.rest"])
        monkeypatch.setattr(constants, "CDN_URL", box.urls["fal.cdn"])
        client = fal_client.SyncClient(key=key or box.FAL_KEY, default_timeout=20)
        made.append(client)
        return client

    yield make
    for client in made:
        client._client.close()
    made.clear()
    gc.collect()


def test_subscribe_reports_the_queue_the_run_and_the_result(slow_box: Box, point: Any) -> None:
    seen: list[Any] = []
    enqueued: list[str] = []
    result = point(slow_box).subscribe(
        slow_box.MODEL,
        slow_box.FAL_BODY,
        with_logs=True,
        on_enqueue=enqueued.append,
        on_queue_update=seen.append,
        interval=0.03,
    )
    kinds = [type(status).__name__ for status in seen]
    assert list(dict.fromkeys(kinds)) == ["Queued", "InProgress", "Completed"]
    assert seen[0].position == 0
    last = seen[-1]
    assert last.error is None and last.metrics["inference_time"] >= 0.4
    assert [line["level"] for line in last.logs] == ["INFO"] * len(last.logs) and last.logs
    assert result["video"]["content_type"] == "video/mp4"
    assert slow_box.charges()[0]["vendor_id"] == enqueued[0]


def test_submit_status_events_and_result_by_handle_and_by_id(box: Box, point: Any) -> None:
    client = point(box)
    handle = client.submit(box.MODEL, box.FAL_BODY, priority="low", start_timeout=60)
    assert isinstance(list(handle.iter_events(interval=0.02))[-1], fal_client.Completed)
    result = handle.get()
    assert client.result(box.MODEL, handle.request_id) == result
    status = client.status(box.MODEL, handle.request_id, with_logs=True)
    assert status.logs[-1]["message"] == "SANDBOX: done"
    assert box.http.get(result["video"]["url"]).status_code == 200
    assert result["video"]["file_size"] == len(box.http.get(result["video"]["url"]).content)


def test_cancel_in_the_queue_ends_a_job_unbilled(box: Box, point: Any) -> None:
    box.fault("slow-queue", seconds=60)
    client = point(box)
    handle = client.submit(box.MODEL, box.FAL_BODY)
    assert isinstance(handle.status(), fal_client.Queued)
    handle.cancel()
    status = handle.status(with_logs=True)
    assert isinstance(status, fal_client.Completed) and status.error_type == "client_cancelled"
    assert box.charges() == []
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        handle.cancel()
    assert caught.value.status_code == 400


def test_uploads_are_public_and_usable_as_media(box: Box, point: Any, tmp_path: Path) -> None:
    client = point(box)
    clip = Path(__file__).parents[2] / "viseme" / "samples" / "talking_head.mp4"
    url = client.upload_file(clip)
    assert url.startswith(box.urls["fal.cdn"]) and url.endswith("talking_head.mp4")
    answer = box.http.get(url)
    assert answer.content == clip.read_bytes()
    assert answer.headers["content-type"] == "video/mp4"
    result = client.subscribe(box.MODEL, {"video_url": url, "text": "Hello."})
    assert result["video"]["url"]
    operations = [row["operation"] for row in box.requests()]
    assert operations[:3] == ["upload-token", "upload", "download"]
    upload = box.requests()[1]
    assert upload["bytes_in"] == clip.stat().st_size and not upload["has_key"]


def test_a_lifetime_ends_an_upload(box: Box, point: Any) -> None:
    settings = fal_client.StorageSettings(expires_in=1)
    url = point(box).upload(b"short-lived", "text/plain", "a.txt", lifecycle=settings)
    assert box.http.get(url).status_code == 200
    box.wait_for(lambda: box.http.get(url).status_code == 404, 3)


def test_an_upload_in_parts_is_put_together_in_order(
    box: Box, point: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "MULTIPART_THRESHOLD", 1000)
    monkeypatch.setattr(constants, "MULTIPART_CHUNK_SIZE", 1000)
    data = bytes(range(256)) * 20
    path = tmp_path / "big.bin"
    path.write_bytes(data)
    client = point(box)
    assert box.http.get(client.upload_file(path)).content == data
    assert box.http.get(client.upload(data, "application/octet-stream")).content == data


def test_the_older_storage_takes_uploads_too(box: Box, point: Any) -> None:
    url = point(box).upload(b"by signed URL", "text/plain", "b.txt", repository="fal")
    assert box.http.get(url).content == b"by signed URL"
    operations = [(row["method"], row["operation"]) for row in box.requests()]
    assert operations[:2] == [("POST", "upload-token"), ("PUT", "upload")]


def test_the_models_422_comes_with_the_result(box: Box, point: Any) -> None:
    client = point(box)
    handle = client.submit(box.MODEL, {"video_url": 5})
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        handle.get()
    assert caught.value.status_code == 422
    detail = caught.value.response.json()["detail"]
    assert ["body", "video_url"] in [item["loc"] for item in detail]
    assert handle.status().error
    assert box.charges() == []
    with pytest.raises(fal_client.FalClientHTTPError) as direct:
        client.run(box.MODEL, {"video_url": 5})
    assert direct.value.status_code == 422


def test_run_answers_with_the_result(box: Box, point: Any) -> None:
    assert point(box).run(box.MODEL, box.FAL_BODY)["video"]["url"]
    assert len(box.charges()) == 1


def test_a_wrong_key_is_told_as_fal_tells_it(box: Box, point: Any) -> None:
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        point(box, "wrong-id:secret").submit(box.MODEL, box.FAL_BODY)
    assert caught.value.status_code == 401
    assert caught.value.message == "No user found for Key ID and Secret"


def test_a_lost_answer_makes_this_client_buy_again(box: Box, point: Any) -> None:
    """Known of fal-client 1.0.3: it sends a submission again; the sandbox counts both."""
    box.fault("drop-after-accept", count=1)
    point(box).submit(box.MODEL, box.FAL_BODY)
    assert len(box.charges()) == 2
