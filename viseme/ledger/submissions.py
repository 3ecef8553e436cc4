"""The part of the ledger that holds each attempt to hand a job to its vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from ..errors import InputError, LedgerError
from . import rows
from .records import JobRecord, SubmissionRecord, lease_counts
from .schema import jobs, submissions
from .states import AT_VENDOR, Outcome, State, check_outcome
from .store import (
    VENDOR_ID_TAKEN,
    Store,
    add_event,
    at_same_place,
    checked_row,
    job_row,
    move_row,
    update_job,
)

_IN_DOUBT = or_(submissions.c.outcome.is_(None), submissions.c.outcome == Outcome.UNKNOWN.value)


class Submissions(Store):
    """How a job was submitted, how often, and what came of it."""

    def begin_submission(
        self,
        job_id: str,
        *,
        token: str | None = None,
        body_digest: str | None = None,
        fence: int | None = None,
    ) -> SubmissionRecord:
        """Move INTENT to SENT and write down the attempt, together. Call it before the first byte.

        ``token`` and ``body_digest`` are the job's own where they are not given; what else it can
        be found by is the job's own of this moment.
        """
        with self._database.write() as connection:
            row = checked_row(connection, job_id, fence)
            return _begin_submission(connection, row, token, body_digest, self._clock())

    def begin_submission_in_turn(
        self,
        job_id: str,
        most_at_once: int,
        *,
        is_gone: Callable[[str], bool] = lambda _owner: False,
        fence: int | None = None,
    ) -> SubmissionRecord | None:
        """The same, unless as many other jobs of the account are at the vendor already: then None.

        None also where the lease of ``fence`` has lapsed since it was renewed: to others this
        job's intent counted for nothing meanwhile, and what it may spend is to be asked again.
        Counted are those that a live process works on: whose lease holds, and whose owner is not
        provably gone (``is_gone``). However many processes ask at once, no more than
        ``most_at_once`` are let through, for counting and beginning are one transaction.
        """
        with self._database.write() as connection:
            row, now = checked_row(connection, job_id, fence), self._clock()
            if fence is not None and not lease_counts(row.lease_until, now):
                return None
            others = select(jobs.c.lease_owner, jobs.c.lease_until).where(
                jobs.c.id != job_id,
                jobs.c.account == row.account,
                jobs.c.state.in_(sorted(state.value for state in (State.SENT, *AT_VENDOR))),
                jobs.c.lease_owner.is_not(None),
            )
            busy = [
                owner
                for owner, until in connection.execute(others)
                if lease_counts(until, now) and not is_gone(owner)
            ]
            if len(busy) >= most_at_once:
                return None
            return _begin_submission(connection, row, None, None, now)

    def end_submission(
        self,
        job_id: str,
        number: int,
        outcome: Outcome,
        *,
        to: State | None = None,
        vendor_id: str | None = None,
        detail: str | None = None,
        fence: int | None = None,
        **columns: Any,
    ) -> JobRecord:
        """Write down how an attempt ended and, with ``to``, move the job in the same transaction.

        An attempt that ended UNKNOWN may be ended again once more is known; any other that has
        ended raises ``TransitionError``. One that was accepted under an id which another job of
        that vendor and destination has raises ``LedgerError`` with code ``vendor_id_taken``: what
        was bought once is the result of one job.
        """
        here = (submissions.c.job_id == job_id, submissions.c.number == number)
        with self._database.write() as connection:
            row = checked_row(connection, job_id, fence)
            attempt = connection.execute(select(submissions).where(*here)).first()
            if attempt is None:
                raise InputError(
                    f"The job has no submission {number}.",
                    field="submission",
                    value=number,
                    job_id=job_id,
                )
            ended_as = None if attempt.outcome is None else Outcome(attempt.outcome)
            check_outcome(ended_as, outcome, number=number, job_id=job_id)
            if outcome is Outcome.ACCEPTED and vendor_id is not None:
                _check_not_taken(connection, row, vendor_id)
            connection.execute(
                update(submissions)
                .where(*here)
                .values(outcome=outcome.value, ended_at=self._clock(), vendor_id=vendor_id)
            )
            if to is not None:
                move_row(connection, row, to, detail, columns, self._clock())
            return rows.job_record(job_row(connection, job_id))

    def note_acceptance(
        self, job_id: str, token: str, vendor_id: str, vendor_ids: Mapping[str, str]
    ) -> None:
        """Write down what a vendor accepted for a process whose lease is lost.

        That it was accepted is true whoever works on the job by now. The last submission of
        ``token`` is ACCEPTED, and a job in doubt gets ``vendor_ids``, by which it can be asked for;
        its state stays. Nothing is written where none of that token is in doubt, or where another
        job was accepted under the id.
        """
        with self._database.write() as connection:
            row = job_row(connection, job_id)
            attempt = connection.execute(
                select(submissions)
                .where(submissions.c.job_id == job_id, submissions.c.token == token, _IN_DOUBT)
                .order_by(submissions.c.number.desc())
            ).first()
            if attempt is None or _holder_of(connection, row, vendor_id) is not None:
                return
            now = self._clock()
            connection.execute(
                update(submissions)
                .where(submissions.c.job_id == job_id, submissions.c.number == attempt.number)
                .values(outcome=Outcome.ACCEPTED.value, ended_at=now, vendor_id=vendor_id)
            )
            if State(row.state) in (State.SENT, State.UNKNOWN, State.INTENT):
                ids = rows.to_columns(jobs, {"vendor_ids": dict(vendor_ids)}, frozenset())
                update_job(connection, job_id, ids | {"updated_at": now})
            detail = f"submission {attempt.number} was accepted as {vendor_id}"
            add_event(connection, job_id, now, "submission", detail=detail, fence=row.fence)

    def submissions(self, job_id: str) -> tuple[SubmissionRecord, ...]:
        """All attempts to hand the job to the vendor, oldest first."""
        query = select(submissions).where(submissions.c.job_id == job_id)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(submissions.c.number))
            return tuple(rows.submission_record(row) for row in found)

    def vendor_ids(self, job_id: str) -> frozenset[str]:
        """All ids under which the job's vendor accepted something at the job's destination, for
        this job or another one."""
        with self._database.read() as connection:
            row = job_row(connection, job_id)
            query = select(submissions.c.vendor_id).join(jobs, jobs.c.id == submissions.c.job_id)
            found = connection.execute(
                query.where(*at_same_place(row), submissions.c.vendor_id.is_not(None))
            )
            return frozenset(str(vendor_id) for (vendor_id,) in found)

    def submissions_in_doubt(self, job_id: str) -> tuple[SubmissionRecord, ...]:
        """Those of which nobody knows whether they arrived, of this job and of all others of its
        account that went to the same endpoint and destination."""
        with self._database.read() as connection:
            row = job_row(connection, job_id)
            query = select(submissions).join(jobs, jobs.c.id == submissions.c.job_id)
            found = connection.execute(
                query.where(
                    *at_same_place(row),
                    jobs.c.account == row.account,
                    jobs.c.endpoint == row.endpoint,
                    _IN_DOUBT,
                )
            )
            return tuple(rows.submission_record(one) for one in found)

    def kept_token(self, job_id: str) -> str | None:
        """The token of the job before this one with the same fingerprint, where the vendor never
        answered for it: it FAILED or was CANCELLED, and was neither accepted nor refused as often
        as it was sent. That one try was refused says nothing of another whose answer was lost.

        A vendor that takes a token only once buys nothing twice with it, even where that job did
        arrive though the vendor's own look-up did not show it.
        """
        same = select(jobs.c.fingerprint).where(jobs.c.id == job_id).scalar_subquery()
        earlier = (
            select(jobs)
            .where(jobs.c.fingerprint == same, jobs.c.id != job_id)
            .where(jobs.c.request_token.is_not(None))
            .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        )
        with self._database.read() as connection:
            row = connection.execute(earlier).first()
            if row is None or row.accepted_at is not None:
                return None
            if State(row.state) not in (State.FAILED, State.CANCELLED):
                return None
            tries = select(submissions.c.outcome).where(submissions.c.job_id == row.id)
            outcomes = {outcome for (outcome,) in connection.execute(tries)}
        return None if outcomes == {Outcome.REFUSED.value} else str(row.request_token)


def _holder_of(connection: Connection, row: Row[Any], vendor_id: str) -> str | None:
    """The other job that was accepted under that id."""
    others = (
        select(submissions.c.job_id)
        .join(jobs, jobs.c.id == submissions.c.job_id)
        .where(submissions.c.vendor_id == vendor_id, jobs.c.id != row.id, *at_same_place(row))
    )
    taken = connection.execute(others).first()
    return None if taken is None else str(taken.job_id)


def _check_not_taken(connection: Connection, row: Row[Any], vendor_id: str) -> None:
    """Raise LedgerError where another job was accepted under that id."""
    holder = _holder_of(connection, row, vendor_id)
    if holder is not None:
        raise LedgerError(
            f"{vendor_id} is what job {holder} was accepted as.",
            field="vendor_id",
            value=vendor_id,
            job_id=row.id,
            code=VENDOR_ID_TAKEN,
        )


def _begin_submission(
    connection: Connection,
    row: Row[Any],
    token: str | None,
    body_digest: str | None,
    now: int,
) -> SubmissionRecord:
    of_job = select(submissions).where(submissions.c.job_id == row.id)
    number = len(connection.execute(of_job).all()) + 1
    move_row(connection, row, State.SENT, f"submission {number}", {}, now)
    connection.execute(
        insert(submissions).values(
            job_id=row.id,
            number=number,
            token=token if token is not None else row.request_token,
            body_digest=body_digest if body_digest is not None else row.body_digest,
            media_hashes=row.media_hashes,
            sent_arguments=row.sent_arguments,
            sent_at=now,
        )
    )
    written = connection.execute(of_job.where(submissions.c.number == number)).one()
    return rows.submission_record(written)
