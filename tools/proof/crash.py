"""Commands as processes that end where they least expect it.

A process is forked from this one, which has everything imported, and runs the whole ``viseme``
command on real files and real connections. It is struck by a real signal: at its n-th step, which
it counts itself, or after some milliseconds, by its parent. Nothing in it is replaced, and after
SIGKILL no handler of it runs.

A step is a line of the core, of the HTTP library or of the database layer that is reached for one
of its first three times: so every place of the code is as likely as any other, and a loop that
waits is not all there is.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import io
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import httpcore
import sqlalchemy

import viseme
from viseme.cli import main

from .box import ROOT, bare_environment

HANG_SECONDS = 180.0  # of a machine that may have other things to do
VISITS = 3  # of one line that count as steps
# Where it is missing, httpcore looks for it on the whole path at each request, dozens of times in
# a command. That it is missing is remembered: an import of it fails as it did.
_SOUGHT = ("sniffio",)
_CORE = Path(viseme.__file__).parent
_TRACED = tuple(
    str(path)
    for path in (
        *(_CORE / name for name in ("jobs", "ledger", "services", "transport")),
        *(_CORE / f"{name}.py" for name in ("download", "aside", "guard", "bodies")),
        *(_CORE / f"{name}.py" for name in ("addresses", "account", "home", "answer")),
        *(Path(httpcore.__file__).parent / name for name in ("_async", "_sync")),
        Path(sqlalchemy.__file__).parent / "engine" / "base.py",
    )
)


_Counter = Callable[[FrameType, str, object], Any]


@dataclass(frozen=True, slots=True)
class Blow:
    """A signal at a step, or after some seconds. Neither: none.

    With ``after`` steps count from the first call of a function of that name. With ``fills_disk``
    the disk is full at that step, and no signal is sent.
    """

    step: int | None = None
    after: str | None = None
    seconds: float | None = None
    signal_number: int = signal.SIGKILL
    fills_disk: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """``code`` is None for who was killed. ``seconds`` is from its start, or from the blow."""

    code: int | None
    out: str = ""
    err: str = ""
    was_struck: bool = False
    after_blow_seconds: float = 0.0
    seconds: float = 0.0
    hung: bool = False
    had_full_disk: bool = False

    @property
    def document(self) -> dict[str, Any]:
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return dict(found) if isinstance(found, dict) else {}

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.document.get("error") or {})


class Fuse:
    """Counts steps, and at one of them strikes its own process.

    A traced process is slow. So where steps count from a function on, nothing is traced before:
    the function is called as it is, through one that lights the fuse (see ``Bells``).
    """

    def __init__(self, blow: Blow) -> None:
        self.steps = 0
        self.struck_at: float | None = None
        self.has_filled_disk = False
        self._blow = blow
        self._is_burning = self._counts = False
        # By the id of a code object, whose hash would be made anew at each call; kept with it.
        self._counters: dict[int, _Counter | None] = {}
        self._codes: list[CodeType] = []

    def light(self, bells: Bells) -> None:
        # Threads are few and short: they are traced from the beginning.
        threading.settrace(self._called)
        if self._blow.after is None:
            self.burn()
        elif not bells.ring_at(self._blow.after, self.burn):
            sys.settrace(self._called)

    def burn(self) -> None:
        """Count from now on, in this thread's calls under way too."""
        if self._is_burning:
            return
        self._is_burning = self._counts = True
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            frame.f_trace = self._counter(frame.f_code)
            frame = frame.f_back
        sys.settrace(self._called)

    def _called(self, frame: FrameType, _event: str, _: object) -> _Counter | None:
        code = frame.f_code
        if not self._is_burning and code.co_name == self._blow.after and _is_traced(code):
            self.burn()
        return self._counter(code)

    def _counter(self, code: CodeType) -> _Counter | None:
        try:
            return self._counters[id(code)]
        except KeyError:
            counter = self._new_counter() if _is_traced(code) else None
            self._codes.append(code)
            self._counters[id(code)] = counter
            return counter

    def _new_counter(self) -> _Counter:
        """What is called for the lines of one code object."""
        visits: dict[int, int] = {}

        def count(frame: FrameType, event: str, _: object) -> _Counter:
            if event == "line" and self._counts:
                line = frame.f_lineno
                visited = visits.get(line, 0)
                if visited < VISITS:
                    visits[line] = visited + 1
                    self.steps += 1
                    if self.steps == self._blow.step:
                        self._strike()
            return count

        return count

    def _strike(self) -> None:
        if self._blow.fills_disk:
            # Every write to a file fails from now on, of however few bytes; connections go on.
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            self.has_filled_disk = True
        else:
            self.struck_at = time.monotonic()
            os.kill(os.getpid(), self._blow.signal_number)
        self._counts = False
        sys.settrace(None)


def _is_traced(code: CodeType) -> bool:
    return code.co_filename.startswith(_TRACED)


