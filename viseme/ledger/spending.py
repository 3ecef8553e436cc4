"""What jobs cost, known or possible. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..model import Vendor
from .records import DaySpend, Spend
from .states import State


@dataclass(frozen=True, slots=True)
class Spent:
    """What is needed of one job. ``doubtful_count`` counts its submissions that may have been
    bought and that its state says nothing of: those in doubt, and those before it was sent anew.

    ``is_about_to_be_sent``: its INTENT is of a process that works on it.
    """

    vendor: Vendor
    destination: str
    endpoint: str
    state: State
    was_accepted: bool
    quote_least_usd: Decimal | None
    quote_most_usd: Decimal | None
    cost_usd: Decimal | None
    doubtful_count: int
    is_about_to_be_sent: bool = False


_BOUGHT = frozenset({State.ACCEPTED, State.RUNNING, State.SUCCEEDED, State.FETCHED})
_DOUBTFUL = frozenset({State.SENT, State.UNKNOWN, State.DISCARDED, State.CANCELLING})
# A vendor may charge for a job that it stopped or that failed on its machines.
_MAYBE_CHARGED_IF_ACCEPTED = frozenset({State.FAILED, State.CANCELLED})


def amounts(job: Spent) -> tuple[Decimal, Decimal] | None:
    """Least and most that one job costs, in US dollars; ``None`` where nobody knows.

    The vendor's own figure counts where there is one. A job that was refused, or never sent,
    costs nothing; one that is about to be sent counts as bought. A submission left in doubt before
    another one may cost the quote once more.
    """
    nothing = Decimal(0)
    maybe = job.state in _DOUBTFUL or (job.state in _MAYBE_CHARGED_IF_ACCEPTED and job.was_accepted)
    earlier_doubts = job.doubtful_count
    if job.state in {State.SENT, State.UNKNOWN, State.DISCARDED}:  # it is itself one of them
        earlier_doubts -= 1
    earlier_doubts = max(0, earlier_doubts)
    needs_quote = earlier_doubts > 0
    if job.cost_usd is not None:
        least = most = job.cost_usd
    elif maybe or job.state in _BOUGHT or job.is_about_to_be_sent:
        needs_quote = True
        least = nothing if maybe else job.quote_least_usd or nothing
        most = job.quote_most_usd or nothing
    else:
        least = most = nothing
    if needs_quote and job.quote_most_usd is None:
        return None
    return least, most + earlier_doubts * (job.quote_most_usd or nothing)


def sum_by_endpoint(jobs: Iterable[Spent]) -> tuple[Spend, ...]:
    """One ``Spend`` for each vendor, destination and endpoint, in that order."""
    groups: dict[tuple[Vendor, str, str], list[Spent]] = defaultdict(list)
    for job in jobs:
        groups[(job.vendor, job.destination, job.endpoint)].append(job)
    return tuple(_sum(*key, groups[key]) for key in sorted(groups))


def sum_of_day(jobs: Iterable[Spent]) -> DaySpend:
    """All together."""
    pairs = [amounts(job) for job in jobs]
    known = [pair for pair in pairs if pair is not None]
    return DaySpend(
        least_usd=sum((least for least, _ in known), Decimal(0)),
        most_usd=sum((most for _, most in known), Decimal(0)),
        unknown_count=len(pairs) - len(known),
    )


def _sum(vendor: Vendor, destination: str, endpoint: str, jobs: list[Spent]) -> Spend:
    known = [pair for pair in map(amounts, jobs) if pair is not None]
    return Spend(
        vendor=vendor,
        destination=destination,
        endpoint=endpoint,
        job_count=len(jobs),
        least_usd=sum((least for least, _ in known), Decimal(0)),
        most_usd=sum((most for _, most in known), Decimal(0)),
        unknown_count=len(jobs) - len(known),
    )
