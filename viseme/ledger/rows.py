"""Between rows of the database and the frozen records. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import Row, Table

from ..errors import InputError
from ..model import Vendor
from .records import (
    EventRecord,
    ItemRecord,
    JobRecord,
    SubmissionRecord,
    UploadRecord,
)
from .states import ItemState, Outcome, State

# Crockford's base 32: no i, l, o, u, so that an id can be read out and typed.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SLOT_COUNT = len(_ALPHABET) ** 3
_DAY_MILLISECONDS = 24 * 60 * 60 * 1000


def new_job_id(now: int) -> str:
    """``20261120-7f3k2m``: the UTC day, the time of day to 3 seconds, three random characters.

    Ids sort by time to that precision. Two may collide: whoever inserts one looks first.
    """
    day = datetime.fromtimestamp(now // 1000, tz=timezone.utc).strftime("%Y%m%d")
    slot = now % _DAY_MILLISECONDS * _SLOT_COUNT // _DAY_MILLISECONDS
    digits = [_ALPHABET[slot >> shift & 31] for shift in (10, 5, 0)]
    digits += [secrets.choice(_ALPHABET) for _ in range(3)]
    return f"{day}-{''.join(digits)}"


def to_columns(
    table: Table, values: Mapping[str, Any], protected: frozenset[str]
) -> dict[str, Any]:
    """Values as the table holds them. Raises ``InputError`` for a column that it has not."""
    unknown = sorted(name for name in values if name not in table.c or name in protected)
    if unknown:
        raise InputError(
            f"The ledger's {table.name} have no column {unknown[0]} that can be set so.",
            field=unknown[0],
        )
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return value


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def job_record(row: Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    values["state"] = State(values["state"])
    values["vendor"] = Vendor(values["vendor"])
    values["warnings"] = tuple(values["warnings"])
    for name in ("quote_least_usd", "quote_most_usd", "cost_usd"):
        values[name] = _money(values[name])
    return JobRecord(**values)


def item_record(row: Row[Any]) -> ItemRecord:
    values = dict(row._mapping)
    values["state"] = ItemState(values["state"])
    return ItemRecord(**values)


def submission_record(row: Row[Any]) -> SubmissionRecord:
    values = dict(row._mapping)
    values["outcome"] = None if values["outcome"] is None else Outcome(values["outcome"])
    return SubmissionRecord(**values)


def event_record(row: Row[Any]) -> EventRecord:
    values = dict(row._mapping)
    for name in ("from_state", "to_state"):
        values[name] = None if values[name] is None else State(values[name])
    return EventRecord(**values)


def upload_record(row: Row[Any]) -> UploadRecord:
    values = dict(row._mapping)
    values["vendor"] = Vendor(values["vendor"])
    return UploadRecord(**values)
