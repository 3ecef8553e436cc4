"""A job while this process works on it: its record, and every write under its lease's fence."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from ..endpoints.base import Endpoint
from ..errors import CredentialError, Interrupted, VisemeError
from ..ledger import JobRecord, Lease, Ledger, Outcome, State
from ..services import Service
from ..services.base import Phase, Report
from .budget import Caps
from .destination import Destination
from .other_key import OtherKey
from .signals import Progress, Step
from .workplace import Watch, Workplace, owner_is_gone

_MAY_BE_ANOTHERS = frozenset({401, 403, 404})  # of answers about a job of another account


@dataclass
class HeldJob:
    """Everything one job needs on its way. ``job`` is always the ledger's latest word."""

    job: JobRecord
    lease: Lease
    endpoint: Endpoint
    place: Workplace
    destination: Destination
    service: Service
    watch: Watch
    caps: Caps
    other_key: OtherKey | None = None  # where it is not the job's own
    started: float = field(default_factory=time.monotonic)
    has_submitted: bool = False  # this process has sent it, and not only come back to it

    @property
    def ledger(self) -> Ledger:
        return self.place.ledger

    @property
    def pace(self) -> float:
        """What every wait for the vendor is multiplied by."""
        return self.destination.time_scale

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self.started

    def report(
        self,
        step: Step,
        text: str,
        *,
        fraction: float | None = None,
        queue_position: int | None = None,
    ) -> None:
        self.show(Progress(step, text, fraction, queue_position))

    def show(self, progress: Progress) -> None:
        """Pass progress on, with this job's id and the time since the start."""
        self.watch.report(
            Progress(
                progress.step,
                progress.text,
                progress.fraction,
                progress.queue_position,
                self.job.id,
                self.elapsed_seconds,
            )
        )

    def check_cancelled(self) -> None:
        if self.watch.cancel.is_cancelled:
            raise Interrupted("Stopped by the user.", job_id=self.job.id)

    def refresh(self) -> None:
        """Read the job anew: an earlier holder may have written what it alone could know."""
        self.job = self.ledger.get(self.job.id)

    @property
    def is_cancel_wished(self) -> bool:
        """Whether another command asked, under this lease, that the job is not sent."""
        return self.ledger.is_cancel_wished(self.job.id, self.lease.fence)

    def move(self, to: State, *, detail: str | None = None, **columns: Any) -> None:
        self.job = self.ledger.move(
            self.job.id, to, detail=detail, fence=self.lease.fence, **columns
        )

    def update(self, **columns: Any) -> None:
        self.job = self.ledger.update(self.job.id, fence=self.lease.fence, **columns)

    def renew_lease(self) -> None:
        """Raises LedgerError where another process has taken the job over."""
        self.ledger.renew_lease(self.lease, self.place.settings.lease_seconds)

    def begin_submission(self) -> int | None:
        """INTENT to SENT, committed before the first byte. Returns the submission's number.

        None while as many jobs of the account are at the vendor as settings allow, and where the
        lease has lapsed.
        """
        limit = self.place.settings.concurrent_jobs(self.service.vendor)
        begun = self.ledger.begin_submission_in_turn(
            self.job.id, limit, is_gone=owner_is_gone, fence=self.lease.fence
        )
        if begun is None:
            return None
        self.job = self.ledger.get(self.job.id)
        self.has_submitted = True
        return begun.number

    def end_submission(
        self,
        number: int,
        outcome: Outcome,
        *,
        to: State | None = None,
        vendor_id: str | None = None,
        detail: str | None = None,
        **columns: Any,
    ) -> None:
        self.job = self.ledger.end_submission(
            self.job.id,
            number,
            outcome,
            to=to,
            vendor_id=vendor_id,
            detail=detail,
            fence=self.lease.fence,
            **columns,
        )
        if to is None and detail is not None:
            self.ledger.note(self.job.id, "submission", detail)


async def ask(held: HeldJob) -> Report:
    """What the vendor says of the job now.

    Raises CredentialError where the vendor says no to a key that is not the job's own: the job may
    be there all the same. Once it was shown to that key, a no is one.
    """
    other = held.other_key
    if other is None or other.sees_the_job:
        return await _report(held)
    if not other.is_set:
        raise other.problem
    try:
        report = await _report(held)
    except VisemeError as problem:
        if isinstance(problem, CredentialError) or problem.http_status in _MAY_BE_ANOTHERS:
            raise other.problem from problem
        raise
    # An error may be about the task, or about who asks for it: Runware has one form for both.
    if report.phase in (Phase.MISSING, Phase.FAILED, Phase.CANCELLED):
        raise other.problem
    other.sees_the_job = True
    return report


async def _report(held: HeldJob) -> Report:
    job = held.job
    return await held.service.report(vendor_ids(job), logs=wants_logs(job), items=job.item_count)


def vendor_ids(job: JobRecord) -> dict[str, str]:
    """What the vendor knows the job by; empty before it was accepted."""
    return {str(k): str(v) for k, v in (job.vendor_ids or {}).items()}


def wants_logs(job: JobRecord) -> bool:
    """Whether the vendor's log lines are to be shown."""
    return bool(job.arguments.get("logs", True))
