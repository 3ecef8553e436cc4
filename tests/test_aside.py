"""Work in a thread beside a loop: its line is cut, and nobody waits for what does not end."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from viseme.aside import Line, aside
from viseme.errors import VisemeError
from viseme.transport import NotSent, open_url

ROOT = Path(__file__).resolve().parents[1]
Serve = Callable[..., Any]
AT_ONCE_SECONDS = 3.0  # what is not ended lasts longer
# There such a wait may go on until its time is over.
cuts = pytest.mark.skipif(sys.platform == "win32", reason="Windows may end no wait at once")


@pytest.fixture
def quiet_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection on which the other side says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    near = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
    with listener, near, far:
        yield near, far


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 60)


def stop(work: Callable[[Line], object], waits: threading.Event) -> threading.Event:
    """Stop ``work`` once it ``waits``, which takes no time; what is given is set when it ends."""
    ended = threading.Event()

    def to_its_end(line: Line) -> None:
        try:
            work(line)
        finally:
            ended.set()

    async def run() -> float:
        task = asyncio.ensure_future(aside(to_its_end))
        await until(waits)
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begun

    assert asyncio.run(run()) < AT_ONCE_SECONDS
    return ended


def test_what_the_work_returns_or_raises_comes_back() -> None:
    async def run() -> None:
        assert await aside(lambda _: threading.current_thread().name) == "viseme-aside"
        with pytest.raises(ZeroDivisionError):
            await aside(lambda _: 1 // 0)

    asyncio.run(run())


def test_the_loop_turns_while_the_work_waits() -> None:
    async def run() -> int:
        goes_on = threading.Event()
        task = asyncio.ensure_future(aside(lambda _: goes_on.wait(60)))
        turns = 0
        while turns < 100:
            await asyncio.sleep(0)
            turns += 1
        goes_on.set()
        assert await task
        return turns

    assert asyncio.run(run()) == 100


@cuts
def test_a_connection_that_is_cut_ends_what_waits_on_it(
    quiet_pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = quiet_pair
    waits = threading.Event()
    received: list[tuple[bytes, bool]] = []

    def work(line: Line) -> None:
        line.hold(near)
        waits.set()
        received.append((near.recv(1), line.is_cut))

    assert stop(work, waits).wait(AT_ONCE_SECONDS)
    assert received == [(b"", True)]
    assert far.recv(1) == b"", "the other side is told"


@cuts
def test_a_connection_that_comes_after_the_cut_is_cut_too(
    quiet_pair: tuple[socket.socket, socket.socket],
) -> None:
    """As one does that was being opened when the work was stopped."""
    near, _ = quiet_pair
    waits, goes_on, ended = threading.Event(), threading.Event(), threading.Event()
    received: list[bytes] = []

    def work(line: Line) -> None:
        waits.set()
        goes_on.wait(60)
        line.hold(near)
        received.append(near.recv(1))
        ended.set()

    async def run() -> None:
        task = asyncio.ensure_future(aside(work))
        await until(waits)
        task.cancel()
        await asyncio.sleep(0.05)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert ended.wait(AT_ONCE_SECONDS)
    assert received == [b""]


def test_a_connection_is_closed_once_its_owner_closes_it(
    quiet_pair: tuple[socket.socket, socket.socket],
) -> None:
    """What the line holds of it keeps it from nobody."""
    near, far = quiet_pair
    far.settimeout(AT_ONCE_SECONDS)

    def work(line: Line) -> None:
        line.hold(near)
        near.close()

    asyncio.run(aside(work))
    assert far.recv(1) == b""


def silent_from(wire_server: Serve, step: str, waits: threading.Event) -> Any:
    """A server that says nothing once it comes to ``step``; before that it is a proxy."""

    def script(wire: Any) -> None:
        if step == "handshake":
            wire.sock.recv(1)
        else:
            wire.read_head()
        if step == "handshake behind a proxy":
            wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
            wire.sock.recv(1)
        waits.set()
        wire.stall()

    return wire_server(script)


@cuts
@pytest.mark.parametrize("step", ["handshake", "proxy", "handshake behind a proxy", "answer"])
def test_whatever_a_request_waits_for_is_stopped_at_once(
    wire_server: Serve, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    waits = threading.Event()
    server = silent_from(wire_server, step, waits)
    url, address = "https://nowhere.invalid/", None
    if step == "answer":
        url = server.url
    elif step == "handshake":
        url, address = f"https://127.0.0.1:{server.port}/", "127.0.0.1"
    else:
        for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv("HTTPS_PROXY", server.url)
    problems: list[VisemeError] = []

    def work(line: Line) -> None:
        try:
            with open_url(url, line, address=address):
                pass
        except VisemeError as problem:
            problems.append(problem)

    assert stop(work, waits).wait(AT_ONCE_SECONDS)
    assert len(problems) == 1


@cuts
@pytest.mark.parametrize("head", ["", "Content-Length: 100\r\n"])
def test_an_answer_that_was_cut_is_never_taken_for_a_whole_one(
    wire_server: Serve, head: str
) -> None:
    """Also not one that lasts until the connection ends."""
    waits = threading.Event()

    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\n{head}\r\nab".encode())
        wire.stall()

    server = wire_server(script)
    seen: list[bytes] = []
    problems: list[VisemeError] = []

    def work(line: Line) -> None:
        try:
            with open_url(server.url, line) as incoming:
                for chunk in incoming.chunks:
                    seen.append(chunk)
                    waits.set()
            seen.append(b"the end")
        except VisemeError as problem:
            problems.append(problem)

    assert stop(work, waits).wait(AT_ONCE_SECONDS)
    assert seen == [b"ab"]
    assert len(problems) == 1


def test_work_that_nothing_ends_is_left_behind() -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def work(_: Line) -> None:
        waits.set()
        goes_on.wait(60)
        raise ValueError("nobody asks")

    ended = stop(work, waits)
    assert not ended.is_set()
    goes_on.set()
    assert ended.wait(60)


PROGRAM = """
import asyncio, sys, time
from viseme.aside import aside

