"""Prove that one purchase is paid once and nothing is lost: real crashes over the sandbox.

    make prove                          10,000 crash points at each vendor; writes docs/proof.md
    python tools/prove.py --minutes 1   what one minute allows; writes nothing without --write
    python tools/prove.py --seed 7 --history fal/12    one purchase again, told line by line

Ends with 1 where anything was wrong; each such purchase is told with its name.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]  # its own folder stands there already

from proof.plans import VENDORS  # noqa: E402
from proof.purchases import (  # noqa: E402
    TIME_SCALES,
    Order,
    play_one,
    prove_crashes,
    prove_sequences,
    story_of,
    work,
)
from proof.report import write_section  # noqa: E402
from proof.scene import Outcome  # noqa: E402
from proof.tables import CRASHES, SEQUENCES, table  # noqa: E402

REPORT = ROOT / "docs" / "proof.md"
CRASHES_TITLE = "One purchase is paid once, and nothing is lost"
CRASHES_WORDS = (
    "Every line is a sum over purchases. One purchase is the whole `viseme` command in a process "
    "of its own, with faults of the vendor, struck by a real signal, then run, resumed, checked or "
    "cancelled, and struck again, until one last command without faults brings it to its end. What "
    "was charged is counted by the sandbox, not by the ledger."
)
SEQUENCES_TITLE = "Any sequence of the verbs"
SEQUENCES_WORDS = (
    "A Hypothesis state machine: run, run twice at once, resume, check, cancel, resubmit and "
    "discard, each struck or not, with faults set and ended, the sandbox killed and results "
    "deleted between; the same must hold after every rule."
)


def main() -> int:
    options = _options()
    # As Ctrl-C does: what was started is ended, and what was made is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    if options.worker is not None:
        work(json.loads(options.worker), _tell)
        return 0
    seed = _seed_of_today() if options.seed is None else options.seed
    _tell(f"seed {seed}")
    if options.history is not None:
        outcome = play_one(seed, options.history, options.time_scale, options.keep)
        _tell(story_of(outcome))
        return 1 if outcome.wrongs else 0
    vendors = tuple(options.vendors.split(","))
    seconds = options.minutes * 60
    order = Order(seed, options.points, options.sequences, seconds, options.workers, vendors)
    is_good = True
    if order.sequences:
        started = time.monotonic()
        sums = prove_sequences(order, _tell)
        lines = [SEQUENCES_WORDS, "", _facts(seed, started), "", *table(sums, SEQUENCES)]
        is_good = _conclude("sequences", SEQUENCES_TITLE, lines, sums, options.write)
    if order.points:
        started = time.monotonic()
        sums = prove_crashes(order, _tell)
        lines = [CRASHES_WORDS, "", _facts(seed, started), "", *table(sums, CRASHES)]
        is_good &= _conclude("crashes", CRASHES_TITLE, lines, sums, options.write)
    return 0 if is_good else 1


def _conclude(
    part: str, title: str, lines: list[str], sums: dict[str, Outcome], write: bool
) -> bool:
    """Tell the table, write it where that is wanted; whether nothing was wrong."""
    _tell("\n".join(["", *lines]))
    if write:
        write_section(REPORT, part, title, lines)
        _tell(f"\nwritten to {REPORT.relative_to(ROOT)}")
    bad = [name for one in sums.values() for name in one.wrongs]
    idle = [vendor for vendor, one in sums.items() if not one.counts["crash points"]]
    if bad or idle:
        _tell(f"\nWRONG: {', '.join(bad)}{''.join(f'; no crash at {name}' for name in idle)}")
    return not bad and not idle


def _facts(seed: int, started: float) -> str:
    minutes = (time.monotonic() - started) / 60
    return f"Seed {seed}, {minutes:.1f} minutes."


def _seed_of_today() -> int:
    return int(datetime.now(timezone.utc).strftime("%Y%m%d"))


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, metavar="N", help="today's date by default")
    parser.add_argument("--points", type=int, default=10_000, metavar="N", help="at each vendor")
    parser.add_argument("--sequences", type=int, default=300, metavar="N", help="at each vendor")
    parser.add_argument("--minutes", type=float, default=240.0, metavar="M", help="at most")
    parser.add_argument("--workers", type=int, default=3 * (os.cpu_count() or 1), metavar="N")
    parser.add_argument("--vendors", default=",".join(VENDORS))
    parser.add_argument("--write", action="store_true", help="write docs/proof.md")
    parser.add_argument("--history", metavar="VENDOR/N", help="play this one alone")
    parser.add_argument("--time-scale", type=float, default=TIME_SCALES[0], metavar="X")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="its home, where it went wrong")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
