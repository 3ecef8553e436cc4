"""One sandbox per home: who runs it, and where it answers.

``<home>/sandbox/sandbox.lock`` is JSON, ``{"pid": 4711, "control": "http://127.0.0.1:40123"}``,
written once everything answers and removed at a clean end. After ``kill -9`` it stays behind with
a dead pid. What keeps a second sandbox out is a lock of the operating system on
``sandbox.guard`` beside it, which no way of dying leaves behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import LocalError

LOCK_NAME = "sandbox.lock"
GUARD_NAME = "sandbox.guard"


@dataclass(frozen=True)
class LockInfo:
    """Process id and control address (no trailing slash) of a running sandbox."""

    pid: int
    control: str


def state_folder(home: Path) -> Path:
    return home / "sandbox"


def read_lock(home: Path) -> LockInfo | None:
    """The running sandbox of this home; ``None`` without one, or when its process is dead."""
    try:
        document = json.loads((state_folder(home) / LOCK_NAME).read_text("utf-8"))
        info = LockInfo(int(document["pid"]), str(document["control"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return info if process_is_alive(info.pid) else None


def process_is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        synchronize = 0x00100000
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class HomeLock:
    """Holds a home for this process while the ``with`` block runs.

    Raises ``LocalError`` on entry when another sandbox holds it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = state_folder(home)
        self._guard: IO[bytes] | None = None

    def __enter__(self) -> HomeLock:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        guard = (self._folder / GUARD_NAME).open("ab")
        try:
            _lock_file(guard)
        except OSError as error:
            guard.close()
            raise LocalError(self._taken_text(), field="--home", value=self._home) from error
        self._guard = guard
        return self

    def publish(self, control: str) -> None:
        """Write the lock file: from now on others may attach."""
        target = self._folder / LOCK_NAME
        part = target.with_suffix(".part")
        part.write_text(json.dumps({"pid": os.getpid(), "control": control}) + "\n", "utf-8")
        part.replace(target)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._guard is not None:
            with contextlib.suppress(FileNotFoundError):
                (self._folder / LOCK_NAME).unlink()
            self._guard.close()
            self._guard = None

    def _taken_text(self) -> str:
        running = read_lock(self._home)
        where = f" at {running.control} (process {running.pid})" if running else ""
        return f"A sandbox already runs for the home {self._home}{where}; one home has one sandbox."


def _lock_file(handle: IO[bytes]) -> None:
    """Take an exclusive lock that ends with the process; ``OSError`` when another has it."""
    if sys.platform == "win32":
        import msvcrt

        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
