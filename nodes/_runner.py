"""Network and media work, off the host's event loop: one thread with a loop of its own.

The host makes a loop for each prompt and stops what runs on it when a node fails. Work that is
paid for must survive that, so it lives here; the node only waits for it.

A node is told to stop in two ways. The user's interrupt is a flag that nodes must look at, and the
first to answer clears it, so it is watched from here while anything runs. When another node fails,
the host cancels the coroutine that waits; what is paid for then runs on, and the next run of the
same node finds it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from math import exp
from typing import Any, TypeVar

import comfy.model_management
from comfy_api.latest import ComfyAPI
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..viseme.errors import Interrupted, VisemeError
from ..viseme.jobs.signals import CancelToken, Progress, Step
from ._errors import LipSyncError, in_node_words, node_error
from ._host import log

T = TypeVar("T")

POLL_SECONDS = 0.03
INTERRUPT_LOOK_SECONDS = 0.05
SHOW_SECONDS = 0.2
# After an interrupt, for the job to tell the vendor; it goes on telling it when we return sooner.
STOP_SECONDS = 2.0
HISTORY_SECONDS = 5.0
# Where each step lies on the progress bar, in percent; a run's real length is not known.
_BAR = {
    Step.PROBE: (1, 3),
    Step.PREPARE: (3, 8),
    Step.UPLOAD: (8, 28),
    Step.WAIT: (28, 28),
    Step.SUBMIT: (28, 30),
    Step.QUEUE: (30, 36),
    Step.RUN: (36, 90),
    Step.RECONCILE: (36, 36),
    Step.FETCH: (90, 98),
}
_RUN_SECONDS = 30.0


class HostToken(CancelToken):
    """A token that blocking work also takes as set once the host ends.

    Python waits at its end for threads that still work. A job at a vendor is not cancelled by that.
    """

    def __call__(self) -> bool:
        return super().__call__() or not threading.main_thread().is_alive()


class Execution:
    """One node of a prompt while it is executed. Methods are for the runner's loop."""

    def __init__(self, prompt_id: str, node_id: str | None) -> None:
        self.prompt_id = prompt_id
        self.node_id = node_id
        self.cancel = HostToken()
        self.interrupted_at: float | None = None
        self.is_over = False  # the host has our answer; nothing may be shown any more
        self._latest: Progress | None = None
        self._started = time.monotonic()
        self._percent = 0.0

    def report(self, progress: Progress) -> None:
        """Have this shown; from any thread."""
        self._latest = progress

    def say_last(self, text: str) -> None:
        """The line that stays in the node, where the page keeps one."""
        if not self.is_over and self.node_id is not None:
            self._latest = None
            PromptServer.instance.send_progress_text(text, self.node_id)

    def interrupt(self) -> None:
        """From any thread."""
        if self.interrupted_at is None:
            self.interrupted_at = time.monotonic()
            self.cancel.cancel()

    @property
    def has_waited_to_stop(self) -> bool:
        at = self.interrupted_at
        return at is not None and time.monotonic() - at > STOP_SECONDS

    async def show(self) -> None:
        """Bring the latest progress to the page, every now and then, until this is over."""
        while not self.is_over:
            if self._latest is not None and self.node_id is not None:
                try:
                    await self._show(self._latest, self.node_id)
                except RuntimeError as problem:
                    # The host goes through its nodes while its own thread may add one.
                    log.debug("Progress could not be shown: %s", problem)
            await asyncio.sleep(SHOW_SECONDS)

    async def _show(self, progress: Progress, node_id: str) -> None:
        elapsed = time.monotonic() - self._started
        low, high = _BAR.get(progress.step, (0, 0))
        share = progress.fraction
        if share is None:
            share = 1 - exp(-elapsed / _RUN_SECONDS) if progress.step is Step.RUN else 0.0
        self._percent = max(self._percent, low + (high - low) * share)
        PromptServer.instance.send_progress_text(f"{progress.text} · {elapsed:.0f} s", node_id)
        await ComfyAPI().execution.set_progress(self._percent, 100, node_id=node_id)


