"""A ledger file in a new folder, a clock that is set by hand, and programs that use the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from viseme.ledger import Ledger, NewJob
from viseme.model import Quote, Vendor

REPOSITORY = Path(__file__).resolve().parents[2]


class Clock:
    """UTC milliseconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1_795_000_000_000  # 2026-11-18, 11:06:40 UTC

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(path, clock=clock) as opened:
        yield opened


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    def make(fingerprint: str = "f", **changes: Any) -> NewJob:
        values: dict[str, Any] = {
            "fingerprint": fingerprint,
            "endpoint": "fal-sync",
            "vendor": Vendor.FAL,
            "destination": "live",
            "account": "account-1",
            "quote": Quote(Decimal("0.10"), Decimal("0.25"), "per second"),
        }
        return NewJob(**(values | changes))

    return make


@pytest.fixture
def start_program() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run Python text in a process of its own; it finds ``viseme`` and its arguments."""
    started = []

    def start(text: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", text, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
