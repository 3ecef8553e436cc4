from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from viseme.errors import LedgerError
from viseme.ledger import (
    LONGEST_LEASE_SECONDS,
    STALE_FENCE,
    ItemState,
    Ledger,
    NewItem,
    NewJob,
    Outcome,
    State,
)
from viseme.settings import Settings

Make = Callable[..., NewJob]


@pytest.fixture
def job_id(ledger: Ledger, new_job: Make) -> str:
    return ledger.claim(new_job())[0].id


def test_one_process_at_a_time(ledger: Ledger, job_id: str, clock: Any) -> None:
    lease = ledger.acquire_lease(job_id, "host:1", 30)
    assert lease is not None
    assert (lease.fence, lease.until) == (1, clock.now + 30_000)
    assert ledger.acquire_lease(job_id, "host:2", 30) is None
    assert ledger.acquire_lease(job_id, "host:1", 30) is None
    assert ledger.get(job_id).is_leased(clock.now)


def test_a_lease_ends_by_release_and_by_time(ledger: Ledger, job_id: str, clock: Any) -> None:
    first = ledger.acquire_lease(job_id, "a", 30)
    assert first is not None
    ledger.release_lease(first)
    assert not ledger.get(job_id).is_leased(clock.now)
    second = ledger.acquire_lease(job_id, "b", 30)
    assert second is not None
    clock.pass_seconds(29)
    assert ledger.acquire_lease(job_id, "c", 30) is None
    second = ledger.renew_lease(second, 30)
    clock.pass_seconds(29)
    assert ledger.acquire_lease(job_id, "c", 30) is None
    clock.pass_seconds(1)
    third = ledger.acquire_lease(job_id, "c", 30)
    assert third is not None
    assert [first.fence, second.fence, third.fence] == [1, 2, 3]


def test_whoever_was_too_slow_can_write_nothing(ledger: Ledger, job_id: str, clock: Any) -> None:
    slow = ledger.acquire_lease(job_id, "slow", 30)
    assert slow is not None
    ledger.move(job_id, State.INTENT, fence=slow.fence)
    clock.pass_seconds(60)
    quick = ledger.acquire_lease(job_id, "quick", 30)
    assert quick is not None
    ledger.set_items(job_id, [NewItem(1)], fence=quick.fence)
    before = ledger.get(job_id)
    writes: list[Callable[[], object]] = [
        lambda: ledger.move(job_id, State.SENT, fence=slow.fence),
        lambda: ledger.update(job_id, deadline_at=1, fence=slow.fence),
        lambda: ledger.begin_submission(job_id, fence=slow.fence),
        lambda: ledger.end_submission(job_id, 1, Outcome.REFUSED, fence=slow.fence),
        lambda: ledger.set_items(job_id, [NewItem(2)], fence=slow.fence),
        lambda: ledger.update_item(job_id, 1, state=ItemState.FETCHED, fence=slow.fence),
        lambda: ledger.renew_lease(slow, 30),
    ]
    for write in writes:
        with pytest.raises(LedgerError) as raised:
            write()
        assert raised.value.code == STALE_FENCE
        assert "quick" in str(raised.value)
        assert raised.value.job_id == job_id
    ledger.release_lease(slow)
    assert ledger.get(job_id) == before
    assert len(ledger.items(job_id)) == 1
    ledger.begin_submission(job_id, fence=quick.fence)


def test_a_released_lease_cannot_be_renewed(ledger: Ledger, job_id: str) -> None:
    lease = ledger.acquire_lease(job_id, "a", 30)
    assert lease is not None
    ledger.release_lease(lease)
    with pytest.raises(LedgerError, match="released"):
        ledger.renew_lease(lease, 30)


def test_a_lease_that_a_clock_set_back_left_behind_holds_nobody_up(
    ledger: Ledger, job_id: str, clock: Any
) -> None:
    clock.pass_seconds(86_400)
    lost = ledger.acquire_lease(job_id, "elsewhere/1", LONGEST_LEASE_SECONDS)
    assert lost is not None
    clock.pass_seconds(-86_400)
    assert not ledger.get(job_id).is_leased(clock.now)
    taken = ledger.acquire_lease(job_id, "here/2", 30)
    assert taken is not None
    assert ledger.get(job_id).is_leased(clock.now)
    assert ledger.acquire_lease(job_id, "here/3", 30) is None
    with pytest.raises(LedgerError) as raised:
        ledger.renew_lease(lost, 30)
    assert raised.value.code == STALE_FENCE


def test_whoever_lives_keeps_a_lease_by_renewing_it_after_the_clock_was_set_back(
    ledger: Ledger, job_id: str, clock: Any
) -> None:
    lease = ledger.acquire_lease(job_id, "a", 30)
    assert lease is not None
    clock.pass_seconds(-3600)
    ledger.renew_lease(lease, 30)
    assert ledger.get(job_id).is_leased(clock.now)
    assert ledger.acquire_lease(job_id, "b", 30) is None


@pytest.mark.parametrize("seconds", [-1, LONGEST_LEASE_SECONDS + 0.001, 3600])
def test_no_lease_is_given_for_longer_than_one_counts(
    ledger: Ledger, job_id: str, seconds: float
) -> None:
    with pytest.raises(ValueError, match="up to 60 s"):
        ledger.acquire_lease(job_id, "a", seconds)
    lease = ledger.acquire_lease(job_id, "a", LONGEST_LEASE_SECONDS)
    assert lease is not None
    with pytest.raises(ValueError, match="up to 60 s"):
        ledger.renew_lease(lease, seconds)
    assert ledger.acquire_lease(job_id, "b", 30) is None


def test_a_setting_gives_no_lease_for_longer_either() -> None:
    longest = {"lease_seconds": LONGEST_LEASE_SECONDS}
    assert Settings.model_validate(longest).lease_seconds == LONGEST_LEASE_SECONDS
    with pytest.raises(ValueError, match="lease_seconds"):
        Settings.model_validate({"lease_seconds": LONGEST_LEASE_SECONDS + 1})


def test_nothing_is_sent_under_a_lease_that_lapsed_after_the_caps_were_looked_at(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    """Its intent counted for nothing meanwhile: others may have spent what it was let through for.

    Renewed, it may ask again.
    """
    job, _ = ledger.claim(new_job())
    lease = ledger.acquire_lease(job.id, "stands still", 30)
    assert lease is not None
    ledger.move(job.id, State.INTENT, fence=lease.fence)
    clock.pass_seconds(31)
    assert ledger.begin_submission_in_turn(job.id, 8, fence=lease.fence) is None
    assert ledger.get(job.id).state is State.INTENT
    ledger.renew_lease(lease, 30)
    assert ledger.begin_submission_in_turn(job.id, 8, fence=lease.fence) is not None
