"""A job's results: written down at once, brought here whole, what was uploaded deleted."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from ..errors import (
    CredentialError,
    FetchRefused,
    LedgerError,
    UnreadableAnswer,
    VisemeError,
)
from ..ledger import ItemRecord, ItemState, NewItem, State, UploadRecord, utc_milliseconds
from ..model import ResultItem, VendorResult
from ..retry import may_pass
from .commands import job_command
from .endings import goes_on, unfetched
from .held import HeldJob
from .receipt import result_json, timing_from_json
from .results import KeptResult, differences, keep_result
from .signals import Step
from .workplace import Workplace, fetch_rules, media_guard

DELETE_TIMEOUT_SECONDS = 1.5  # an interrupted run returns within 2 s
MOST_LEFT_AT_ONCE = 8  # uploads of earlier jobs, which nobody is to wait for long
MOST_TRIES = 3  # of each that its vendor refuses to delete: it must not hold up the others
LEFT_DAYS = 30  # what could not be deleted for so long is asked for no more
log = logging.getLogger(__name__)

_DID_NOT_COME = re.compile(r"(\d+)( of \d+ results did not come.*)", re.DOTALL)


async def succeed(held: HeldJob, answer: Mapping[str, Any]) -> None:
    """The vendor has results: write them down, so that they can be fetched whatever happens.

    Results that stand in the answer itself are kept before the job is SUCCEEDED: the vendor may
    not show them a second time.
    """
    try:
        result = held.endpoint.read_result(answer, expected_items=held.job.item_count)
    except UnreadableAnswer as problem:
        raise goes_on(held, problem) from problem
    items = numbered(held, result)
    came = [NewItem(n, url=item.url, vendor_id=item.vendor_id) for n, item in items.items()]
    missing = [
        NewItem(number, ItemState.MISSING, problem="; ".join(result.notes) or None)
        for number in range(1, result.expected_items + 1)
        if number not in items
    ]
    held.ledger.set_items(held.job.id, [*came, *missing], fence=held.lease.fence)
    try:
        await bring_data(held, items)
    except VisemeError as problem:
        raise unfetched(held, problem) from problem
    held.move(
        State.SUCCEEDED,
        vendor_output=result.vendor_output,
        cost_usd=result.cost_usd,
        warnings=(*held.job.warnings, *_missing_warning(held, result)),
        error=None,
    )


def numbered(held: HeldJob, result: VendorResult) -> dict[int, ResultItem]:
    """The results of an answer by their numbers in the ledger."""
    known = {i.vendor_id: i.number for i in held.ledger.items(held.job.id) if i.vendor_id}
    return number_results(result.items, known)


def number_results(items: Sequence[ResultItem], known: Mapping[str, int]) -> dict[int, ResultItem]:
    """Results by number: the one that its vendor's id had before, else the next free one. Pure.

    Runware says to match results by id and never by their order (runware.ai/docs, task polling).
    """
    numbered = {known[str(i.vendor_id)]: i for i in items if i.vendor_id in known}
    free = (number for number in count(1) if number not in known.values())
    for item in items:
        if item.vendor_id not in known:
            numbered[next(free)] = item
    return dict(sorted(numbered.items()))


def _missing_warning(held: HeldJob, result: VendorResult) -> list[str]:
    missing = result.expected_items - len(result.items)
    if missing <= 0:
        return []
    why = f": {'; '.join(result.notes)}".rstrip(".") if result.notes else ""
    resume = job_command("resume", held.job.id, held.place.home)
    told = f"{missing} of {result.expected_items} results did not come{why}. `{resume}` asks again."
    return [told]


def recounted(warnings: Sequence[str], items: Sequence[ItemRecord]) -> tuple[str, ...]:
    """Warnings with the number of results that did not come as it is now; at none, without. Pure.

    Those of which it is told that they are gone do not count, nor any that was not missed before.
    """
    absent = sum(
        item.state is not ItemState.FETCHED
        and not any(warning.startswith(gone_words(item.number)) for warning in warnings)
        for item in items
    )
    told = []
    for warning in warnings:
        found = _DID_NOT_COME.fullmatch(warning)
        left = 0 if found is None else min(int(found[1]), absent)
        if found is None or left:
            told.append(warning if found is None else f"{left}{found[2]}")
    return tuple(told)


async def bring_data(held: HeldJob, items: Mapping[int, ResultItem]) -> bool:
    """Bring the results that stand in the vendor's answer itself; whether any was not here yet.

    Each is tried, whatever became of those before it. Raises the first problem.
    """
    here = {i.number for i in held.ledger.items(held.job.id) if item_is_here(held.place, i)}
    fresh = {n: item for n, item in items.items() if item.data is not None and n not in here}
    problems: list[VisemeError] = []
    for number, item in fresh.items():
        try:
            await bring(held, number, item)
        except FetchRefused as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return bool(fresh)


def item_is_here(place: Workplace, item: ItemRecord) -> bool:
    """Whether a result's file is in the results folder."""
    return (
        item.state is ItemState.FETCHED
        and item.path is not None
        and (place.home.results / item.path).is_file()
    )


