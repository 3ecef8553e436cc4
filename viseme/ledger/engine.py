"""The database file: the only module that knows SQLite.

Every write is one short ``BEGIN IMMEDIATE`` transaction, durable when it returns.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from ..errors import LedgerError
from .file_systems import network_kind
from .schema import SCHEMA_VERSION, jobs, metadata, schema_version, submissions

_log = logging.getLogger(__name__)

BUSY_TIMEOUT_SECONDS = 30.0
NETWORK_JOURNAL_MODE = "DELETE"
_READ_ONLY = "viseme_read_only"
_SMALLEST_DATABASE_BYTES = 512


class Database:
    """One ledger file. Safe to share between threads; each process opens its own."""

    def __init__(self, path: Path, engine: Engine, busy_timeout_seconds: float) -> None:
        self.path = path
        self._engine = engine
        self._busy_timeout_seconds = busy_timeout_seconds

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        now: int,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        mount_lines: Sequence[str] | None = None,
    ) -> Database:
        """Open the file, creating it (mode 0600) and its tables where there are none.

        ``now`` is in UTC milliseconds. Another process that writes is waited for as long as
        ``busy_timeout_seconds``. ``mount_lines`` are those of ``mountinfo``, Linux's own by
        default: on a network file system the journal is one that works there, and a warning is
        logged. Raises ``LedgerError``.
        """
        with translating(path, busy_timeout_seconds):
            _create_private_file(path)
            engine = _make_engine(path, network_kind(path, mount_lines), busy_timeout_seconds)
        database = cls(path, engine, busy_timeout_seconds)
        try:
            with database.write() as connection:
                _prepare_schema(connection, path, now)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer interrupts; committed at the end of the block."""
        with (
            translating(self.path, self._busy_timeout_seconds),
            self._engine.begin() as connection,
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; it waits for no writer."""
        with (
            translating(self.path, self._busy_timeout_seconds),
            self._engine.connect() as connection,
        ):
            connection.execution_options(**{_READ_ONLY: True})
            with connection.begin():
                yield connection

    def integrity_problems(self) -> tuple[str, ...]:
        """What SQLite's own check of the whole file finds; empty when it is sound."""
        with self.read() as connection:
            rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return tuple(str(row) for row in rows if row != "ok")

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def translating(path: Path, busy_timeout_seconds: float) -> Iterator[None]:
    """Turn what the database and the file system raise into ``LedgerError`` with a remedy."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise _explain(error, path, busy_timeout_seconds) from error


def _explain(error: Exception, path: Path, busy_timeout_seconds: float) -> LedgerError:
    cause = getattr(error, "orig", None) or error
    text = str(cause).lower()
    if any(sign in text for sign in _BUSY_SIGNS):
        return LedgerError(
            f"The ledger {path} has been held by another process for "
            f"{busy_timeout_seconds:g} seconds ({text}).",
            field="ledger",
            value=path,
            limit=f"{busy_timeout_seconds:g} s",
            remedy="Wait for the other Viseme process, or end it, then give the same command "
            "again.",
        )
    if isinstance(cause, OSError) and cause.strerror:
        text = cause.strerror.lower()
    for signs, problem, remedy in _KNOWN_PROBLEMS:
        if any(sign in text for sign in signs):
            return LedgerError(
                f"The ledger {path} {problem} ({text}).",
                field="ledger",
                value=path,
                remedy=remedy.format(path=path, folder=path.parent),
            )
    return LedgerError(
        f"The ledger {path} cannot be used: {text}.",
        field="ledger",
        value=path,
        remedy="Run `viseme doctor`, which checks the file.",
    )


_BUSY_SIGNS = ("is locked", "is busy")
_KNOWN_PROBLEMS = (
    (
        ("disk is full", "no space left", "file too large", "quota"),
        "cannot be written, the disk is full",
        "Make room in {folder}, then give the same command again; the ledger itself is whole.",
    ),
    (
        ("not a database", "malformed", "file is encrypted"),
        "is damaged, or is no ledger",
        "Keep a copy of {path}, then put a backup in its place. Only if there is none: move it "
        "away, after looking up at the vendors what they still work on, since a new ledger "
        "knows of no earlier purchase.",
    ),
    (
        ("readonly", "read-only", "permission denied", "unable to open", "not permitted"),
        "cannot be opened for writing",
        "Give this user write permission on {path} and its folder, or name another folder with "
        "--home.",
    ),
    (
        ("disk i/o error", "input/output error"),
        "cannot be read or written, the disk reports an error",
        "Check that {folder} has room and that its disk is sound, then give the same command "
        "again.",
    ),
)


def _create_private_file(path: Path) -> None:
    """An empty file of mode 0600; SQLite gives its companion files the same mode."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if 0 < status.st_size < _SMALLEST_DATABASE_BYTES:
            # SQLite would take it for an empty file and begin anew.
            raise sqlite3.DatabaseError("file is not a database")
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _make_engine(path: Path, network: str | None, busy_timeout_seconds: float) -> Engine:
    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        connect_args={"timeout": busy_timeout_seconds},
        hide_parameters=True,  # an error must not show what was ordered
    )
    mode = "WAL" if network is None else NETWORK_JOURNAL_MODE
    if network is not None:
        _log.warning(
            "%s lies on a network file system, or on what may be one (%s); give --home a local "
            "folder.",
            path,
            network,
        )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # With an isolation level, sqlite3 would begin transactions by itself, and later.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            _set_journal_mode(cursor, mode, busy_timeout_seconds)
            # In write-ahead mode only FULL survives a power cut; a lost SENT is a second charge.
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
        finally:
            cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_read = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if is_read else "BEGIN IMMEDIATE")

    return engine


