"""fal's status stream: what its queue says of a request as it happens.

Source: docs.fal.ai, model APIs, queue (``/status/stream``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from ..errors import TransportError
from ..retry import retry_after_seconds
from ..transport import Incoming
from .base import Report
from .changes import Changes
from .server_events import EventReader, EventTooLong

# A status has all log lines so far in it.
MAX_EVENT_BYTES = 4 * 2**20
MAX_STREAM_BYTES = 64 * 2**20
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class StatusStream(Changes):
    """Listens in a task of its own, and again after growing pauses when a stream ends or fails.

    Only the latest word is kept. ``read`` turns the data of an event into a report, None for what
    is none.
    """

    def __init__(
        self,
        open_stream: Callable[[], AbstractAsyncContextManager[Incoming]],
        read: Callable[[bytes], Report | None],
    ) -> None:
        self._open_stream = open_stream
        self._read = read
        self._latest: Report | None = None
        self._heard = 0  # reports of a request that goes on
        self._has_news = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def next(self, seconds: float) -> Report | None:
        if self._listener is None:
            self._listener = asyncio.ensure_future(self._listen())
        if self._listener.done():
            self._listener.result()  # it ends by a mistake of ours only, which is not hidden
        try:
            await asyncio.wait_for(self._has_news.wait(), seconds)
        except asyncio.TimeoutError:
            return None
        self._has_news.clear()
        return self._latest

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener}, timeout=1.0)

    async def _listen(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            heard = self._heard
            try:
                wished = await self._read_stream()
            except (TransportError, EventTooLong):
                wished = 0.0  # whoever follows the job asks for its status all the while
            if self._heard > heard:  # it works; something between cuts long answers
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(max(pause, wished))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _read_stream(self) -> float:
        """Pass on what one stream says until it ends; the pause that the vendor then asks for.

        A stream is left once it says that the job has ended: what it says after that, and whether
        it is true, is found by asking.
        """
        async with self._open_stream() as incoming:
            kind = incoming.headers.get("content-type", "")
            if incoming.status != 200 or not kind.startswith("text/event-stream"):
                return retry_after_seconds(incoming.headers) or 0.0
            events = EventReader(MAX_EVENT_BYTES)
            byte_count = 0
            async for chunk in incoming.chunks:
                for data in events.feed(chunk):
                    report = self._read(data)
                    if report is None:
                        continue
                    self._heard += not report.phase.is_end
                    if report.phase.is_end or report != self._latest:
                        self._latest = report
                        self._has_news.set()
                    if report.phase.is_end:
                        return 0.0
                byte_count += len(chunk)
                if byte_count > MAX_STREAM_BYTES:
                    return 0.0
        return 0.0
