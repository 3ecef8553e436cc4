"""Jobs that this process works on, each in a task of its own that outlives the node's wait.

Nodes that ask for the same thing share one task. A node that is dropped because another one failed
leaves a job that is at the vendor to run on; the next run comes back to it. A job that the user
interrupts is followed, after its node has ended, to the end that the vendor gives it.

Everything here runs on the runner's loop; what looks into the ledger does so in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from ..viseme.errors import LedgerError, OutcomeUnknown, VendorError, VisemeError
from ..viseme.jobs.collect import wind_up
from ..viseme.jobs.commands import job_command
from ..viseme.jobs.destination import LIVE
from ..viseme.jobs.doubt import is_in_doubt
from ..viseme.jobs.run import Finished
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.workplace import Watch, Workplace
from ..viseme.ledger import DEAD, JobRecord, State
from ..viseme.secret import redact
from ._errors import in_node_words
from ._host import log, notify
from ._runner import Execution, HostToken, runner

LOOK_SECONDS = 0.03
FOLLOW_SECONDS = 900.0
GIVE_UP_SECONDS = 10.0  # for what is under way when a job is stopped before it is sent
_NOT_SENT = frozenset({State.PLANNED, State.INTENT})


class SharedJob:
    """One job's task with whoever waits for it."""

    def __init__(
        self, mark: str, place: Workplace, run: Callable[[Watch], Awaitable[Finished]]
    ) -> None:
        self.mark = mark
        self.place = place
        self.cancel = HostToken()
        self.waiting: set[Execution] = set()
        self.was_left = False
        # Until a node waits longer, the job has as long as settings say.
        self._watch = Watch(self.cancel, self._report)
        self._began = time.monotonic()
        self.task = asyncio.ensure_future(run(self._watch))

    def allow(self, seconds: float) -> None:
        """Let the job go on for so long from now at least, whatever settings say."""
        until_seconds = time.monotonic() - self._began + seconds
        known = self._watch.time_limit_seconds or self.place.settings.deadline_seconds
        if until_seconds > known:
            self._watch.time_limit_seconds = until_seconds

    def _report(self, progress: Progress) -> None:
        for execution in tuple(self.waiting):
            execution.report(progress)

    @property
    def is_dropped(self) -> bool:
        """Whether nobody waits for it any more while it goes on."""
        return not self.waiting and not self.task.done()

    async def job(self) -> JobRecord | None:
        return await asyncio.to_thread(self.place.ledger.find, self.mark)

    async def may_be_at_vendor(self) -> bool:
        """Whether it was sent, so that it may cost money."""
        try:
            job = await self.job()
            return job is not None and await self.was_sent(job)
        except LedgerError:
            return True  # not known: nothing that may be paid for is given up

    async def was_sent(self, job: JobRecord) -> bool:
        """Whether a job may have reached its vendor: also one that is between two tries."""
        if job.state not in _NOT_SENT:
            return True
        return await asyncio.to_thread(is_in_doubt, job, self.place.ledger)


_jobs: dict[str, SharedJob] = {}


@dataclass
class _Following:
    """What becomes of an interrupted job, and how many runs of the same wait for that."""

    task: asyncio.Task[None]
    waiting_count: int = 0


_following: dict[str, _Following] = {}


async def attend(
    mark: str,
    place: Workplace,
    run: Callable[[Watch], Awaitable[Finished]],
    execution: Execution,
    time_limit_seconds: float | None,
) -> Finished:
    """The job with this fingerprint, brought to its end; one that runs already is joined.

    Raises what the job ends with, and VendorError when ``time_limit_seconds`` have passed.
    """
    until = None if time_limit_seconds is None else time.monotonic() + time_limit_seconds
    await _await_following(mark, execution, until)
    shared = _jobs.get(mark)
    while shared is not None and shared.cancel.is_cancelled:
        await asyncio.wait({shared.task}, timeout=LOOK_SECONDS)
        execution.cancel.check()
        await _await_following(mark, execution, until)
        shared = _jobs.get(mark)
    has_joined = shared is not None
    if shared is None:
        shared = _jobs[mark] = SharedJob(mark, place, run)
        shared.task.add_done_callback(partial(_ended, shared))
    shared.waiting.add(execution)
    if time_limit_seconds is not None:
        shared.allow(time_limit_seconds)
    try:
        while not shared.task.done():
            if execution.cancel.is_cancelled:
                shared.cancel.cancel()
            elif until is not None and time.monotonic() > until:
                shared.waiting.discard(execution)
                raise await _took_too_long(shared, time_limit_seconds)
            await asyncio.wait({shared.task}, timeout=LOOK_SECONDS)
        finished = shared.task.result()
    except asyncio.CancelledError:
        shared.waiting.discard(execution)
        if shared.is_dropped:
            shared.was_left = True
            runner().in_background(_leave(shared, execution.prompt_id))
        raise
    finally:
        shared.waiting.discard(execution)
    if has_joined:
        return replace(finished, reused=True, receipt={**finished.receipt, "reused": True})
    return finished


