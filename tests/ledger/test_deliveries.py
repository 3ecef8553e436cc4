from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from viseme.errors import InputError, LedgerError, TransitionError
from viseme.ledger import (
    VENDOR_ID_TAKEN,
    ItemState,
    Ledger,
    NewItem,
    NewJob,
    Outcome,
    State,
)
from viseme.model import Vendor

Make = Callable[..., NewJob]


@pytest.fixture
def job_id(ledger: Ledger, new_job: Make) -> str:
    return ledger.claim(new_job())[0].id


def test_a_submission_and_the_state_sent_are_one(ledger: Ledger, job_id: str, clock: Any) -> None:
    ledger.move(job_id, State.INTENT, request_token="token", body_digest="body")
    clock.pass_seconds(2)
    submission = ledger.begin_submission(job_id)
    record = ledger.get(job_id)
    assert record.state is State.SENT
    assert record.sent_at == submission.sent_at == clock.now
    assert (submission.number, submission.token, submission.body_digest) == (1, "token", "body")
    assert (submission.outcome, submission.ended_at) == (None, None)


def test_no_submission_begins_without_intent(ledger: Ledger, job_id: str) -> None:
    with pytest.raises(TransitionError):
        ledger.begin_submission(job_id)
    assert ledger.submissions(job_id) == ()


def test_the_end_of_a_submission_moves_the_job_with_it(
    ledger: Ledger, job_id: str, clock: Any
) -> None:
    ledger.move(job_id, State.INTENT)
    ledger.begin_submission(job_id)
    clock.pass_seconds(1)
    record = ledger.end_submission(
        job_id,
        1,
        Outcome.ACCEPTED,
        to=State.ACCEPTED,
        vendor_id="r-1",
        detail="queued",
        vendor_ids={"request_id": "r-1"},
    )
    assert record.state is State.ACCEPTED
    assert record.vendor_ids == {"request_id": "r-1"}
    (submission,) = ledger.submissions(job_id)
    assert (submission.outcome, submission.vendor_id) == (Outcome.ACCEPTED, "r-1")
    assert submission.ended_at == clock.now
    assert ledger.events(job_id)[-1].detail == "queued"


def test_a_forbidden_move_leaves_the_submission_open(ledger: Ledger, job_id: str) -> None:
    ledger.move(job_id, State.INTENT)
    ledger.begin_submission(job_id)
    with pytest.raises(TransitionError):
        ledger.end_submission(job_id, 1, Outcome.ACCEPTED, to=State.FETCHED)
    assert ledger.submissions(job_id)[0].outcome is None


def test_every_attempt_is_kept(ledger: Ledger, job_id: str) -> None:
    ledger.move(job_id, State.INTENT, request_token="one")
    ledger.begin_submission(job_id)
    ledger.end_submission(job_id, 1, Outcome.NOT_ARRIVED, to=State.INTENT)
    ledger.begin_submission(job_id)
    ledger.end_submission(job_id, 2, Outcome.UNKNOWN, to=State.UNKNOWN)
    ledger.move(job_id, State.INTENT, detail="resubmit", request_token="three")
    ledger.begin_submission(job_id)
    ledger.end_submission(job_id, 2, Outcome.ACCEPTED, vendor_id="found later")
    outcomes = [(one.token, one.outcome) for one in ledger.submissions(job_id)]
    assert outcomes == [
        ("one", Outcome.NOT_ARRIVED),
        ("one", Outcome.ACCEPTED),
        ("three", None),
    ]


def test_an_attempt_keeps_what_it_is_found_by_when_the_job_is_sent_anew(
    ledger: Ledger, job_id: str
) -> None:
    bodies = [({"video": "h1"}, {"mode": "loop"}), ({"video": "h2"}, {"mode": "cut"})]
    for hashes, arguments in bodies:
        ledger.update(job_id, media_hashes=hashes, sent_arguments=arguments)
        ledger.move(job_id, State.INTENT)
        number = ledger.begin_submission(job_id).number
        ledger.end_submission(job_id, number, Outcome.UNKNOWN, to=State.UNKNOWN)
    kept = [(one.media_hashes, one.sent_arguments) for one in ledger.submissions(job_id)]
    assert kept == bodies


def sent(ledger: Ledger, new: NewJob) -> str:
    """A job that is SENT; its id."""
    job_id = ledger.claim(new)[0].id
    ledger.move(job_id, State.INTENT)
    ledger.begin_submission(job_id)
    return job_id


def accept(ledger: Ledger, job_id: str, vendor_id: str) -> None:
    ledger.end_submission(
        job_id, 1, Outcome.ACCEPTED, to=State.ACCEPTED, vendor_id=vendor_id, vendor_ids={}
    )


def test_what_was_bought_once_becomes_the_result_of_one_job(ledger: Ledger, new_job: Make) -> None:
    first, second = (sent(ledger, new_job(name)) for name in ("take 1", "take 2"))
    accept(ledger, first, "r-1")
    before = ledger.get(second), ledger.submissions(second), ledger.events(second)
    with pytest.raises(LedgerError, match=first) as raised:
        accept(ledger, second, "r-1")
    assert raised.value.code == VENDOR_ID_TAKEN
    assert (ledger.get(second), ledger.submissions(second), ledger.events(second)) == before
    accept(ledger, second, "r-2")
    assert ledger.vendor_ids(first) == ledger.vendor_ids(second) == {"r-1", "r-2"}


