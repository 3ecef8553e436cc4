"""The short form of ``make prove``: real crashes at every vendor, with a seed of today.

``PROOF_SEED`` sets another one; any must pass.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROVE = ROOT / "tools" / "prove.py"
Tell = Callable[[str], None]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def prove(*options: object) -> subprocess.CompletedProcess[str]:
    today = datetime.now(timezone.utc).strftime("%Y%m%d")
    seed = os.environ.get("PROOF_SEED", today)
    command = [sys.executable, str(PROVE), "--seed", seed, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


def cells(table: str, name: str) -> list[int]:
    """The numbers in one line of a table."""
    line = next(line for line in table.splitlines() if f"| {name} |" in line)
    return [int(cell.replace(",", "")) for cell in line.split("|")[2:-1]]


def assert_nothing_is_wrong(ended: subprocess.CompletedProcess[str], tell: Tell) -> None:
    seed, told = ended.stdout.splitlines()[0], ended.stdout
    tell(f"{seed}: {re.sub(r'[|]', ' ', ' '.join(map(str, cells(told, 'crash points'))))} crashes")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for name in ("charged twice", "paid results lost", "sent again while in doubt"):
        assert cells(told, f"**{name}**") == [0, 0, 0], told
    assert all(cells(told, "crash points")), told


def test_crashes_at_random_points_charge_nothing_twice_and_lose_nothing(tell: Tell) -> None:
    ended = prove("--sequences", 0, "--points", 60, "--minutes", 0.3, "--workers", 3)
    assert_nothing_is_wrong(ended, tell)


def test_no_sequence_of_the_verbs_charges_twice_or_loses_a_result(tell: Tell) -> None:
    assert_nothing_is_wrong(prove("--points", 0, "--sequences", 4), tell)