class Bells:
    """The functions of the core by name, and where they are to be found: looked up once, by the
    process that forks, since whatever is looked at in a forked one is copied for it."""

    def __init__(self) -> None:
        self._places: dict[str, list[tuple[object, FunctionType]]] = {}

    def find(self, names: Iterable[str]) -> None:
        self._places = {name: [] for name in names}
        ours = f"{viseme.__name__}."
        for module in [one for name, one in sys.modules.items() if name.startswith(ours)]:
            owners = [module, *(one for one in vars(module).values() if isinstance(one, type))]
            for name, places in self._places.items():
                for owner in owners:
                    found = vars(owner).get(name)
                    if not isinstance(found, FunctionType) or not _is_traced(found.__code__):
                        continue
                    if all(known is not owner for known, _ in places):
                        places.append((owner, found))

    def ring_at(self, name: str, ring: Callable[[], None]) -> bool:
        """Have ``ring`` called before each call of a function of that name; False where none is
        known. For a forked process."""
        places = self._places.get(name, [])
        for owner, function in places:
            setattr(owner, name, _after_ring(function, ring))
        return bool(places)


_bells = Bells()


def _after_ring(function: FunctionType, ring: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        ring()
        return function(*given, **named)

    return call


class Victim:
    """A command that runs in a forked process, or a fresh one."""

    def __init__(
        self, words: Sequence[object], blow: Blow = Blow(), *, is_fresh: bool = False
    ) -> None:
        self._blow = blow
        self._started = time.monotonic()
        self._struck_at: float | None = None
        given = [str(word) for word in words]
        self._process: subprocess.Popen[bytes] | None = None
        if is_fresh:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "viseme", *given],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                env=bare_environment(),
            )
            self.pid = self._process.pid
            if self._process.stdout is None:
                raise RuntimeError("a pipe was asked for")
            self._pipe = self._process.stdout.fileno()
            return
        self._pipe, write_end = os.pipe()
        # An interrupt may come before the new process can deal with it: it waits till then.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._pipe)
                _live(given, blow, write_end)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        os.close(write_end)

    def ended(self) -> Ended:
        """Wait for the end, striking on the way where the blow is by time."""
        said = b""
        give_up = self._started + HANG_SECONDS
        hung = False
        while True:
            now = time.monotonic()
            until = give_up
            if self._blow.seconds is not None and self._struck_at is None:
                until = self._started + self._blow.seconds
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, until - now))
            if ready:
                piece = os.read(self._pipe, 1 << 16)
                if not piece:
                    break
                said += piece
            elif until == give_up:
                hung = True
                os.kill(self.pid, signal.SIGKILL)
                give_up += HANG_SECONDS
            else:
                self._struck_at = time.monotonic()
                os.kill(self.pid, self._blow.signal_number)
        return self._told(said.decode("utf-8", "replace"), hung)

    def _told(self, said: str, hung: bool) -> Ended:
        if self._process is not None:
            self._process.wait()
            code = self._process.returncode
            if self._process.stdout is not None:
                self._process.stdout.close()
            struck = self._struck_at
        else:
            os.close(self._pipe)
            status = os.waitpid(self.pid, 0)[1]
            code = os.waitstatus_to_exitcode(status)
            struck = self._struck_at
        seconds = time.monotonic() - self._started
        since = 0.0 if struck is None else time.monotonic() - struck
        if code < 0:
            return Ended(None, was_struck=True, seconds=seconds, hung=hung)
        if self._process is not None:
            return Ended(code, said, "", struck is not None, since, seconds, hung)
        facts = json.loads(said)
        since = since or facts["after_blow_seconds"]
        return Ended(
            code,
            facts["out"],
            facts["err"],
            struck is not None or facts["was_struck"],
            since,
            seconds,
            hung,
            facts["had_full_disk"],
        )


def all_ended(victims: Sequence[Victim]) -> list[Ended]:
    """The ends of processes that run at the same time, each struck when it is to be."""
    ends: list[Ended | None] = [None] * len(victims)

    def wait(place: int) -> None:
        ends[place] = victims[place].ended()

    threads = [threading.Thread(target=wait, args=(place,)) for place in range(1, len(victims))]
    for thread in threads:
        thread.start()
    wait(0)
    for thread in threads:
        thread.join()
    return [end for end in ends if end is not None]


def _live(words: list[str], blow: Blow, pipe: int) -> None:
    """The forked process, from its first moment to its last."""
    code = 99
    try:
        gc.disable()  # a collection would copy every page that is shared with the parent
        random.seed()
        out, err = io.StringIO(), io.StringIO()
        fuse = Fuse(blow)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                # A parent in the background ignores it, and so would we until the command begins.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
                if blow.step is not None:
                    fuse.light(_bells)
                code = main(words)
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            except KeyboardInterrupt:  # before the command, or after it
                code = 130
            sys.settrace(None)
        struck = fuse.struck_at
        facts = {
            "out": out.getvalue(),
            "err": err.getvalue(),
            "was_struck": struck is not None,
            "had_full_disk": fuse.has_filled_disk,
            "after_blow_seconds": 0.0 if struck is None else time.monotonic() - struck,
        }
        data = json.dumps(facts).encode()
        while data:
            data = data[os.write(pipe, data) :]
    finally:
        os._exit(code)


def warm_up(words: Sequence[Sequence[object]], counted_from: Iterable[str]) -> None:
    """Run commands here, so that what they import and keep is there for all that are forked; and
    find the functions from which steps are counted."""
    for line in words:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main([str(word) for word in line])
    for name in _SOUGHT:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = None  # type: ignore[assignment]
    _bells.find(counted_from)
    gc.collect()
    gc.freeze()


def quiet(words: Sequence[object]) -> Ended:
    """A command that only looks, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())
