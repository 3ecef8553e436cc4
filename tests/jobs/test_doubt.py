"""What follows when answers are lost, ids are forgotten, or keys change: never a second charge
that nobody asked for, never another job's result."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from viseme.jobs.deliver import number_results
from viseme.ledger import ItemState, Outcome, State
from viseme.model import ResultItem

ENDPOINT = {"fal": "fal-sync", "aimlapi": "aimlapi-pixverse", "runware": "runware-pixverse"}
Wish = Callable[..., tuple[object, ...]]
NO_WAIT = {"fal": 0, "aimlapi": 0, "runware": 0}


@pytest.fixture
def wish(clip: Path, speech: Path) -> Wish:
    """The words of a run at one vendor, with JSON."""

    def words(vendor: str, box: Any, *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", ENDPOINT[vendor], *media, "--sandbox", box.control, "--json", *more)

    return words


@pytest.fixture
def box(unhurried_sandbox: Any) -> Any:
    return unhurried_sandbox


def await_state(command: Any, *states: str) -> None:
    end = time.monotonic() + 20
    while not (found := command.states()) or found[0] not in states:
        assert time.monotonic() < end, found
        time.sleep(0.02)


def test_a_refusal_after_a_lost_answer_does_not_end_what_was_bought(
    quick: Any, box: Any, wish: Wish
) -> None:
    box.fault("drop-after-accept", count=1)
    running = quick.start(*wish("runware", box))
    box.await_charge()
    box.fault("no-credit", operation="submit", count=1)
    ended = running.ended()
    again = quick(*wish("runware", box))
    assert (ended.code, again.code) == (0, 0), ended
    assert len(box.charges()) == 1


@pytest.mark.parametrize("carry", ["inline", "upload"])
@pytest.mark.parametrize("fault", ["no-credit", "429", "drop-before-accept"])
def test_what_was_bought_first_is_found_after_a_resubmission_that_bought_nothing(
    quick: Any, box: Any, wish: Wish, fault: str, carry: str
) -> None:
    """What is uploaded anew has another address: the first is looked for by its own."""
    quick.settings(listing_visibility=NO_WAIT)
    words = wish("fal", box, "--carry", carry)
    box.fault("drop-after-accept", count=1)
    box.fault("lookup-hidden")
    assert quick(*words).code == 5
    job_id = quick.job_id()
    seconds = {"seconds": 0} if fault == "429" else {}
    box.fault(fault, operation="submit", count=3 if fault == "429" else 1, **seconds)
    assert quick("resubmit", job_id, "--sandbox", box.control, "--json").code == 5
    assert quick.states() == ["UNKNOWN"]
    assert quick(*words).code == 5
    box.end_faults()
    time.sleep(1.5)  # until the job has ended there and is listed
    found = quick(*words)
    assert found.code == 0, found
    (charge,) = box.charges()
    assert found.document["id"] == job_id
    assert found.document["vendor_ids"]["request_id"] == charge["vendor_id"]


def test_a_job_that_the_vendor_has_forgotten_is_not_bought_again_by_itself(
    quick: Any, box: Any, wish: Wish
) -> None:
    quick.settings(listing_visibility=NO_WAIT)
    box.fault("slow-queue", seconds=60)
    running = quick.start(*wish("runware", box))
    await_state(quick, "ACCEPTED", "RUNNING")
    running.kill()
    box.reset()
    for _ in range(2):
        ended = quick(*wish("runware", box))
        assert ended.code == 5, ended
        assert quick.states() == ["UNKNOWN"]
    assert box.charges() == []
    assert box.calls("submit") == []


def test_a_job_cancelled_while_it_is_attached_to_is_not_bought_anew(
    quick: Any, box: Any, wish: Wish
) -> None:
    box.fault("slow-queue", seconds=60, count=1)
    running = quick.start(*wish("fal", box))
    await_state(quick, "ACCEPTED")
    running.kill()
    attached = quick.start(*wish("fal", box))
    asked = len(box.calls("status"))
    end = time.monotonic() + 10
    while len(box.calls("status")) < asked + 2 and time.monotonic() < end:
        time.sleep(0.02)
    quick("cancel", quick.job_id(), "--sandbox", box.control)
    assert attached.ended().code == 4
    assert quick.states() == ["CANCELLED"]
    assert len(box.calls("submit")) == 1


def test_the_same_media_with_other_arguments_are_another_job(
    quick: Any, box: Any, wish: Wish
) -> None:
    quick.settings(listing_visibility=NO_WAIT)
    box.fault("drop-before-accept", count=1)
    assert quick(*wish("fal", box, "--set", "sync_mode=loop")).code == 5
    never_bought = quick.job_id()
    box.fault("drop-after-accept", count=1)
    box.fault("lookup-hidden", count=1)
    assert quick(*wish("fal", box, "--set", "sync_mode=bounce")).code == 5
    bought = quick.job_id()
    box.await_charge()
    time.sleep(1.5)  # until the job has ended there and is listed
    assert quick("check", never_bought, "--sandbox", box.control, "--json").code == 5
    found = quick("resume", bought, "--sandbox", box.control, "--json")
    assert found.code == 0, found
    assert found.document["vendor_ids"]["request_id"] == box.charges()[0]["vendor_id"]


def test_a_task_that_was_sent_twice_is_counted_once(quick: Any, box: Any, wish: Wish) -> None:
    box.fault("drop-after-accept", count=1)
    assert quick(*wish("runware", box)).code == 0
    (charge,) = box.charges()
    (row,) = quick("spend", "--json").document["spend"]
    assert Decimal(row["least_usd"]) == Decimal(row["most_usd"]) == Decimal(charge["usd"])


def leave_in_doubt(quick: Any, box: Any, wish: Wish) -> str:
    """Buy at Runware with the answer lost and nothing to be found; the job's id."""
    quick.settings(listing_visibility=NO_WAIT)
    box.fault("drop-after-accept")
    box.fault("lookup-hidden")
    assert quick(*wish("runware", box)).code == 5
    box.end_faults()
    return str(quick.job_id())


