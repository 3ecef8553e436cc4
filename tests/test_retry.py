"""When a call is made again, and after how long."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.retry import (
    LONGEST_RETRY_AFTER_SECONDS,
    RETRIED_STATUSES,
    RetryBudget,
    RetryBudgets,
    RetryPolicy,
    next_wait,
    retry_after_seconds,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
NONE: Mapping[str, str] = {}
USER_DEADLINE = {"X-Fal-Request-Timeout-Type": "user"}
ROW = tuple[int | None, Mapping[str, str], int, float | None]


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


# Every status that a vendor documents or an ingress may say; None is a connection that broke.
AGAIN: tuple[int | None, ...] = (None, 408, 429, 500, 502, 503, 504)
FINAL: tuple[int | None, ...] = (
    *(100, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 413, 415, 416),
    *(422, 423, 425, 431, 451, 499, 501, 505, 507, 508, 511, 599, 999),
)
STATUSES = [(status, True) for status in AGAIN] + [(status, False) for status in FINAL]


@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
@pytest.mark.parametrize(("status", "is_retried"), STATUSES)
def test_what_is_made_again_and_how_often(
    status: int | None, is_retried: bool, attempt: int
) -> None:
    wait = next_wait(RetryPolicy(), attempt, status=status)
    if not is_retried or attempt >= 3:
        assert wait is None
    else:
        assert wait is not None
        assert 0 <= wait <= 0.5 * 2 ** (attempt - 1)


def test_the_table_knows_every_retried_status() -> None:
    assert set(AGAIN) == RETRIED_STATUSES | {None}


# (status, headers, attempt, the wait; None is no more)
HEADER_ROWS: list[ROW] = [
    # fal's 504 that the user's own start deadline made is final, however the header is spelt.
    (504, USER_DEADLINE, 1, None),
    (504, {"x-fal-request-timeout-type": "user"}, 1, None),
    (504, {"X-FAL-REQUEST-TIMEOUT-TYPE": "user"}, 2, None),
    (504, {**USER_DEADLINE, "Retry-After": "1"}, 1, None),
    # A server that names a wait is waited for, where waiting is what its status asks.
    (429, {"Retry-After": "7"}, 1, 7),
    (429, {"retry-after": "7"}, 2, 7),
    (429, {"RETRY-AFTER": " 7 "}, 2, 7),
    (503, {"Retry-After": "7"}, 1, 7),
    (503, {"Retry-After": "0"}, 1, 0),
    (429, {"Retry-After": "7"}, 3, None),
    (503, {"Retry-After": "7"}, 3, None),
    (503, {**USER_DEADLINE, "Retry-After": "3"}, 1, 3),
    # It makes nothing retried that is not.
    (200, {"Retry-After": "7"}, 1, None),
    (202, {"Retry-After": "7"}, 1, None),
    (301, {"Retry-After": "7"}, 1, None),
    (400, {"Retry-After": "7"}, 1, None),
    (403, {"Retry-After": "7"}, 1, None),
    (409, {"Retry-After": "7"}, 1, None),
    (413, {"Retry-After": "7"}, 1, None),
    (422, {"Retry-After": "7"}, 1, None),
]


@pytest.mark.parametrize(("status", "headers", "attempt", "expected"), HEADER_ROWS)
def test_headers_decide_too(
    status: int, headers: Mapping[str, str], attempt: int, expected: float | None
) -> None:
    assert next_wait(RetryPolicy(), attempt, status=status, headers=headers) == expected


@pytest.mark.parametrize("status", [None, 408, 500, 502, 504])
def test_where_no_wait_is_meant_for_it_the_header_is_not_obeyed(status: int | None) -> None:
    wait = next_wait(RetryPolicy(), 1, status=status, headers={"Retry-After": "100"})
    assert wait is not None
    assert wait <= 0.5


@pytest.mark.parametrize("kind", ["server", "User", "", "users"])
def test_a_504_of_any_other_kind_is_made_again(kind: str) -> None:
    headers = {"X-Fal-Request-Timeout-Type": kind}
    assert next_wait(RetryPolicy(), 1, status=504, headers=headers) is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        ("007", 7),
        ("120", 120),
        ("121", 121),
        ("149", 149),
        ("150", 150),
        ("151", 150),
        ("3600", 150),
        ("9" * 400, 150),
        ("  5\t", 5),
        # Not a number of seconds, and not a date.
        ("", None),
        ("   ", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("5 seconds", None),
        ("٣", None),
        ("²", None),
        ("0x10", None),
        # Dates in all three forms of RFC 9110, and near them.
        (http_date(0), 0),
        (http_date(1), 1),
        (http_date(120), 120),
        (http_date(150), 150),
        (http_date(151), 150),
        (http_date(86_400), 150),
        (http_date(-1), 0),
        (http_date(-86_400), 0),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60),
        ("Friday, 20-Nov-26 12:01:00 GMT", 60),
        ("Fri Nov 20 12:01:00 2026", 60),
        ("20 Nov 2026 12:01:00", 60),
        ("Fri, 20 Nov 2026 14:01:00 +0200", 60),
        ("Fri, 20 Nov 2026 07:01:00 -0500", 60),
        ("Fri, 20 Nov 2026 12:01:00 -0000", 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 150),
        ("Fri, 31 Dec 9999 23:59:59 -2300", 150),
        ("Mon, 01 Jan 0001 00:00:00 +2300", 0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 32 Nov 2026 12:01:00 GMT", None),
        ("Fri, 20 Nov 2026 25:01:00 GMT", None),
        ("Fri, 20 Foo 2026 12:01:00 GMT", None),
        ("Fri, 20 Nov 2026 12:01:00 +9999", None),
        (",", None),
        ("GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": text}, NOW) == seconds


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER", "reTry-aFter"])
def test_the_header_is_found_however_it_is_spelt(name: str) -> None:
    assert retry_after_seconds({"Date": "x", name: "3"}) == 3


@pytest.mark.parametrize("headers", [{}, {"Retry": "3"}, {"X-Retry-After": "3"}, {"After": "3"}])
def test_without_the_header_there_is_no_wait_of_its(headers: Mapping[str, str]) -> None:
    assert retry_after_seconds(headers) is None


@given(text=st.text() | st.from_regex(r"\w{3}, ?-?\d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+"))
def test_no_text_whatever_breaks_the_reading_or_its_bounds(text: str) -> None:
    seconds = retry_after_seconds({"Retry-After": text}, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


@given(seconds=st.integers(-(10**7), 10**7))
def test_a_date_means_the_seconds_until_then(seconds: int) -> None:
    headers = {"Retry-After": http_date(seconds)}
    assert retry_after_seconds(headers, NOW) == min(max(seconds, 0), 150)


@given(
    attempt=st.integers(1, 40),
    base=st.floats(0.001, 60),
    cap=st.floats(0.001, 600),
    spread=st.floats(0, 1, exclude_max=True),
)
def test_full_jitter_stays_between_nothing_and_the_capped_power(
    attempt: int, base: float, cap: float, spread: float
) -> None:
    policy = RetryPolicy(attempts=50, base_seconds=base, cap_seconds=cap)
    wait = policy.wait_seconds(attempt, retry_after=None, spread=spread)
    bound = min(cap, base * 2.0 ** (attempt - 1))
    assert 0 <= wait <= bound
    assert wait == pytest.approx(spread * bound)


@given(attempt=st.integers(1, 40), retry_after=st.floats(0, 150), spread=st.floats(0, 1))
def test_what_the_server_says_is_not_jittered(
    attempt: int, retry_after: float, spread: float
) -> None:
    policy = RetryPolicy(attempts=50)
    assert policy.wait_seconds(attempt, retry_after=retry_after, spread=spread) == retry_after


@given(attempts=st.integers(1, 8), status=st.sampled_from([None, 408, 429, 500, 502, 503, 504]))
def test_there_are_never_more_tries_than_the_policy_has(attempts: int, status: int | None) -> None:
    policy = RetryPolicy(attempts=attempts)
    waits = [next_wait(policy, attempt, status=status) for attempt in range(1, attempts + 3)]
    assert [wait is not None for wait in waits] == [True] * (attempts - 1) + [False] * 3


def test_waits_are_spread_and_not_all_alike() -> None:
    policy = RetryPolicy(attempts=5, base_seconds=10, cap_seconds=10)
    waits = [next_wait(policy, 1, status=500) or 0.0 for _ in range(200)]
    assert len(set(waits)) > 150
    assert min(waits) < 3
    assert max(waits) > 7


# The budget


def test_a_new_budget_has_its_capacity_of_retries_and_then_none() -> None:
    budget = RetryBudget(capacity=4)
    assert [budget.take() for _ in range(6)] == [True] * 4 + [False] * 2


def test_ten_successes_give_one_retry_back_and_none_above_the_capacity() -> None:
    budget = RetryBudget(capacity=2)
    for _ in range(100):
        budget.succeeded()
    assert [budget.take() for _ in range(3)] == [True, True, False]
    for _ in range(9):
        budget.succeeded()
    assert not budget.take()
    budget.succeeded()
    assert [budget.take(), budget.take()] == [True, False]


@given(answers=st.lists(st.booleans(), max_size=400), capacity=st.integers(0, 30))
def test_retries_are_never_more_than_the_capacity_and_a_tenth_of_the_successes(
    answers: list[bool], capacity: int
) -> None:
    budget, retries = RetryBudget(capacity), 0
    for is_success in answers:
        if is_success:
            budget.succeeded()
        else:
            retries += budget.take()
    successes = sum(answers)
    assert retries <= capacity + successes / 10
    if successes == 0:
        assert retries == min(capacity, len(answers))


def test_each_base_url_has_one_budget_of_its_own() -> None:
    budgets = RetryBudgets()
    one = budgets.of("https://queue.fal.run")
    while one.take():
        pass
    assert budgets.of("https://queue.fal.run") is one
    assert budgets.of("https://api.aimlapi.com").take()


def test_threads_that_take_at_once_get_no_more_than_there_are() -> None:
    budget = RetryBudget(capacity=1000)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: budget.take(), range(4000)))
    assert sum(taken) == 1000
