"""Bring a job's results here: written down at once, fetched whole, what was uploaded deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from ..errors import (
    FetchRefused,
    Interrupted,
    TransportError,
    UnreadableAnswer,
    VendorError,
    VisemeError,
)
from ..ledger import ItemRecord, ItemState, NewItem, State
from ..model import ResultItem, VendorResult
from ..services.base import Phase
from .commands import job_command
from .endings import goes_on, gone, unfetched
from .held import HeldJob, ask
from .receipt import result_json, timing_from_json
from .results import KeptResult, differences, keep_result
from .signals import Step
from .workplace import Workplace, fetch_rules, media_guard

DELETE_TIMEOUT_SECONDS = 1.5  # an interrupted run returns within 2 s


async def succeed(held: HeldJob, answer: Mapping[str, Any]) -> None:
    """The vendor has results: write them down, so that they can be fetched whatever happens.

    Results that stand in the answer itself are kept before the job is SUCCEEDED: the vendor may
    not show them a second time.
    """
    try:
        result = held.endpoint.read_result(answer, expected_items=held.job.item_count)
    except UnreadableAnswer as problem:
        raise goes_on(held, problem) from problem
    items = _numbered(held, result)
    came = [NewItem(n, url=item.url, vendor_id=item.vendor_id) for n, item in items.items()]
    missing = [
        NewItem(number, ItemState.MISSING, problem="; ".join(result.notes) or None)
        for number in range(1, result.expected_items + 1)
        if number not in items
    ]
    held.ledger.set_items(held.job.id, [*came, *missing], fence=held.lease.fence)
    try:
        for number, item in items.items():
            if item.data is not None and not _is_here(held, number):
                await _bring(held, number, item)
    except VisemeError as problem:
        raise unfetched(held, problem) from problem
    held.move(
        State.SUCCEEDED,
        vendor_output=result.vendor_output,
        cost_usd=result.cost_usd,
        warnings=(*held.job.warnings, *_missing_warning(result)),
        error=None,
    )


def _numbered(held: HeldJob, result: VendorResult) -> dict[int, ResultItem]:
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


def _missing_warning(result: VendorResult) -> list[str]:
    missing = result.expected_items - len(result.items)
    if missing <= 0:
        return []
    why = f": {'; '.join(result.notes)}".rstrip(".") if result.notes else ""
    return [f"{missing} of {result.expected_items} results did not come{why}."]


def _is_here(held: HeldJob, number: int) -> bool:
    item = next((i for i in held.ledger.items(held.job.id) if i.number == number), None)
    return item is not None and item_is_here(held.place, item)


def item_is_here(place: Workplace, item: ItemRecord) -> bool:
    """Whether a result's file is in the results folder."""
    return (
        item.state is ItemState.FETCHED
        and item.path is not None
        and (place.home.results / item.path).is_file()
    )


async def fetch_results(held: HeldJob) -> None:
    """From SUCCEEDED to FETCHED: every result that exists, whole, in the results folder.

    Whatever fails, the job stays SUCCEEDED and the error names ``resume``.
    """
    try:
        try:
            await _fetch_missing(held)
        except (FetchRefused, TransportError) as problem:
            await _fetch_from_new_addresses(held, problem)
    except Interrupted as problem:
        raise Interrupted(
            "Stopped while downloading; the result is bought.",
            job_id=held.job.id,
            remedy=f"Fetch it with `{job_command('resume', held.job.id, held.place.home)}`.",
        ) from problem
    except VisemeError as problem:
        told = gone if problem.code == "gone" else unfetched
        raise told(held, problem) from problem
    await delete_uploads(held)
    held.move(State.FETCHED)


async def _fetch_from_new_addresses(held: HeldJob, problem: VisemeError) -> None:
    """A result cannot be had from the address that is known: the vendor may name another by now.

    A file that is gone is asked for once more wherever it is said to be. Raises ``problem`` where
    the vendor names no other address.
    """
    is_gone = problem.code == "gone"
    why = "has expired" if is_gone else "does not give it"
    held.report(Step.FETCH, f"the result's address {why}; asking for a new one")
    try:
        is_new = await _renew_addresses(held)
    except VendorError as second:
        raise (second if is_gone else problem) from second
    if not is_new and not is_gone:
        raise problem
    await _fetch_missing(held)


async def _fetch_missing(held: HeldJob) -> None:
    for item in held.ledger.items(held.job.id):
        if item.state is ItemState.MISSING or item_is_here(held.place, item):
            continue
        await held.watch.cancel.guard(
            _bring(held, item.number, ResultItem(url=item.url, vendor_id=item.vendor_id)),
            held.job.id,
        )


async def _bring(held: HeldJob, number: int, item: ResultItem) -> None:
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
    _write_down(held, number, kept)


def _write_down(held: HeldJob, number: int, kept: KeptResult) -> None:
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
    timing = dict(held.job.timing or {})
    results = {**timing.get("results", {}), str(number): result_json(kept.clip)}
    found = differences(kept.clip, timing_from_json(timing.get("predicted")))
    fresh = [warning for warning in found if warning not in held.job.warnings]
    held.update(timing={**timing, "results": results}, warnings=(*held.job.warnings, *fresh))


async def _renew_addresses(held: HeldJob) -> bool:
    """Ask the vendor where the results are now; whether any of them is elsewhere than before."""
    known = {item.number: item.url for item in held.ledger.items(held.job.id)}
    report = await held.watch.cancel.guard(ask(held), held.job.id)
    if report.phase is not Phase.SUCCEEDED or report.answer is None:
        raise FetchRefused(f"{held.service.vendor.label} no longer has the result.", code="gone")
    result = held.endpoint.read_result(report.answer, expected_items=held.job.item_count)
    new = [
        NewItem(number, url=item.url, vendor_id=item.vendor_id)
        for number, item in _numbered(held, result).items()
    ]
    held.ledger.set_items(held.job.id, new, fence=held.lease.fence)
    return any(item.url != known.get(item.number) for item in new)


async def delete_uploads(held: HeldJob) -> None:
    """What the vendor can delete is deleted once it is not needed; failing at it costs nothing."""
    if not held.service.can_delete_uploads:
        return
    for upload in held.ledger.uploads(held.job.id):
        if upload.deleted_at is not None:
            continue
        try:
            await asyncio.wait_for(
                held.service.delete_upload(upload.reference), DELETE_TIMEOUT_SECONDS
            )
        except (VisemeError, asyncio.TimeoutError) as problem:
            why = str(problem) or "no answer in time"
            held.ledger.note(held.job.id, "cleanup", f"{upload.reference} not deleted: {why}")
        else:
            held.ledger.mark_upload_deleted(upload.id)
