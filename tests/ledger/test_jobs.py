from __future__ import annotations

import dataclasses
import re
import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from viseme.errors import InputError, TransitionError
from viseme.ledger import DEAD, Ledger, NewJob, State
from viseme.model import Quote, Vendor

Make = Callable[..., NewJob]

WAYS_TO = {
    State.FAILED: [State.FAILED],
    State.CANCELLED: [State.CANCELLED],
    State.DISCARDED: [State.INTENT, State.SENT, State.UNKNOWN, State.DISCARDED],
    State.UNKNOWN: [State.INTENT, State.SENT, State.UNKNOWN],
    State.FETCHED: [State.INTENT, State.SENT, State.ACCEPTED, State.SUCCEEDED, State.FETCHED],
}


def walk(ledger: Ledger, job_id: str, to: State) -> None:
    for state in WAYS_TO[to]:
        ledger.move(job_id, state)


def test_what_is_claimed_is_read_back_as_it_was(ledger: Ledger, new_job: Make) -> None:
    new = new_job(
        arguments={"sync_mode": "loop", "nested": {"list": [1, 2.5, None, True]}},
        media={"video": {"name": "Käse.mp4", "digest": "d", "carry": "upload", "steps": ["a"]}},
        order={"footage": "/x/Käse.mp4"},
        timing={"frame_count": 100, "frame_rate": "30000/1001"},
        item_count=4,
        take=3,
        warnings=("one", "two"),
        sandbox_control_url="http://127.0.0.1:4000",
        deadline_at=1_795_000_003_600,
        quote=Quote(Decimal("0.0136"), Decimal("1E+1"), "per second", None),
    )
    record, is_new = ledger.claim(new)
    assert is_new
    assert ledger.get(record.id) == record
    for field in dataclasses.fields(NewJob):
        assert getattr(record, field.name) == getattr(new, field.name), field.name
    assert record.state is State.PLANNED
    assert record.created_at == record.updated_at == 1_795_000_000_000
    assert (record.sent_at, record.cost_usd, record.vendor_ids, record.fence) == (None,) * 3 + (0,)


def test_an_unknown_quote_stays_unknown(ledger: Ledger, new_job: Make) -> None:
    record, _ = ledger.claim(new_job(quote=Quote.unknown("no price is published")))
    assert record.quote == Quote(None, None, "", "no price is published")


def test_ids_are_short_typeable_and_sort_by_time(ledger: Ledger, new_job: Make, clock: Any) -> None:
    ids = []
    for number in range(50):
        ids.append(ledger.claim(new_job(str(number)))[0].id)
        clock.pass_seconds(3)
    assert all(re.fullmatch(r"20261118-[0-9a-hjkmnp-tv-z]{6}", job_id) for job_id in ids)
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


def test_many_jobs_in_the_same_millisecond_get_ids_of_their_own(
    ledger: Ledger, new_job: Make
) -> None:
    ids = {ledger.claim(new_job(str(number)))[0].id for number in range(150)}
    assert len(ids) == 150


def test_the_same_fingerprint_comes_back_to_the_same_job(ledger: Ledger, new_job: Make) -> None:
    first, _ = ledger.claim(new_job("a"))
    again, is_new = ledger.claim(new_job("a", item_count=2))
    other, other_is_new = ledger.claim(new_job("b"))
    assert (again, is_new) == (first, False)
    assert other_is_new
    assert other.id != first.id
    assert ledger.find("a") == first
    assert ledger.find("c") is None


@pytest.mark.parametrize("end", sorted(DEAD))
def test_after_a_dead_end_the_same_command_makes_a_new_job(
    ledger: Ledger, new_job: Make, end: State
) -> None:
    first, _ = ledger.claim(new_job())
    walk(ledger, first.id, end)
    assert ledger.find("f") is None
    second, is_new = ledger.claim(new_job())
    assert is_new
    assert second.id != first.id


@pytest.mark.parametrize("state", [State.UNKNOWN, State.FETCHED])
def test_after_doubt_or_success_the_same_command_never_buys_again(
    ledger: Ledger, new_job: Make, state: State
) -> None:
    first, _ = ledger.claim(new_job())
    walk(ledger, first.id, state)
    record, is_new = ledger.claim(new_job())
    assert not is_new
    assert (record.id, record.state) == (first.id, state)


def test_a_job_is_found_by_the_beginning_of_its_id(ledger: Ledger, new_job: Make) -> None:
    record, _ = ledger.claim(new_job("a"))
    day, _, tail = record.id.partition("-")
    for text in (record.id, record.id[:-1], f" {record.id.upper()} ", day, tail, tail[:3]):
        assert ledger.get(text) == record


def test_a_beginning_that_fits_two_jobs_names_both(ledger: Ledger, new_job: Make) -> None:
    ids = [ledger.claim(new_job(name))[0].id for name in "ab"]
    with pytest.raises(InputError) as raised:
        ledger.get("20261118")
    assert all(job_id in str(raised.value) for job_id in ids)


@pytest.mark.parametrize("text", ["", "  ", "nothing", "20261118-%", "_", "%", "-"])
def test_what_is_no_job_is_an_input_error(ledger: Ledger, new_job: Make, text: str) -> None:
    ledger.claim(new_job())
    with pytest.raises(InputError) as raised:
        ledger.get(text)
    assert raised.value.exit_code == 2
    assert "viseme jobs" in str(raised.value)