def _set_journal_mode(cursor: sqlite3.Cursor, mode: str, busy_timeout_seconds: float) -> None:
    # SQLite does not wait for the busy timeout here when several processes open a new file.
    give_up = time.monotonic() + busy_timeout_seconds
    while True:
        try:
            cursor.execute(f"PRAGMA journal_mode={mode}")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _prepare_schema(connection: Connection, path: Path, now: int) -> None:
    """Create the tables in a new file; refuse a file that is not ours or too new."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION, created_at=now))
        return
    version = None
    if schema_version.name in tables:
        version = connection.execute(select(schema_version.c.version)).scalars().first()
    if version is None:
        raise LedgerError(
            f"{path} is a database, but not a ledger of Viseme's.",
            field="ledger",
            value=path,
            remedy="Name another folder with --home, or move that file away.",
        )
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger {path} has version {version}; this Viseme writes version "
            f"{SCHEMA_VERSION}.",
            field="ledger",
            value=version,
            limit=SCHEMA_VERSION,
            remedy="Install the newest Viseme (`pip install -U viseme`, or update the node pack).",
        )
    _add_columns(connection)


def _add_columns(connection: Connection) -> None:
    """Give a ledger of an early checkout the columns that it lacks, with what its jobs tell."""
    has = {
        table.name: {column["name"] for column in inspect(connection).get_columns(table.name)}
        for table in (jobs, submissions)
    }
    lacking = [
        (table, column)
        for table in (jobs, submissions)
        for column in table.columns
        if column.name not in has[table.name]
    ]
    if not lacking:
        return
    for table, column in lacking:
        kind = column.type.compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"))
    for index in (*jobs.indexes, *submissions.indexes):
        index.create(connection, checkfirst=True)
    for job in connection.execute(select(jobs.c.id, jobs.c.order, jobs.c.media_hashes)).all():
        sent = {"sent_arguments": (job.order or {}).get("sent")}
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(sent))
        hashes = {"media_hashes": job.media_hashes, **sent}
        connection.execute(update(submissions).where(submissions.c.job_id == job.id).values(hashes))
