"""The same body sent to a server on this machine: ours, httpx's ``json=``, and ready bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from viseme.addresses import Addresses
from viseme.transport import Transport

from .building import our_body, whole_document
from .work import Facts, Job

TIMEOUT_SECONDS = 120.0


class Post:
    """Sends once in ``run``; the client is there before, as it is when a job submits."""

    def __init__(self, job: Job) -> None:
        self.url: str = job["url"]
        self.path = Path(job["path"])
        self.digest: str = job["digest"]
        self.received = 0
        self.loop = asyncio.new_event_loop()
        self.send = self.loop.run_until_complete(self.open(job["method"]))

    async def open(self, method: str) -> Callable[[], Awaitable[bytes]]:
        if method in ("ours", "checked"):
            digest = self.digest if method == "checked" else None
            transport = await Transport(Addresses({"server": self.url})).__aenter__()

            async def send_ours() -> bytes:
                answer = await transport.exchange(
                    "POST",
                    "server",
                    "/",
                    headers={"Content-Type": "application/json"},
                    body=our_body(self.path, digest),
                    timeout_seconds=TIMEOUT_SECONDS,
                )
                return answer.body

            return send_ours
        client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        if method == "json":

            async def send_json() -> bytes:
                answer = await client.post(self.url, json=whole_document(self.path))
                return answer.content

            return send_json
        if method == "raw":
            ready = self.path.read_bytes()
        else:
            ready = b"".join(our_body(self.path, None).chunks())

        async def send_ready() -> bytes:
            return (await client.post(self.url, content=ready)).content

        return send_ready

    def run(self) -> None:
        self.received = int(self.loop.run_until_complete(self._answer()))

    async def _answer(self) -> bytes:
        return await self.send()

    def facts(self) -> Facts:
        return {"body_bytes": self.received}


def prepare(job: Job) -> Post:
    return Post(job)
