"""When a call is made again, after how long, and how often at most: no clock and no socket.

A paid submission never comes here: it is sent once, and what follows is in ``jobs/sending.py``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from .errors import RateLimited, TransportError, UnreadableAnswer, VisemeError

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_RETRY_AFTER_SECONDS = 150.0


def may_pass(problem: VisemeError) -> bool:
    """Whether a vendor that answered so, or not at all, may answer well a little later. Pure.

    What is no JSON or a redirect is mostly a page of something that stands between.
    """
    status = problem.http_status or 0
    passing = isinstance(problem, TransportError | RateLimited | UnreadableAnswer)
    return passing or status >= 500 or 300 <= status < 400


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most ``attempts`` tries; waits drawn from 0 to ``base * 2**n``, capped (full jitter)."""

    attempts: int = 3
    base_seconds: float = 0.5
    cap_seconds: float = 20.0

    def wait_seconds(self, attempt: int, *, retry_after: float | None, spread: float) -> float:
        """The wait after try number ``attempt`` (from 1); ``spread`` is random in [0, 1)."""
        if retry_after is not None:
            return retry_after
        return spread * min(self.cap_seconds, self.base_seconds * 2.0 ** (attempt - 1))


class RetryBudget:
    """How many retries are left of calls that are made over and over anyway.

    A retry takes one, a success gives a tenth back, up to ``capacity``: single failures are
    retried as ever, and in an outage, once these are used up, each call is made once. So at most
    ``capacity`` retries and a tenth of the successes are ever made. Safe to share between threads.
    """

    def __init__(self, capacity: int = 10) -> None:
        self._most_tenths = self._tenths = 10 * capacity
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether a retry may be made; it is counted then."""
        with self._lock:
            if self._tenths < 10:
                return False
            self._tenths -= 10
            return True

    def succeeded(self) -> None:
        """A call, tried for the first time or again, was answered well."""
        with self._lock:
            self._tenths = min(self._most_tenths, self._tenths + 1)


class RetryBudgets:
    """One budget for each base URL of a vendor."""

    def __init__(self) -> None:
        self._by_url: dict[str, RetryBudget] = {}

    def of(self, url: str) -> RetryBudget:
        return self._by_url.setdefault(url, RetryBudget())


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The ``Retry-After`` header in seconds, at most 150; None where absent or not readable.

    Both forms of RFC 9110 are read: a number of seconds and an HTTP date.
    """
    text = next((v for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    wait = (moment - (now or datetime.now(timezone.utc))).total_seconds()
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def next_wait(
    policy: RetryPolicy,
    attempt: int,
    *,
    status: int | None,
    headers: Mapping[str, str] | None = None,
) -> float | None:
    """How long to wait before the next try of a call that may be repeated; None for no more.

    ``status`` None stands for a connection that failed or broke. A 504 that fal marks as the
    user's own start deadline is final (docs.fal.ai, common parameters).
    """
    if attempt >= policy.attempts:
        return None
    headers = headers or {}
    if status is not None:
        if status not in RETRIED_STATUSES:
            return None
        lowered = {key.lower(): value for key, value in headers.items()}
        if status == 504 and lowered.get("x-fal-request-timeout-type") == "user":
            return None
    return policy.wait_seconds(
        attempt,
        retry_after=retry_after_seconds(headers) if status in (429, 503) else None,
        spread=random.random(),  # noqa: S311  # jitter, not a secret
    )