@pytest.mark.parametrize("other", [{"destination": "a sandbox"}, {"vendor": Vendor.RUNWARE}])
def test_an_id_stands_for_one_job_at_each_vendor_and_destination(
    ledger: Ledger, new_job: Make, other: dict[str, Any]
) -> None:
    here, there = sent(ledger, new_job("here")), sent(ledger, new_job("there", **other))
    accept(ledger, here, "r-1")
    assert ledger.vendor_ids(there) == frozenset()
    accept(ledger, there, "r-1")


def test_what_is_in_doubt_is_told_of_one_account_and_endpoint_together(
    ledger: Ledger, new_job: Make
) -> None:
    first, second, ended = (sent(ledger, new_job(name)) for name in ("a", "b", "c"))
    for number, change in enumerate(
        ({"account": "account-2"}, {"endpoint": "fal-pipio"}, {"destination": "a sandbox"})
    ):
        sent(ledger, new_job(f"other {number}", **change))
    ledger.end_submission(second, 1, Outcome.UNKNOWN, to=State.UNKNOWN)
    accept(ledger, ended, "r-1")
    for job_id in (first, ended):
        doubts = ledger.submissions_in_doubt(job_id)
        assert {one.job_id for one in doubts} == {first, second}


def test_a_submission_that_never_began_cannot_end(ledger: Ledger, job_id: str) -> None:
    with pytest.raises(InputError, match="submission 1"):
        ledger.end_submission(job_id, 1, Outcome.ACCEPTED)


def test_items_are_kept_by_number(ledger: Ledger, job_id: str, clock: Any) -> None:
    ledger.set_items(
        job_id,
        [
            NewItem(2, ItemState.EXPECTED),
            NewItem(1, url="https://v/1?sig=x", vendor_id="a"),
        ],
    )
    assert [item.number for item in ledger.items(job_id)] == [1, 2]
    item = ledger.update_item(
        job_id, 1, state=ItemState.FETCHED, path="aa/bb.mp4", digest="d", size_bytes=2**40
    )
    assert item.fetched_at == clock.now
    assert ledger.items(job_id)[0] == item
    assert item.size_bytes == 2**40


def test_a_fetched_item_keeps_its_file_when_the_vendor_is_asked_again(
    ledger: Ledger, job_id: str
) -> None:
    ledger.set_items(job_id, [NewItem(1, url="https://v/1?sig=old")])
    ledger.update_item(job_id, 1, state=ItemState.FETCHED, path="p", digest="d")
    (item,) = ledger.set_items(job_id, [NewItem(1, url="https://v/1?sig=new")])
    assert (item.state, item.path, item.url) == (ItemState.FETCHED, "p", "https://v/1?sig=new")


def test_a_missing_item_says_why_until_it_appears(ledger: Ledger, job_id: str) -> None:
    ledger.set_items(job_id, [NewItem(1, ItemState.MISSING, problem="NSFW")])
    assert ledger.items(job_id)[0].problem == "NSFW"
    (item,) = ledger.set_items(job_id, [NewItem(1, url="https://v/1")])
    assert (item.state, item.problem) == (ItemState.READY, None)


def test_an_item_that_is_not_there_cannot_be_changed(ledger: Ledger, job_id: str) -> None:
    with pytest.raises(InputError, match="result 1"):
        ledger.update_item(job_id, 1, path="p")
    with pytest.raises(InputError, match="number"):
        ledger.update_item(job_id, 1, fence=None, state=ItemState.READY, nonumber=1)


def test_uploads_are_remembered_until_they_are_deleted(
    ledger: Ledger, job_id: str, clock: Any
) -> None:
    upload = ledger.add_upload(
        job_id,
        role="video",
        vendor=Vendor.RUNWARE,
        reference="7f7db46e-7cc7-4c67-88ad-2c6e87380ae2",
        digest="d",
        size_bytes=500_000_000,
        expires_at=clock.now + 86_400_000,
    )
    second = ledger.add_upload(job_id, role="audio", vendor=Vendor.RUNWARE, reference="b")
    assert ledger.uploads(job_id) == (upload, second)
    clock.pass_seconds(5)
    ledger.mark_upload_deleted(upload.id)
    deleted_at = clock.now
    clock.pass_seconds(5)
    ledger.mark_upload_deleted(upload.id)
    assert [one.deleted_at for one in ledger.uploads(job_id)] == [deleted_at, None]


def test_an_upload_that_its_vendor_keeps_is_not_asked_for_for_ever(
    ledger: Ledger, new_job: Make, job_id: str
) -> None:
    """What cannot be deleted would keep what can be from its turn."""
    ended = ledger.claim(new_job("another"))[0].id
    kept, other = (
        ledger.add_upload(ended, role="video", vendor=Vendor.RUNWARE, reference=name)
        for name in ("a_b", "a_b_c")  # one begins like the other
    )
    ledger.move(ended, State.CANCELLED)

    def left() -> set[str]:
        found = ledger.uploads_left(job_id, since=0, most_tries=2, limit=8)
        return {upload.reference for upload in found}

    for upload in (kept, other):
        ledger.note_upload_kept(upload.id, "no answer in time")
    assert left() == {"a_b", "a_b_c"}
    ledger.note_upload_kept(kept.id, "no answer in time")
    assert left() == {"a_b_c"}
    assert [event.detail for event in ledger.events(ended)][-1] == (
        "a_b not deleted: no answer in time"
    )
    ledger.mark_upload_deleted(other.id)
    assert left() == set()
