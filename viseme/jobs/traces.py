"""What a submission in doubt can be found by at its vendor, and what of that may be it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..ledger import Outcome, SubmissionRecord
from ..services.base import Acceptance, Trace
from .held import HeldJob

SAME_TIME = timedelta(minutes=4)  # closer than that, one may be listed where another is sought
LONGEST_SENDING = timedelta(minutes=30)  # of a body whose process ended with it


def doubtful(held: HeldJob, token: str | None = None) -> list[SubmissionRecord]:
    """The submissions of a job of which nobody knows whether they arrived, oldest first.

    With ``token`` only those of that one task: a job that was submitted anew has several.
    """
    return [
        submission
        for submission in held.ledger.submissions(held.job.id)
        if submission.outcome in (None, Outcome.UNKNOWN) and token in (None, submission.token)
    ]


def named_id(vendor_ids: Mapping[str, Any] | None) -> str | None:
    """The vendor's own name for a job, among the paths that are kept beside it."""
    ids = vendor_ids or {}
    return next((str(value) for key, value in ids.items() if not key.endswith("_path")), None)


def traces_of(held: HeldJob) -> list[tuple[SubmissionRecord, Trace]]:
    """What each submission in doubt can be found by, newest first; with none in doubt, the last
    that was accepted. Empty where the vendor was told to keep nothing.

    A later one that provably did not arrive says nothing of an earlier one. One of each token: it
    is sent again only where that buys nothing twice.
    """
    if held.job.arguments.get("store_io") is False:
        return []
    accepted_ones = [
        submission
        for submission in held.ledger.submissions(held.job.id)
        if submission.outcome is Outcome.ACCEPTED
    ]
    last_of_token = {one.token: one for one in doubtful(held) or accepted_ones[-1:]}
    newest_first = sorted(last_of_token.values(), key=lambda one: one.number, reverse=True)
    known_ids = held.ledger.vendor_ids(held.job.id)
    return [(one, _trace_of(held, one, known_ids)) for one in newest_first if one.token is not None]


def _trace_of(held: HeldJob, submission: SubmissionRecord, known_ids: frozenset[str]) -> Trace:
    sent_from, sent_until = _times_of(held, submission)
    return Trace(
        token=submission.token or "",
        vendor_model=held.endpoint.vendor_model,
        media_digests=frozenset((submission.media_hashes or {}).values()),
        sent_from=sent_from,
        sent_until=sent_until,
        known_ids=known_ids - {str(submission.vendor_id)},
        arguments=submission.sent_arguments or {},
    )


def _times_of(held: HeldJob, submission: SubmissionRecord) -> tuple[datetime, datetime]:
    """Between which moments it was sent, by this machine's clock."""
    sent_from = moment(submission.sent_at)
    longest = timedelta(seconds=held.place.settings.submit_timeout_seconds)
    # A slow body may take longer than the time-out, which bounds each wait and not the whole.
    if submission.ended_at is None:  # nobody saw its end
        until = min(datetime.now(timezone.utc), sent_from + LONGEST_SENDING)
    else:
        until = moment(submission.ended_at)
    return sent_from, max(sent_from + longest, until)


def moment(milliseconds: int) -> datetime:
    """In UTC, of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def count_alike(held: HeldJob, submission: SubmissionRecord, trace: Trace) -> int:
    """How many submissions in doubt were sent with the same as this one at about its time: what
    a list shows of one of them fits them all."""
    alike = 0
    for other in held.ledger.submissions_in_doubt(held.job.id):
        sent_from, sent_until = _times_of(held, other)
        alike += (
            other.media_hashes == submission.media_hashes
            and other.sent_arguments == submission.sent_arguments
            and sent_from <= trace.sent_until + SAME_TIME
            and trace.sent_from <= sent_until + SAME_TIME
        )
    return alike


def may_be(held: HeldJob, submission: SubmissionRecord, match: Acceptance) -> bool:
    """Whether what fits may be that submission: one that was accepted is what it was accepted as,
    and one in doubt is nothing that another was accepted as meanwhile."""
    named = named_id(match.vendor_ids)
    if submission.vendor_id is not None:
        return named == submission.vendor_id
    return named not in held.ledger.vendor_ids(held.job.id)
