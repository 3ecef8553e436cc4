"""What every simulated vendor has in its own words: keys, refusals, names, announcements."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from .records import Job

if TYPE_CHECKING:
    from .wire import Call


class Refusal(Exception):
    """Ends a call with an answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True)
class Announcement:
    """What is sent to an address of the user's at a job's end.

    ``kind`` is ``webhook`` (``payload`` is POSTed as JSON) or ``upload`` (``disk`` is PUT).
    """

    kind: str
    url: str
    payload: Any = None
    disk: str | None = None


class Vendor(ABC):
    """One vendor's manners on the wire."""

    name: ClassVar[str]
    queue_seconds: ClassVar[float]
    run_seconds: ClassVar[float]

    @abstractmethod
    def authenticate(self, call: Call) -> str:
        """The account behind the call's key; raises ``Refusal`` without a good key."""

    @abstractmethod
    def has_key(self, call: Call) -> bool:
        """Whether the call brought a key, good or bad."""

    @abstractmethod
    def bad_key(self, *, missing: bool) -> web.Response: ...

    @abstractmethod
    def no_credit(self) -> web.Response: ...

    @abstractmethod
    def rate_limited(self, retry_after_seconds: float) -> web.Response: ...

    @abstractmethod
    def unavailable(self) -> web.Response: ...

    @abstractmethod
    def server_error(self) -> web.Response: ...

    @abstractmethod
    def not_found(self, call: Call) -> web.Response: ...

    @abstractmethod
    def bad_body(self, call: Call, reason: str, *, too_large: bool) -> web.Response: ...

    @abstractmethod
    def result_path(self, token: str, suffix: str) -> str:
        """Where the vendor's result host serves a video, decoded; ``token`` is 32 hex digits."""

    def announcements(self, job: Job, results_address: str) -> list[Announcement]:
        """What is sent out when the job has ended."""
        return []


def account_of(key: str) -> str:
    """A name for whoever has this key, from which the key cannot be had.

    Keys that are alike up to a ``+`` are of one account.
    """
    return hashlib.sha256(key.partition("+")[0].encode("utf-8")).hexdigest()[:16]


def is_refused_key(key: str) -> bool:
    """Any well-formed key is good, except one with ``wrong`` or ``invalid`` in it."""
    return "wrong" in key.lower() or "invalid" in key.lower()