async def main():
    await asyncio.wait_for(aside(lambda line: time.sleep(600)), 0.1)

asyncio.run(main())
"""


def test_work_that_is_left_behind_keeps_no_program_from_ending() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "TimeoutError" in done.stderr


def test_what_the_work_calls_runs_in_the_loops_thread_and_may_raise() -> None:
    async def run() -> None:
        callers: list[int] = []

        def tell() -> None:
            callers.append(threading.get_ident())
            if len(callers) == 2:
                raise ZeroDivisionError

        def work(line: Line) -> None:
            line.call(tell)
            line.call(tell)

        with pytest.raises(ZeroDivisionError):
            await aside(work)
        assert callers == [threading.get_ident()] * 2

    asyncio.run(run())


def test_the_work_calls_nobody_once_its_line_is_cut() -> None:
    waits, goes_on = threading.Event(), threading.Event()
    called: list[int] = []
    problems: list[BaseException] = []

    def work(line: Line) -> None:
        waits.set()
        goes_on.wait(60)
        try:
            line.call(lambda: called.append(1))
        except CancelledError as problem:
            problems.append(problem)

    ended = stop(work, waits)
    goes_on.set()
    assert ended.wait(60)
    assert called == []
    assert len(problems) == 1


def test_a_call_that_the_loop_did_not_come_to_ends_with_the_cut() -> None:
    """As where a program stops what runs in its loop while the work asks something of it."""
    loop = asyncio.new_event_loop()
    line = Line(loop)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            line.call(lambda: None)
        except CancelledError as problem:
            problems.append(problem)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while line._asked is None:  # nothing else shows that it has asked
        time.sleep(0.01)
    line.cut()
    thread.join(60)
    loop.close()
    assert len(problems) == 1


def test_a_wait_that_is_closed_cuts_the_line(
    quiet_pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = quiet_pair
    far.settimeout(AT_ONCE_SECONDS)
    waits, ended = threading.Event(), threading.Event()

    def work(line: Line) -> None:
        line.hold(near)
        waits.set()
        near.recv(1)
        ended.set()

    async def run() -> None:
        await aside(work)

    loop = asyncio.new_event_loop()
    waiting = run()
    task = loop.create_task(waiting)
    loop.run_until_complete(until(waits))
    waiting.close()
    assert far.recv(1) == b""
    assert ended.wait(60)
    task.cancel()
    with suppress(asyncio.CancelledError, RuntimeError):
        loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_only_the_last_connection_is_held(
    quiet_pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = quiet_pair
    far.settimeout(AT_ONCE_SECONDS)
    other, _ = socket.socketpair()

    def work(line: Line) -> bytes:
        line.hold(near)
        line.hold(other)
        near.close()
        return far.recv(1)

    with other, _:
        assert asyncio.run(aside(work)) == b""


def test_a_connection_that_cannot_be_held_is_not_used(wire_server: Serve) -> None:
    """Where no more files can be opened it could not be cut."""
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"abc"))

    class FullLine(Line):
        def hold(self, connection: socket.socket) -> None:
            raise OSError(errno.EMFILE, "too many open files")

    async def run() -> None:
        line = FullLine(asyncio.get_running_loop())
        with pytest.raises(NotSent, match="too many open files"), open_url(server.url, line):
            pass

    asyncio.run(run())
    assert server.heads == []