def test_uploads_of_a_failed_job_are_deleted_too(quick: Any, box: Any, wish: Wish) -> None:
    box.fault("job-fails", count=1)
    assert quick(*wish("runware", box)).code == 4
    with quick.ledger() as ledger:
        uploads = ledger.uploads(quick.job_id())
    assert len(uploads) == 2
    assert all(upload.deleted_at is not None for upload in uploads)


def test_uploads_of_a_job_that_was_given_up_are_deleted_with_the_next_result(
    quick: Any, box: Any, wish: Wish
) -> None:
    given_up = leave_in_doubt(quick, box, wish)
    assert quick("discard", given_up).code == 0
    assert quick(*wish("runware", box)).code == 0
    with quick.ledger() as ledger:
        uploads = [upload for job in ledger.list() for upload in ledger.uploads(job.id)]
    assert len(uploads) == 4
    assert all(upload.deleted_at is not None for upload in uploads)


def test_a_kill_while_uploads_are_deleted_leaves_them_to_be_deleted_by_the_next_command(
    quick: Any, box: Any, wish: Wish
) -> None:
    box.fault("slow-queue", seconds=2)
    running = quick.start(*wish("runware", box))
    box.await_call("status")
    box.fault("stall", operation="upload", seconds=20)  # one call is for both

    def has_only_to_delete() -> bool:
        with quick.ledger() as ledger:
            [job] = ledger.list()
            states = {item.state for item in ledger.items(job.id)}
        return job.state is State.SUCCEEDED and states == {ItemState.FETCHED}

    wait_for(has_only_to_delete)
    running.kill()
    box.end_faults()
    with quick.ledger() as ledger:
        assert all(upload.deleted_at is None for upload in ledger.uploads(quick.job_id()))
    assert quick("resume", quick.job_id()).code == 0
    with quick.ledger() as ledger:
        left = ledger.uploads(quick.job_id())
    assert len(left) == 2
    assert all(upload.deleted_at is not None for upload in left)
    assert len(box.charges()) == 1


def test_a_ledger_that_cannot_note_what_became_of_an_upload_costs_no_result(
    quick: Any, box: Any, wish: Wish, caplog: pytest.LogCaptureFixture
) -> None:
    assert quick("jobs").code == 0
    with contextlib.closing(sqlite3.connect(quick.home / "ledger.sqlite3")) as database:
        refuse = "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        database.execute(f"CREATE TRIGGER deleted BEFORE UPDATE OF deleted_at ON uploads {refuse}")
        database.commit()
    ended = quick(*wish("runware", box))
    assert ended.code == 0, ended
    assert len(ended.document["files"]) == 1
    assert "It is not written down whether" in caplog.text


