"""Prove what is promised of money and files: real crashes over the sandbox, and more.

    make prove                              all parts at full size; writes docs/proof.md
    python tools/prove.py --minutes 1       what is possible when none takes much longer
    python tools/prove.py --parts claims    one part; writes nothing without --write
    python tools/prove.py --seed 7 --history fal/12    one purchase again, told line by line

The parts are in proof/parts.py. Ends with 1 where anything was wrong; each such purchase is told
with its name.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]  # its own folder stands there already

from proof.claims import claim_all  # noqa: E402
from proof.parts import PARTS, Shown, Sizes  # noqa: E402
from proof.plans import VENDORS  # noqa: E402
from proof.purchases import TIME_SCALES, Order, play_one, story_of, work  # noqa: E402
from proof.report import write_section  # noqa: E402

REPORT = ROOT / "docs" / "proof.md"


def main() -> int:
    options = _options()
    # As Ctrl-C does: what was started is ended, and what was made is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    if options.worker is not None:
        share = json.loads(options.worker)
        (claim_all if share["kind"] == "claims" else work)(share, _tell)
        return 0
    seed = _seed_of_today() if options.seed is None else options.seed
    _tell(f"seed {seed}")
    if options.history or options.crowd:
        name = options.crowd or options.history
        kind = "crowds" if options.crowd else "crashes"
        outcome = play_one(kind, seed, name, options.time_scale, options.keep)
        _tell(story_of(outcome))
        return 1 if outcome.wrongs else 0
    vendors = tuple(options.vendors.split(","))
    order = Order(seed, options.minutes * 60, options.workers, vendors)
    sizes = Sizes(
        options.points,
        options.crowds,
        options.sequences,
        options.claims,
        options.kills,
        options.mutants,
    )
    wrongs: list[str] = []
    for part in options.parts.split(","):
        shown = PARTS[part](order, sizes, _tell)
        wrongs += _conclude(part, shown, options.write)
    return 1 if wrongs else 0


def _conclude(part: str, shown: Shown, report: Path | None) -> list[str]:
    """Tell the table and write it into the report, if any; what was wrong."""
    _tell("\n".join(["", *shown.lines]))
    if report is not None:
        write_section(report, part, shown.title, shown.lines)
        _tell(f"\nwritten to {os.path.relpath(report)}")
    if shown.wrongs:
        _tell(f"\nWRONG: {', '.join(shown.wrongs)}")
    return shown.wrongs


def _seed_of_today() -> int:
    return int(datetime.now(timezone.utc).strftime("%Y%m%d"))


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, metavar="N", help="today's date by default")
    parser.add_argument("--parts", default=",".join(PARTS), help=",".join(PARTS))
    parser.add_argument("--points", type=int, default=10_000, metavar="N", help="at each vendor")
    parser.add_argument("--crowds", type=int, default=1_000, metavar="N", help="points, as above")
    parser.add_argument("--sequences", type=int, default=300, metavar="N", help="at each vendor")
    parser.add_argument("--claims", type=int, default=5_000, metavar="N", help="of each process")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="at most, of claimers")
    parser.add_argument("--mutants", type=int, default=10_000, metavar="N", help="of each kind")
    parser.add_argument(
        "--minutes",
        type=float,
        default=240.0,
        metavar="M",
        help="for each of crashes, crowds, sequences",
    )
    parser.add_argument("--workers", type=int, default=3 * (os.cpu_count() or 1), metavar="N")
    parser.add_argument("--vendors", default=",".join(VENDORS))
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=REPORT,
        metavar="FILE",
        help="write the tables there, or into docs/proof.md",
    )
    parser.add_argument("--history", metavar="VENDOR/N", help="play this one of crashes alone")
    parser.add_argument("--crowd", metavar="VENDOR/N", help="play this one of crowds alone")
    parser.add_argument("--time-scale", type=float, default=TIME_SCALES[0], metavar="X")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="its home, where it went wrong")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
