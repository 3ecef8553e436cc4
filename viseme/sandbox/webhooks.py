"""What the sandbox sends out by itself: webhooks, and results PUT to an address of the user's.

It connects to loopback addresses only; anything else is recorded as it would have been sent.
Attempts go on after a restart. The waits between them are Runware's (250 ms doubling to 8 s,
runware.ai/docs/platform/webhooks) for both vendors; fal's spread over two hours.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from .state import State
from .vendor import Announcement

ATTEMPTS = 7
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 8.0
TIMEOUT_SECONDS = 15.0


class Couriers:
    """Delivers announcements in the background."""

    def __init__(self, state: State, time_scale: float) -> None:
        self._state = state
        self._time_scale = time_scale
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def resume(self) -> None:
        """Go on with what an earlier run had not delivered."""
        for row in self._state.deliveries("pending"):
            self._start(row)

    def send(self, vendor: str, announcement: Announcement) -> None:
        payload = None if announcement.payload is None else json.dumps(announcement.payload)
        state = "pending" if loopback_url(announcement.url) else "recorded"
        delivery_id = self._state.add_delivery(
            vendor, announcement.kind, announcement.url, payload, announcement.disk, state
        )
        if state == "pending":
            row = {"id": delivery_id, "attempts": 0, "payload": payload}
            self._start(row | {"url": announcement.url, "disk": announcement.disk})

    async def stop(self, *, forget: bool = False) -> None:
        """End what is on its way; it is taken up at the next start unless forgotten."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None and not forget:
            await self._session.close()
            self._session = None

    def _start(self, row: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, row: dict[str, Any]) -> None:
        url = loopback_url(row["url"])
        if url is None:
            return
        wait_seconds = FIRST_WAIT_SECONDS
        for attempt in range(row["attempts"] + 1, ATTEMPTS + 1):
            status = await self._try(url, row)
            done = status is not None and 200 <= status < 300
            state = "delivered" if done else "pending" if attempt < ATTEMPTS else "failed"
            self._state.update_delivery(row["id"], attempts=attempt, status=status, state=state)
            if state != "pending":
                return
            await asyncio.sleep(wait_seconds * self._time_scale)
            wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)

    async def _try(self, url: URL, row: dict[str, Any]) -> int | None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        try:
            if row["disk"] is None:
                body = row["payload"].encode("utf-8")
                request = self._session.post(
                    url,
                    data=body,
                    headers={"Content-Type": "application/json"},
                    allow_redirects=False,
                )
            else:
                content = _read(self._state.folder / row["disk"])
                request = self._session.put(url, data=content, allow_redirects=False)
            async with request as response:
                return response.status
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            return None


def _read(path: Path) -> bytes:
    return path.read_bytes()


def loopback_url(text: str) -> URL | None:
    """The URL with a literal address where it leads to this machine, else ``None``."""
    try:
        url = URL(text)
        host = (url.host or "").lower()
        if url.scheme not in ("http", "https"):
            return None
        if host == "localhost":
            return url.with_host("127.0.0.1")
        return url if ipaddress.ip_address(host).is_loopback else None
    except ValueError:
        return None
