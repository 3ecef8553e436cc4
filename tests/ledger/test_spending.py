from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from viseme.ledger import DaySpend, Ledger, NewJob, Outcome, Spend, State
from viseme.ledger.spending import Spent, amounts
from viseme.model import Quote, Vendor

Make = Callable[..., NewJob]
ZERO = Decimal(0)
LEAST, MOST, COST = Decimal("0.10"), Decimal("0.25"), Decimal("0.17")


def spent(state: State, **changes: Any) -> Spent:
    values: dict[str, Any] = {
        "vendor": Vendor.FAL,
        "destination": "live",
        "endpoint": "fal-sync",
        "state": state,
        "was_accepted": False,
        "quote_least_usd": LEAST,
        "quote_most_usd": MOST,
        "cost_usd": None,
        "doubtful_count": 0,
    }
    return Spent(**(values | changes))


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (spent(State.PLANNED), (ZERO, ZERO)),
        (spent(State.INTENT), (ZERO, ZERO)),
        (spent(State.SENT), (ZERO, MOST)),
        (spent(State.SENT, doubtful_count=1), (ZERO, MOST)),
        (spent(State.SENT, doubtful_count=2), (ZERO, 2 * MOST)),
        (spent(State.ACCEPTED), (LEAST, MOST)),
        (spent(State.RUNNING), (LEAST, MOST)),
        (spent(State.SUCCEEDED), (LEAST, MOST)),
        (spent(State.FETCHED), (LEAST, MOST)),
        (spent(State.FETCHED, cost_usd=COST), (COST, COST)),
        (spent(State.FAILED), (ZERO, ZERO)),
        (spent(State.FAILED, was_accepted=True), (ZERO, MOST)),
        (spent(State.FAILED, was_accepted=True, cost_usd=ZERO), (ZERO, ZERO)),
        (spent(State.CANCELLING, was_accepted=True), (ZERO, MOST)),
        (spent(State.CANCELLED), (ZERO, ZERO)),
        (spent(State.CANCELLED, was_accepted=True), (ZERO, MOST)),
        (spent(State.UNKNOWN, doubtful_count=1), (ZERO, MOST)),
        (spent(State.UNKNOWN, doubtful_count=2), (ZERO, 2 * MOST)),
        (spent(State.DISCARDED, doubtful_count=1), (ZERO, MOST)),
        (spent(State.FETCHED, doubtful_count=1, cost_usd=COST), (COST, COST + MOST)),
        (spent(State.ACCEPTED, doubtful_count=1), (LEAST, 2 * MOST)),
        (spent(State.ACCEPTED, quote_least_usd=None, quote_most_usd=None), None),
        (spent(State.FETCHED, quote_most_usd=None, cost_usd=COST), (COST, COST)),
        (spent(State.FAILED, quote_most_usd=None), (ZERO, ZERO)),
    ],
    ids=lambda value: value.state.value if isinstance(value, Spent) else None,
)
def test_what_a_job_costs_follows_from_how_it_stands(
    job: Spent, expected: tuple[Decimal, Decimal] | None
) -> None:
    assert amounts(job) == expected


def test_what_is_about_to_be_sent_counts_as_bought() -> None:
    assert amounts(spent(State.INTENT, is_about_to_be_sent=True)) == (LEAST, MOST)
    assert amounts(spent(State.INTENT, is_about_to_be_sent=True, quote_most_usd=None)) is None


def buy(ledger: Ledger, new: NewJob, **columns: Any) -> str:
    record, is_new = ledger.claim(new)
    assert is_new
    ledger.move(record.id, State.INTENT)
    ledger.begin_submission(record.id)
    ledger.end_submission(record.id, 1, Outcome.ACCEPTED, to=State.ACCEPTED)
    ledger.move(record.id, State.SUCCEEDED, **columns)
    return record.id


def test_spending_is_summed_by_vendor_destination_and_endpoint(
    ledger: Ledger, new_job: Make
) -> None:
    buy(ledger, new_job("a"), cost_usd=Decimal("0.1"))
    buy(ledger, new_job("b"), cost_usd=Decimal("0.2"))
    buy(ledger, new_job("c"))
    buy(ledger, new_job("d", destination="sandbox-1"))
    buy(ledger, new_job("e", vendor=Vendor.AIMLAPI, endpoint="x", quote=Quote.unknown("none")))
    ledger.claim(new_job("f"))
    assert ledger.spend() == (
        Spend(Vendor.AIMLAPI, "live", "x", 1, ZERO, ZERO, 1),
        Spend(Vendor.FAL, "live", "fal-sync", 3, Decimal("0.40"), Decimal("0.55"), 0),
        Spend(Vendor.FAL, "sandbox-1", "fal-sync", 1, LEAST, MOST, 0),
    )


def test_spending_counts_from_a_moment(ledger: Ledger, new_job: Make, clock: Any) -> None:
    buy(ledger, new_job("a"))
    clock.pass_seconds(1)
    since = clock.now
    buy(ledger, new_job("b"))
    assert [one.job_count for one in ledger.spend(since)] == [1]
    assert ledger.spend(since + 1) == ()