class Runner:
    """The thread, its loop, and the executions that wait for something on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._active: set[Execution] = set()
        self._interrupted: dict[str, None] = {}  # prompts, oldest first
        self._watcher: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[object]] = set()
        threading.Thread(target=self._run, name="viseme", daemon=True).start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def start(
        self, execution: Execution, work: Callable[[Execution], Awaitable[T]]
    ) -> concurrent.futures.Future[T]:
        return asyncio.run_coroutine_threadsafe(self._attend(execution, work), self.loop)

    async def _attend(self, execution: Execution, work: Callable[[Execution], Awaitable[T]]) -> T:
        self._active.add(execution)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch_interrupts())
        shown = asyncio.create_task(execution.show())
        try:
            return await work(execution)
        except asyncio.CancelledError:
            execution.cancel.cancel()  # threads that work for it look at this
            raise
        finally:
            shown.cancel()
            self._active.discard(execution)

    async def _watch_interrupts(self) -> None:
        while self._active:
            self.see_interrupt()
            await asyncio.sleep(INTERRUPT_LOOK_SECONDS)

    def see_interrupt(self) -> None:
        """Tell all that runs of the user's interrupt, if there is one; from any thread.

        The host's thread looks as well: this one may stand still for a while, writing to a ledger
        that another process holds.
        """
        if not comfy.model_management.processing_interrupted():
            return
        for execution in list(self._active):
            self._interrupted[execution.prompt_id] = None
            execution.interrupt()
        for prompt_id in list(self._interrupted)[:-100]:
            self._interrupted.pop(prompt_id, None)

    async def was_interrupted(self, prompt_id: str) -> bool:
        """Whether a prompt that has just ended, or is about to, was ended by the user.

        Another pack's node may have cleared the flag before it was seen here; then the host's
        history tells.
        """
        until = time.monotonic() + HISTORY_SECONDS
        while time.monotonic() < until:
            if prompt_id in self._interrupted:
                return True
            entry = PromptServer.instance.prompt_queue.get_history(prompt_id=prompt_id)
            if prompt_id in entry:
                messages = (entry[prompt_id].get("status") or {}).get("messages") or []
                return any(message[0] == "execution_interrupted" for message in messages)
            await asyncio.sleep(INTERRUPT_LOOK_SECONDS)
        return False

    def in_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Have something done that nobody waits for; on the runner's loop."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


@cache
def runner() -> Runner:
    """The one runner of this process; its thread starts with the first use."""
    return Runner()


async def on_runner(work: Callable[[Execution], Awaitable[T]], node_id: str | None) -> T:
    """Await ``work`` on our own thread and loop, from a node's ``execute``.

    Raises ``LipSyncError`` for an error of ours, and the host's own interruption when the user
    stopped the prompt. When the host cancels the node because another one failed, ``work`` is
    cancelled too; what must run on has to stand in a task of its own.
    """
    context = get_executing_context()
    execution = Execution("" if context is None else context.prompt_id, node_id)
    future = runner().start(execution, work)
    try:
        # Looked at, not awaited: the host's loop may be gone before the work has ended.
        while not future.done() and not execution.has_waited_to_stop:
            runner().see_interrupt()
            await asyncio.sleep(POLL_SECONDS)
    except asyncio.CancelledError:
        future.cancel()
        raise
    finally:
        execution.is_over = True
    if execution.interrupted_at is not None and not _is_good(future):
        _log_unseen(future)
        comfy.model_management.throw_exception_if_processing_interrupted()
        raise comfy.model_management.InterruptProcessingException
    try:
        return future.result()
    except Interrupted as problem:
        raise node_error(_stopped_by_another(problem)) from problem
    except VisemeError as problem:
        log.info("%s", problem)
        log.debug("It comes from here.", exc_info=problem)
        # The host would log the cause beside it, and no filter of ours sees what the host logs.
        raise node_error(problem) from None
    except concurrent.futures.CancelledError as problem:
        # Never the host's own: that one is for a coroutine which the host itself has cancelled.
        raise LipSyncError(
            in_node_words(
                "The work for this node was cancelled before it had ended. Run the graph again: a "
                "job that was sent is come back to, and not paid for twice. `viseme jobs` lists it."
            )
        ) from problem


def _stopped_by_another(problem: Interrupted) -> Interrupted:
    """What the interrupt of another run means to this one, which asked for the same."""
    return Interrupted(
        f"An interrupt of another run has stopped this too. {problem.message}",
        remedy=problem.remedy
        or "Run the graph again: it is bought anew, unless the vendor has made it all the same.",
        job_id=problem.job_id,
    )


def _log_unseen(future: concurrent.futures.Future[Any]) -> None:
    """An error besides the interrupt, which the page does not show."""
    problem = future.exception() if future.done() and not future.cancelled() else None
    if problem is not None and not isinstance(problem, Interrupted):
        log.warning("%s", in_node_words(str(problem)))


def _is_good(future: concurrent.futures.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
