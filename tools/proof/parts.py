"""The parts of the proof: how each is called, what it says and shows in docs/proof.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .claims import claims_table, prove_claims
from .counting import count, promises_table, run_tests, wrong_promises
from .mutants import mutants_table, prove_mutants, wrong_mutants
from .promises import PROMISES
from .purchases import Order, Tell, prove_crashes, prove_crowds, prove_sequences
from .scene import Outcome
from .tables import CRASHES, CROWD_PEAKS, CROWDS, SEQUENCES, shortfall, table, too_few_kills


@dataclass(frozen=True)
class Sizes:
    """How much of each part is wanted. ``points``, ``crowds`` (points too) and
    ``sequences`` are of each vendor."""

    points: int
    crowds: int
    sequences: int
    claims: int
    kills: int
    mutants: int


@dataclass(frozen=True)
class Shown:
    """``lines`` are the section's; ``wrongs`` is empty where all went well."""

    title: str
    lines: list[str]
    wrongs: list[str]


def show_sequences(order: Order, sizes: Sizes, tell: Tell) -> Shown:
    words = (
        "A Hypothesis state machine: run, run twice at once, resume, check, cancel, resubmit and "
        "discard, each struck or not, with faults set and ended, the sandbox killed and results "
        "deleted between; the same must hold after every rule."
    )
    started = time.monotonic()
    sums = prove_sequences(order, sizes.sequences, tell)
    lines = [words, "", _facts(order, started), "", *table(sums, SEQUENCES)]
    return Shown("Any sequence of the verbs", lines, _wrong_purchases(sums))


def show_crashes(order: Order, sizes: Sizes, tell: Tell) -> Shown:
    words = (
        "Every line is a sum over purchases. One purchase is the whole `viseme` command in a "
        "process of its own, with faults of the vendor, struck by a real signal or by a disk that "
        "is full from that moment on, then run, resumed, checked or cancelled, and struck again, "
        "until one last command without faults brings it to its end. What was charged is counted "
        "by the sandbox, not by the ledger. More processes run than the machine has cores for: of "
        "the times that are promised one and a half times as much is let pass, and more where a "
        "usual command is slow too; the table has what was measured."
    )
    started = time.monotonic()
    sums = prove_crashes(order, sizes.points, tell)
    missing = shortfall(sums, sizes.points)
    wrongs = _wrong_purchases(sums)
    if few := too_few_kills(sums, sizes.points):
        wrongs += [] if missing else few  # where the time was over, it is said and no more
        missing += [f"**Too few real SIGKILLs: {', '.join(few)}.**", ""]
    lines = [words, "", _facts(order, started), "", *missing, *table(sums, CRASHES)]
    return Shown("One purchase is paid once, and nothing is lost", lines, wrongs)


def show_crowds(order: Order, sizes: Sizes, tell: Tell) -> Shown:
    words = (
        "Two to five purchases of the same media in one home, most of them with the same arguments "
        "too, each by a process of its own and some by two, all at the same time and struck in "
        "turns; at last one command for each. Every charge must be of one job, which is here, and "
        "every result have been charged once."
    )
    started = time.monotonic()
    sums = prove_crowds(order, sizes.crowds, tell)
    missing = shortfall(sums, sizes.crowds)
    lines = [words, "", _facts(order, started), "", *missing, *table(sums, CROWDS, CROWD_PEAKS)]
    return Shown("Several purchases at once", lines, _wrong_purchases(sums))


def show_claims(order: Order, sizes: Sizes, tell: Tell) -> Shown:
    words = (
        "Processes claim the same purchases of one new ledger at once, in the same order. Again "
        "and again one that holds leases is killed, the file is checked, the job that it held is "
        "taken over, and a new process goes on where it was."
    )
    tell(f"claims: {sizes.claims:,} by each of {PROCESSES} processes")
    started = time.monotonic()
    found = prove_claims(
        order.seed, processes=PROCESSES, count=sizes.claims, most_kills=sizes.kills
    )
    for wrong in found.wrongs:
        tell(f"  ! {wrong}")
    lines = [words, "", _facts(order, started), "", *claims_table(found)]
    return Shown("One ledger for several processes", lines, ["claims"] if found.wrongs else [])


def show_mutants(order: Order, sizes: Sizes, tell: Tell) -> Shown:
    words = (
        "Small real files of each kind, in two codecs or structures where there are two, with "
        "bits, words, boxes and pieces changed, cut, repeated and swapped: each is probed, decoded "
        "and copied as a file of somebody else's is, in a process with bounds."
    )
    tell(f"mutants: {sizes.mutants:,} of each kind")
    started = time.monotonic()
    tried = prove_mutants(order.seed, sizes.mutants, tell)
    lines = [words, "", _facts(order, started), "", *mutants_table(tried)]
    return Shown("Damaged media are read whole or refused", lines, wrong_mutants(tried))


def show_promises(order: Order, _: Sizes, tell: Tell) -> Shown:
    words = (
        "What is promised beside the other parts: Q1 to Q3 are shown by the crashes and the "
        "sequences, Q4 by the claims, most of S5 by the damaged files. Each number is of cases of "
        "tests that passed; `tools/proof/promises.py` says of which."
    )
    started = time.monotonic()
    cases = run_tests(PROMISES, tell)
    found = count(PROMISES, cases)
    lines = [words, "", _facts(order, started), "", *promises_table(found, cases)]
    return Shown("What else is promised", lines, wrong_promises(found, cases))


PROCESSES = 8
PARTS: Mapping[str, Callable[[Order, Sizes, Tell], Shown]] = {
    "claims": show_claims,
    "mutants": show_mutants,
    "promises": show_promises,
    "sequences": show_sequences,
    "crowds": show_crowds,
    "crashes": show_crashes,
}


def _wrong_purchases(sums: Mapping[str, Outcome]) -> list[str]:
    """What was wrong, and the vendors at which nothing was struck at all."""
    bad = [name for one in sums.values() for name in one.wrongs]
    idle = [vendor for vendor, one in sums.items() if not one.counts["crash points"]]
    return bad + [f"no crash at {vendor}" for vendor in idle]


def _facts(order: Order, started: float) -> str:
    minutes = (time.monotonic() - started) / 60
    return f"Seed {order.seed}, {minutes:.1f} minutes."