def test_a_day_is_that_of_one_vendor_and_live_whatever_the_key(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    buy(ledger, new_job("old"), cost_usd=Decimal(100))
    clock.pass_seconds(24 * 3600)
    mine = buy(ledger, new_job("a"), cost_usd=COST)
    buy(ledger, new_job("b", account="other"), cost_usd=COST)
    buy(ledger, new_job("c", vendor=Vendor.RUNWARE))
    buy(ledger, new_job("d", destination="sandbox-1"))
    waiting, _ = ledger.claim(new_job("e"))
    assert ledger.spent_today(Vendor.FAL) == DaySpend(2 * COST, 2 * COST, 0)
    assert ledger.acquire_lease(waiting.id, "here", 60)
    ledger.move(waiting.id, State.INTENT)
    with_intent = DaySpend(2 * COST + LEAST, 2 * COST + MOST, 0)
    assert ledger.spent_today(Vendor.FAL) == with_intent
    without_mine = DaySpend(COST + LEAST, COST + MOST, 0)
    assert ledger.spent_today(Vendor.FAL, without=mine) == without_mine
    in_sandbox = ledger.spent_today(Vendor.FAL, destination="sandbox-1")
    assert in_sandbox == DaySpend(LEAST, MOST, 0)


def test_an_intent_counts_only_while_somebody_works_on_it(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    job, _ = ledger.claim(new_job())
    assert ledger.acquire_lease(job.id, "here", 60)
    ledger.move(job.id, State.INTENT)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(LEAST, MOST, 0)
    clock.pass_seconds(60)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(ZERO, ZERO, 0)


def test_an_intent_of_a_clock_that_was_set_back_does_not_fill_the_cap(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    job, _ = ledger.claim(new_job())
    assert ledger.acquire_lease(job.id, "gone", 60)
    ledger.move(job.id, State.INTENT)
    assert ledger.spent_today(Vendor.FAL).most_usd == MOST
    clock.pass_seconds(-24 * 3600)
    assert ledger.spent_today(Vendor.FAL).most_usd == ZERO


def test_a_doubt_counts_though_its_job_is_left_in_intent(ledger: Ledger, new_job: Make) -> None:
    job, _ = ledger.claim(new_job())
    ledger.move(job.id, State.INTENT)
    ledger.begin_submission(job.id)
    ledger.end_submission(job.id, 1, Outcome.UNKNOWN, to=State.INTENT)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(ZERO, MOST, 0)
    ledger.end_submission(job.id, 1, Outcome.NOT_ARRIVED)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(ZERO, ZERO, 0)


def sent_anew(ledger: Ledger, new: NewJob, first: Outcome | None) -> str:
    """A job whose first submission ended so, about to be sent under another token."""
    job, _ = ledger.claim(new)
    ledger.move(job.id, State.INTENT, request_token="first")
    ledger.begin_submission(job.id)
    if first is Outcome.ACCEPTED:
        ledger.end_submission(job.id, 1, first, to=State.ACCEPTED)
    elif first is not None:
        ledger.end_submission(job.id, 1, first)
    ledger.move(job.id, State.UNKNOWN)
    ledger.move(job.id, State.INTENT, request_token="second")
    return job.id


@pytest.mark.parametrize(
    ("first", "most"),
    [
        (Outcome.UNKNOWN, MOST),
        (None, MOST),
        (Outcome.ACCEPTED, MOST),
        (Outcome.REFUSED, ZERO),
        (Outcome.NOT_ARRIVED, ZERO),
    ],
)
def test_what_a_job_may_have_bought_before_it_is_sent_anew_counts(
    ledger: Ledger, new_job: Make, clock: Any, first: Outcome | None, most: Decimal
) -> None:
    mine = sent_anew(ledger, new_job(), first)
    assert ledger.spent_today(Vendor.FAL, without=mine) == DaySpend(ZERO, most, 0)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(ZERO, most, 0)
    ledger.begin_submission(mine)
    assert ledger.spent_today(Vendor.FAL, without=mine) == DaySpend(ZERO, most, 0)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(ZERO, MOST + most, 0)
    ledger.end_submission(mine, 2, Outcome.ACCEPTED, to=State.ACCEPTED)
    assert ledger.spent_today(Vendor.FAL) == DaySpend(LEAST, MOST + most, 0)
    clock.pass_seconds(24 * 3600)
    assert ledger.spent_today(Vendor.FAL, without=mine) == DaySpend(ZERO, ZERO, 0)


def test_a_task_that_is_sent_again_under_its_own_token_is_not_counted_beside_itself(
    ledger: Ledger, new_job: Make
) -> None:
    job, _ = ledger.claim(new_job())
    ledger.move(job.id, State.INTENT, request_token="first")
    ledger.begin_submission(job.id)
    ledger.end_submission(job.id, 1, Outcome.UNKNOWN, to=State.INTENT)
    assert ledger.spent_today(Vendor.FAL, without=job.id) == DaySpend(ZERO, ZERO, 0)
