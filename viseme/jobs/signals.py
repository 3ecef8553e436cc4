"""What goes between a running job and whoever watches it: a cancel token in, progress out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, TypeVar

from ..errors import Interrupted

T = TypeVar("T")
POLL_SECONDS = 0.05


class CancelToken:
    """Set once, from any thread or signal handler; looked at by everything that takes long."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        return self._event.is_set()

    def __call__(self) -> bool:
        return self._event.is_set()

    def check(self, job_id: str | None = None) -> None:
        """Raise Interrupted when set."""
        if self._event.is_set():
            raise Interrupted("Stopped by the user.", job_id=job_id)

    async def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the token is set."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # An event of the loop would not do: the token is set by other threads and signal handlers.
        while not self.is_cancelled and (left := deadline - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(POLL_SECONDS, left))

    async def guard(self, work: Awaitable[T], job_id: str | None = None) -> T:
        """Await ``work``, which may be dropped at any point; Interrupted when the token is set."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                self.check(job_id)
                await asyncio.wait({task}, timeout=POLL_SECONDS)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=1.0)


class Step(str, Enum):
    """What a job is at, in the words that progress shows."""

    PROBE = "probing"
    PREPARE = "preparing"
    UPLOAD = "uploading"
    WAIT = "waiting"
    SUBMIT = "submitting"
    QUEUE = "queued"
    RUN = "running"
    CANCEL = "cancelling"
    RECONCILE = "looking up"
    FETCH = "downloading"


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing to show. ``fraction`` is 0 to 1 where it is known."""

    step: Step
    text: str
    fraction: float | None = None
    queue_position: int | None = None
    job_id: str | None = None
    elapsed_seconds: float = 0.0


Report: TypeAlias = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A progress callback for whoever needs none."""
