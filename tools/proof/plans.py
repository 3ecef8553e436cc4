"""What will be done in one history: drawn from a seed, before anything is done. Pure.

A history is one purchase: the same command again and again, verbs between, struck on the way,
with faults of the vendor, and then brought to its end.
"""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from typing import Any

from .crash import Blow

VENDORS = ("fal", "aimlapi", "runware")
ENDPOINTS = {
    "fal": ("fal-sync", "fal-pixverse"),
    "aimlapi": ("aimlapi-pixverse",),
    "runware": ("runware-pixverse",),
}
# By the state that a job is in: from the first call of which function steps are counted (None: from
# the beginning), how many there are, and how often. The moments between sending and understanding
# are few among all steps, and matter most. Each phase goes on into the next: all steps are met.
Phase = tuple["str | None", int, int]
_BEFORE: tuple[Phase, ...] = (
    (None, 1800, 20),
    ("drive", 1900, 20),
    ("begin_submission", 600, 45),
    ("follow", 900, 5),
    ("fetch_results", 1600, 10),
)
_IN_DOUBT: tuple[Phase, ...] = (
    (None, 1800, 16),
    ("drive", 800, 24),
    ("settle", 600, 50),
    ("fetch_results", 1600, 10),
)
_AT_VENDOR: tuple[Phase, ...] = (
    (None, 1800, 20),
    ("drive", 900, 20),
    ("follow", 900, 30),
    ("fetch_results", 1600, 30),
)
PHASES: dict[str, tuple[Phase, ...]] = {
    **dict.fromkeys(("", "PLANNED", "INTENT"), _BEFORE),
    **dict.fromkeys(("SENT", "UNKNOWN"), _IN_DOUBT),
    **dict.fromkeys(("ACCEPTED", "RUNNING", "CANCELLING"), _AT_VENDOR),
    "SUCCEEDED": ((None, 1800, 25), ("drive", 500, 25), ("fetch_results", 1600, 50)),
    "FETCHED": ((None, 500, 100),),
}
VERB_PHASES: dict[str, tuple[Phase, ...]] = {
    "cancel": ((None, 1100, 100),),
    "check": ((None, 1000, 100),),
    "resubmit": ((None, 3000, 40), ("begin_anew", 500, 30), ("begin_submission", 600, 30)),
    "discard": ((None, 400, 100),),
}
# Of a cancel where there is something at the vendor to be stopped.
STOP_PHASES: tuple[Phase, ...] = ((None, 1200, 50), ("stop", 500, 50))
CAN_BE_STOPPED = frozenset({"ACCEPTED", "RUNNING", "CANCELLING"})
COUNTED_FROM = frozenset(
    after
    for phases in (*PHASES.values(), *VERB_PHASES.values(), STOP_PHASES)
    for after, _, _ in phases
    if after is not None
)
MOST_SECONDS = 0.2

# Of all commands. Each takes as long as ten others: some hundreds in a whole proof are enough.
FRESH_SHARE = 0.01
BOX_KILL_SHARE = 0.005

POSTED = ("submit", "status", "result", "list", "upload", "upload-token")


@dataclass(frozen=True, slots=True)
class Fate:
    """How a command is struck: by a signal, or by a disk that is full. ``share`` and ``luck`` in
    [0, 1) choose when, once it is known how the job stands: of the whole time where ``by_clock``,
    else of the steps of one phase."""

    signal_number: int | None
    by_clock: bool
    share: float
    luck: float
    fills_disk: bool = False

    def blow(self, verb: str, state: str, seconds: float) -> Blow:
        """``seconds`` is how long such a command takes about now."""
        if self.signal_number is None and not self.fills_disk:
            return Blow()
        if self.by_clock and not self.fills_disk:
            return self.by_time(seconds)
        step, after = _step_of(_phases(verb, state), self.luck, self.share)
        if self.signal_number is None:
            return Blow(step, after, fills_disk=True)
        return Blow(step, after, signal_number=self.signal_number)

    def by_time(self, seconds: float) -> Blow:
        return Blow(
            seconds=self.share * seconds, signal_number=self.signal_number or signal.SIGKILL
        )

    def of_fresh_process(self, seconds: float) -> Blow:
        """SIGINT would mostly reach a Python that is not there yet."""
        return Blow(seconds=self.share * seconds)


