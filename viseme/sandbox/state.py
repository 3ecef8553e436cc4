"""What the sandbox remembers, in one SQLite file: it survives restarts and ``kill -9``.

Only the event loop's thread uses it, and every call is one short transaction.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .records import Job, StoredFile, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    vendor TEXT NOT NULL, id TEXT NOT NULL, accepted_at REAL NOT NULL, ended_at REAL,
    document TEXT NOT NULL, PRIMARY KEY (vendor, id));
CREATE TABLE IF NOT EXISTS charges (
    vendor TEXT NOT NULL, vendor_id TEXT NOT NULL, endpoint TEXT NOT NULL, usd TEXT NOT NULL,
    time REAL NOT NULL, PRIMARY KEY (vendor, vendor_id));
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, vendor TEXT NOT NULL,
    operation TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER,
    bytes_in INTEGER NOT NULL DEFAULT 0, bytes_out INTEGER NOT NULL DEFAULT 0,
    has_key INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    host TEXT NOT NULL, path TEXT NOT NULL, disk TEXT NOT NULL, media_type TEXT NOT NULL,
    media_uuid TEXT, source_url TEXT, expires_at REAL, job_id TEXT, PRIMARY KEY (host, path));
CREATE INDEX IF NOT EXISTS files_by_uuid ON files (media_uuid);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, vendor TEXT NOT NULL, kind TEXT NOT NULL,
    url TEXT NOT NULL, payload TEXT, disk TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    status INTEGER, state TEXT NOT NULL);
"""


