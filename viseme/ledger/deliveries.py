"""The part of the ledger that holds what went to the vendor and what comes back for one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from ..errors import InputError, LedgerError, TransitionError
from ..model import Vendor
from . import rows
from .records import (
    ItemRecord,
    JobRecord,
    KeptFile,
    NewItem,
    SubmissionRecord,
    UploadRecord,
    lease_counts,
)
from .schema import events, items, jobs, submissions, uploads
from .states import AT_VENDOR, ENDED, ItemState, Outcome, State, check_item_move, check_outcome
from .store import VENDOR_ID_TAKEN, Store, add_event, checked_row, job_row, move_row

_PROTECTED_ITEM = frozenset({"job_id", "number"})
_UPLOAD_KEPT = "cleanup"  # the kind of the event of an upload that was to be deleted
_NOT_DELETED = " not deleted: "


class Deliveries(Store):
    """Submissions, uploads and results."""

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
                query.where(*_at_same_place(row), submissions.c.vendor_id.is_not(None))
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
                    *_at_same_place(row),
                    jobs.c.account == row.account,
                    jobs.c.endpoint == row.endpoint,
                    or_(
                        submissions.c.outcome.is_(None),
                        submissions.c.outcome == Outcome.UNKNOWN.value,
                    ),
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

    def set_items(
        self, job_id: str, new: Sequence[NewItem], *, fence: int | None = None
    ) -> tuple[ItemRecord, ...]:
        """Write down the results that the vendor showed, by number.

        A result that is here already keeps its file and state and gets the new URL only, where
        there is one. Results that are not named stay as they are. Raises ``TransitionError`` where
        the table of results has no such move, and for FETCHED: that is ``update_item``'s to say.
        """
        with self._database.write() as connection:
            checked_row(connection, job_id, fence)
            for item in new:
                _set_item(connection, job_id, item)
            return _item_records(connection, job_id)

    def update_item(
        self, job_id: str, number: int, *, fence: int | None = None, **columns: Any
    ) -> ItemRecord:
        """Set columns of one result: ``state``, ``url``, ``digest``, ``path``, ``problem`` ...

        ``fetched_at`` is set by ``state=ItemState.FETCHED`` itself, which needs a ``path``. Raises
        ``TransitionError`` for a move that the table of results has not.
        """
        here = (items.c.job_id == job_id, items.c.number == number)
        with self._database.write() as connection:
            checked_row(connection, job_id, fence)
            values = rows.to_columns(items, columns, _PROTECTED_ITEM)
            row = connection.execute(select(items).where(*here)).first()
            if row is None:
                raise InputError(
                    f"The job has no result {number}.", field="item", value=number, job_id=job_id
                )
            if "state" in values:
                state = ItemState(values["state"])
                check_item_move(ItemState(row.state), state, number=number, job_id=job_id)
                if state is ItemState.FETCHED:
                    if values.get("path", row.path) is None:
                        raise InputError(
                            f"Result {number} cannot be FETCHED without a file.",
                            field="path",
                            job_id=job_id,
                        )
                    values.setdefault("fetched_at", self._clock())
            connection.execute(update(items).where(*here).values(**values))
            return rows.item_record(connection.execute(select(items).where(*here)).one())

    def items(self, job_id: str) -> tuple[ItemRecord, ...]:
        """The results of a job, by number."""
        with self._database.read() as connection:
            return _item_records(connection, job_id)

    def kept_files(self, path: str | None = None) -> tuple[KeptFile, ...]:
        """The files of all results that were fetched, with their jobs; of one path, if given."""
        columns = (items.c.path, jobs.c.id, jobs.c.state, jobs.c.destination)
        query = select(*columns).join(jobs, jobs.c.id == items.c.job_id)
        query = query.where(items.c.path.is_not(None) if path is None else items.c.path == path)
        with self._database.read() as connection:
            return tuple(
                KeptFile(row.path, row.id, State(row.state), row.destination)
                for row in connection.execute(query)
            )

    def add_upload(
        self,
        job_id: str,
        *,
        role: str,
        vendor: Vendor,
        reference: str,
        digest: str | None = None,
        size_bytes: int | None = None,
        expires_at: int | None = None,
    ) -> UploadRecord:
        """Write down a file that now lies at the vendor, by the URL or UUID it has there."""
        values = {"role": role, "vendor": vendor.value, "reference": reference, "digest": digest}
        with self._database.write() as connection:
            job_row(connection, job_id)
            written = connection.execute(
                insert(uploads).values(
                    job_id=job_id,
                    size_bytes=size_bytes,
                    created_at=self._clock(),
                    expires_at=expires_at,
                    **values,
                )
            )
            key = written.inserted_primary_key
            query = select(uploads).where(uploads.c.id == (key[0] if key else None))
            return rows.upload_record(connection.execute(query).one())

    def uploads(self, job_id: str) -> tuple[UploadRecord, ...]:
        """The files of a job that were put at the vendor, oldest first; deleted ones too."""
        query = select(uploads).where(uploads.c.job_id == job_id).order_by(uploads.c.id)
        with self._database.read() as connection:
            return tuple(rows.upload_record(row) for row in connection.execute(query))

    def uploads_left(
        self, job_id: str, *, since: int, most_tries: int, limit: int
    ) -> tuple[UploadRecord, ...]:
        """Files of other jobs that have ended and are still at the vendor, newest first.

        They are of the account, vendor and destination of this job, and were put there after
        ``since`` (UTC milliseconds). At most ``limit`` of them, and none that was kept
        ``most_tries`` times.
        """
        noted = uploads.c.reference + _NOT_DELETED
        tries = (
            select(func.count())
            .where(
                events.c.job_id == uploads.c.job_id,
                events.c.kind == _UPLOAD_KEPT,
                func.substr(events.c.detail, 1, func.length(noted)) == noted,
            )
            .scalar_subquery()
        )
        with self._database.read() as connection:
            row = job_row(connection, job_id)
            query = (
                select(uploads)
                .join(jobs, jobs.c.id == uploads.c.job_id)
                .where(
                    *_at_same_place(row),
                    jobs.c.account == row.account,
                    jobs.c.id != job_id,
                    jobs.c.state.in_(sorted(state.value for state in ENDED)),
                    uploads.c.deleted_at.is_(None),
                    uploads.c.created_at > since,
                    tries < most_tries,
                )
                .order_by(uploads.c.id.desc())
                .limit(limit)
            )
            return tuple(rows.upload_record(found) for found in connection.execute(query))

    def note_upload_kept(self, upload_id: int, why: str) -> None:
        """Write down that the vendor was asked to delete the file and did not, as an event."""
        query = select(uploads).where(uploads.c.id == upload_id)
        with self._database.write() as connection:
            upload = rows.upload_record(connection.execute(query).one())
            detail = f"{upload.reference}{_NOT_DELETED}{why}"
            fence = job_row(connection, upload.job_id).fence
            add_event(
                connection, upload.job_id, self._clock(), _UPLOAD_KEPT, detail=detail, fence=fence
            )

    def mark_upload_deleted(self, upload_id: int) -> None:
        """Write down that the vendor has deleted the file; the first time it was so stays.

        Raises ``InputError`` where there is no such upload.
        """
        here = uploads.c.id == upload_id
        with self._database.write() as connection:
            if connection.execute(select(uploads.c.id).where(here)).first() is None:
                raise InputError(
                    f"There is no upload {upload_id}.", field="upload", value=upload_id
                )
            first = (here, uploads.c.deleted_at.is_(None))
            connection.execute(update(uploads).where(*first).values(deleted_at=self._clock()))


def _at_same_place(row: Row[Any]) -> tuple[ColumnElement[bool], ...]:
    """The conditions on jobs that are at the vendor and destination of the job ``row``."""
    return (jobs.c.vendor == row.vendor, jobs.c.destination == row.destination)


def _check_not_taken(connection: Connection, row: Row[Any], vendor_id: str) -> None:
    """Raise LedgerError where another job was accepted under that id."""
    others = (
        select(submissions.c.job_id)
        .join(jobs, jobs.c.id == submissions.c.job_id)
        .where(submissions.c.vendor_id == vendor_id, jobs.c.id != row.id, *_at_same_place(row))
    )
    taken = connection.execute(others).first()
    if taken is not None:
        raise LedgerError(
            f"{vendor_id} is what job {taken.job_id} was accepted as.",
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


def _set_item(connection: Connection, job_id: str, item: NewItem) -> None:
    here = (items.c.job_id == job_id, items.c.number == item.number)
    seen = {"url": item.url, "vendor_id": item.vendor_id}
    row = connection.execute(select(items).where(*here)).first()
    current = ItemState.EXPECTED if row is None else ItemState(row.state)
    if item.state is ItemState.FETCHED:
        # A file is what makes it FETCHED, and a vendor's answer has none.
        raise TransitionError(
            f"Result {item.number} is {current.value} and cannot become FETCHED by an answer.",
            field="item",
            value=item.state.value,
            job_id=job_id,
        )
    if current is ItemState.FETCHED:
        kept = {name: value for name, value in seen.items() if value is not None}
        if kept:
            connection.execute(update(items).where(*here).values(**kept))
        return
    check_item_move(current, item.state, number=item.number, job_id=job_id)
    values = {"state": item.state.value, "problem": item.problem, **seen}
    if row is None:
        connection.execute(insert(items).values(job_id=job_id, number=item.number, **values))
    else:
        connection.execute(update(items).where(*here).values(**values))


def _item_records(connection: Connection, job_id: str) -> tuple[ItemRecord, ...]:
    query = select(items).where(items.c.job_id == job_id).order_by(items.c.number)
    return tuple(rows.item_record(row) for row in connection.execute(query))
