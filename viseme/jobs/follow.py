"""Follow a job at its vendor to the end, and bring its results here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ..errors import (
    CredentialError,
    FetchRefused,
    Interrupted,
    JobFailed,
    OutcomeUnknown,
    RateLimited,
    TransportError,
    UnreadableAnswer,
    VendorError,
    VisemeError,
)
from ..ledger import ItemRecord, ItemState, JobRecord, Ledger, NewItem, State
from ..model import ResultItem, VendorResult
from ..services.base import CancelAnswer, Phase, Report, Service
from .commands import job_command
from .handover import error_json, in_doubt
from .held import HeldJob
from .receipt import result_json, timing_from_json
from .results import KeptResult, differences, keep_result
from .signals import Step
from .workplace import Workplace, fetch_rules

CANCEL_TIMEOUT_SECONDS = 1.5  # an interrupted run returns within 2 s
LEAST_POLL_SECONDS = 0.02
MISSING_REPORTS = 4  # a vendor may not show at once what it has just accepted


async def follow(held: HeldJob) -> None:
    """From ACCEPTED, RUNNING or CANCELLING to SUCCEEDED, FAILED, CANCELLED.

    Raises what ended the job, Interrupted, or a VendorError that names ``resume`` where the vendor
    could not be reached for too long or the time limit has passed; the job goes on then.
    """
    polls = held.place.settings.poll_intervals(held.service.vendor)
    missing = poll_count = 0
    reached = time.monotonic()
    while True:
        try:
            report = await held.watch.cancel.guard(ask(held), held.job.id)
        except Interrupted:
            await stop(held)
            raise interrupted(held) from None
        except (CredentialError, VendorError) as problem:
            outage_seconds = time.monotonic() - reached
            if not may_pass(problem) or outage_seconds > held.place.settings.poll_outage_seconds:
                raise goes_on(held, problem) from problem
            report = None
        if report is not None:
            reached = time.monotonic()
            missing = missing + 1 if report.phase is Phase.MISSING else 0
            if missing > MISSING_REPORTS:
                raise in_doubt(held, f"{held.service.vendor.label} no longer knows the job.")
            if await apply_report(held, report):
                return
        if held.elapsed_seconds > _time_limit(held):
            raise goes_on(
                held,
                VendorError(
                    f"The job has not ended after {_time_limit(held):.0f} s.",
                    field="time_limit_seconds",
                    limit=f"{_time_limit(held):.0f} s",
                ),
            )
        poll_count += 1
        interval = max(held.service.least_poll_seconds, polls.after(poll_count))
        wait = max(LEAST_POLL_SECONDS, interval * held.pace)
        await held.watch.cancel.sleep(wait)


def may_pass(problem: VisemeError) -> bool:
    """Whether a vendor that answered so may answer well a little later. Pure.

    What is no JSON or a redirect is mostly a page of something that stands between.
    """
    status = problem.http_status or 0
    passing = isinstance(problem, TransportError | RateLimited | UnreadableAnswer)
    return passing or status >= 500 or 300 <= status < 400


async def ask(held: HeldJob) -> Report:
    """What the vendor says of the job now."""
    job = held.job
    return await held.service.report(
        {str(k): str(v) for k, v in (job.vendor_ids or {}).items()},
        logs=bool(job.arguments.get("logs", True)),
        items=job.item_count,
    )


def _time_limit(held: HeldJob) -> float:
    limit = held.watch.time_limit_seconds
    return held.place.settings.deadline_seconds if limit is None else limit


async def apply_report(held: HeldJob, report: Report) -> bool:
    """Write down what the vendor says; whether the job has ended there.

    Raises the job's error where it ended without a result.
    """
    _show(held, report)
    if report.phase is Phase.SUCCEEDED and report.answer is not None:
        await succeed(held, report.answer)
        return True
    if report.phase is Phase.CANCELLED or (report.phase is Phase.FAILED and _was_stop(report)):
        held.move(State.CANCELLED, error=_problem_json(report.problem))
        return True
    if report.phase is Phase.FAILED:
        problem = report.problem or JobFailed("The vendor says that the job failed.")
        held.move(State.FAILED, error=error_json(problem))
        problem.job_id = held.job.id
        raise problem
    if report.phase is Phase.RUNNING and held.job.state is State.ACCEPTED:
        held.move(State.RUNNING)
    elif report.phase is Phase.QUEUED and held.job.state is State.RUNNING:
        held.move(State.ACCEPTED, detail="back in the vendor's queue")
    return False


def _was_stop(report: Report) -> bool:
    """Whether the failure is a cancelling: ours, another command's, or by the vendor's page."""
    code = (report.problem.code or "") if report.problem else ""
    text = (report.problem.message or "") if report.problem else ""
    return "cancel" in (code + text).lower()


def _problem_json(problem: VisemeError | None) -> dict[str, Any] | None:
    return None if problem is None else error_json(problem)


def _show(held: HeldJob, report: Report) -> None:
    vendor = held.service.vendor.label
    line = f": {report.log_lines[-1]}" if report.log_lines else ""
    if report.phase is Phase.QUEUED:
        place = "" if report.queue_position is None else f" at position {report.queue_position}"
        held.report(
            Step.QUEUE, f"queued{place} at {vendor}{line}", queue_position=report.queue_position
        )
    elif report.phase is Phase.RUNNING:
        held.report(Step.RUN, f"running at {vendor}{line}")


async def succeed(held: HeldJob, answer: Mapping[str, Any]) -> None:
    """The vendor has results: write them down, so that they can be fetched whatever happens.

    Results that stand in the answer itself are kept before the job is SUCCEEDED: the vendor may
    not show them a second time.
    """
    try:
        result = held.endpoint.read_result(answer, expected_items=held.job.item_count)
    except UnreadableAnswer as problem:
        raise goes_on(held, problem) from problem
    new = [
        NewItem(number, url=item.url, vendor_id=item.vendor_id)
        for number, item in enumerate(result.items, 1)
    ]
    new += [
        NewItem(number, ItemState.MISSING, problem="; ".join(result.notes) or None)
        for number in range(len(result.items) + 1, result.expected_items + 1)
    ]
    held.ledger.set_items(held.job.id, new, fence=held.lease.fence)
    for number, item in enumerate(result.items, 1):
        if item.data is not None and not _is_here(held, number):
            await _bring(held, number, item)
    held.move(
        State.SUCCEEDED,
        vendor_output=result.vendor_output,
        cost_usd=result.cost_usd,
        warnings=(*held.job.warnings, *_missing_warning(result)),
        error=None,
    )


def _missing_warning(result: VendorResult) -> list[str]:
    missing = result.expected_items - len(result.items)
    if missing <= 0:
        return []
    why = f": {'; '.join(result.notes)}" if result.notes else ""
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
        await _fetch_missing(held)
    except FetchRefused as problem:
        if problem.code != "gone":
            raise _unfetched(held, problem) from problem
        held.report(Step.FETCH, "the result's address has expired; asking for a new one")
        try:
            await _renew_addresses(held)
            await _fetch_missing(held)
        except FetchRefused as second:
            if second.code == "gone":
                raise _gone(held, second) from second
            raise _unfetched(held, second) from second
        except VisemeError as second:
            raise _unfetched(held, second) from second
    except Interrupted as problem:
        raise Interrupted(
            "Stopped while downloading; the result is bought.",
            job_id=held.job.id,
            remedy=f"Fetch it with `{job_command('resume', held.job.id, held.place.home)}`.",
        ) from problem
    except VisemeError as problem:
        raise _unfetched(held, problem) from problem
    await _delete_uploads(held)
    held.move(State.FETCHED)


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

    rules = fetch_rules(held.service.vendor, held.destination, held.place.settings)
    kept = await keep_result(
        item, f"{held.job.id}-{number}", held.place.home.results, rules, on_bytes
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


async def _renew_addresses(held: HeldJob) -> None:
    report = await held.watch.cancel.guard(ask(held), held.job.id)
    if report.phase is not Phase.SUCCEEDED or report.answer is None:
        raise FetchRefused(
            f"{held.service.vendor.label} no longer has the result.",
            remedy="Buy it again with --take and a number that was not used yet.",
        )
    result = held.endpoint.read_result(report.answer, expected_items=held.job.item_count)
    new = [
        NewItem(number, url=item.url, vendor_id=item.vendor_id)
        for number, item in enumerate(result.items, 1)
    ]
    held.ledger.set_items(held.job.id, new, fence=held.lease.fence)


async def _delete_uploads(held: HeldJob) -> None:
    """What the vendor can delete is deleted once it is not needed; failing at it costs nothing."""
    for upload in held.ledger.uploads(held.job.id):
        if upload.deleted_at is not None or not held.service.can_delete_uploads:
            continue
        try:
            await held.watch.cancel.guard(held.service.delete_upload(upload.reference), held.job.id)
        except (VisemeError, asyncio.CancelledError) as problem:
            held.ledger.note(held.job.id, "cleanup", f"{upload.reference} not deleted: {problem}")
        else:
            held.ledger.mark_upload_deleted(upload.id)


async def stop(held: HeldJob) -> CancelAnswer | None:
    """Ask the vendor to cancel, briefly; what it says is recorded. None where it did not answer."""
    if not held.service.can_cancel:
        held.ledger.note(held.job.id, "cancel", f"{held.service.vendor.label} cannot cancel")
        return CancelAnswer.UNSUPPORTED
    held.report(Step.CANCEL, f"cancelling at {held.service.vendor.label}")
    if held.job.state is not State.CANCELLING:
        held.move(State.CANCELLING)
    said = await ask_to_stop(held.job, held.service, held.ledger)
    if said is CancelAnswer.CANCELLED:
        held.move(State.CANCELLED)
    return said


async def ask_to_stop(job: JobRecord, service: Service, ledger: Ledger) -> CancelAnswer | None:
    """The vendor's answer to a cancelling, noted in the ledger; None where none came in time."""
    ids = {str(k): str(v) for k, v in (job.vendor_ids or {}).items()}
    try:
        said = await asyncio.wait_for(service.cancel(ids), CANCEL_TIMEOUT_SECONDS)
    except (VisemeError, asyncio.TimeoutError) as problem:
        ledger.note(job.id, "cancel", f"no answer: {problem or 'timed out'}")
        return None
    ledger.note(job.id, "cancel", said.value)
    return said