def _phases(verb: str, state: str) -> tuple[Phase, ...]:
    if verb == "cancel" and state in CAN_BE_STOPPED:
        return STOP_PHASES
    return VERB_PHASES.get(verb) or PHASES[state]


def _step_of(phases: tuple[Phase, ...], luck: float, share: float) -> tuple[int, str | None]:
    """A step of one of the phases, and after what it is counted."""
    place = luck * sum(weight for _, _, weight in phases)
    for after, steps, weight in phases:
        place -= weight
        if place < 0:
            return 1 + int(share * steps), after
    raise ValueError("luck is below 1")


@dataclass(frozen=True, slots=True)
class Act:
    """One command. ``faults`` are set before it; with ``twin`` a second process does the same.

    ``box_dies_after``: so many seconds into it the sandbox is killed and started again.
    """

    verb: str
    fate: Fate
    faults: tuple[dict[str, Any], ...] = ()
    twin: Fate | None = None
    is_fresh: bool = False
    box_dies_after: float | None = None
    comes_back: bool = False  # also to a job that is FETCHED


@dataclass(frozen=True, slots=True)
class Plan:
    """``is_hidden``: look-ups show nothing until the very end. ``finish`` is run or resume."""

    vendor: str
    number: int
    endpoint: str
    options: tuple[str, ...]
    settings: dict[str, Any]
    acts: tuple[Act, ...]
    is_hidden: bool
    keeps_payload: bool
    finish: str
    gives_up: bool

    @property
    def name(self) -> str:
        return f"{self.vendor}/{self.number}"


def make_plan(seed: int, vendor: str, number: int) -> Plan:
    """The history with this number: the same for the same seed, always."""
    draw = random.Random(f"{seed}/{vendor}/{number}")  # noqa: S311 - chance, not secrecy
    endpoint = draw.choice(ENDPOINTS[vendor])
    keeps_payload = vendor != "fal" or draw.random() > 0.04
    is_hidden = draw.random() < 0.12
    visibility = draw.choice((0, 0, 0.5, 1.0))
    settings: dict[str, Any] = {
        "listing_visibility": dict.fromkeys(VENDORS, visibility),
        "lease_seconds": 5,
        "poll_outage_seconds": draw.choice((0.2, 2)),
        "submit_timeout_seconds": draw.choice((0.25, 5)),
        "download_timeout_seconds": 5,
        "max_download_bytes": 5_000_000,
    }
    acts = tuple(_act(draw, vendor, place) for place in range(draw.randint(2, 16)))
    return Plan(
        vendor,
        number,
        endpoint,
        _options(draw, vendor, keeps_payload=keeps_payload),
        settings,
        acts,
        is_hidden,
        keeps_payload,
        finish=draw.choice(("run", "resume")),
        gives_up=draw.random() < 0.3,
    )


def _options(draw: random.Random, vendor: str, *, keeps_payload: bool) -> tuple[str, ...]:
    words: list[str] = []
    if vendor == "fal":
        words += ["--carry", draw.choice(("inline", "inline", "upload"))]
        if not keeps_payload:
            words += ["--set", "store_io=false"]
        if draw.random() < 0.2:
            words += ["--set", "logs=false"]
    if vendor == "runware" and draw.random() < 0.25:
        words += ["--set", "numberResults=2"]
    return tuple(words)


