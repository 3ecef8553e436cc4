"""The life of a simulated job: queue, run, render, end.

A job waits in the queue, then runs for a while and is rendered meanwhile in a worker thread;
it ends with whichever is later. Times are kept as moments, so that a job goes on where it was
after a restart; what was being rendered is rendered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import VisemeError
from .models.base import ContentProblem, Problem
from .options import SandboxOptions
from .records import Failure, Job, StoredFile, now
from .rendering import Renderer, media_failure
from .state import State
from .vendor import Vendor
from .webhooks import Couriers

STOP_SECONDS = 0.5  # a running model's time to stop after a cancel


class _Live:
    """A job that has not ended, and what reaches its task."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.cancel = asyncio.Event()
        self.done = asyncio.Event()
        self.stop_rendering = threading.Event()
        self.task: asyncio.Task[None] | None = None


class Jobs:
    """All jobs of all vendors."""

    def __init__(
        self,
        state: State,
        options: SandboxOptions,
        couriers: Couriers,
        vendors: Mapping[str, Vendor],
        addresses: Mapping[str, str],
    ) -> None:
        self._state = state
        self._options = options
        self._couriers = couriers
        self._vendors = vendors
        self._addresses = addresses
        self._live: dict[tuple[str, str], _Live] = {}
        self._renderer = Renderer(state, options)

    # What the vendors call

    def find(self, vendor: str, job_id: str) -> Job | None:
        live = self._live.get((vendor, job_id))
        return live.job if live else self._state.job(vendor, job_id)

    def queue_position(self, job: Job) -> int:
        """How many of the vendor's queued jobs came earlier."""
        return sum(
            other.job.state == "queued" and other.job.accepted_at < job.accepted_at
            for other in self._live.values()
            if other.job.vendor == job.vendor
        )

    async def price(self, job: Job) -> None:
        """Set what the job costs, or the failure that its media will end it with."""
        await self._renderer.price(job)

    def accept(self, job: Job) -> None:
        """Book the job and set it going; ``sqlite3.IntegrityError`` where its id is known."""
        self._state.accept_job(job)
        self._start(job)

    def cancel(self, job: Job, *, ignore: bool = False) -> str:
        """Ask for an end: ``OK``, ``CANCELLATION_REQUESTED`` or ``ALREADY_COMPLETED``."""
        live = self._live.get((job.vendor, job.id))
        if live is None or job.is_over:
            return "ALREADY_COMPLETED"
        was_queued = job.state == "queued"
        if not ignore:
            job.cancel_requested = True
            self._state.save_job(job)
            if was_queued:
                self._end(live, Failure("cancelled", "The request was cancelled."))
            live.cancel.set()
        return "OK" if was_queued and not ignore else "CANCELLATION_REQUESTED"

    async def wait(self, job: Job) -> None:
        """Return when the job has ended."""
        live = self._live.get((job.vendor, job.id))
        if live is not None:
            await live.done.wait()

    # What the server calls

    @property
    def unfinished_count(self) -> int:
        return len(self._live)

    def resume(self) -> None:
        """Go on with the jobs that an earlier run left unfinished."""
        for job in self._state.jobs(unfinished=True):
            self._start(job)

    async def stop(self) -> None:
        """Leave all jobs as they are, to go on at the next start."""
        lives = list(self._live.values())
        for live in lives:
            live.stop_rendering.set()
            if live.task is not None:
                live.task.cancel()
        await asyncio.gather(*(live.task for live in lives if live.task), return_exceptions=True)
        self._live.clear()

    async def close(self) -> None:
        await self.stop()
        await self._renderer.close()

    # A job's life

    def _start(self, job: Job) -> None:
        live = _Live(job)
        self._live[job.vendor, job.id] = live
        live.task = asyncio.get_running_loop().create_task(self._run(live))

    async def _run(self, live: _Live) -> None:
        try:
            await self._live_through(live)
        except (ContentProblem, VisemeError) as error:
            self._end(live, media_failure(error))
        except Exception as error:  # noqa: BLE001 - a fault in a model ends its job, not the sandbox
            sys.stderr.write("".join(traceback.format_exception(error)))
            self._end(live, Failure("failed", f"The simulated model failed: {error}"))

    async def _live_through(self, live: _Live) -> None:
        job = live.job
        if job.cancel_requested:
            live.cancel.set()
        if job.state == "queued":
            await self._queue(live)
        if job.is_over:
            return
        if job.failure is not None:
            self._end(live, job.failure)
            return
        rendering = self._renderer.start(job, live.stop_rendering)
        await _sleep_until((job.started_at or now()) + job.run_seconds, live.cancel)
        files = await self._finish_rendering(live, rendering)
        if files is None:
            await asyncio.sleep(STOP_SECONDS * self._options.time_scale)
            self._end(live, Failure("cancelled", "The request was cancelled."))
        elif job.fate == "job-fails":
            self._end(live, Failure("failed", "The model could not process the request."))
        elif job.fate == "reject-content":
            self._end(live, Failure("rejected", "The content was flagged by a content policy."))
        else:
            self._end(live, None, self._renderer.keep(job, files, self._vendors[job.vendor]))

    async def _queue(self, live: _Live) -> None:
        job = live.job
        deadline = job.start_deadline_seconds
        late = deadline is not None and deadline < job.queue_seconds
        waits_until = job.accepted_at + (deadline or 0) if late else job.starts_at
        await _sleep_until(waits_until, live.cancel)
        if job.is_over:
            return
        if late:
            self._end(live, Failure("start-timeout", "Request timed out before it was started."))
            return
        job.state = "running"
        job.started_at = now()
        self._state.save_job(job)

    async def _finish_rendering(
        self, live: _Live, rendering: asyncio.Future[list[Path]]
    ) -> list[Path] | None:
        """The videos; ``None`` when the job was cancelled before they were made."""
        cancelled = asyncio.ensure_future(live.cancel.wait())
        either: set[asyncio.Future[Any]] = {rendering, cancelled}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancelled.cancel()
        if not live.cancel.is_set():
            return await rendering
        live.stop_rendering.set()
        with contextlib.suppress(ContentProblem, VisemeError):
            await rendering
        return None

    def _end(
        self, live: _Live, failure: Failure | None, files: list[StoredFile] | None = None
    ) -> None:
        job = live.job
        if job.is_over:
            return
        job.state = "ended"
        job.ended_at = now()
        job.failure = failure
        self._state.end_job(job, files or [], usd=None if failure else job.price_usd)
        self._live.pop((job.vendor, job.id), None)
        live.done.set()
        address = self._addresses[f"{job.vendor}.results"]
        for announcement in self._vendors[job.vendor].announcements(job, address):
            self._couriers.send(job.vendor, announcement)


def new_seed() -> int:
    return random.randrange(2**31 - 8)  # noqa: S311 - variety, not secrecy


def invalid(problems: list[Problem]) -> Failure:
    """How a body that the model does not accept ends a job."""
    text = "; ".join(f"{'.'.join(map(str, item.loc))}: {item.message}" for item in problems)
    return Failure("invalid", text, [asdict(item) for item in problems])


async def _sleep_until(moment: float, cancel: asyncio.Event) -> None:
    remaining = moment - time.time()
    if remaining > 0:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(cancel.wait(), remaining)
