"""A request body with a video in it as a data URI: ours, streamed, and httpx's ``json=``."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
from blake3 import blake3

from viseme.bodies import JsonBody
from viseme.model import InlineMedia

from .work import Facts, Job

MEDIA_TYPE = "video/mp4"


def document(video: Any) -> dict[str, Any]:
    return {"video_url": video, "audio_url": "https://example.com/speech.wav", "text": "Hello"}


def our_body(path: Path, digest: str | None) -> JsonBody:
    return JsonBody(document(InlineMedia(path, MEDIA_TYPE, path.stat().st_size, digest)))


def whole_document(path: Path) -> dict[str, Any]:
    data = base64.b64encode(path.read_bytes()).decode()
    return document(f"data:{MEDIA_TYPE};base64,{data}")


class Streamed:
    """Every piece of our body is made, and thrown away as one that was sent."""

    def __init__(self, path: Path, digest: str | None) -> None:
        self.path = path
        self.digest = digest
        self.length = 0

    def run(self) -> None:
        body = our_body(self.path, self.digest)
        self.length = sum(len(chunk) for chunk in body.chunks())

    def facts(self) -> Facts:
        body = our_body(self.path, self.digest)
        return {"body_bytes": self.length, "body_digest": body.digest()}


class Json:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.request: httpx.Request | None = None

    def run(self) -> None:
        self.request = httpx.Request("POST", "http://127.0.0.1/", json=whole_document(self.path))

    def facts(self) -> Facts:
        request, self.request = self.request, None
        content = b"" if request is None else request.content
        return {"body_bytes": len(content), "body_digest": blake3(content).hexdigest()}


def prepare(job: Job) -> Streamed | Json:
    path = Path(job["path"])
    if job["method"] == "json":
        return Json(path)
    return Streamed(path, job["digest"] if job["method"] == "checked" else None)