def test_jobs_are_listed_newest_first_and_by_state(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    ids = []
    for name in "abc":
        ids.append(ledger.claim(new_job(name))[0].id)
        clock.pass_seconds(10)
    ledger.move(ids[1], State.FAILED)
    assert [record.id for record in ledger.list()] == ids[::-1]
    assert [record.id for record in ledger.list(limit=2)] == [ids[2], ids[1]]
    assert [record.id for record in ledger.list([State.FAILED])] == [ids[1]]
    assert ledger.list([]) == ()


def test_moves_set_their_times_and_columns_and_are_all_recorded(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    record, _ = ledger.claim(new_job())
    start = clock.now
    way = [State.INTENT, State.SENT, State.ACCEPTED, State.RUNNING, State.ACCEPTED]
    way += [State.RUNNING, State.SUCCEEDED, State.FETCHED]
    for state in way:
        clock.pass_seconds(1)
        record = ledger.move(record.id, state, detail=f"now {state.value}")
    assert record.sent_at == start + 2000
    assert record.accepted_at == start + 3000
    assert record.finished_at == record.updated_at == start + 8000
    events = ledger.events(record.id)
    assert [event.to_state for event in events] == [State.PLANNED, *way]
    assert [event.from_state for event in events] == [None, State.PLANNED, *way[:-1]]
    assert events[-1].detail == "now FETCHED"
    assert [event.at for event in events] == [start + 1000 * second for second in range(9)]

    record = ledger.move(record.id, State.SUCCEEDED)
    assert record.finished_at is None


def test_columns_travel_with_a_move(ledger: Ledger, new_job: Make) -> None:
    record, _ = ledger.claim(new_job())
    ledger.move(record.id, State.INTENT, request_token="t", media_hashes={"video": "h"})
    ledger.move(record.id, State.SENT)
    record = ledger.move(
        record.id,
        State.ACCEPTED,
        vendor_ids={"request_id": "r", "status": ["fal.queue", "/x/status"]},
        cost_usd=Decimal("0.000000001"),
        warnings=("w",),
    )
    assert record.request_token == "t"
    assert record.media_hashes == {"video": "h"}
    assert record.vendor_ids == {"request_id": "r", "status": ["fal.queue", "/x/status"]}
    assert record.cost_usd == Decimal("0.000000001")
    assert record.warnings == ("w",)


def test_a_forbidden_move_changes_nothing(ledger: Ledger, new_job: Make) -> None:
    record, _ = ledger.claim(new_job())
    with pytest.raises(TransitionError):
        ledger.move(record.id, State.FETCHED, cost_usd=Decimal(1))
    assert ledger.get(record.id) == record
    assert len(ledger.events(record.id)) == 1


@pytest.mark.parametrize("column", ["state", "id", "fingerprint", "lease_owner", "nonsense"])
def test_columns_that_are_not_for_setting_are_refused(
    ledger: Ledger, new_job: Make, column: str
) -> None:
    record, _ = ledger.claim(new_job())
    with pytest.raises(InputError, match=column):
        ledger.update(record.id, fence=None, **{column: "x"})
    assert ledger.get(record.id) == record


def test_update_sets_columns_and_leaves_the_state(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    record, _ = ledger.claim(new_job())
    clock.pass_seconds(1)
    changed = ledger.update(record.id, error={"kind": "vendor"}, deadline_at=5)
    assert changed == dataclasses.replace(
        record, error={"kind": "vendor"}, deadline_at=5, updated_at=clock.now
    )


def test_a_note_is_an_event_that_moves_nothing(ledger: Ledger, new_job: Make) -> None:
    record, _ = ledger.claim(new_job())
    ledger.note(record.id, "cancel", "The vendor answered ALREADY_COMPLETED.")
    assert ledger.get(record.id) == record
    event = ledger.events(record.id)[-1]
    assert (event.kind, event.detail) == ("cancel", "The vendor answered ALREADY_COMPLETED.")


@pytest.mark.parametrize("method", ["move", "update", "note", "add_upload", "set_items"])
def test_nothing_is_written_for_a_job_that_does_not_exist(ledger: Ledger, method: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "move": lambda: ledger.move("x", State.INTENT),
        "update": lambda: ledger.update("x", take=1),
        "note": lambda: ledger.note("x", "k", "d"),
        "add_upload": lambda: ledger.add_upload("x", role="v", vendor=Vendor.FAL, reference="r"),
        "set_items": lambda: ledger.set_items("x", []),
    }
    with pytest.raises(InputError, match="no job x"):
        calls[method]()


def test_a_ledger_that_is_opened_again_knows_everything(path: Path, new_job: Make) -> None:
    with Ledger.open(path) as first:
        record, _ = first.claim(new_job())
    with Ledger.open(path) as second:
        assert second.get(record.id) == record
        assert second.integrity_problems() == ()


def test_the_ledger_and_its_companions_are_private(path: Path, new_job: Make) -> None:
    path.touch(0o644)
    path.chmod(0o644)
    with Ledger.open(path) as opened:
        opened.claim(new_job())
        files = list(path.parent.iterdir())
        assert len(files) == 3  # the file, its log and its shared memory
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_child_names_a_parent_that_exists(ledger: Ledger, new_job: Make) -> None:
    parent, _ = ledger.claim(new_job("a"))
    child, _ = ledger.claim(new_job("b", parent_id=parent.id))
    assert child.parent_id == parent.id