class State:
    """The tables above as calls."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._db = sqlite3.connect(folder / "state.db", isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # A killed process loses nothing with NORMAL; only a power cut could.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self.sandbox_id = self.constant("sandbox_id", str(uuid.uuid4()))

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def constant(self, name: str, first_value: str) -> str:
        """A value that is made once and then stays."""
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, first_value))
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row["value"])

    # Jobs and what they cost

    def accept_job(self, job: Job) -> None:
        """Record a new job and its charge together; ``sqlite3.IntegrityError`` for a known id."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?)",
                (job.vendor, job.id, job.accepted_at, job.ended_at, json.dumps(asdict(job))),
            )
            db.execute(
                "INSERT INTO charges VALUES (?, ?, ?, ?, ?)",
                (job.vendor, job.id, job.model, job.price_usd, job.accepted_at),
            )

    def save_job(self, job: Job) -> None:
        self._db.execute(
            "UPDATE jobs SET ended_at = ?, document = ? WHERE vendor = ? AND id = ?",
            (job.ended_at, json.dumps(asdict(job)), job.vendor, job.id),
        )

    def end_job(self, job: Job, files: list[StoredFile], *, usd: str | None) -> None:
        """Record a job's end, its files and what it cost after all (``None``: nothing)."""
        with self._transaction() as db:
            db.execute(
                "UPDATE jobs SET ended_at = ?, document = ? WHERE vendor = ? AND id = ?",
                (job.ended_at, json.dumps(asdict(job)), job.vendor, job.id),
            )
            if usd is None:
                db.execute(
                    "DELETE FROM charges WHERE vendor = ? AND vendor_id = ?", (job.vendor, job.id)
                )
            else:
                db.execute(
                    "UPDATE charges SET usd = ? WHERE vendor = ? AND vendor_id = ?",
                    (usd, job.vendor, job.id),
                )
            for file in files:
                _insert_file(db, file)

    def jobs(self, vendor: str | None = None, *, unfinished: bool = False) -> list[Job]:
        """Oldest first."""
        rows = self._db.execute(
            "SELECT document FROM jobs WHERE (? IS NULL OR vendor = ?)"
            " AND (NOT ? OR ended_at IS NULL) ORDER BY accepted_at, rowid",
            (vendor, vendor, unfinished),
        )
        return [Job.from_document(row["document"]) for row in rows]

    def job(self, vendor: str, job_id: str) -> Job | None:
        row = self._db.execute(
            "SELECT document FROM jobs WHERE vendor = ? AND id = ?", (vendor, job_id)
        ).fetchone()
        return None if row is None else Job.from_document(row["document"])

    def charges(self) -> list[dict[str, Any]]:
        rows = self._db.execute(
            "SELECT vendor, endpoint, vendor_id, usd, time FROM charges ORDER BY time, rowid"
        )
        return [dict(row) for row in rows]

    # The log of calls

    def open_request(
        self, vendor: str, operation: str, method: str, path: str, *, has_key: bool
    ) -> int:
        cursor = self._db.execute(
            "INSERT INTO requests (time, vendor, operation, method, path, has_key)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (now(), vendor, operation, method, path, has_key),
        )
        return int(cursor.lastrowid or 0)

    def classify_request(self, row_id: int, operation: str) -> None:
        """Name a call that is under way, now that its body is read."""
        self._db.execute("UPDATE requests SET operation = ? WHERE id = ?", (operation, row_id))

    def close_request(
        self,
        row_id: int,
        operation: str,
        *,
        status: int | None,
        bytes_in: int,
        bytes_out: int,
        has_key: bool,
    ) -> None:
        self._db.execute(
            "UPDATE requests SET operation = ?, status = ?, bytes_in = ?, bytes_out = ?,"
            " has_key = ? WHERE id = ?",
            (operation, status, bytes_in, bytes_out, has_key, row_id),
        )

    def requests(self) -> list[dict[str, Any]]:
        rows = self._db.execute(
            "SELECT time, vendor, operation, method, path, status, bytes_in, bytes_out, has_key"
            " FROM requests ORDER BY id"
        )
        return [dict(row) | {"has_key": bool(row["has_key"])} for row in rows]

    # Files

    def add_file(self, file: StoredFile) -> None:
        _insert_file(self._db, file)

    def file(self, path: str, host: str | None = None) -> StoredFile | None:
        row = self._db.execute(
            "SELECT * FROM files WHERE path = ? AND (? IS NULL OR host = ?)", (path, host, host)
        ).fetchone()
        return None if row is None else StoredFile(**dict(row))

    def media(self, media_uuid: str) -> StoredFile | None:
        row = self._db.execute("SELECT * FROM files WHERE media_uuid = ?", (media_uuid,)).fetchone()
        return None if row is None else StoredFile(**dict(row))

    def drop_media(self, media_uuid: str) -> None:
        self._db.execute("DELETE FROM files WHERE media_uuid = ?", (media_uuid,))

    # Webhooks and uploads to others

    def add_delivery(
        self, vendor: str, kind: str, url: str, payload: str | None, disk: str | None, state: str
    ) -> int:
        cursor = self._db.execute(
            "INSERT INTO deliveries (time, vendor, kind, url, payload, disk, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (now(), vendor, kind, url, payload, disk, state),
        )
        return int(cursor.lastrowid or 0)

    def update_delivery(
        self, delivery_id: int, *, attempts: int, status: int | None, state: str
    ) -> None:
        self._db.execute(
            "UPDATE deliveries SET attempts = ?, status = ?, state = ? WHERE id = ?",
            (attempts, status, state, delivery_id),
        )

    def deliveries(self, state: str | None = None) -> list[dict[str, Any]]:
        rows = self._db.execute(
            "SELECT * FROM deliveries WHERE (? IS NULL OR state = ?) ORDER BY id", (state, state)
        )
        return [dict(row) for row in rows]

    def forget(self) -> list[str]:
        """Drop jobs, charges, requests, deliveries and results; uploads stay.

        Returns what may be deleted on disk, relative to the state folder.
        """
        with self._transaction() as db:
            disks = [
                row["disk"] for row in db.execute("SELECT disk FROM files WHERE job_id NOT NULL")
            ]
            kept = {row["disk"] for row in db.execute("SELECT disk FROM files")}
            for row in db.execute("SELECT document FROM jobs"):
                job = Job.from_document(row["document"])
                disks += [job.body_disk] if job.body_disk else []
                disks += [name for name in self._inline_media(job) if name not in kept]
            for table in ("jobs", "charges", "requests", "deliveries"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from this line
            db.execute("DELETE FROM files WHERE job_id NOT NULL")
        return disks

    def _inline_media(self, job: Job) -> list[str]:
        """The files of a job's media, among them those made of data URIs."""
        paths = [Path(text) for text in job.media.values()]
        inside = [path for path in paths if path.is_relative_to(self.folder / "media")]
        return [path.relative_to(self.folder).as_posix() for path in inside]


def _insert_file(db: sqlite3.Connection, file: StoredFile) -> None:
    db.execute(
        "INSERT INTO files VALUES (:host, :path, :disk, :media_type, :media_uuid, :source_url,"
        " :expires_at, :job_id)",
        asdict(file),
    )
