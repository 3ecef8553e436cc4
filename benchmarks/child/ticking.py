"""How long an event loop stands still while something else works in the same process."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np

from .work import Facts, Job, Work
from .work import prepare as prepare_other

TICK_SECONDS = 0.001


class Ticker(threading.Thread):
    """A loop of its own with nothing to do but wake up every millisecond."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stamps: list[float] = []
        self._over = threading.Event()

    def run(self) -> None:
        asyncio.run(self._tick())

    async def _tick(self) -> None:
        while not self._over.is_set():
            self.stamps.append(time.perf_counter())
            await asyncio.sleep(TICK_SECONDS)

    def stop(self) -> None:
        self._over.set()
        self.join()


class Idle:
    """Nothing, for a while: what the machine itself does to a loop."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self) -> None:
        time.sleep(self.seconds)

    def facts(self) -> Facts:
        return {}


class Ticking:
    def __init__(self, other: Work) -> None:
        self.other = other
        self.ticker = Ticker()

    def run(self) -> None:
        self.ticker.start()
        while not self.ticker.stamps:
            time.sleep(TICK_SECONDS)
        self.other.run()
        self.ticker.stop()

    def facts(self) -> Facts:
        gaps = np.diff(self.ticker.stamps)
        return {
            **self.other.facts(),
            "ticks": len(gaps),
            "gap_seconds": float(np.percentile(gaps, 99.9)),
            "longest_gap_seconds": float(gaps.max()),
        }


def prepare(job: Job) -> Ticking:
    beside = job["beside"]
    return Ticking(Idle(job["seconds"]) if beside is None else prepare_other(beside))