def interrupted(held: HeldJob) -> Interrupted:
    """What to tell who stopped a job that had been accepted."""
    job, home = held.job, held.place.home
    if job.state is State.CANCELLED:
        return Interrupted("Stopped; the vendor has cancelled the job.", job_id=job.id)
    if job.state is State.CANCELLING:
        return Interrupted(
            "Stopped; the vendor was asked to cancel, and the job may still end and be charged.",
            job_id=job.id,
            remedy=f"See how it ended with `{job_command('check', job.id, home)}`.",
        )
    return Interrupted(
        f"Stopped watching; {held.service.vendor.label} cannot cancel, so the job goes on.",
        job_id=job.id,
        remedy=f"Fetch its result with `{job_command('resume', job.id, home)}`.",
    )


def goes_on(held: HeldJob, problem: VisemeError) -> VisemeError:
    """``problem`` with what is true of the job: it goes on, and how to come back to it."""
    command = job_command("resume", held.job.id, held.place.home)
    first = f"{problem.remedy} " if problem.remedy else ""
    return _again(problem, f"{first}The job goes on; come back to it with `{command}`.", held)


def _unfetched(held: HeldJob, problem: VisemeError) -> VisemeError:
    command = job_command("resume", held.job.id, held.place.home)
    first = f"{problem.remedy} " if problem.remedy else ""
    return _again(problem, f"{first}It is paid for; fetch it with `{command}`.", held)


def _gone(held: HeldJob, problem: VisemeError) -> VisemeError:
    """A result that is not even at the address which the vendor names anew."""
    command = job_command("resume", held.job.id, held.place.home)
    remedy = (
        f"It is paid for; try `{command}` later. If it stays so, the vendor keeps it no longer, "
        f"and the same command with --take {held.job.take + 1} buys it anew."
    )
    return _again(problem, remedy, held)


def _again(problem: VisemeError, remedy: str, held: HeldJob) -> VisemeError:
    if isinstance(problem, OutcomeUnknown):
        return problem
    return type(problem)(
        problem.message,
        field=problem.field,
        value=problem.value,
        limit=problem.limit,
        remedy=remedy,
        job_id=held.job.id,
        vendor_id=problem.vendor_id,
        code=problem.code,
        http_status=problem.http_status,
    )
