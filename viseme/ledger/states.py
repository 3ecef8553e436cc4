"""The states of a job, of its submissions and of its results, with a table of moves each. Pure.

    PLANNED ─► INTENT ─► SENT ─► ACCEPTED ◄─► RUNNING ─► SUCCEEDED ◄─► FETCHED
                          │          └─► CANCELLING ─► CANCELLED
                          └─► UNKNOWN ─► DISCARDED

Up to INTENT not a byte has left. From SENT until an answer is understood it may or may not have
been bought.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from ..errors import TransitionError


class State(str, Enum):
    """Where a job stands. The value is what the ledger and ``--json`` hold."""

    PLANNED = "PLANNED"  # claimed; media are being conformed and carried
    INTENT = "INTENT"  # the submission is written down; nothing of it was sent
    SENT = "SENT"  # being sent, or sent and its answer not understood yet
    ACCEPTED = "ACCEPTED"  # the vendor has it and named it; it waits there
    RUNNING = "RUNNING"  # the vendor works on it
    SUCCEEDED = "SUCCEEDED"  # the vendor has a result; not every item is here yet
    FETCHED = "FETCHED"  # every item that exists is in the results folder
    FAILED = "FAILED"  # refused, or ended at the vendor without a result
    CANCELLING = "CANCELLING"  # the vendor was asked to stop; it may still succeed
    CANCELLED = "CANCELLED"  # stopped
    UNKNOWN = "UNKNOWN"  # in doubt: it may have been bought
    DISCARDED = "DISCARDED"  # in doubt, and given up by the user


_S = State

TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        _S.PLANNED: frozenset({_S.INTENT, _S.FAILED, _S.CANCELLED}),
        # Back to PLANNED: a crash before sending; the media are carried anew.
        # To UNKNOWN: a resubmission was given up, and the earlier submission is still in doubt.
        _S.INTENT: frozenset({_S.SENT, _S.PLANNED, _S.FAILED, _S.CANCELLED, _S.UNKNOWN}),
        # Back to INTENT: it provably did not arrive, or the vendor de-duplicates.
        _S.SENT: frozenset({_S.ACCEPTED, _S.INTENT, _S.FAILED, _S.UNKNOWN}),
        # To UNKNOWN from here on: the vendor no longer knows its own id.
        _S.ACCEPTED: frozenset(
            {_S.RUNNING, _S.SUCCEEDED, _S.FAILED, _S.CANCELLING, _S.CANCELLED, _S.UNKNOWN}
        ),
        # Back to ACCEPTED: the vendor put it into its queue again.
        _S.RUNNING: frozenset(
            {_S.ACCEPTED, _S.SUCCEEDED, _S.FAILED, _S.CANCELLING, _S.CANCELLED, _S.UNKNOWN}
        ),
        _S.SUCCEEDED: frozenset({_S.FETCHED}),
        # Back to SUCCEEDED: the file is gone and is to be fetched again.
        _S.FETCHED: frozenset({_S.SUCCEEDED}),
        _S.FAILED: frozenset(),
        _S.CANCELLING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.UNKNOWN}),
        _S.CANCELLED: frozenset(),
        # To INTENT: the user submits anew, or the vendor de-duplicates.
        _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.INTENT, _S.FAILED, _S.DISCARDED}),
        _S.DISCARDED: frozenset(),
    }
)

# After these the same command makes a new job; in all others it comes back to this one.
DEAD = frozenset({State.FAILED, State.CANCELLED, State.DISCARDED})

# Nothing more will happen by itself.
ENDED = DEAD | {State.FETCHED}

# The vendor has it and can be asked for it by its own id.
AT_VENDOR = frozenset({State.ACCEPTED, State.RUNNING, State.CANCELLING})


def can_move(current: State, to: State) -> bool:
    return to in TRANSITIONS[current]


def check_move(current: State, to: State, *, job_id: str | None = None) -> None:
    """Raise ``TransitionError`` unless the table has a move from ``current`` to ``to``."""
    if not can_move(current, to):
        allowed = ", ".join(sorted(state.value for state in TRANSITIONS[current])) or "nothing"
        raise TransitionError(
            f"A job that is {current.value} cannot become {to.value}; it can become {allowed}.",
            field="state",
            value=to.value,
            limit=allowed,
            job_id=job_id,
        )


class ItemState(str, Enum):
    """Where one result of a job stands."""

    EXPECTED = "EXPECTED"  # ordered; the vendor has not shown it yet
    READY = "READY"  # the vendor has it; it is not here
    FETCHED = "FETCHED"  # its file is in the results folder
    MISSING = "MISSING"  # the vendor ended without it; ``problem`` says what it said


class Outcome(str, Enum):
    """How one attempt to hand a job to the vendor ended."""

    ACCEPTED = "accepted"  # the vendor named it
    REFUSED = "refused"  # the vendor said no
    NOT_ARRIVED = "not_arrived"  # it provably never reached the vendor
    UNKNOWN = "unknown"  # it may have been bought


# Each attempt ends once; only one in doubt may be ended again, when more is known.
OUTCOMES: Mapping[Outcome | None, frozenset[Outcome]] = MappingProxyType(
    {
        None: frozenset(Outcome),
        Outcome.UNKNOWN: frozenset(Outcome),
        Outcome.ACCEPTED: frozenset(),
        Outcome.REFUSED: frozenset(),
        Outcome.NOT_ARRIVED: frozenset(),
    }
)

_I = ItemState

# The same state again is no move: a vendor that is asked twice says the same twice.
ITEM_MOVES: Mapping[ItemState, frozenset[ItemState]] = MappingProxyType(
    {
        _I.EXPECTED: frozenset({_I.READY, _I.MISSING}),
        # To MISSING and back: a crash on the way, and the vendor says something else when asked.
        _I.READY: frozenset({_I.FETCHED, _I.MISSING}),
        _I.MISSING: frozenset({_I.READY}),
        # The file is gone, and is to be fetched again or is gone at the vendor too.
        _I.FETCHED: frozenset({_I.READY, _I.MISSING}),
    }
)


def check_outcome(
    current: Outcome | None, to: Outcome, *, number: int, job_id: str | None = None
) -> None:
    """Raise ``TransitionError`` unless an attempt that ended as ``current`` may end as ``to``."""
    if current is not None and to not in OUTCOMES[current]:
        raise TransitionError(
            f"Submission {number} has ended as {current.value} and cannot end as {to.value}.",
            field="outcome",
            value=to.value,
            limit="nothing",
            job_id=job_id,
        )


def check_item_move(
    current: ItemState, to: ItemState, *, number: int, job_id: str | None = None
) -> None:
    """Raise ``TransitionError`` unless a result that is ``current`` may be ``to`` from now on."""
    if to is not current and to not in ITEM_MOVES[current]:
        allowed = ", ".join(sorted(state.value for state in ITEM_MOVES[current]))
        raise TransitionError(
            f"Result {number} is {current.value} and cannot become {to.value}; "
            f"it can become {allowed}.",
            field="item",
            value=to.value,
            limit=allowed,
            job_id=job_id,
        )
