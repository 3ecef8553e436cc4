"""The ledger's tables, in SQL that SQLite and PostgreSQL both know.

Times are UTC in integer milliseconds since 1970, money is decimal text in US dollars.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
)

from .states import DEAD

SCHEMA_VERSION = 1

metadata = MetaData()

# SQLite counts up only a plain INTEGER key.
_COUNTER = BigInteger().with_variant(Integer(), "sqlite")
_DOCUMENT = JSON(none_as_null=True)

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("parent_id", String(32), ForeignKey("jobs.id"), index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("take", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("endpoint", String(64), nullable=False),
    Column("vendor", String(16), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("sandbox_control_url", Text),
    Column("account", String(64), nullable=False),
    Column("arguments", _DOCUMENT, nullable=False),
    Column("media", _DOCUMENT, nullable=False),
    Column("order", _DOCUMENT, nullable=False),
    Column("request_token", String(128)),
    Column("body_digest", String(64)),
    Column("media_hashes", _DOCUMENT),
    Column("sent_arguments", _DOCUMENT),
    Column("vendor_ids", _DOCUMENT),
    Column("item_count", Integer, nullable=False),
    Column("quote_least_usd", Text),
    Column("quote_most_usd", Text),
    Column("quote_basis", Text, nullable=False),
    Column("quote_unknown_reason", Text),
    Column("timing", _DOCUMENT),
    Column("cost_usd", Text),
    Column("vendor_output", _DOCUMENT),
    Column("warnings", _DOCUMENT, nullable=False),
    Column("error", _DOCUMENT),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("updated_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("accepted_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("deadline_at", BigInteger),
    Column("lease_owner", String(128)),
    Column("lease_until", BigInteger),
    Column("fence", BigInteger, nullable=False),
)

_ENDED = ", ".join(f"'{state.value}'" for state in sorted(DEAD, key=lambda state: state.value))
# Both databases know this; an Index with a condition would load the drivers of PostgreSQL first.
one_live_job = DDL(  # type: ignore[no-untyped-call]
    "CREATE UNIQUE INDEX one_live_job_per_fingerprint ON jobs (fingerprint) "
    f"WHERE state NOT IN ({_ENDED})"
)
event.listen(jobs, "after_create", one_live_job)
Index("jobs_by_fingerprint", jobs.c.fingerprint, jobs.c.created_at)

items = Table(
    "items",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("url", Text),
    Column("vendor_id", Text),
    Column("digest", String(64)),
    Column("path", Text),
    Column("size_bytes", BigInteger),
    Column("fetched_at", BigInteger),
    Column("problem", Text),
)

submissions = Table(
    "submissions",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("token", String(128)),
    Column("body_digest", String(64)),
    Column("media_hashes", _DOCUMENT),
    Column("sent_arguments", _DOCUMENT),
    Column("sent_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", String(16)),
    Column("vendor_id", Text, index=True),
)

# Only ever added to: what happened to each job, in order.
events = Table(
    "events",
    metadata,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16)),
    Column("detail", Text),
    Column("fence", BigInteger),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("vendor", String(16), nullable=False),
    Column("reference", Text, nullable=False),
    Column("digest", String(64)),
    Column("size_bytes", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("deleted_at", BigInteger),
)