def _act(draw: random.Random, vendor: str, place: int) -> Act:
    verb = "run" if place == 0 else draw.choices(*_VERBS)[0]
    is_fresh = draw.random() < FRESH_SHARE
    twin = _fate(draw) if draw.random() < 0.08 else None
    return Act(
        verb,
        _fate(draw),
        _faults(draw, vendor) if draw.random() < 0.6 else (),
        twin,
        is_fresh,
        draw.uniform(0, MOST_SECONDS) if draw.random() < BOX_KILL_SHARE else None,
        draw.random() < 0.1,
    )


_VERBS = (
    ("run", "resume", "check", "cancel", "resubmit", "discard"),
    (50, 20, 12, 10, 4, 4),
)


def _fate(draw: random.Random) -> Fate:
    kind = draw.random()
    by_clock, share, luck = draw.random() < 0.35, draw.random(), draw.random()
    if kind < 0.03:
        return Fate(None, by_clock, share, luck)
    if kind < 0.10:
        return Fate(None, by_clock, share, luck, fills_disk=True)
    return Fate(signal.SIGINT if kind < 0.19 else signal.SIGKILL, by_clock, share, luck)


def _faults(draw: random.Random, vendor: str) -> tuple[dict[str, Any], ...]:
    number = draw.choice((1, 1, 1, 2, 3))
    found = [draw_fault(draw, vendor, FAULTS) for _ in range(number)]
    if draw.random() < 0.4:  # what happens to a submission matters most
        found[0] = draw_fault(draw, vendor, SUBMIT_FAULTS)
    return tuple(found)


def draw_fault(draw: random.Random, vendor: str, kinds: tuple[FaultKind, ...]) -> dict[str, Any]:
    name, operations, seconds = draw.choice(kinds)
    document: dict[str, Any] = {"name": name, "vendor": vendor, "count": draw.choice((1, 1, 2, 4))}
    if operations:
        document["operation"] = draw.choice(operations)
    if seconds:
        document["seconds"] = draw.choice(seconds)
    return document


# Name, the operations one of which it strikes (none: its own), the seconds one of which it takes.
FaultKind = tuple[str, tuple[str, ...], tuple[float, ...]]
SUBMIT_FAULTS: tuple[FaultKind, ...] = (
    ("drop-before-accept", ("submit",), ()),
    ("drop-after-accept", ("submit",), ()),
    ("drop-after-accept", ("submit",), ()),
    ("answer-late", ("submit",), (0.05, 0.35)),
    ("stall", ("submit",), (0.05, 0.35)),
    *((name, ("submit",), ()) for name in ("503", "500", "truncate", "lie-length", "html-200")),
    ("429", ("submit",), (0.0,)),
)
FAULTS: tuple[FaultKind, ...] = (
    ("drop-before-accept", ("submit", "submit", *POSTED), ()),
    ("drop-after-accept", ("submit", "submit", "submit", *POSTED), ()),
    ("stall", ("submit", *POSTED, "download", "cancel"), (0.05, 0.35)),
    ("answer-late", ("submit", "submit", *POSTED, "cancel"), (0.05, 0.35)),
    ("429", ("submit", *POSTED, "download"), (0.0,)),
    ("503", ("submit", "submit", *POSTED, "download", "cancel"), ()),
    ("500", ("submit", *POSTED, "download", "cancel"), ()),
    ("truncate", ("download", "submit", "status"), ()),
    ("lie-length", ("download", "submit", "status"), ()),
    ("redirect", ("download", "submit", "status"), ()),
    ("expire-url", (), ()),
    ("slow-queue", (), (0.2,)),
    ("job-fails", (), ()),
    ("reject-content", (), ()),
    ("no-credit", (), ()),
    ("bad-key", ("submit", "status", "list"), ()),
    ("cancel-ignored", (), ()),
    ("lookup-hidden", (), ()),
    ("lookup-late", (), (0.2, 0.8)),
    ("partial-results", (), ()),
    ("endless-body", ("download", "download", "download", "submit"), ()),
    ("html-200", ("download", "submit", "status", "list"), ()),
    ("wrong-type", ("download", "submit", "status"), ()),
)
