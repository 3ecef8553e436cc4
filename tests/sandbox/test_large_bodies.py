"""Bodies of any size cost no memory."""

from __future__ import annotations

import base64
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Box = Any
MIB = 1024 * 1024
SIZE_BYTES = 160 * MIB
ALLOWED_BYTES = 48 * MIB

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the peak of a process is read from /proc"
)


def blocks() -> Iterator[bytes]:
    block = bytes(range(256)) * 4096
    for _ in range(SIZE_BYTES // len(block)):
        yield block


def test_uploads_and_inline_media_are_streamed_to_disk(start: Any) -> None:
    box = start("--time-scale", "0", "--no-render")
    box.fal_result_url()  # everything has been loaded once
    before = box.memory_bytes()
    token = box.http.post(
        box.urls["fal.rest"] + "/storage/auth/token", json={}, headers=box.FAL
    ).json()
    bearer = {"Authorization": f"Bearer {token['token']}"}
    url = box.http.post(
        box.urls["fal.cdn"] + "/files/upload", content=blocks(), headers=bearer
    ).json()["access_url"]
    assert int(box.http.head(url).headers["content-length"]) == SIZE_BYTES
    assert box.memory_bytes() - before < ALLOWED_BYTES

    def body() -> Iterator[bytes]:
        yield b'[{"taskType": "mediaStorage", "operation": "upload", "taskUUID": "'
        yield str(uuid.uuid4()).encode() + b'", "media": "data:video\\/mp4;base64,'
        block = base64.b64encode(bytes(range(255)) * 4096)
        for _ in range(SIZE_BYTES // len(block)):
            yield block.replace(b"/", b"\\/")  # as some JSON writers put it
        yield b'"}]'

    stored = box.http.post(box.urls["runware"], content=body(), headers=box.BEARER)
    assert stored.status_code == 200, stored.text
    media = stored.json()["data"][0]["mediaURL"]
    first = box.http.get(media, headers={"Range": "bytes=0-1000000"}).content
    assert first == (bytes(range(255)) * 4096)[:1000001]
    assert box.memory_bytes() - before < ALLOWED_BYTES
    folder = Path(box.home) / "sandbox"
    assert not list((folder / "incoming").iterdir())


def test_a_refused_body_leaves_nothing_behind(box: Box) -> None:
    media = base64.b64encode(bytes(3 * MIB)).decode()
    folder = Path(box.home) / "sandbox"
    before = set((folder / "media").iterdir())
    body = {"model": "pixverse/lip-sync", "video_url": f"data:video/mp4;base64,{media}"}
    assert box.aiml_submit(body).status_code == 400
    assert box.aiml_submit(None, content=b'{"video_url": "data:' + bytes(2 * MIB)).is_error
    assert set((folder / "media").iterdir()) == before
    assert not list((folder / "incoming").iterdir())


def test_a_reset_takes_inline_media_along(box: Box) -> None:
    clip = Path(__file__).parents[2] / "viseme" / "samples" / "talking_head.mp4"
    uri = "data:video/mp4;base64," + base64.b64encode(clip.read_bytes()).decode()
    folder = Path(box.home) / "sandbox"
    before = set((folder / "media").iterdir())
    job = box.fal_submit({"video_url": uri, "text": "Hi"}).json()
    assert box.fal_finish(job).status_code == 200
    assert set((folder / "media").iterdir()) > before
    box.reset()
    assert set((folder / "media").iterdir()) == before
    assert not list((folder / "bodies").iterdir()) and not list((folder / "results").iterdir())
