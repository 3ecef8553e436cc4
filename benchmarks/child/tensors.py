"""Frames of a graph on their way to a vendor, step by step, as a node takes them there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from viseme import media
from viseme.addresses import Addresses
from viseme.bodies import FileBody
from viseme.media.memory_digest import digest_frames
from viseme.transport import Transport

from .posting import TIMEOUT_SECONDS
from .source import Source
from .work import Facts, Job


class Digest:
    """What identifies the frames, before anything is written."""

    def __init__(self, source: Source) -> None:
        self.frame_rate = source.frame_rate
        self.frames = source.frames()
        self.digest = ""

    def run(self) -> None:
        self.digest = digest_frames(self.frames, self.frame_rate)

    def facts(self) -> Facts:
        return {"digest": self.digest}


class Whole(Digest):
    """From frames in memory to a file that a server has; ``seconds`` of each step are facts."""

    def __init__(self, source: Source, path: Path, url: str) -> None:
        super().__init__(source)
        self.path = path
        self.url = url
        self.steps: dict[str, float] = {}
        self.received_bytes = 0

    def run(self) -> None:
        self._step("digest", super().run)
        self._step("encode", self._encode)
        self._step("count", self._count)
        self._step("send", self._send)

    def _step(self, name: str, work: Callable[[], None]) -> None:
        started = time.perf_counter()
        work()
        self.steps[name] = time.perf_counter() - started

    def _encode(self) -> None:
        media.encode_clip(self.path, self.frames, self.frame_rate)

    def _count(self) -> None:
        media.probe_clip(self.path, digest=self.digest)

    def _send(self) -> None:
        asyncio.run(self._upload())

    async def _upload(self) -> None:
        async with Transport(Addresses({"server": self.url})) as transport:
            answer = await transport.exchange(
                "POST",
                "server",
                "/",
                headers={"Content-Type": "video/mp4"},
                body=FileBody(self.path, 0, self.path.stat().st_size),
                timeout_seconds=TIMEOUT_SECONDS,
            )
        self.received_bytes = int(answer.body)

    def facts(self) -> Facts:
        steps = {f"{name}_seconds": taken for name, taken in self.steps.items()}
        sizes = {"size_bytes": self.path.stat().st_size, "received_bytes": self.received_bytes}
        return {**super().facts(), **steps, **sizes}


def prepare(job: Job) -> Digest:
    source = Source.of(job)
    if job["method"] == "digest":
        return Digest(source)
    return Whole(source, Path(job["path"]), job["url"])
