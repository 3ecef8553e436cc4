"""What to do with what a vendor says of a job in doubt. Pure.

A submission is in doubt when it was sent and no answer was understood. It is never sent again
unless that buys nothing new; a vendor's list that does not show it proves absence only where the
vendor says so, and only after the list has had time to show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..services.base import Acceptance, Finding


class Verdict(Enum):
    """What follows from a look-up."""

    FOUND = "found"  # it was accepted: go on with it
    NOT_YET = "not yet known"  # look again later
    ABSENT = "absent"  # it provably never arrived: it may be sent
    UNKNOWN = "unknown"  # nobody can tell: the user decides


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, its reason, and the vendor's ids where it is FOUND."""

    verdict: Verdict
    reason: str
    acceptance: Acceptance | None = None


def decide(
    finding: Finding | None,
    *,
    seconds_since_sent: float,
    visibility_seconds: float,
    doubt_count: int = 1,
) -> Decision:
    """The verdict on one look-up; ``finding`` None is a look-up that failed.

    ``visibility_seconds`` is how long a vendor may take to list what it accepted. ``doubt_count``
    is how many submissions of ours the matches may be of, this one among them: as many takes of
    one purchase are alike, and each may have any of them.
    """
    is_visible_by_now = seconds_since_sent >= visibility_seconds
    if finding is None:
        return (
            Decision(Verdict.UNKNOWN, "the vendor's list cannot be read")
            if is_visible_by_now
            else Decision(Verdict.NOT_YET, "the vendor's list cannot be read yet")
        )
    if 1 <= len(finding.matches) <= max(1, doubt_count):
        return Decision(Verdict.FOUND, "the vendor has it", finding.matches[0])
    if len(finding.matches) > 1:
        return Decision(
            Verdict.UNKNOWN, f"the vendor lists {len(finding.matches)} jobs that fit this one"
        )
    if not is_visible_by_now:
        return Decision(Verdict.NOT_YET, "the vendor does not list it yet")
    if finding.absence_is_proof:
        return Decision(Verdict.ABSENT, "the vendor knows no such job")
    return Decision(
        Verdict.UNKNOWN, "the vendor does not list it, which does not prove that it has none"
    )
