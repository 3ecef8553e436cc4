"""The short form of ``make prove``, with a seed of today.

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
    return subprocess.run(command, capture_output=True, text=True, timeout=1200)


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
    ended = prove("--parts", "crashes", "--points", 60, "--minutes", 0.2, "--workers", 3)
    assert_nothing_is_wrong(ended, tell)
    assert all(cells(ended.stdout, "**real SIGKILLs**")), ended.stdout


def test_a_proof_that_the_time_ended_says_how_little_it_tried(tmp_path: Path) -> None:
    report = tmp_path / "proof.md"
    ended = prove(
        *("--parts", "crashes", "--vendors", "fal", "--workers", 1),
        *("--points", 10_000, "--minutes", 0.02, "--write", report),
    )
    points = cells(ended.stdout, "crash points")
    said = f"before all was tried: {points[0]:,} of 10,000 points at fal.**"
    assert points[0] < 10_000
    assert said in ended.stdout
    assert "of 500 SIGKILLs at fal.**" in ended.stdout
    assert said in report.read_text("utf-8")


def test_a_proof_that_tried_all_says_nothing_of_that(tmp_path: Path) -> None:
    ended = prove("--parts", "crashes", "--vendors", "fal", "--workers", 1, "--points", 1)
    assert cells(ended.stdout, "crash points") >= [1]
    assert "before all was tried" not in ended.stdout


def test_no_sequence_of_the_verbs_charges_twice_or_loses_a_result(tell: Tell) -> None:
    ended = prove("--parts", "sequences", "--sequences", 4, "--minutes", 1)
    assert_nothing_is_wrong(ended, tell)


def test_several_purchases_at_once_are_each_paid_once_and_each_have_their_own(tell: Tell) -> None:
    ended = prove("--parts", "crowds", "--crowds", 15, "--minutes", 0.3, "--workers", 2)
    told = ended.stdout
    seed, points = told.splitlines()[0], cells(told, "crash points")
    tell(f"{seed}: {' '.join(map(str, points))} crashes of several purchases at once")
    assert ended.returncode == 0, told + ended.stderr
    assert all(points), told
    assert all(cells(told, "... with their result here")), told
    assert cells(told, "... with their result here") == cells(told, "charges at the end")
    for name in ("charged twice", "paid results lost", "results of several jobs"):
        assert cells(told, f"**{name}**") == [0, 0, 0], told


def test_eight_processes_claim_each_purchase_once_though_holders_are_killed(
    tell: Tell, tmp_path: Path
) -> None:
    report = tmp_path / "proof.md"
    ended = prove("--parts", "claims", "--claims", 150, "--kills", 4, "--write", report)
    told = ended.stdout
    kills = "holders of leases killed with SIGKILL"
    assert cells(told, "... a second (500 wanted; told, not judged)") > [0]
    tell(f"{told.splitlines()[0]}: {cells(told, kills)} claimers killed")
    assert ended.returncode == 0, told + ended.stderr
    assert cells(told, "processes at a time") == [8]
    assert cells(told, kills) > [0]
    for name in ("errors of a lock, or others", "purchases claimed twice", "wrong in any way"):
        assert cells(told, f"**{name}**") == [0], told
    # Proved again, a part takes the place that it had.
    assert prove("--parts", "claims", "--claims", 5, "--write", report).returncode == 0
    written = report.read_text("utf-8")
    assert written.startswith("# Proof\n")
    assert written.count("## One ledger for several processes") == 1
    assert cells(written, "purchases that each claims") == [5]
    facts = r"^\d{4}-\d\d-\d\d\. .+ cores, .+\. Viseme \d.+, Python 3\..+, SQLite 3\..+\.$"
    assert re.search(facts, written, re.MULTILINE)
    assert re.search(r"^Seed \d+, \d+\.\d minutes\.$", written, re.MULTILINE)
