"""Have a file read in a child process, and say in our words how that went."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError, LocalError, MediaDamaged, MediaError, MediaTooLarge, VisemeError
from .check_process import CheckProcess, check_process, keep_for_next, not_started
from .identify import damaged, takes_too_long
from .limits import MediaLimits

Cancel: TypeAlias = "Callable[[], bool] | None"

STALL_SECONDS = 10.0
_START_SECONDS = 60.0  # a cold disk, or a virus scanner that reads every library first
# The child sees to its own computing time; where it cannot, and while it only waits, this ends it.
_WALL_FACTOR = 4
_TIME_IS_UP: int = getattr(signal, "SIGXCPU", 24)
_KILLED: int = getattr(signal, "SIGKILL", 9)
_KINDS: dict[str, type[VisemeError]] = {
    kind.kind: kind for kind in (InputError, MediaError, MediaDamaged, MediaTooLarge, LocalError)
}


class _Ended(Exception):
    """The process that read the file has ended without a verdict."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def read_apart(
    path: Path,
    request: Mapping[str, Any],
    limits: MediaLimits,
    stall_seconds: float,
    cancel: Cancel,
) -> Mapping[str, Any]:
    """What a child process found ``path`` to be, as JSON (see ``check_work``).

    Raises what reading it raises: ``InputError``, ``MediaDamaged`` (where it crashes, hangs or
    cannot be read), ``MediaTooLarge`` (where it takes more memory or time than it may), and
    ``LocalError`` and ``Interrupted``.
    """
    try:
        verdict = _ask(request, stall_seconds, cancel)
    except _Ended as ended:
        raise _crashed(path, ended.code, limits) from None
    except TimeoutError:
        raise damaged(path, f"reading it does not get on for {stall_seconds:.0f} s") from None
    problem = verdict.get("problem")
    if problem is None:
        return dict(verdict["medium"])
    kind = _KINDS.get(problem.pop("kind"), MediaDamaged)
    raise kind(problem.pop("message"), **problem)


def _ask(request: Mapping[str, Any], stall_seconds: float, cancel: Cancel) -> dict[str, Any]:
    """The verdict. An idle process may end just when it is asked: then another one is."""
    while True:
        with check_process(cancel) as process:
            was_idle = process.is_ready
            if not was_idle:
                _await_start(process, cancel)
            process.send(request)
            try:
                return _await_verdict(process, stall_seconds, cancel)
            except _Gone as gone:
                code = process.end(at_once=True)
                if gone.has_begun or not was_idle:
                    raise _Ended(code) from None


class _Gone(Exception):
    """The child process itself has ended; ``has_begun`` says that it had begun with the file."""

    def __init__(self, *, has_begun: bool) -> None:
        super().__init__(has_begun)
        self.has_begun = has_begun


def _await_start(process: CheckProcess, cancel: Cancel) -> None:
    try:
        line = process.line(_START_SECONDS, cancel)
    except TimeoutError:
        raise not_started(f"it was not ready after {_START_SECONDS:.0f} s") from None
    if line != b"ready":
        raise not_started("it ended at once")
    process.is_ready = True


def _await_verdict(process: CheckProcess, stall_seconds: float, cancel: Cancel) -> dict[str, Any]:
    verdict: dict[str, Any] | None = None
    until: float | None = None
    while True:
        line = process.line(stall_seconds, cancel)
        word, _, rest = (line or b"").partition(b" ")
        if line is None:
            if verdict is None:
                raise _Gone(has_begun=until is not None)
            process.end(at_once=True)  # where nothing can be forked it ends after each file
            return verdict
        if word == b"allow":
            until = time.monotonic() + _WALL_FACTOR * float(rest) + stall_seconds
        elif word == b"=":
            with suppress(ValueError):  # half a line of a process that was killed
                verdict = dict(json.loads(rest))
        elif word == b"end":
            if verdict is None:
                raise _Ended(int(rest))
            keep_for_next(process)
            return verdict
        if until is not None and time.monotonic() > until:
            raise _Ended(-_TIME_IS_UP)


def _crashed(path: Path, code: int, limits: MediaLimits) -> MediaError:
    if code == -_TIME_IS_UP:
        return takes_too_long(path)
    if code == -_KILLED:
        return MediaTooLarge(
            f"{path} could not be read: the system ended its check, as it does where no memory "
            "is left.",
            value=path,
            limit=limits.max_check_bytes,
            remedy="Close other programs, or cut or scale the file down.",
        )
    name = f"exit code {code}"
    if code < 0 and sys.platform != "win32":
        with suppress(ValueError):
            name = signal.Signals(-code).name
    return damaged(path, f"it crashes the program that reads it ({name})")