async def _await_following(mark: str, execution: Execution, until: float | None) -> None:
    """Wait until it is known what became of an interrupted run of the same: it may have been made,
    and if not this one is to buy it. Raises Interrupted."""
    while (following := _following.get(mark)) is not None:
        if until is not None and time.monotonic() > until:
            return  # the job's own wait tells that, and who holds it
        execution.report(Progress(Step.RUN, "an earlier run of it here has not ended yet"))
        following.waiting_count += 1
        try:
            await asyncio.wait({following.task}, timeout=LOOK_SECONDS)
        finally:
            following.waiting_count -= 1
        execution.cancel.check()


async def _took_too_long(shared: SharedJob, limit_seconds: float | None) -> VendorError:
    """What to tell who waits no longer. What nobody else waits for is left, or given up unsent."""
    shared.was_left = shared.was_left or shared.is_dropped
    job, is_given_up = None, False
    try:
        job = known = await shared.job()
        if shared.is_dropped and await _stop_unsent(shared):
            is_given_up = await _has_ended_unsent(shared, known)
        job = await shared.job() or known
    except LedgerError as problem:
        log.warning("%s", in_node_words(str(problem)))
        runner().in_background(_stop_unsent(shared))
    tell = partial(
        VendorError,
        field="time_limit_seconds",
        value=f"{limit_seconds:g}",
        job_id=None if job is None else job.id,
    )
    if is_given_up:
        return tell(
            f"The job was not sent within {limit_seconds:g} s.",
            remedy="It is given up, and nothing is paid: running the same graph begins anew. A "
            "higher time_limit_seconds waits longer.",
        )
    unpaid = ", without paying twice" if job is None or _is_live(job) else ""
    return tell(
        f"The job has not ended after {limit_seconds:g} s.",
        remedy=f"It goes on: running the same graph comes back to it{unpaid}. A higher "
        "time_limit_seconds waits longer.",
    )


async def _has_ended_unsent(shared: SharedJob, known: JobRecord | None) -> bool:
    """Whether a job that was to be stopped before it is sent has ended so."""
    if not shared.cancel.is_cancelled:  # somebody has come back to it meanwhile
        return False
    await asyncio.wait({shared.task}, timeout=GIVE_UP_SECONDS)
    if not shared.task.done():
        return False
    # It may have been sent while it was looked at: the ledger knows once the task has ended.
    job, ledger = await shared.job(), shared.place.ledger
    if job is None and known is not None:
        job = await asyncio.to_thread(ledger.get, known.id)
    if job is None:
        return True
    may_be_there = await asyncio.to_thread(is_in_doubt, job, ledger)
    return not job.vendor_ids and not may_be_there


async def _stop_unsent(shared: SharedJob) -> bool:
    """Stop a dropped job of which nothing was sent; whether it is stopped."""
    if await shared.may_be_at_vendor():
        return False
    if shared.is_dropped:  # nobody has come back to it meanwhile
        shared.cancel.cancel()
        log.info("A lip-sync was given up before it was sent: nobody waits for it any more.")
    return True


async def _leave(shared: SharedJob, prompt_id: str) -> None:
    """Decide about a job that the host has dropped: stop it, or let it run on."""
    if await _stop_unsent(shared):
        return
    if await runner().was_interrupted(prompt_id):
        if shared.is_dropped:
            shared.cancel.cancel()
        return
    try:
        job = await shared.job()
    except LedgerError as problem:
        log.warning("%s", in_node_words(str(problem)))
        return
    if job is not None and shared.is_dropped:
        notify(
            "info",
            "A lip-sync runs on.",
            f"Another node has failed, and job {job.id} was sent to {_vendor_of(job)} already. "
            f"Run the same graph again, and its result comes {_how_it_comes(job)}.",
        )


