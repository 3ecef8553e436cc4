"""Every move of a submission, a result, an upload and a lease, in the ledger itself: it is made, or
it is an error and nothing has changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from viseme.errors import InputError, LedgerError, TransitionError
from viseme.ledger import (
    ITEM_MOVES,
    OUTCOMES,
    STALE_FENCE,
    ItemRecord,
    ItemState,
    Lease,
    Ledger,
    NewItem,
    NewJob,
    Outcome,
    State,
)
from viseme.model import Vendor

Make = Callable[..., NewJob]
URL = "https://v/1"


@pytest.fixture
def job_id(ledger: Ledger, new_job: Make) -> str:
    return ledger.claim(new_job())[0].id


def test_the_tables_have_every_state() -> None:
    assert set(OUTCOMES) == {None, *Outcome}
    assert set(ITEM_MOVES) == set(ItemState)


# Submissions: written a second time, as one reads it aloud.


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product([None, *Outcome], Outcome)), ids=str
)
def test_only_an_attempt_that_is_open_or_in_doubt_ends(
    ledger: Ledger, job_id: str, before: Outcome | None, after: Outcome
) -> None:
    ledger.move(job_id, State.INTENT)
    ledger.begin_submission(job_id)
    if before is not None:
        ledger.end_submission(job_id, 1, before, vendor_id="first")
    kept = ledger.submissions(job_id)
    if before in (None, Outcome.UNKNOWN):
        ledger.end_submission(job_id, 1, after, vendor_id="then")
        (ended,) = ledger.submissions(job_id)
        assert (ended.outcome, ended.vendor_id) == (after, "then")
    else:
        with pytest.raises(TransitionError) as raised:
            ledger.end_submission(job_id, 1, after, to=State.UNKNOWN, vendor_id="then")
        assert (raised.value.field, raised.value.value) == ("outcome", after.value)
        assert raised.value.job_id == job_id
        assert ledger.submissions(job_id) == kept
        assert ledger.get(job_id).state is State.SENT


@pytest.mark.parametrize("state", State)
def test_an_attempt_begins_from_intent_alone(ledger: Ledger, new_job: Make, state: State) -> None:
    job_id = _job_in(ledger, new_job, state)
    before = ledger.submissions(job_id)
    begin: list[Callable[[], object]] = [
        lambda: ledger.begin_submission(job_id),
        lambda: ledger.begin_submission_in_turn(job_id, 1),
    ]
    if state is State.INTENT:
        begin[0]()
        assert len(ledger.submissions(job_id)) == len(before) + 1
        return
    for one in begin:
        with pytest.raises(TransitionError):
            one()
    assert ledger.submissions(job_id) == before
    assert ledger.get(job_id).state is state


def _job_in(ledger: Ledger, new_job: Make, state: State) -> str:
    """A job that has come to ``state`` along the shortest way."""
    ways = {
        State.PLANNED: [],
        State.INTENT: [State.INTENT],
        State.FAILED: [State.FAILED],
        State.CANCELLED: [State.CANCELLED],
    }
    sent = [State.INTENT, State.SENT]
    ways |= {State.SENT: sent, State.UNKNOWN: [*sent, State.UNKNOWN]}
    ways |= {State.DISCARDED: [*ways[State.UNKNOWN], State.DISCARDED]}
    ways |= {State.ACCEPTED: [*sent, State.ACCEPTED]}
    for later in (State.RUNNING, State.CANCELLING, State.SUCCEEDED):
        ways[later] = [*ways[State.ACCEPTED], later]
    ways[State.FETCHED] = [*ways[State.SUCCEEDED], State.FETCHED]
    job_id = ledger.claim(new_job())[0].id
    for step in ways[state]:
        ledger.move(job_id, step)
    return job_id


# Results. What a vendor's answer says, and what the one who fetches says; ``None`` is a new one.

BY_AN_ANSWER = {
    None: "EXPECTED READY MISSING",
    "EXPECTED": "EXPECTED READY MISSING",
    "READY": "READY MISSING",
    "MISSING": "READY MISSING",
    "FETCHED": "EXPECTED READY MISSING",  # heard, and it stays FETCHED
}
BY_FETCHING = {
    "EXPECTED": "EXPECTED READY MISSING",
    "READY": "READY FETCHED MISSING",
    "MISSING": "READY MISSING",
    "FETCHED": "READY FETCHED MISSING",
}


def _item_in(ledger: Ledger, job_id: str, state: ItemState | None) -> tuple[ItemRecord, ...]:
    if state is ItemState.FETCHED:
        ledger.set_items(job_id, [NewItem(1, url=URL, vendor_id="v")])
        ledger.update_item(job_id, 1, state=state, path="aa/b.mp4", digest="d")
    elif state is not None:
        ledger.set_items(job_id, [NewItem(1, state, url=URL, vendor_id="v")])
    return ledger.items(job_id)


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product([None, *ItemState], ItemState)), ids=str
)
def test_what_an_answer_says_of_a_result(
    ledger: Ledger, job_id: str, before: ItemState | None, after: ItemState
) -> None:
    kept = _item_in(ledger, job_id, before)
    new = [NewItem(2), NewItem(1, after, url=URL + "?new")]
    if after.value in BY_AN_ANSWER[before and before.value].split():
        ledger.set_items(job_id, new)
        item = ledger.items(job_id)[0]
        assert item.url == URL + "?new"
        assert item.state is (before if before is ItemState.FETCHED else after)
        assert item.path == (kept[0].path if kept else None)
    else:
        with pytest.raises(TransitionError) as raised:
            ledger.set_items(job_id, new)
        assert (raised.value.field, raised.value.value) == ("item", after.value)
        assert raised.value.job_id == job_id
        assert ledger.items(job_id) == kept  # the other one was not written either


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(ItemState, ItemState)), ids=str
)
def test_what_fetching_does_to_a_result(
    ledger: Ledger, job_id: str, before: ItemState, after: ItemState
) -> None:
    kept = _item_in(ledger, job_id, before)
    if after.value in BY_FETCHING[before.value].split():
        item = ledger.update_item(job_id, 1, state=after, path="cc/d.mp4")
        assert (item.state, item.path) == (after, "cc/d.mp4")
    else:
        with pytest.raises(TransitionError) as raised:
            ledger.update_item(job_id, 1, state=after, path="cc/d.mp4")
        assert (raised.value.field, raised.value.value) == ("item", after.value)
        assert before.value in str(raised.value)
        assert ledger.items(job_id) == kept


@pytest.mark.parametrize("before", ItemState)
def test_no_result_is_fetched_without_a_file(
    ledger: Ledger, job_id: str, before: ItemState
) -> None:
    kept = _item_in(ledger, job_id, before)
    with pytest.raises((TransitionError, InputError)):
        ledger.update_item(job_id, 1, state=ItemState.FETCHED, path=None)
    assert ledger.items(job_id) == kept


def test_a_result_that_is_here_keeps_the_address_that_an_answer_leaves_out(
    ledger: Ledger, job_id: str
) -> None:
    kept = _item_in(ledger, job_id, ItemState.FETCHED)
    assert ledger.set_items(job_id, [NewItem(1, ItemState.MISSING)]) == kept


# Uploads


def test_an_upload_is_deleted_once_and_only_where_there_is_one(
    ledger: Ledger, job_id: str, clock: Any
) -> None:
    upload = ledger.add_upload(job_id, role="video", vendor=Vendor.RUNWARE, reference="a")
    with pytest.raises(InputError, match=f"no upload {upload.id + 1}"):
        ledger.mark_upload_deleted(upload.id + 1)
    assert ledger.uploads(job_id) == (upload,)
    ledger.mark_upload_deleted(upload.id)
    (deleted,) = ledger.uploads(job_id)
    clock.pass_seconds(5)
    ledger.mark_upload_deleted(upload.id)
    assert ledger.uploads(job_id) == (deleted,)


# Leases: what holds (nothing, a lease that runs, one that has lapsed, one that was released, one
# that another process has taken over) by what is done with them.

HELD = ("free", "held", "lapsed", "released", "taken over")


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("done", ["acquire", "renew", "release", "write"])
def test_a_lease_gives_its_right_to_one_and_never_comes_back(
    ledger: Ledger, job_id: str, clock: Any, held: str, done: str
) -> None:
    mine, other = _lease_that_is(held, ledger, job_id, clock)
    before = ledger.get(job_id)
    if done == "acquire":
        lease = ledger.acquire_lease(job_id, "c", 30)
        assert (lease is None) == (held in ("held", "taken over"))
        assert ledger.get(job_id).fence == before.fence + (lease is not None)
    elif done == "renew":
        if held in ("held", "lapsed"):
            assert ledger.renew_lease(mine, 30).until == clock.now + 30_000
            assert ledger.get(job_id).is_leased(clock.now)
        else:
            _refuses(lambda: ledger.renew_lease(mine, 30))
            assert ledger.get(job_id) == before
    elif done == "release":
        ledger.release_lease(mine)
        assert ledger.get(job_id).is_leased(clock.now) == (other is not None)
    elif held in ("free", "taken over"):  # a fence that never was, or is no longer, the last
        _refuses(lambda: ledger.update(job_id, deadline_at=1, fence=mine.fence))
        assert ledger.get(job_id) == before
    else:
        # Nobody has had it since: what it still writes is in nobody's way.
        assert ledger.update(job_id, deadline_at=1, fence=mine.fence).deadline_at == 1


def _refuses(write: Callable[[], object]) -> None:
    with pytest.raises(LedgerError) as raised:
        write()
    assert raised.value.code == STALE_FENCE


def _lease_that_is(
    held: str, ledger: Ledger, job_id: str, clock: Any
) -> tuple[Lease, Lease | None]:
    """The lease whose holder acts, and the one of another process, where that has one."""
    if held == "free":
        return Lease(job_id, "a", 1, clock.now + 30_000), None
    mine = ledger.acquire_lease(job_id, "a", 30)
    assert mine is not None
    if held == "released":
        ledger.release_lease(mine)
    elif held in ("lapsed", "taken over"):
        clock.pass_seconds(60)
    return mine, ledger.acquire_lease(job_id, "b", 30) if held == "taken over" else None
