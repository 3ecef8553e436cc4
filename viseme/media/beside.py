"""Work that is done in a thread beside the one that prepares it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Generic, TypeAlias, TypeVar

from .digest import stop_if
from .priority import step_back

T = TypeVar("T")
Cancel: TypeAlias = "Callable[[], bool] | None"

_ASK_SECONDS = 0.02


class Beside(Generic[T]):
    """Calls ``work`` with one item after another, in a thread of its own that gives way to others.

    At most ``depth`` items wait. What ``work`` raises is raised by the next ``put`` or by
    ``finish``; items behind it are dropped. The thread ends with ``finish`` or ``stop``, one of
    which must be called.
    """

    def __init__(self, work: Callable[[T], None], depth: int) -> None:
        self._work = work
        self._items: SimpleQueue[T | None] = SimpleQueue()
        self._room = Semaphore(depth)
        self._error: BaseException | None = None
        self._is_stopped = False
        # A daemon, so that one which nobody ended keeps no program from ending.
        self._thread = Thread(target=self._run, name="viseme-beside", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand over an item; waits while ``depth`` others do."""
        # Items are taken from the queue whatever has happened, so there is always room in the end.
        self._room.acquire()
        try:
            self._raise()
        except BaseException:
            self._room.release()  # for a caller who goes on, and is told again
            raise
        self._items.put(item)

    def finish(self) -> None:
        """Wait until all is done."""
        self._items.put(None)
        self._thread.join()
        self._raise()

    def stop(self) -> None:
        """Drop what waits, wait for what is being done, raise nothing."""
        self._is_stopped = True
        self._items.put(None)
        self._thread.join()

    def _run(self) -> None:
        step_back()
        while (item := self._items.get()) is not None:
            self._room.release()
            if self._error is None and not self._is_stopped:
                try:
                    self._work(item)
                except BaseException as error:  # noqa: BLE001  # raised where the work is prepared
                    self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def run_beside(work: Callable[[], T], cancel: Cancel, *, is_left_behind: bool = True) -> T:
    """What ``work``, a call that nothing ends, returns or raises; made in a thread of its own.

    Raises ``Interrupted`` as soon as ``cancel`` says so, which is called in the caller's thread.
    The work then goes on to its end, for nobody; where it is not to be left behind it is waited
    for. Without ``cancel`` no thread is needed.
    """
    if cancel is None:
        return work()
    stop_if(cancel)
    thread, done = _begin(work)
    try:
        while thread.is_alive():
            stop_if(cancel)
            thread.join(_ASK_SECONDS)
    except BaseException:
        if not is_left_behind:
            thread.join()
        raise
    return done.result()


def run_behind(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; the threads that it starts give way to all others."""

    def stepped_back() -> T:
        step_back()
        return work()

    thread, done = _begin(stepped_back)
    try:
        thread.join()
    except BaseException:
        thread.join()  # what it works on is not to be taken apart meanwhile
        raise
    return done.result()


def _begin(work: Callable[[], T]) -> tuple[Thread, Future[T]]:
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised where the work is waited for
            done.set_exception(error)

    thread = Thread(target=run, name="viseme-beside", daemon=True)
    thread.start()
    return thread, done
