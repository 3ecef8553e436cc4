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
from ..model import ResultItem, VendorResult
from ..services.base import Phase
from .commands import job_command
from .deliver import (
    bring,
    bring_data,
    delete_uploads,
    gone_words,
    item_is_here,
    numbered,
    recounted,
    without_gone,
)
from .endings import gone, made, still_missing, unfetched
from .held import HeldJob, ask
from .signals import Step


async def fetch_results(held: HeldJob) -> None:
    """From SUCCEEDED to FETCHED: every result that exists, whole, in the results folder.

    One that is gone while others are here is MISSING from then on, and told. Whatever else fails,
    the job stays SUCCEEDED and the error names ``resume``.
    """
    await _bring_all(held)
    await delete_uploads(held, with_left=True)
    held.move(State.FETCHED)


def absent_items(items: Sequence[ItemRecord]) -> list[ItemRecord]:
    """The results of a FETCHED job that were gone when asked for, or were never named."""
    return [item for item in items if item.state in (ItemState.MISSING, ItemState.READY)]


async def fetch_absent(held: HeldJob) -> None:
    """Ask once more for the results of a FETCHED job that are not here; it stays FETCHED.

    What the vendor still does not name stays MISSING, as the warnings say of it.
    """
    if any(item.url is None for item in absent_items(held.ledger.items(held.job.id))):
        await _ask_for_unnamed(held)
    for item in absent_items(held.ledger.items(held.job.id)):
        state = ItemState.MISSING if item.url is None else ItemState.READY
        held.ledger.update_item(held.job.id, item.number, fence=held.lease.fence, state=state)
    await _bring_all(held)


async def _ask_for_unnamed(held: HeldJob) -> None:
    """Ask the vendor whether it has results by now that it has not named."""
    held.report(Step.FETCH, "asking for the results that did not come")
    try:
        await _renew_addresses(held)
    except Interrupted:
        raise
    except VisemeError as problem:
        if not _is_gone(problem):
            raise still_missing(held, problem) from problem
        held.ledger.note(held.job.id, "fetch", problem.message)


async def _bring_all(held: HeldJob) -> None:
    """Every result that is not here is tried, whatever became of the ones before it."""
    try:
        failed = await _fetch_missing(held)
        if failed:
            failed = await _fetch_from_new_addresses(held, failed)
        if failed:
            _do_without(held, failed)
    except Interrupted as problem:
        command = job_command("resume", held.job.id, held.place.home)
        raise Interrupted(
            "Stopped while downloading the result.",
            job_id=held.job.id,
            remedy=f"{made(held)}: fetch it with `{command}`.",
        ) from problem
    except VisemeError as problem:
        told = gone if _is_gone(problem) else unfetched
        if held.job.state is State.FETCHED:  # the same command asks for nothing any more
            told = still_missing
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
            path=None,
            problem=problem.message,
        )
        told = (
            f"{gone_words(number)} {problem.message} `{resume}` asks for it once more; if it "
            f"stays so, the same command with --take {held.job.take + 1} buys all of them anew."
        )
        warnings = (*without_gone(held, number), told)
        held.update(warnings=recounted(warnings, held.ledger.items(held.job.id)))


def _is_gone(problem: VisemeError) -> bool:
    return problem.code == "gone"


def _some_are_here(held: HeldJob) -> bool:
    return any(item_is_here(held.place, item) for item in held.ledger.items(held.job.id))


async def _renew_addresses(held: HeldJob) -> bool:
    """Ask the vendor where the results are now; whether any of them is elsewhere than before.

    Those that stand in its answer itself are brought here at once.
    """
    known = held.ledger.items(held.job.id)
    report = await held.watch.cancel.guard(ask(held), held.job.id)
    if report.answer is None:
        if report.phase in (Phase.MISSING, Phase.FAILED, Phase.CANCELLED):
            vendor = held.service.vendor.label
            raise FetchRefused(f"{vendor} no longer has the result.", code="gone")
        return False
    result = held.endpoint.read_result(report.answer, expected_items=held.job.item_count)
    items = numbered(held, result)
    # Before the results themselves: whatever stops this here, the next to ask tells it again.
    _take_over_receipt(held, result, known, items)
    new = [NewItem(n, url=item.url, vendor_id=item.vendor_id) for n, item in items.items()]
    held.ledger.set_items(held.job.id, new, fence=held.lease.fence)
    came = await bring_data(held, items)
    before = {item.number: item.url for item in known}
    return came or any(item.url != before.get(item.number) for item in new)


def _take_over_receipt(
    held: HeldJob,
    result: VendorResult,
    known: Sequence[ItemRecord],
    items: Mapping[int, ResultItem],
) -> None:
    """Where the vendor names all results that it did before and more, its words and its price."""
    named = {
        item.number for item in known if item.state is not ItemState.MISSING or item.url is not None
    }
    if not items.keys() > named:
        return
    cost_usd = held.job.cost_usd if result.cost_usd is None else result.cost_usd
    held.update(vendor_output=result.vendor_output, cost_usd=cost_usd)
