"""What the ledger takes and gives: frozen values.

Times are UTC in integer milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..model import Quote, Vendor
from .states import ItemState, Outcome, State

# No lease is given for longer, so one that ends later was given by a clock that has been set back.
LONGEST_LEASE_SECONDS = 60


def lease_counts(lease_until: int | None, now: int) -> bool:
    """Whether a lease until then still holds at ``now``, both in UTC milliseconds. Pure.

    One that ends further ahead than any lease is given for counts as lapsed: its end tells nothing
    about its holder, who renews it by the new clock, and is refused by its fence if it was slower.
    """
    return lease_until is not None and now < lease_until <= now + LONGEST_LEASE_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class NewJob:
    """What ``Ledger.claim`` writes down. All mappings and sequences must be plain JSON.

    ``media`` tells for each medium its name, digest, how it is carried and the steps done to it;
    ``order`` is all that is needed to prepare the job again. ``account`` is the keyed hash of the
    key, never the key.
    """

    fingerprint: str
    endpoint: str
    vendor: Vendor
    destination: str
    account: str
    quote: Quote
    arguments: Mapping[str, Any] = field(default_factory=dict)
    media: Mapping[str, Any] = field(default_factory=dict)
    order: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] | None = None
    item_count: int = 1
    take: int = 1
    warnings: tuple[str, ...] = ()
    parent_id: str | None = None
    sandbox_control_url: str | None = None
    deadline_at: int | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One row of ``jobs``: one purchase.

    ``destination`` is ``live`` or a sandbox_id. ``vendor_ids`` holds the vendor's id and its paths
    relative to named base URLs. ``request_token``, ``body_digest``, ``media_hashes`` (of the media
    strings) and ``sent_arguments`` (what of the body is no medium) are of what is to be sent next;
    each submission keeps its own. ``sent_at`` is when the last submission began.
    """

    id: str
    parent_id: str | None
    fingerprint: str
    take: int
    state: State
    endpoint: str
    vendor: Vendor
    destination: str
    sandbox_control_url: str | None
    account: str
    arguments: Mapping[str, Any]
    media: Mapping[str, Any]
    order: Mapping[str, Any]
    request_token: str | None
    body_digest: str | None
    media_hashes: Mapping[str, str] | None
    sent_arguments: Mapping[str, Any] | None
    vendor_ids: Mapping[str, Any] | None
    item_count: int
    quote_least_usd: Decimal | None
    quote_most_usd: Decimal | None
    quote_basis: str
    quote_unknown_reason: str | None
    timing: Mapping[str, Any] | None
    cost_usd: Decimal | None
    vendor_output: Mapping[str, Any] | None
    warnings: tuple[str, ...]
    error: Mapping[str, Any] | None
    created_at: int
    updated_at: int
    sent_at: int | None
    accepted_at: int | None
    finished_at: int | None
    deadline_at: int | None
    lease_owner: str | None
    lease_until: int | None
    fence: int

    @property
    def quote(self) -> Quote:
        return Quote(
            self.quote_least_usd,
            self.quote_most_usd,
            self.quote_basis,
            self.quote_unknown_reason,
        )

    def is_leased(self, now: int) -> bool:
        """Whether a live process works on it; ``now`` in UTC milliseconds."""
        return self.lease_owner is not None and lease_counts(self.lease_until, now)


@dataclass(frozen=True, slots=True)
class NewItem:
    """One result as the vendor showed it, which is never FETCHED. ``number`` counts from 1."""

    number: int
    state: ItemState = ItemState.READY
    url: str | None = None
    vendor_id: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One result of a job. ``path`` is relative to the results folder, with ``/``."""

    job_id: str
    number: int
    state: ItemState
    url: str | None
    vendor_id: str | None
    digest: str | None
    path: str | None
    size_bytes: int | None
    fetched_at: int | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A result's file and the job that it belongs to. ``path`` as in ``ItemRecord``."""

    path: str
    job_id: str
    state: State
    destination: str


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """One attempt to hand a job to the vendor, with all that it can be found by there.

    ``outcome`` None: no answer understood yet. What was sent is as in ``JobRecord``: another
    attempt of the same job may be sent with other media strings.
    """

    job_id: str
    number: int
    token: str | None
    body_digest: str | None
    media_hashes: Mapping[str, str] | None
    sent_arguments: Mapping[str, Any] | None
    sent_at: int
    ended_at: int | None
    outcome: Outcome | None
    vendor_id: str | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One thing that happened to a job: ``kind`` is ``created``, ``moved``, ``lease`` or a note."""

    id: int
    job_id: str
    at: int
    kind: str
    from_state: State | None
    to_state: State | None
    detail: str | None
    fence: int | None


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A file of ours that lies at a vendor. ``reference`` is the URL or UUID it has there."""

    id: int
    job_id: str
    role: str
    vendor: Vendor
    reference: str
    digest: str | None
    size_bytes: int | None
    created_at: int
    expires_at: int | None
    deleted_at: int | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job until ``until``. ``fence`` grows with each lease of the job."""

    job_id: str
    owner: str
    fence: int
    until: int


@dataclass(frozen=True, slots=True)
class Spend:
    """What the jobs of one vendor, destination and endpoint cost together, in US dollars.

    Equal amounts are certain. ``unknown_count`` jobs are in neither: no price was known and the
    vendor told no cost.
    """

    vendor: Vendor
    destination: str
    endpoint: str
    job_count: int
    least_usd: Decimal
    most_usd: Decimal
    unknown_count: int


@dataclass(frozen=True, slots=True)
class DaySpend:
    """What was spent at a vendor in a day, in US dollars; ``unknown_count`` jobs are in neither."""

    least_usd: Decimal
    most_usd: Decimal
    unknown_count: int