# -------------------------------------------------------------------------- after the node's end


def _ended(shared: SharedJob, task: asyncio.Task[Finished]) -> None:
    if _jobs.get(shared.mark) is shared:
        del _jobs[shared.mark]
    problem = None if task.cancelled() else task.exception()
    if problem is None and not task.cancelled() and not task.result().reused:
        _tell_warnings(task.result().job)
    if shared.cancel.is_cancelled and (task.cancelled() or problem is not None):
        following = _Following(asyncio.ensure_future(_follow(shared)))
        _following[shared.mark] = following
        following.task.add_done_callback(partial(_has_followed, shared.mark))
    elif shared.was_left and not shared.waiting:
        if isinstance(problem, VisemeError):
            log.warning("%s", in_node_words(str(problem)))
        elif problem is not None:
            log.error("A lip-sync that nobody waited for failed.", exc_info=problem)
        elif not task.cancelled():
            log.info("Job %s has ended; the next run has its result.", task.result().job.id)


def _has_followed(mark: str, task: asyncio.Task[None]) -> None:
    del _following[mark]
    if not task.cancelled() and (problem := task.exception()) is not None:
        log.error("An interrupted lip-sync could not be followed.", exc_info=problem)


async def _follow(shared: SharedJob) -> None:
    """After an interrupt: see what comes of the job, and keep its result if it was made.

    A run that asks for the same thing meanwhile waits for this.
    """
    place = shared.place
    job = None
    try:
        job = await shared.job()
        if job is None or job.state is State.FETCHED or not await shared.was_sent(job):
            return
        finished = await wind_up(job.id, place, Watch(time_limit_seconds=FOLLOW_SECONDS))
    except OutcomeUnknown as problem:
        notify(
            "warn",
            "It is not known whether a lip-sync was bought.",
            f"It was interrupted while it was sent. {in_node_words(str(problem))}",
        )
    except VisemeError as problem:
        await _log_end(job, place, problem)
    else:
        if not _following[shared.mark].waiting_count:  # else a run that waits for this gives it
            notify(
                "info",
                "An interrupted lip-sync was made all the same.",
                f"{_vendor_of(finished.job)} did not stop job {finished.job.id}"
                f"{' and bills it' if _is_live(finished.job) else ''}. Its result is kept: run the "
                f"same graph again, and it comes {_how_it_comes(finished.job)}.",
            )
        _tell_warnings(finished.job)


def _tell_warnings(job: JobRecord) -> None:
    """Have the page show what a new purchase is warned of: most graphs take no receipt.

    Told when it has ended, whoever waits for it by then: a later run only comes back to it.
    """
    if job.warnings:
        said = redact(in_node_words(" ".join(job.warnings)))
        notify("warn", f"A lip-sync has {count_of_warnings(job)}.", f"{said} (job {job.id})")


def count_of_warnings(job: JobRecord) -> str:
    count = len(job.warnings)
    return "1 warning" if count == 1 else f"{count} warnings"


def _is_live(job: JobRecord) -> bool:
    return job.destination == LIVE


def _vendor_of(job: JobRecord) -> str:
    return job.vendor.label if _is_live(job) else f"{job.vendor.label} in the sandbox"


def _how_it_comes(job: JobRecord) -> str:
    return "without being paid for twice" if _is_live(job) else "free, without being made twice"


async def _log_end(job: JobRecord | None, place: Workplace, problem: VisemeError) -> None:
    try:
        ended = None if job is None else await asyncio.to_thread(place.ledger.get, job.id)
    except LedgerError:
        ended = None
    if ended is not None and ended.state is State.CANCELLED:
        log.info("Job %s was cancelled at %s.", ended.id, _vendor_of(ended))
        return
    log.warning("%s", in_node_words(str(problem)))
    if ended is not None and ended.state not in DEAD:
        notify(
            "warn",
            "An interrupted lip-sync has not ended.",
            f"See how it stands with `{job_command('check', ended.id, place.home)}`.",
        )
