"""The part of the ledger that says which process works on a job."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from .records import LONGEST_LEASE_SECONDS, Lease, lease_counts
from .schema import events, jobs
from .store import Store, add_event, checked_row, job_row, stale, update_job

_CANCEL_WISHED = "cancel-wished"  # the kind of the event
_RELEASE = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.fence == bindparam("held_fence"))
    .values(lease_owner=None, lease_until=None)
)


class Leases(Store):
    """At most one process works on a job, and one that was too slow can no longer write."""

    def acquire_lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
        """The right to work on a job, or ``None`` while another lease of it runs.

        ``owner`` tells people who it is (host, process); it gives no right by itself. The fence
        of the lease is higher than that of every earlier one: writes with an earlier fence are
        refused from now on. ``seconds`` is at most ``LONGEST_LEASE_SECONDS``.
        """
        length = _milliseconds(seconds)
        with self._database.write() as connection:
            row, now = job_row(connection, job_id), self._clock()
            if row.lease_owner is not None and lease_counts(row.lease_until, now):
                return None
            lease = Lease(job_id, owner, row.fence + 1, now + length)
            values = {"lease_owner": owner, "lease_until": lease.until, "fence": lease.fence}
            update_job(connection, job_id, values)
            add_event(connection, job_id, now, "lease", detail=owner, fence=lease.fence)
            return lease

    def renew_lease(self, lease: Lease, seconds: float) -> Lease:
        """The same lease, for ``seconds`` from now.

        Raises ``LedgerError`` with code ``stale_fence`` when another process has had it since, or
        when it was released.
        """
        length = _milliseconds(seconds)
        with self._database.write() as connection:
            row = checked_row(connection, lease.job_id, lease.fence)
            if row.lease_owner is None:
                raise stale(lease.job_id, lease.fence, "it was released")
            until = self._clock() + length
            update_job(connection, lease.job_id, {"lease_until": until})
            return Lease(lease.job_id, lease.owner, lease.fence, until)

    def wish_cancel(self, job_id: str) -> None:
        """Ask whoever works on the job not to send it; the wish holds for that lease alone."""
        with self._database.write() as connection:
            row = job_row(connection, job_id)
            add_event(connection, job_id, self._clock(), _CANCEL_WISHED, fence=row.fence)

    def is_cancel_wished(self, job_id: str, fence: int) -> bool:
        """Whether somebody asked that the job is not sent under the lease of ``fence``."""
        query = select(events.c.id).where(
            events.c.job_id == job_id, events.c.kind == _CANCEL_WISHED, events.c.fence == fence
        )
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def release_lease(self, lease: Lease) -> None:
        """Give the job free. Does nothing when another process has it by now."""
        with self._database.write() as connection:
            connection.execute(_RELEASE, {"job_id": lease.job_id, "held_fence": lease.fence})


def _milliseconds(seconds: float) -> int:
    """The length of a lease. Raises ValueError for one that would count as lapsed."""
    if not 0 <= seconds <= LONGEST_LEASE_SECONDS:
        raise ValueError(f"a lease is given for up to {LONGEST_LEASE_SECONDS} s")
    return round(seconds * 1000)
