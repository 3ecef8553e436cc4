"""Work that waits for the network in a thread of its own, beside an event loop that can end it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError as CallCancelled
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

# To close its files in, once it has been told to end; the loop waits no longer than this.
END_SECONDS = 0.5


class Line:
    """What joins such work to its loop, which can cut it.

    Once it is cut the connection is shut down, and so is any later one. Bytes that had arrived may
    still come out of it, and then what looks like the end of all: look at ``is_cut`` before
    believing it. Windows may tell a thread that waits for bytes of it only when its time is over.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_cut = False
        self._loop = loop
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._asked: Future[Any] | None = None

    def hold(self, connection: socket.socket) -> None:
        """Have ``cut`` end this connection, and no earlier one. Raises OSError."""
        # One of our own: whoever wraps the given one in TLS, or closes it, does so without us.
        own = connection.dup()
        with self._lock:
            self._let_go()
            self._connection = own
            if self.is_cut:
                self._shut()

    def call(self, function: Callable[[], T]) -> T:
        """Call it where the loop runs and wait for it; for the work's thread alone.

        Returns and raises what it does. Raises ``concurrent.futures.CancelledError`` where the line
        is cut before it is called, and RuntimeError where the loop is closed.
        """
        asked: Future[T] = Future()

        def run() -> None:
            if not asked.set_running_or_notify_cancel():
                return
            try:
                asked.set_result(function())
            except BaseException as problem:  # noqa: BLE001  # raised where it was asked for
                asked.set_exception(problem)

        with self._lock:
            if self.is_cut:
                raise CallCancelled
            self._asked = asked
            self._loop.call_soon_threadsafe(run)
        return asked.result()

    def cut(self) -> None:
        """End the connection, and what was to be called in the loop and has not been yet."""
        with self._lock:
            self.is_cut = True  # first: who sees the end of the connection is to see this
            self._shut()
            if self._asked is not None:
                self._asked.cancel()

    def release(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            self._let_go()

    def _shut(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # the other side may have ended it
                self._connection.shutdown(socket.SHUT_RDWR)

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # it is closed all the same
                self._connection.close()
            self._connection = None


async def aside(work: Callable[[Line], T]) -> T:
    """What ``work`` returns or raises; it is called with its line, in a thread of its own.

    Stopped, this cuts the line, waits for half a second at most and leaves the thread to its end,
    which keeps neither this loop nor the program.
    """
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    outcome: Future[T] = Future()
    line = Line(loop)

    def run() -> None:
        try:
            outcome.set_result(work(line))
        except BaseException as problem:  # noqa: BLE001  # raised where the work is waited for
            outcome.set_exception(problem)
        line.release()
        with suppress(RuntimeError):  # that loop has ended: nobody waits any more
            loop.call_soon_threadsafe(ended.set_result, None)

    # A daemon, so that one which was left keeps no program from ending.
    threading.Thread(target=run, name="viseme-aside", daemon=True).start()
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        line.cut()
        await asyncio.wait([ended], timeout=END_SECONDS)
        raise
    finally:
        line.cut()  # also where this is closed while it waits, not cancelled
    return outcome.result()
