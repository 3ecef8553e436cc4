"""Many histories in several processes, and what they showed together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .box import ROOT
from .crowd import Crowd, make_crowd
from .history import History
from .plans import VENDORS, make_plan
from .scene import Outcome, Stage
from .stage import stage

LABELS = {"fal": "fal", "aimlapi": "AI/ML API", "runware": "Runware"}
TIME_SCALES = (0.005, 0.02, 0.0)  # of the workers, in turn: short waits, longer ones, none
END_SECONDS = 10.0
ROUND = 2  # sequences
PROGRAM = ROOT / "tools" / "prove.py"

Tell = Callable[[str], None]
Share = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """How the parts are run. After ``seconds`` no more histories or sequences are begun."""

    seed: int
    seconds: float
    workers: int
    vendors: tuple[str, ...] = VENDORS


def prove_crashes(order: Order, points: int, tell: Tell) -> dict[str, Outcome]:
    """Play histories until every vendor has its crash points, or the time is over."""
    return _prove_points(order, "crashes", points, tell)


def prove_crowds(order: Order, points: int, tell: Tell) -> dict[str, Outcome]:
    """The same of several purchases at once."""
    return _prove_points(order, "crowds", points, tell)


def _prove_points(order: Order, kind: str, points: int, tell: Tell) -> dict[str, Outcome]:
    shares = [
        {
            "kind": kind,
            "seed": order.seed,
            "points": -(-points // order.workers),
            "seconds": order.seconds,
            "vendors": order.vendors,
            "number": number,
            "step": order.workers,
            "time_scale": TIME_SCALES[number % len(TIME_SCALES)],
        }
        for number in range(order.workers)
    ]
    return _sums(shares, order.vendors, tell)


def prove_sequences(order: Order, examples: int, tell: Tell) -> dict[str, Outcome]:
    """``examples`` of the state machine at each vendor, or as many as the time allows."""
    shares = [
        {
            "kind": "sequences",
            "seed": order.seed,
            "vendor": vendor,
            "examples": examples,
            "seconds": order.seconds,
            "time_scale": TIME_SCALES[number % len(TIME_SCALES)],
        }
        for number, vendor in enumerate(order.vendors)
    ]
    return _sums(shares, order.vendors, tell)


def _sums(shares: Sequence[Share], vendors: Sequence[str], tell: Tell) -> dict[str, Outcome]:
    """What all workers showed, by vendor; of what was wrong the names alone, the rest is told."""
    sums = {vendor: Outcome(vendor) for vendor in vendors}
    lock = threading.Lock()

    def read(process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            document = json.loads(line)
            outcome = Outcome(**{**document, "counts": Counter(document["counts"])})
            with lock:
                total = sums[outcome.name.split("/")[0]]
                total.add(outcome)
                if outcome.wrongs:
                    total.wrong(outcome.name)
                    tell(story_of(outcome))
        if process.wait() != 0:
            with lock:
                next(iter(sums.values())).wrong(f"a worker ended with {process.returncode}")

    processes = [
        subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, str(PROGRAM), "--worker", json.dumps(share)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        for share in shares
    ]
    readers = [threading.Thread(target=read, args=(process,)) for process in processes]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    except BaseException:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:  # struck between two forks, it may not have heard
                process.kill()
        raise
    return sums


def work(share: Share, write: Tell) -> None:
    """One worker with its own sandbox: a line of JSON for each outcome."""
    with stage(time_scale=share["time_scale"]) as made:
        end = time.monotonic() + share["seconds"]
        if share["kind"] == "sequences":
            _work_sequences(share, made, end, write)
            return
        points = dict.fromkeys(share["vendors"], 0)
        number = share["number"]
        while min(points.values()) < share["points"] and time.monotonic() < end:
            for vendor in share["vendors"]:
                if points[vendor] >= share["points"] or time.monotonic() > end:
                    continue
                outcome = _play(share["kind"], share["seed"], vendor, number, made)
                points[vendor] += outcome.counts["crash points"]
                write(json.dumps(vars(outcome)))
            number += share["step"]


def _work_sequences(share: Share, made: Stage, end: float, write: Tell) -> None:
    """In rounds with seeds of their own: between two of them the time is looked at."""
    from .machine import prove_machine  # Hypothesis: what a process has is copied by each fork

    left, number = share["examples"], 0
    while left > 0 and time.monotonic() < end:
        examples = min(ROUND, left)
        seed = share["seed"] * 1_000_000 + number
        outcome = prove_machine(made, share["vendor"], seed=seed, examples=examples)
        write(json.dumps(vars(outcome)))
        if outcome.wrongs:
            return
        left, number = left - examples, number + 1


def _play(kind: str, seed: int, vendor: str, number: int, made: Stage) -> Outcome:
    if kind == "crowds":
        return Crowd(make_crowd(seed, vendor, number), made).play()
    return History(make_plan(seed, vendor, number), made).play()


def play_one(kind: str, seed: int, name: str, time_scale: float, keep: Path | None) -> Outcome:
    """One history or crowd again, by its name; with ``keep`` its home is left there where it went
    wrong."""
    vendor, _, number = name.partition("/")
    with stage(time_scale=time_scale) as made:
        outcome = _play(kind, seed, vendor, int(number), made)
        home = made.home_of(name)
        if keep is not None and home.exists():
            shutil.move(home, keep)  # perhaps to another disk
    return outcome


def story_of(outcome: Outcome) -> str:
    lines = [f"{outcome.name}:"]
    lines += [f"    {line}" for line in outcome.story]
    lines += [f"  ! {line}" for line in outcome.wrongs]
    return "\n".join(lines)
