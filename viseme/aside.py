"""Work that waits for the network in a thread of its own, beside an event loop that can end it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

# To close its files in, once it has been told to end; the loop waits no longer than this.
END_SECONDS = 0.5


class Line:
    """Between such work and its loop: the connection that it waits on, which the loop can cut.

    Once cut it brings nothing more, nor does any later one. What still comes out of it may look
    like the end of what it brings: look at ``is_cut`` before believing it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_cut = False
        self._loop = loop
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None

    def hold(self, connection: socket.socket) -> None:
        """Have ``cut`` end this connection, and no earlier one."""
        # One of our own: whoever wraps the given one in TLS, or closes it, does so without us.
        own = connection.dup()
        with self._lock:
            self._let_go()
            self._connection = own
            if self.is_cut:
                self._shut()

    def cut(self) -> None:
        """End the connection: whoever waits on it is told at once that it is over."""
        with self._lock:
            self.is_cut = True
            self._shut()

    def call(self, function: Callable[[], None]) -> None:
        """Call it where the loop runs, and wait for it; raises what it raises."""
        called: Future[None] = Future()

        def run() -> None:
            try:
                function()
                called.set_result(None)
            except BaseException as problem:  # noqa: BLE001  # raised where it was asked for
                called.set_exception(problem)

        self._loop.call_soon_threadsafe(run)
        called.result()

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
    return outcome.result()