def test_uploads_of_a_job_that_may_still_run_are_left_alone(
    quick: Any, box: Any, wish: Wish
) -> None:
    in_doubt = leave_in_doubt(quick, box, wish)
    assert quick(*wish("runware", box, "--take", 2)).code == 0
    with quick.ledger() as ledger:
        assert all(upload.deleted_at is None for upload in ledger.uploads(in_doubt))


def test_why_an_answer_was_lost_stands_among_the_events(quick: Any, box: Any, wish: Wish) -> None:
    box.fault("drop-after-accept", count=1)
    quick(*wish("aimlapi", box))
    with quick.ledger() as ledger:
        told = [event.detail or "" for event in ledger.events(quick.job_id())]
    assert any("lost" in text for text in told), told


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_job_that_is_cancelled_before_it_is_sent_is_never_sent(
    quick: Any, box: Any, wish: Wish, vendor: str
) -> None:
    """Two of these vendors cannot cancel: to wait until they have it would be to buy it."""
    first = None
    more: tuple[object, ...] = ("--carry", "upload")
    if vendor == "aimlapi":  # it takes no uploads; what is waited for is a place among its jobs
        quick.settings(concurrency={"aimlapi": 1})
        box.fault("stall", operation="submit", seconds=3, count=1)
        first = quick.start(*wish(vendor, box, "--take", 2))
        await_state(quick, "SENT")
        more = ()
    else:
        box.fault("stall", operation="upload", seconds=2)
    running = quick.start(*wish(vendor, box, *more))
    wait_for(lambda: quick.states()[:1] in (["PLANNED"], ["INTENT"]))
    ended = quick("cancel", quick.job_id(), "--sandbox", box.control, "--json")
    assert ended.code == 0, ended
    stopped = running.ended()
    assert stopped.code == 4, stopped
    assert "before it was sent" in stopped.error["message"]
    assert quick.states()[0] == "CANCELLED"
    if first is None:
        assert box.calls("submit") == []
    else:
        assert first.ended().code == 0
        assert len(box.charges()) == 1


def test_a_cancelling_that_the_vendor_refuses_is_an_error_of_its_own(
    quick: Any, box: Any, wish: Wish
) -> None:
    box.fault("slow-queue", seconds=60, count=1)
    running = quick.start(*wish("fal", box))
    await_state(quick, "ACCEPTED")
    running.kill()
    job_id = quick.job_id()
    box.fault("bad-key", operation="cancel", count=1)
    refused = quick("cancel", job_id, "--sandbox", box.control, "--json")
    assert refused.code == 3, refused
    assert refused.error["job_id"] == job_id
    again = quick("cancel", job_id, "--sandbox", box.control, "--json")
    assert again.code == 0, again
    assert quick.states() == ["CANCELLED"]


def test_a_doubt_that_a_later_try_outlived_is_looked_up_by_its_own_time(
    quick: Any, box: Any, wish: Wish
) -> None:
    quick.settings(listing_visibility=NO_WAIT)
    box.fault("drop-after-accept", count=1)
    box.fault("lookup-hidden", count=1)
    assert quick(*wish("fal", box)).code == 5
    job_id = quick.job_id()
    with quick.ledger() as ledger:  # a resubmission that provably never left
        ledger.move(job_id, State.INTENT)
        number = ledger.begin_submission(job_id).number
        ledger.end_submission(job_id, number, Outcome.NOT_ARRIVED, to=State.INTENT)
        ledger.move(job_id, State.UNKNOWN)
    time.sleep(1.5)
    assert quick("resume", job_id, "--sandbox", box.control, "--json").code == 0
    assert len(box.charges()) == 1


def item(vendor_id: str | None) -> ResultItem:
    return ResultItem(url=f"https://example.com/{vendor_id}.mp4", vendor_id=vendor_id)


