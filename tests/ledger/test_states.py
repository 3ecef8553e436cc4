from __future__ import annotations

import itertools

import pytest

from viseme.errors import TransitionError
from viseme.ledger import AT_VENDOR, DEAD, ENDED, TRANSITIONS, State, can_move, check_move

# Written a second time, as one reads it aloud: every pair that is not here must raise.
ALLOWED = {
    "PLANNED": "INTENT FAILED CANCELLED",
    "INTENT": "SENT PLANNED FAILED CANCELLED UNKNOWN",
    "SENT": "ACCEPTED INTENT FAILED UNKNOWN",
    "ACCEPTED": "RUNNING SUCCEEDED FAILED CANCELLING CANCELLED UNKNOWN",
    "RUNNING": "ACCEPTED SUCCEEDED FAILED CANCELLING CANCELLED UNKNOWN",
    "SUCCEEDED": "FETCHED",
    "FETCHED": "SUCCEEDED",
    "FAILED": "",
    "CANCELLING": "SUCCEEDED FAILED CANCELLED UNKNOWN",
    "CANCELLED": "",
    "UNKNOWN": "ACCEPTED INTENT FAILED DISCARDED",
    "DISCARDED": "",
}


@pytest.mark.parametrize(
    ("current", "to"), [*itertools.product(State, State)], ids=lambda state: state.value
)
def test_every_pair_of_states_is_allowed_or_raises(current: State, to: State) -> None:
    if to.value in ALLOWED[current.value].split():
        assert can_move(current, to)
        check_move(current, to)
    else:
        assert not can_move(current, to)
        with pytest.raises(TransitionError) as raised:
            check_move(current, to, job_id="20261120-000000")
        assert raised.value.field == "state"
        assert raised.value.value == to.value
        assert current.value in str(raised.value)
        assert raised.value.job_id == "20261120-000000"


def test_the_table_has_every_state_and_cannot_be_changed() -> None:
    assert set(TRANSITIONS) == set(State)
    with pytest.raises(TypeError):
        TRANSITIONS[State.FAILED] = frozenset({State.SENT})  # type: ignore[index]


def test_a_job_in_doubt_is_never_ended_by_itself() -> None:
    assert State.UNKNOWN not in DEAD | ENDED
    assert State.CANCELLING not in DEAD | ENDED


def test_only_dead_states_have_no_way_out() -> None:
    assert {state for state, moves in TRANSITIONS.items() if not moves} == DEAD


def test_a_paid_submission_is_only_sent_from_intent() -> None:
    assert [state for state, moves in TRANSITIONS.items() if State.SENT in moves] == [State.INTENT]


def test_what_was_sent_never_becomes_cancelled_without_the_vendor() -> None:
    before_an_answer = {State.SENT, State.UNKNOWN}
    assert all(State.CANCELLED not in TRANSITIONS[state] for state in before_an_answer)
    assert all(State.CANCELLED in TRANSITIONS[state] for state in AT_VENDOR)


def test_every_state_can_be_reached() -> None:
    seen, waiting = {State.PLANNED}, [State.PLANNED]
    while waiting:
        for state in TRANSITIONS[waiting.pop()] - seen:
            seen.add(state)
            waiting.append(state)
    assert seen == set(State)
