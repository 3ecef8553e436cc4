"""The part of the ledger that holds the files which lie at a vendor for a job."""

from __future__ import annotations

from sqlalchemy import func, insert, select, update

from ..errors import InputError
from ..model import Vendor
from . import rows
from .records import UploadRecord
from .schema import events, jobs, uploads
from .states import ENDED
from .store import Store, add_event, at_same_place, job_row

_UPLOAD_KEPT = "cleanup"  # the kind of the event of an upload that was to be deleted
_NOT_DELETED = " not deleted: "


class Uploads(Store):
    """What was uploaded, and what of it is still there."""

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
                    *at_same_place(row),
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
