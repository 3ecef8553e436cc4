"""Fetch the results of a job from where the vendor has them, and do without those that are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import (
    CredentialError,
    FetchRefused,
    Interrupted,
    TransportError,
    VendorError,
    VisemeError,
)
from ..ledger import ItemRecord, ItemState, NewItem, State
from ..model import ResultItem
from ..services.base import Phase
from .commands import job_command
from .deliver import (
    bring,
    delete_uploads,
    delete_uploads_left,
    gone_words,
    item_is_here,
    numbered,
    without_gone,
)
from .endings import gone, unfetched
from .held import HeldJob, ask
from .signals import Step


async def fetch_results(held: HeldJob) -> None:
    """From SUCCEEDED to FETCHED: every result that exists, whole, in the results folder.

    One that is gone while others are here is MISSING from then on, and told. Whatever else fails,
    the job stays SUCCEEDED and the error names ``resume``.
    """
    await _bring_all(held)
    await delete_uploads(held)
    held.move(State.FETCHED)
    await delete_uploads_left(held)


def gone_items(items: Sequence[ItemRecord]) -> list[ItemRecord]:
    """The results of a FETCHED job that the vendor made, and that were gone when asked for."""
    return [
        item
        for item in items
        if item.url is not None and item.state in (ItemState.MISSING, ItemState.READY)
    ]


async def fetch_gone_again(held: HeldJob) -> None:
    """Ask once more for the results of a FETCHED job that were gone; it stays FETCHED."""
    for item in gone_items(held.ledger.items(held.job.id)):
        held.ledger.update_item(
            held.job.id, item.number, fence=held.lease.fence, state=ItemState.READY
        )
    await _bring_all(held)


async def _bring_all(held: HeldJob) -> None:
    """Every result that is not here is tried, whatever became of the ones before it."""
    try:
        failed = await _fetch_missing(held)
        if failed:
            failed = await _fetch_from_new_addresses(held, failed)
        if failed:
            _do_without(held, failed)
    except Interrupted as problem:
        raise Interrupted(
            "Stopped while downloading; the result is bought.",
            job_id=held.job.id,
            remedy=f"Fetch it with `{job_command('resume', held.job.id, held.place.home)}`.",
        ) from problem
    except VisemeError as problem:
        told = gone if _is_gone(problem) else unfetched
        raise told(held, problem) from problem


async def _fetch_missing(held: HeldJob) -> dict[int, VisemeError]:
    """Fetch what is not here. What could not be had, by the number of the result, with why."""
    failed: dict[int, VisemeError] = {}
    for item in held.ledger.items(held.job.id):
        if item.state is ItemState.MISSING or item_is_here(held.place, item):
            continue
        try:
            await held.watch.cancel.guard(
                bring(held, item.number, ResultItem(url=item.url, vendor_id=item.vendor_id)),
                held.job.id,
            )
        except (FetchRefused, TransportError) as problem:
            failed[item.number] = problem
    return failed


async def _fetch_from_new_addresses(
    held: HeldJob, failed: Mapping[int, VisemeError]
) -> dict[int, VisemeError]:
    """Results cannot be had from the addresses that are known: the vendor may name others by now.

    A file that is gone is asked for once more wherever it is said to be. Returns what is still not
    to be had. Raises the first problem where the vendor names no other address.
    """
    first, has_gone = next(iter(failed.values())), any(map(_is_gone, failed.values()))
    why = "has expired" if has_gone else "does not give it"
    held.report(Step.FETCH, f"the result's address {why}; asking for a new one")
    try:
        is_new = await _renew_addresses(held)
    except (CredentialError, VendorError) as second:
        is_final = _is_gone(second) or isinstance(second, CredentialError)
        if has_gone and is_final and _some_are_here(held):
            return dict(failed)
        raise (second if has_gone or isinstance(second, CredentialError) else first) from second
    if not is_new and not has_gone:
        raise first
    return await _fetch_missing(held)


def _do_without(held: HeldJob, failed: Mapping[int, VisemeError]) -> None:
    """What is gone for good keeps nobody from the results that are here, if there are any.

    Its address stays in the ledger, for ``resume`` to try again. Raises what else has failed first.
    """
    others = [problem for problem in failed.values() if not _is_gone(problem)]
    if others or not _some_are_here(held):
        raise next(iter(others or failed.values()))
    resume = job_command("resume", held.job.id, held.place.home)
    for number, problem in failed.items():
        held.ledger.update_item(
            held.job.id,
            number,
            fence=held.lease.fence,
            state=ItemState.MISSING,
            problem=problem.message,
        )
        told = (
            f"{gone_words(number)} {problem.message} `{resume}` asks for it once more; if it "
            f"stays so, the same command with --take {held.job.take + 1} buys all of them anew."
        )
        held.update(warnings=(*without_gone(held, number), told))


def _is_gone(problem: VisemeError) -> bool:
    return problem.code == "gone"


def _some_are_here(held: HeldJob) -> bool:
    return any(item_is_here(held.place, item) for item in held.ledger.items(held.job.id))


async def _renew_addresses(held: HeldJob) -> bool:
    """Ask the vendor where the results are now; whether any of them is elsewhere than before."""
    known = {item.number: item.url for item in held.ledger.items(held.job.id)}
    report = await held.watch.cancel.guard(ask(held), held.job.id)
    if report.answer is None:
        if report.phase in (Phase.MISSING, Phase.FAILED, Phase.CANCELLED):
            vendor = held.service.vendor.label
            raise FetchRefused(f"{vendor} no longer has the result.", code="gone")
        return False
    result = held.endpoint.read_result(report.answer, expected_items=held.job.item_count)
    new = [
        NewItem(number, url=item.url, vendor_id=item.vendor_id)
        for number, item in numbered(held, result).items()
    ]
    held.ledger.set_items(held.job.id, new, fence=held.lease.fence)
    return any(item.url != known.get(item.number) for item in new)
