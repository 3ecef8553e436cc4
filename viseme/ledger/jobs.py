"""The part of the ledger that holds the jobs and what happened to them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, insert, or_, select
from sqlalchemy.exc import IntegrityError

from ..errors import InputError, LedgerError
from . import rows
from .records import EventRecord, JobRecord, NewJob
from .schema import events, jobs
from .states import DEAD, State
from .store import (
    LIST_REMEDY,
    PROTECTED_COLUMNS,
    Store,
    add_event,
    checked_row,
    job_row,
    move_row,
    update_job,
)

_CLAIM_ATTEMPTS = 20
# Made once: to put a statement together takes several times as long as to execute it.
_LIVE_JOB = select(jobs).where(
    jobs.c.fingerprint == bindparam("wanted"),
    jobs.c.state.not_in(sorted(state.value for state in DEAD)),
)
_TAKEN_ID = select(jobs.c.id).where(jobs.c.id == bindparam("wanted"))
_JOB_WITH_ID = select(jobs).where(jobs.c.id == bindparam("wanted"))
_INSERT_JOB = insert(jobs)


class Jobs(Store):
    """One purchase each, from the claim to its end."""

    def claim(self, new: NewJob) -> tuple[JobRecord, bool]:
        """The live job of this fingerprint and False, or a new one in PLANNED and True.

        However many processes claim at once, exactly one gets True until the job is FAILED,
        CANCELLED or DISCARDED.
        """
        found = self.find(new.fingerprint)  # waits for no writer
        if found is not None:
            return found, False
        for _ in range(_CLAIM_ATTEMPTS):
            try:
                with self._database.write() as connection:
                    row = _live_row(connection, new.fingerprint)
                    if row is not None:
                        return rows.job_record(row), False
                    return self._insert(connection, new), True
            except LedgerError as error:
                # A server's writers are not kept apart as SQLite's are: the index decides.
                if not isinstance(error.__cause__, IntegrityError):
                    raise
        raise LedgerError(
            "The ledger could not give this purchase a row of its own.",
            field="ledger",
            value=self.path,
            remedy="Give the same command again; nothing was bought.",
        )

    def _insert(self, connection: Connection, new: NewJob) -> JobRecord:
        now = self._clock()
        job_id = rows.new_job_id(now)
        while connection.execute(_TAKEN_ID, {"wanted": job_id}).first():
            job_id = rows.new_job_id(now)
        given = rows.to_columns(
            jobs,
            {
                "parent_id": new.parent_id,
                "endpoint": new.endpoint,
                "vendor": new.vendor,
                "destination": new.destination,
                "sandbox_control_url": new.sandbox_control_url,
                "account": new.account,
                "arguments": new.arguments,
                "media": new.media,
                "order": new.order,
                "item_count": new.item_count,
                "quote_least_usd": new.quote.least_usd,
                "quote_most_usd": new.quote.most_usd,
                "quote_basis": new.quote.basis,
                "quote_unknown_reason": new.quote.unknown_reason,
                "timing": new.timing,
                "warnings": new.warnings,
                "deadline_at": new.deadline_at,
            },
            PROTECTED_COLUMNS,
        )
        connection.execute(
            _INSERT_JOB,
            {
                "id": job_id,
                "fingerprint": new.fingerprint,
                "take": new.take,
                "state": State.PLANNED.value,
                "created_at": now,
                "updated_at": now,
                "fence": 0,
                **given,
            },
        )
        add_event(connection, job_id, now, "created", to_state=State.PLANNED)
        return rows.job_record(job_row(connection, job_id))

    def get(self, job_id: str) -> JobRecord:
        """The job with this id, or the only one whose id (or its part after ``-``) begins so.

        Raises ``InputError`` when there is none, or more than one.
        """
        wanted = job_id.strip().lower()
        if not wanted:
            raise InputError("No job id was given.", field="job", remedy=LIST_REMEDY)
        with self._database.read() as connection:
            found = connection.execute(_JOB_WITH_ID, {"wanted": wanted}).all()
            if not found:
                found = connection.execute(_jobs_like(wanted)).all()
        if len(found) == 1:
            return rows.job_record(found[0])
        if not found:
            raise InputError(
                f"There is no job {wanted}.", field="job", value=wanted, remedy=LIST_REMEDY
            )
        raise InputError(
            f"{wanted} stands for more than one job: {', '.join(row.id for row in found)}.",
            field="job",
            value=wanted,
            remedy="Give more of the id.",
        )

    def find(self, fingerprint: str) -> JobRecord | None:
        """The live job of this fingerprint: not FAILED, CANCELLED or DISCARDED."""
        with self._database.read() as connection:
            row = _live_row(connection, fingerprint)
        return None if row is None else rows.job_record(row)

    def list(
        self, states: Collection[State] | None = None, limit: int | None = None
    ) -> tuple[JobRecord, ...]:
        """Jobs, newest first."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if states is not None:
            query = query.where(jobs.c.state.in_(sorted(state.value for state in states)))
        with self._database.read() as connection:
            return tuple(rows.job_record(row) for row in connection.execute(query))

    def move(
        self,
        job_id: str,
        to: State,
        *,
        detail: str | None = None,
        fence: int | None = None,
        **columns: Any,
    ) -> JobRecord:
        """Move a job along the table of states, and set columns with it; one event is written.

        ``columns`` are those of ``JobRecord`` except ids, states, times of states and leases.
        ``sent_at``, ``accepted_at`` and ``finished_at`` are set by the move itself. Raises
        ``TransitionError`` for a move that the table has not, and ``LedgerError`` with code
        ``stale_fence`` when another process has had a lease since ``fence``.
        """
        with self._database.write() as connection:
            row = checked_row(connection, job_id, fence)
            move_row(connection, row, to, detail, columns, self._clock())
            return rows.job_record(job_row(connection, job_id))

    def update(self, job_id: str, *, fence: int | None = None, **columns: Any) -> JobRecord:
        """Set columns without moving the job; ``columns`` and ``fence`` as for ``move``."""
        with self._database.write() as connection:
            checked_row(connection, job_id, fence)
            values = rows.to_columns(jobs, columns, PROTECTED_COLUMNS)
            values["updated_at"] = self._clock()
            update_job(connection, job_id, values)
            return rows.job_record(job_row(connection, job_id))

    def note(self, job_id: str, kind: str, detail: str) -> None:
        """Write an event that moves nothing: ``kind`` is one word, ``detail`` a sentence."""
        with self._database.write() as connection:
            row = job_row(connection, job_id)
            add_event(connection, job_id, self._clock(), kind, detail=detail, fence=row.fence)

    def events(self, job_id: str) -> tuple[EventRecord, ...]:
        """Everything that happened to a job, oldest first."""
        query = select(events).where(events.c.job_id == job_id).order_by(events.c.id)
        with self._database.read() as connection:
            return tuple(rows.event_record(row) for row in connection.execute(query))


def _live_row(connection: Connection, fingerprint: str) -> Row[Any] | None:
    return connection.execute(_LIVE_JOB, {"wanted": fingerprint}).first()


def _jobs_like(beginning: str) -> Select[Any]:
    """Up to four jobs whose id, or its part after ``-``, begins so."""
    matches = or_(
        jobs.c.id.startswith(beginning, autoescape=True),
        jobs.c.id.contains(f"-{beginning}", autoescape=True),
    )
    return select(jobs).where(matches).order_by(jobs.c.id).limit(4)