@pytest.mark.parametrize(
    ("ids", "known", "numbered"),
    [
        (["a", "b"], {}, {1: "a", 2: "b"}),
        (["b", "a"], {"a": 1, "b": 2}, {1: "a", 2: "b"}),
        (["c", "a"], {"a": 2}, {1: "c", 2: "a"}),
        (["b"], {"a": 1, "b": 2}, {2: "b"}),
        ([None, None], {}, {1: None, 2: None}),
    ],
)
def test_results_keep_the_number_that_their_id_had(
    ids: list[str | None], known: dict[str, int], numbered: dict[int, str | None]
) -> None:
    found = number_results([item(vendor_id) for vendor_id in ids], known)
    assert {number: result.vendor_id for number, result in found.items()} == numbered


def test_takes_of_one_purchase_that_are_struck_together_each_find_their_own(
    quick: Any, slow_sandbox: Any, wish: Wish
) -> None:
    """They look the same in fal's list, and one is listed before the others."""
    slow_sandbox.fault("drop-after-accept", count=3)
    started = [quick.start(*wish("fal", slow_sandbox, "--take", take)) for take in (1, 2, 3)]
    ended = [running.ended() for running in started]
    assert [one.code for one in ended] == [0, 0, 0], ended
    found = {one.document["vendor_ids"]["request_id"] for one in ended}
    assert found == {charge["vendor_id"] for charge in slow_sandbox.charges()}
    assert len(found) == 3


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_takes_that_are_killed_together_while_answers_are_on_their_way_each_find_their_own(
    quick: Any, slow_sandbox: Any, wish: Wish, vendor: str
) -> None:
    slow_sandbox.fault("answer-late", operation="submit", seconds=30, count=2)
    lines = [wish(vendor, slow_sandbox, "--take", take) for take in (1, 2)]
    struck = [quick.start(*words) for words in lines]
    end = time.monotonic() + 60
    while len(slow_sandbox.charges()) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    for running in struck:
        running.kill()
    assert quick.states() == ["SENT", "SENT"]
    again = [quick.start(*words) for words in lines]
    ended = [running.ended() for running in again]
    assert [one.code for one in ended] == [0, 0], ended
    named = {"fal": "request_id", "aimlapi": "generation_id", "runware": "taskUUID"}[vendor]
    found = {one.document["vendor_ids"][named] for one in ended}
    assert found == {charge["vendor_id"] for charge in slow_sandbox.charges()}
    assert len(found) == 2


def test_two_that_look_at_the_same_time_do_not_both_take_what_one_of_them_bought(
    quick: Any, slow_sandbox: Any, wish: Wish
) -> None:
    slow_sandbox.fault("drop-before-accept", count=1)
    first = quick.start(*wish("fal", slow_sandbox))
    slow_sandbox.await_call("list")
    slow_sandbox.fault("drop-after-accept", count=1)
    second = quick.start(*wish("fal", slow_sandbox, "--take", 2))
    ended = [first.ended(), second.ended()]
    assert sorted(one.code for one in ended) == [0, 5], ended
    assert len(slow_sandbox.charges()) == 1


def test_takes_that_are_all_listed_when_they_are_looked_up_are_shared_out(
    quick: Any, sandbox: Any, wish: Wish
) -> None:
    quick.settings(listing_visibility=NO_WAIT)
    sandbox.fault("drop-after-accept", count=2)
    sandbox.fault("lookup-hidden")
    for take in (1, 2):
        assert quick(*wish("fal", sandbox, "--take", take)).code == 5
    sandbox.end_faults()
    time.sleep(1.2)  # until both are listed
    ended = [quick(*wish("fal", sandbox, "--take", take)) for take in (1, 2)]
    assert [one.code for one in ended] == [0, 0], ended
    found = {one.document["vendor_ids"]["request_id"] for one in ended}
    assert found == {charge["vendor_id"] for charge in sandbox.charges()}
    assert len(found) == 2


def test_more_jobs_in_the_list_than_are_in_doubt_here_are_nobodys(
    quick: Any, sandbox: Any, wish: Wish, tmp_path: Path
) -> None:
    """Another machine of the same account has bought the same."""
    quick.settings(listing_visibility=NO_WAIT)
    elsewhere = wish("fal", sandbox, "--take", 7, "--home", tmp_path / "elsewhere")
    assert quick(*elsewhere).code == 0
    sandbox.fault("drop-after-accept", count=1)
    sandbox.fault("lookup-hidden")
    assert quick(*wish("fal", sandbox)).code == 5
    sandbox.end_faults()
    time.sleep(1.2)
    ended = quick(*wish("fal", sandbox))
    assert ended.code == 5, ended
    assert "lists 2 jobs" in ended.error["message"]


