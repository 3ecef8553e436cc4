"""The part of the ledger that holds the results of each job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ..errors import InputError, TransitionError
from . import rows
from .records import ItemRecord, KeptFile, NewItem
from .schema import items, jobs
from .states import ItemState, State, check_item_move
from .store import Store, checked_row

_PROTECTED_ITEM = frozenset({"job_id", "number"})


class Results(Store):
    """What a vendor has made, where it is there, and where it is here."""

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
