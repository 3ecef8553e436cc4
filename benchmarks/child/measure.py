"""How long something takes, how much computing, and how much memory at most."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from .work import Facts, Work

HAS_MEMORY = sys.platform == "linux"
_LOOK_SECONDS = 0.004


def measured(work: Work, *, memory: bool) -> Facts:
    """Run it once: ``seconds``, ``cpu_seconds`` (user and system, programs it started too).

    With ``memory`` also ``extra_bytes``, the most that this process held over what it held before,
    and ``program_bytes``, the most that a program it started held. Its own facts come on top.
    """
    gc.collect()
    found: Facts = {}
    if memory and HAS_MEMORY:
        with Peak() as peak:
            found |= _timed(work)
        found |= {"extra_bytes": peak.extra_bytes, "program_bytes": peak.program_bytes}
    else:
        found |= _timed(work)
    return found | work.facts()


def _timed(work: Work) -> Facts:
    cpu, started = _cpu_seconds(), time.perf_counter()
    work.run()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_seconds": _cpu_seconds() - cpu}


def _cpu_seconds() -> float:
    # Of this process to the microsecond; ``os.times`` counts hundredths of a second.
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


class Peak:
    """The most memory that this process and its programs hold while the block runs. Linux only.

    The programs are looked at every few milliseconds: what the system sums up at their end counts
    what this process held when it started them.
    """

    def __enter__(self) -> Peak:
        self.extra_bytes = 0
        self.program_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        Path("/proc/self/clear_refs").write_text("5")
        self._before = status_bytes("self", "VmRSS")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.extra_bytes = max(status_bytes("self", "VmHWM") - self._before, 0)
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            held = sum(status_bytes(child, "VmHWM") for child in _children())
            self.program_bytes = max(self.program_bytes, held)


def _children() -> list[str]:
    found: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += (task / "children").read_text().split()
        except OSError:  # that thread has ended
            continue
    return found


def status_bytes(process: str, name: str) -> int:
    """One line of /proc/PROCESS/status; 0 where it has none, or has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
