"""The part of the ledger that says what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    String,
    and_,
    cast,
    false,
    func,
    or_,
    select,
    true,
)

from ..model import Vendor
from .records import LONGEST_LEASE_SECONDS, DaySpend, Spend
from .schema import jobs, submissions
from .spending import Spent, sum_by_endpoint, sum_of_day
from .states import Outcome, State
from .store import Store

_DAY_MILLISECONDS = 24 * 60 * 60 * 1000


class Accounts(Store):
    """Costs and quotes, summed."""

    def spend(self, since: int = 0) -> tuple[Spend, ...]:
        """What the jobs sent since then cost, by vendor, destination and endpoint.

        The vendor's own figure where there is one, else the range of the quote; nothing for what
        was refused. A job in doubt, or stopped or failed at the vendor, costs from nothing to its
        quote unless ``cost_usd`` is set. ``since`` is in UTC milliseconds.
        """
        with self._database.read() as connection:
            return sum_by_endpoint(_spent(connection, jobs.c.sent_at >= since))

    def spent_today(
        self,
        vendor: Vendor,
        *,
        destination: str = "live",
        without: str | None = None,
    ) -> DaySpend:
        """What was spent at this vendor in the current UTC day, or is about to, with all its keys.

        A job in INTENT counts with its quote while its lease runs: whoever comes back to one that
        was left alone looks at the caps again. So a cap holds between processes too when it is
        looked at once more after the move to INTENT. ``without`` leaves one's own job out, but for
        what it may have bought today before it was submitted anew, under another token.
        """
        now = self._clock()
        midnight = now // _DAY_MILLISECONDS * _DAY_MILLISECONDS
        is_of_today = or_(jobs.c.sent_at >= midnight, _is_about_to_be_sent(now))
        here = (jobs.c.vendor == vendor.value, jobs.c.destination == destination)
        others = true() if without is None else jobs.c.id != without
        with self._database.read() as connection:
            spent = list(_spent(connection, is_of_today, others, *here, intents_at=now))
            if without is not None:
                spent += _bought_before(connection, without, midnight)
            return sum_of_day(spent)


def _is_about_to_be_sent(now: int) -> ColumnElement[bool]:
    return and_(
        jobs.c.state == State.INTENT.value,
        jobs.c.lease_owner.is_not(None),
        jobs.c.lease_until > now,
        jobs.c.lease_until <= now + LONGEST_LEASE_SECONDS * 1000,  # as ``lease_counts``
    )


# A submission that was accepted counts by its job's own state, unless the job was sent anew.
_MAY_BE_BOUGHT = or_(
    submissions.c.outcome.is_(None),
    submissions.c.outcome == Outcome.UNKNOWN.value,
    and_(
        submissions.c.outcome == Outcome.ACCEPTED.value,
        submissions.c.token != jobs.c.request_token,
    ),
)


# Several tries of one task are one purchase: it is sent again only where it is taken once.
_TASK_COUNT = func.count(
    func.coalesce(submissions.c.token, cast(submissions.c.number, String)).distinct()
)


def _bought_before(connection: Connection, job_id: str, since: int) -> Sequence[Spent]:
    """What a job may have bought since then under other tokens than the one it is sent with."""
    tokens = (
        select(submissions.c.token)
        .join(jobs, jobs.c.id == submissions.c.job_id)
        .where(jobs.c.id == job_id, submissions.c.sent_at >= since, _MAY_BE_BOUGHT)
        .where(submissions.c.token != jobs.c.request_token)
        .distinct()
    )
    count = len(connection.execute(tokens).all())
    return [
        replace(job, state=State.UNKNOWN, cost_usd=None, doubtful_count=1)
        for job in _spent(connection, jobs.c.id == job_id)
        for _ in range(count)
    ]


def _spent(
    connection: Connection, *conditions: ColumnElement[bool], intents_at: int | None = None
) -> Sequence[Spent]:
    """With ``intents_at`` what is about to be sent then counts as bought."""
    doubts = (
        select(submissions.c.job_id, _TASK_COUNT.label("doubtful_count"))
        .join(jobs, jobs.c.id == submissions.c.job_id)
        .where(_MAY_BE_BOUGHT)
        .group_by(submissions.c.job_id)
        .subquery()
    )
    intent = false() if intents_at is None else _is_about_to_be_sent(intents_at)
    query = (
        select(
            jobs,
            func.coalesce(doubts.c.doubtful_count, 0).label("doubtful_count"),
            intent.label("is_about_to_be_sent"),
        )
        .join(doubts, doubts.c.job_id == jobs.c.id, isouter=True)
        .where(*conditions)
    )
    return [_spent_by(row) for row in connection.execute(query)]


def _spent_by(row: Row[Any]) -> Spent:
    least, most, cost = (
        None if text is None else Decimal(text)
        for text in (row.quote_least_usd, row.quote_most_usd, row.cost_usd)
    )
    return Spent(
        vendor=Vendor(row.vendor),
        destination=row.destination,
        endpoint=row.endpoint,
        state=State(row.state),
        was_accepted=row.accepted_at is not None,
        quote_least_usd=least,
        quote_most_usd=most,
        cost_usd=cost,
        doubtful_count=row.doubtful_count,
        is_about_to_be_sent=bool(row.is_about_to_be_sent),
    )
