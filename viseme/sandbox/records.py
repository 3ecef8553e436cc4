"""What is remembered of a job and of a file."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any


def now() -> float:
    """UNIX seconds with milliseconds."""
    return round(time.time(), 3)


@dataclass
class ResultFile:
    """One finished video. ``path`` is where its vendor's result host serves it."""

    path: str
    name: str
    size_bytes: int
    media_type: str
    seed: int
    uuid: str


@dataclass
class Failure:
    """Why a job has no result; each vendor says it in its own words.

    ``kind``: ``invalid`` (the body), ``media`` (its media), ``rejected`` (content policy),
    ``failed``, ``cancelled`` or ``start-timeout``. ``problems`` are ``Problem``s as dictionaries.
    """

    kind: str
    message: str
    problems: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Job:
    """One accepted job, from its timers to its end. Times are UNIX seconds.

    ``media`` maps a role to the file that stands for what was sent. ``body`` has long inline
    media replaced by short marks; ``body_disk`` is the body as it came, where it is kept.
    """

    vendor: str
    id: str
    model: str
    account: str
    body: dict[str, Any]
    body_disk: str | None
    media: dict[str, str]
    price_usd: str
    accepted_at: float
    queue_seconds: float
    run_seconds: float
    result_count: int = 1
    seed: int = 42
    state: str = "queued"  # queued running ended
    started_at: float | None = None
    ended_at: float | None = None
    failure: Failure | None = None
    results: list[ResultFile] = field(default_factory=list)
    # What a fault or the request's headers said about it.
    fate: str | None = None  # job-fails reject-content partial-results
    cancel_requested: bool = False
    start_deadline_seconds: float | None = None
    lifetime_seconds: float | None = None
    keeps_payload: bool = True
    webhook_url: str | None = None
    upload_url: str | None = None
    client_request_id: str | None = None

    @property
    def starts_at(self) -> float:
        return self.accepted_at + self.queue_seconds

    @property
    def is_over(self) -> bool:
        return self.state == "ended"

    @classmethod
    def from_document(cls, text: str) -> Job:
        values = json.loads(text)
        failure = values.pop("failure")
        results = [ResultFile(**item) for item in values.pop("results")]
        return cls(**values, results=results, failure=Failure(**failure) if failure else None)


@dataclass
class StoredFile:
    """A file that one of the hosts serves, an upload or a result.

    ``disk`` is relative to the state folder. ``source_url`` is set instead of meaningful bytes
    where a foreign URL was stored by reference.
    """

    host: str
    path: str
    disk: str
    media_type: str
    media_uuid: str | None = None
    source_url: str | None = None
    expires_at: float | None = None
    job_id: str | None = None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and time.time() >= self.expires_at
