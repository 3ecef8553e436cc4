from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.url import URL
from sqlalchemy.schema import CreateTable

from viseme.ledger import (
    EventRecord,
    ItemRecord,
    JobRecord,
    Ledger,
    State,
    SubmissionRecord,
    UploadRecord,
)
from viseme.ledger.schema import events, items, jobs, metadata, one_live_job, submissions, uploads


def dialect(name: str) -> Dialect:
    return URL.create(name).get_dialect()()


RECORDS = [
    (jobs, JobRecord),
    (items, ItemRecord),
    (submissions, SubmissionRecord),
    (events, EventRecord),
    (uploads, UploadRecord),
]


@pytest.mark.parametrize(("table", "record"), RECORDS, ids=lambda value: value.__class__.__name__)
def test_a_record_has_every_column_of_its_table(table: Table, record: type) -> None:
    assert [column.name for column in table.columns] == [
        field.name for field in dataclasses.fields(record)
    ]


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_a_server_database_could_hold_every_table(table: Table) -> None:
    text = str(CreateTable(table).compile(dialect=dialect("postgresql")))
    assert "CREATE TABLE" in text
    times = [column for column in table.columns if column.name.endswith(("_at", "_until"))]
    assert all(str(column.type) == "BIGINT" for column in times)


@pytest.mark.parametrize("name", ["postgresql", "sqlite"])
def test_one_live_job_for_a_fingerprint_is_the_databases_own_rule(
    name: str,
) -> None:
    text = str(one_live_job.compile(dialect=dialect(name)))
    assert "UNIQUE" in text
    condition = text.partition("WHERE")[2]
    assert "NOT IN" in condition
    assert all(state in condition for state in ("FAILED", "CANCELLED", "DISCARDED"))


def test_a_ledger_of_an_early_checkout_gets_the_columns_it_lacks_with_what_its_jobs_tell(
    tmp_path: Path, new_job: Any
) -> None:
    path = tmp_path / "ledger.sqlite3"
    with Ledger.open(path) as ledger:
        job, _ = ledger.claim(dataclasses.replace(new_job(), order={"sent": {"sync_mode": "loop"}}))
        ledger.move(job.id, State.INTENT, media_hashes={"video": "abc"})
        ledger.begin_submission(job.id)
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        old.execute("DROP INDEX ix_submissions_vendor_id")
        old.execute("ALTER TABLE jobs DROP COLUMN sent_arguments")
        old.execute("ALTER TABLE submissions DROP COLUMN sent_arguments")
        old.execute("ALTER TABLE submissions DROP COLUMN media_hashes")
    with Ledger.open(path) as ledger:
        [submission] = ledger.submissions(job.id)
        assert submission.media_hashes == {"video": "abc"}
        assert submission.sent_arguments == {"sync_mode": "loop"}
        assert ledger.get(job.id).sent_arguments == {"sync_mode": "loop"}
    with contextlib.closing(sqlite3.connect(path)) as now:
        indexes = {name for _, name, *_ in now.execute("PRAGMA index_list(submissions)")}
    assert "ix_submissions_vendor_id" in indexes