def test_what_another_job_was_given_from_the_list_is_not_the_result_of_two(
    quick: Any, sandbox: Any, wish: Wish
) -> None:
    """A job that never arrived finds the next one like it, whose answer is still on its way."""
    quick.settings(listing_visibility=NO_WAIT)
    sandbox.fault("drop-before-accept", count=1)
    assert quick(*wish("fal", sandbox)).code == 5
    sandbox.fault("answer-late", operation="submit", seconds=8, count=1)
    late = quick.start(*wish("fal", sandbox, "--take", 2))
    sandbox.await_charge()
    time.sleep(1.2)
    first = quick(*wish("fal", sandbox))
    assert first.code == 0, first
    assert late.ended().code == 5
    second = quick("resubmit", quick.job_id(), "--sandbox", sandbox.control, "--json")
    assert second.code == 0, second
    found = {one.document["vendor_ids"]["request_id"] for one in (first, second)}
    assert found == {charge["vendor_id"] for charge in sandbox.charges()}
    assert len(found) == 2


def set_back(quick: Any, hours: int) -> None:
    """As if the clock of this machine had been set back since everything was written down."""
    with contextlib.closing(sqlite3.connect(quick.home / "ledger.sqlite3")) as connection:
        ahead = hours * 3_600_000
        connection.execute("UPDATE submissions SET sent_at = sent_at + ?", (ahead,))
        connection.execute("UPDATE submissions SET ended_at = ended_at + ?", (ahead,))
        connection.commit()


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_clock_that_was_set_back_neither_prolongs_a_look_up_nor_proves_anything(
    quick: Any, box: Any, wish: Wish, vendor: str
) -> None:
    quick.settings(listing_visibility={"fal": 2, "aimlapi": 2, "runware": 2})
    box.fault("stall", operation="submit", seconds=60, count=1)
    running = quick.start(*wish(vendor, box))
    await_state(quick, "SENT")
    box.await_call("submit")
    running.kill()
    set_back(quick, 3)
    box.fault("lookup-hidden")
    ended = quick.start(*wish(vendor, box)).ended()
    assert ended.code == 5, ended
    assert quick.states() == ["UNKNOWN"]
    assert len(box.calls("submit")) == 1


def test_what_was_bought_is_found_after_the_clock_was_set_back(
    quick: Any, sandbox: Any, wish: Wish
) -> None:
    quick.settings(listing_visibility=NO_WAIT)
    sandbox.fault("drop-after-accept", count=1)
    sandbox.fault("lookup-hidden")
    assert quick(*wish("fal", sandbox)).code == 5
    set_back(quick, 3)
    sandbox.end_faults()
    time.sleep(1.2)  # until it is listed
    assert quick(*wish("fal", sandbox)).code == 0
    assert len(sandbox.charges()) == 1


def test_a_look_up_takes_no_longer_than_the_user_allows(
    quick: Any, slow_sandbox: Any, wish: Wish
) -> None:
    quick.settings(listing_visibility={"fal": 86_400})
    slow_sandbox.fault("drop-before-accept", count=1)
    ended = quick.start(*wish("fal", slow_sandbox, "--time-limit", "1")).ended()
    assert ended.code == 5, ended
    assert len(slow_sandbox.calls("submit")) == 1


def test_what_a_killed_process_sent_slowly_is_found_though_it_arrived_much_later(
    quick: Any, box: Any, wish: Wish
) -> None:
    """Nobody saw the end of its body: it may have been accepted minutes after it was begun."""
    quick.settings(listing_visibility=NO_WAIT)
    box.fault("answer-late", operation="submit", seconds=30, count=1)
    running = quick.start(*wish("fal", box))
    box.await_charge()
    running.kill()
    with contextlib.closing(sqlite3.connect(quick.home / "ledger.sqlite3")) as connection:
        connection.execute("UPDATE submissions SET sent_at = sent_at - 600000")
        connection.commit()
    box.end_faults()
    time.sleep(1.5)  # until the job has ended there and is listed
    found = quick(*wish("fal", box))
    assert found.code == 0, found
    assert len(box.charges()) == len(box.calls("submit")) == 1
