"""The child processes in which media of others are read: started, kept for the next file, ended."""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LocalError
from .digest import stop_if

Cancel: TypeAlias = "Callable[[], bool] | None"

PROGRAM = Path(__file__).with_name("check_child.py")
_LOOK_SECONDS = 0.05
_END_SECONDS = 2.0
MOST_WAITING = 2
_MOST_LINE_BYTES = 1 << 16
# No key and no setting goes along; without these a program does not find its libraries.
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "TMPDIR"),
)
# One thread for arithmetic and few memory pools: each would reserve addresses, which are counted.
_FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class CheckProcess:
    """One child process. A thread reads its lines, since a pipe can't be waited for everywhere."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own program, by absolute path
                [sys.executable or "python", "-I", str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _FRUGAL,
                start_new_session=True,  # Ctrl-C reaches us, and we end it
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as problem:
            raise not_started(problem.strerror or str(problem)) from problem
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="viseme-check", daemon=True)
        self._reader.start()
        self.is_ready = False
        self.send([folder for folder in sys.path if folder and Path(folder).is_absolute()])

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            with suppress(OSError), stream:
                while line := stream.readline(_MOST_LINE_BYTES):
                    self._lines.put(line.strip())
        self._lines.put(None)
        self._process.wait()  # one that ended for want of work leaves nothing behind

    def send(self, message: Any) -> None:
        """One line of JSON. Where the child has ended, that shows by its lines."""
        stream = self._process.stdin
        if stream is not None:
            with suppress(OSError):
                stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()

    def line(self, seconds: float, cancel: Cancel) -> bytes | None:
        """Its next line; None once it has ended. Raises TimeoutError and ``Interrupted``."""
        left = seconds
        while True:
            stop_if(cancel)
            try:
                return self._lines.get(timeout=min(_LOOK_SECONDS, max(left, 0.001)))
            except queue.Empty:
                left -= _LOOK_SECONDS
                if left <= 0:
                    raise TimeoutError from None

    def end(self, *, at_once: bool) -> int:
        """End it and what it has forked; at once, or when it has found its stdin closed.

        Its exit code, negative for a signal.
        """
        if at_once:
            self._kill()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            code = self._process.wait()
        self._reader.join(_END_SECONDS)
        return code

    def disown(self) -> None:
        """It is another process's: nothing is said here of its not having ended."""
        self._process.returncode = 0

    def _kill(self) -> None:
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _new_slots() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


_idle: list[CheckProcess] = []
_lock = threading.Lock()
_slots = _new_slots()


@contextmanager
def check_process(cancel: Cancel) -> Iterator[CheckProcess]:
    """A child process for one file; whoever has used it up ends it, else it waits for the next.

    As many run at a time as there are processors. Raises ``LocalError`` and ``Interrupted``.
    """
    while not _slots.acquire(timeout=_LOOK_SECONDS):
        stop_if(cancel)
    try:
        with _lock:
            process = _idle.pop() if _idle else None
        process = process or CheckProcess()
        try:
            yield process
        except BaseException:
            process.end(at_once=True)
            raise
    finally:
        _slots.release()


def keep_for_next(process: CheckProcess) -> None:
    """Let a process that has done its work wait; it ends by itself when none comes.

    Where as many wait as may, it ends at once: each holds memory, and another is soon started.
    """
    with _lock:
        is_kept = len(_idle) < MOST_WAITING
        if is_kept:
            _idle.append(process)
    if not is_kept:
        process.end(at_once=True)


@atexit.register
def end_idle() -> None:
    """End those that wait for a file."""
    with _lock:
        ended, _idle[:] = list(_idle), []
    for process in ended:
        process.end(at_once=True)


def _forget_idle() -> None:
    """In a process that was forked from this one: what they say is read by threads over there."""
    global _lock, _slots  # threads over there may have held them
    for process in _idle:
        process.disown()
    _idle.clear()
    _lock, _slots = threading.Lock(), _new_slots()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_idle)


def not_started(why: str) -> LocalError:
    return LocalError(
        f"The process that checks media could not be started: {why}.",
        value=sys.executable,
        remedy="Run `viseme doctor` with the same Python, and see that programs may be started.",
    )