async def bring(held: HeldJob, number: int, item: ResultItem) -> None:
    """Bring one result into the results folder, and write it down. Raises as ``keep_result``."""

    def on_bytes(received: int, total: int | None) -> None:
        share = received / total if total else None
        text = f"downloading: {received / 1e6:.1f} MB"
        held.report(Step.FETCH, text, fraction=share)

    held.report(Step.FETCH, "downloading the result", fraction=0.0)
    predicted = timing_from_json((held.job.timing or {}).get("predicted"))
    rules = fetch_rules(
        held.service.vendor, held.destination, held.place.settings, predicted.seconds_most
    )
    kept = await keep_result(
        item,
        f"{held.job.id}-{number}",
        held.place.home.results,
        rules,
        media_guard(held.place),
        on_bytes,
    )
    if kept.source is not None:
        held.place.brought[kept.source.path] = kept.source
    _write_down(held, number, kept)


def _write_down(held: HeldJob, number: int, kept: KeptResult) -> None:
    """What is told of the result comes first: a job that is killed between the two fetches it once
    more and tells the same, where one with the result and without it would tell what is not so."""
    timing = dict(held.job.timing or {})
    results = {**timing.get("results", {}), str(number): result_json(kept.clip)}
    found = differences(kept.clip, timing_from_json(timing.get("predicted")))
    items = [
        replace(item, state=ItemState.FETCHED) if item.number == number else item
        for item in held.ledger.items(held.job.id)
    ]
    before = recounted(without_gone(held, number), items)
    fresh = [warning for warning in found if warning not in before]
    held.update(timing={**timing, "results": results}, warnings=(*before, *fresh))
    held.ledger.update_item(
        held.job.id,
        number,
        fence=held.lease.fence,
        state=ItemState.FETCHED,
        digest=kept.digest,
        path=kept.path,
        size_bytes=kept.size_bytes,
        problem=None,
    )


def gone_words(number: int) -> str:
    """How the warning begins that a result is gone."""
    return f"Result {number} is gone."


def without_gone(held: HeldJob, number: int) -> tuple[str, ...]:
    """The job's warnings but for the one that this result is gone."""
    words = gone_words(number)
    return tuple(warning for warning in held.job.warnings if not warning.startswith(words))


async def delete_uploads(held: HeldJob, *, with_left: bool = False) -> None:
    """What the vendor can delete is deleted once it is not needed; failing at it costs nothing.

    ``with_left`` also those of jobs that ended without it: given up, or with a vendor that did not
    answer. All are asked for at once, and none is waited for longer than the others.
    """
    if not held.service.can_delete_uploads:
        return
    try:
        uploads = [one for one in held.ledger.uploads(held.job.id) if one.deleted_at is None]
        if with_left and held.other_key is None and not held.watch.cancel.is_cancelled:
            uploads += held.ledger.uploads_left(
                held.job.id,
                since=utc_milliseconds() - LEFT_DAYS * 86_400_000,
                most_tries=MOST_TRIES,
                limit=MOST_LEFT_AT_ONCE,
            )
    except LedgerError as problem:
        log.warning("What was uploaded for job %s is not deleted: %s", held.job.id, problem)
        return
    await asyncio.gather(*(_delete_one(held, upload) for upload in uploads))


async def _delete_one(held: HeldJob, upload: UploadRecord) -> None:
    try:
        await _try_to_delete(held, upload)
    except LedgerError as problem:
        log.warning("It is not written down whether %s is deleted: %s", upload.reference, problem)


async def _try_to_delete(held: HeldJob, upload: UploadRecord) -> None:
    try:
        if held.other_key is not None and not held.other_key.is_set:
            raise held.other_key.problem
        await asyncio.wait_for(held.service.delete_upload(upload.reference), DELETE_TIMEOUT_SECONDS)
    except asyncio.TimeoutError:
        held.ledger.note(upload.job_id, "cleanup", f"no answer to deleting {upload.reference}")
    except VisemeError as problem:
        if isinstance(problem, CredentialError) or may_pass(problem):
            why = f"{upload.reference} could not be deleted now: {problem}"
            held.ledger.note(upload.job_id, "cleanup", why)
        else:
            held.ledger.note_upload_kept(upload.id, str(problem))
    else:
        held.ledger.mark_upload_deleted(upload.id)
