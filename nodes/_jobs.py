"""Jobs that this process works on, each in a task of its own that outlives the node's wait.

Nodes that ask for the same thing share one task. A node that is dropped because another one failed
leaves a job that is at the vendor to run on; the next run comes back to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from ..viseme.errors import Interrupted, LedgerError, VisemeError
from ..viseme.jobs.run import Finished
from ..viseme.jobs.signals import CancelToken, Progress
from ..viseme.jobs.verbs import resume
from ..viseme.jobs.workplace import Watch, Workplace
from ..viseme.ledger import AT_VENDOR, State
from ._errors import in_node_words
from ._host import log, notify
from ._runner import Execution, runner

LOOK_SECONDS = 0.03
FOLLOW_SECONDS = 900.0


class SharedJob:
    """One job's task with whoever waits for it."""

    def __init__(
        self,
        mark: str,
        place: Workplace,
        run: Callable[[Watch], Awaitable[Finished]],
        time_limit_seconds: float | None,
    ) -> None:
        self.mark = mark
        self.place = place
        self.cancel = CancelToken()
        self.waiting: set[Execution] = set()
        self.was_left = False
        watch = Watch(self.cancel, self._report, time_limit_seconds)
        self.task = asyncio.ensure_future(run(watch))

    def _report(self, progress: Progress) -> None:
        for execution in tuple(self.waiting):
            execution.report(progress)

    def is_at_vendor(self) -> bool:
        """Whether it was sent, so that it may cost money; blocking."""
        try:
            job = self.place.ledger.find(self.mark)
        except LedgerError:
            return True  # not known: nothing that may be paid for is given up
        return job is not None and job.state not in (State.PLANNED, State.INTENT)


_jobs: dict[str, SharedJob] = {}


async def attend(
    mark: str,
    place: Workplace,
    run: Callable[[Watch], Awaitable[Finished]],
    execution: Execution,
    time_limit_seconds: float | None,
) -> Finished:
    """The job with this fingerprint, brought to its end; one that runs already is joined.

    On the runner's loop. Raises what the job ends with.
    """
    shared = _jobs.get(mark)
    while shared is not None and shared.cancel.is_cancelled:
        await asyncio.wait({shared.task}, timeout=LOOK_SECONDS)
        execution.cancel.check()
        shared = _jobs.get(mark)
    has_joined = shared is not None
    if shared is None:
        shared = _jobs[mark] = SharedJob(mark, place, run, time_limit_seconds)
        shared.task.add_done_callback(partial(_ended, shared))
    shared.waiting.add(execution)
    try:
        while not shared.task.done():
            if execution.cancel.is_cancelled:
                shared.cancel.cancel()
            await asyncio.wait({shared.task}, timeout=LOOK_SECONDS)
        finished = shared.task.result()
    except asyncio.CancelledError:
        shared.waiting.discard(execution)
        if not shared.waiting and not shared.task.done():
            shared.was_left = True
            runner().in_background(_leave(shared, execution.prompt_id))
        raise
    finally:
        shared.waiting.discard(execution)
    if has_joined:
        return replace(finished, reused=True, receipt={**finished.receipt, "reused": True})
    return finished


async def _leave(shared: SharedJob, prompt_id: str) -> None:
    """Decide about a job that the host has dropped: stop it, or let it run on."""
    if not await asyncio.to_thread(shared.is_at_vendor):
        shared.cancel.cancel()
        log.info("A lip-sync was given up before it was sent: its prompt has ended.")
        return
    if await runner().was_interrupted(prompt_id):
        if not shared.waiting:
            shared.cancel.cancel()
        return
    if shared.task.done() or shared.waiting:
        return
    job = await asyncio.to_thread(shared.place.ledger.find, shared.mark)
    if job is not None:
        notify(
            "info",
            "A lip-sync runs on.",
            f"Another node has failed, and job {job.id} is at {job.vendor.label} already. "
            "Run the same graph again, and its result comes without being paid for twice.",
        )


def _ended(shared: SharedJob, task: asyncio.Task[Finished]) -> None:
    if _jobs.get(shared.mark) is shared:
        del _jobs[shared.mark]
    problem = task.exception() if not task.cancelled() else None
    if isinstance(problem, Interrupted):
        runner().in_background(_follow_to_its_end(shared))
        return
    if not shared.was_left or shared.waiting:
        return
    if problem is None and not task.cancelled():
        log.info("Job %s has ended; the next run has its result.", task.result().job.id)
    elif isinstance(problem, VisemeError):
        log.warning("%s", in_node_words(str(problem)))
    elif problem is not None:
        log.error("A lip-sync that nobody waited for failed.", exc_info=problem)


async def _follow_to_its_end(shared: SharedJob) -> None:
    """After an interrupt: see whether the vendor stops the job, and keep its result if it ran on.

    A run that asks for the same thing meanwhile waits for this.
    """
    place, ledger = shared.place, shared.place.ledger
    try:
        job = await asyncio.to_thread(ledger.find, shared.mark)
        if job is None or job.state not in AT_VENDOR:
            return
        watch = Watch(time_limit_seconds=FOLLOW_SECONDS)
        finished = await resume(job.id, place, watch, place.settings.sandbox_url)
    except VisemeError as problem:
        if job is not None and ledger.get(job.id).state is State.CANCELLED:
            log.info("Job %s was cancelled at %s.", job.id, job.vendor.label)
        else:
            log.warning("%s", in_node_words(str(problem)))
        return
    notify(
        "info",
        "A lip-sync could not be stopped any more.",
        f"Job {finished.job.id} had ended at {finished.job.vendor.label}, which bills it. Its "
        "result is kept: run the same graph again, and it comes without being paid for twice.",
    )
