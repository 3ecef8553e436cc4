"""What every part of the ledger stands on: the open file, and one job's row in a transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, insert, select, update

from ..errors import InputError, LedgerError
from . import rows
from .engine import BUSY_TIMEOUT_SECONDS, Database
from .schema import events, jobs
from .states import DEAD, State, check_move

if TYPE_CHECKING:
    from typing_extensions import Self

STALE_FENCE = "stale_fence"
VENDOR_ID_TAKEN = "vendor_id_taken"
# Columns that only the method in charge of them sets.
PROTECTED_COLUMNS = frozenset(
    {"id", "fingerprint", "take", "state", "created_at", "updated_at", "sent_at", "accepted_at"}
    | {"finished_at", "lease_owner", "lease_until", "fence"}
)
LIST_REMEDY = "`viseme jobs` lists all jobs."

# Made once: to put a statement together takes several times as long as to execute it.
_JOB_BY_ID = select(jobs).where(jobs.c.id == bindparam("job_id")).with_for_update()
_UPDATE_JOB = update(jobs).where(jobs.c.id == bindparam("job_id"))
_INSERT_EVENT = insert(events)


def utc_milliseconds() -> int:
    """Now, as the ledger counts time."""
    return time.time_ns() // 1_000_000


class Store:
    """An open ledger file and a clock that gives UTC milliseconds."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], int] = utc_milliseconds,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        mount_lines: Sequence[str] | None = None,
    ) -> Self:
        """Open the ledger, creating it (mode 0600) where there is none; its folder must exist.

        Raises ``LedgerError`` when it cannot be opened for writing, is damaged, is no ledger, or
        was written by a newer Viseme; later, too, when another process holds it for longer than
        ``busy_timeout_seconds``. ``clock`` gives UTC milliseconds. ``mount_lines``: see Database.
        """
        database = Database.open(
            path,
            now=clock(),
            busy_timeout_seconds=busy_timeout_seconds,
            mount_lines=mount_lines,
        )
        return cls(database, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    @property
    def path(self) -> Path:
        return self._database.path

    def integrity_problems(self) -> tuple[str, ...]:
        """What a check of the whole file finds; empty when it is sound."""
        return self._database.integrity_problems()


def job_row(connection: Connection, job_id: str) -> Row[Any]:
    row = connection.execute(_JOB_BY_ID, {"job_id": job_id}).first()
    if row is None:
        raise InputError(
            f"There is no job {job_id}.", field="job", value=job_id, remedy=LIST_REMEDY
        )
    return row


def update_job(connection: Connection, job_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of one job, as the table holds them."""
    connection.execute(_UPDATE_JOB, {"job_id": job_id, **values})


def checked_row(connection: Connection, job_id: str, fence: int | None) -> Row[Any]:
    row = job_row(connection, job_id)
    if fence is not None and row.fence != fence:
        raise stale(job_id, fence, f"{row.lease_owner or 'another process'} took over")
    return row


def stale(job_id: str, fence: int, why: str) -> LedgerError:
    return LedgerError(
        f"This process may no longer write to the job: {why}.",
        field="fence",
        value=fence,
        remedy=f"`viseme show {job_id}` tells how the job stands.",
        job_id=job_id,
        code=STALE_FENCE,
    )


def add_event(
    connection: Connection,
    job_id: str,
    at: int,
    kind: str,
    from_state: State | None = None,
    to_state: State | None = None,
    *,
    detail: str | None = None,
    fence: int | None = None,
) -> None:
    connection.execute(
        _INSERT_EVENT,
        {
            "job_id": job_id,
            "at": at,
            "kind": kind,
            "from_state": None if from_state is None else from_state.value,
            "to_state": None if to_state is None else to_state.value,
            "detail": detail,
            "fence": fence,
        },
    )


def move_row(
    connection: Connection,
    row: Row[Any],
    to: State,
    detail: str | None,
    columns: Mapping[str, Any],
    now: int,
) -> None:
    """Move a job along the table of states; one event is written."""
    current = State(row.state)
    check_move(current, to, job_id=row.id)
    values = rows.to_columns(jobs, columns, PROTECTED_COLUMNS)
    values |= {"state": to.value, "updated_at": now}
    if to is State.SENT:
        values["sent_at"] = now
    elif to is State.ACCEPTED and row.accepted_at is None:
        values["accepted_at"] = now
    values["finished_at"] = now if to in DEAD | {State.FETCHED} else None
    update_job(connection, row.id, values)
    add_event(connection, row.id, now, "moved", current, to, detail=detail, fence=row.fence)


def at_same_place(row: Row[Any]) -> tuple[ColumnElement[bool], ...]:
    """The conditions on jobs that are at the vendor and destination of the job ``row``."""
    return (jobs.c.vendor == row.vendor, jobs.c.destination == row.destination)
