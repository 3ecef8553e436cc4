"""jobs, show, check, resume, cancel, resubmit, discard and spend."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone

from ..errors import InputError, VendorError, VisemeError
from ..jobs import verbs
from ..jobs.commands import job_command
from ..jobs.destination import LIVE
from ..jobs.receipt import job_line, receipt, time_text, usd_or_none
from ..jobs.run import Finished, finished, lost_items
from ..jobs.signals import CancelToken
from ..jobs.workplace import Watch, Workplace
from ..ledger import AT_VENDOR, JobRecord, State
from ..money import usd_text
from .buy import deliver, print_finished
from .output import ProgressLine, print_json, say, table
from .session import check_out, workplace


def jobs_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    with workplace(options) as place:
        found = place.ledger.list(limit=options.limit)
    if options.json:
        print_json({"jobs": [job_line(job) for job in found]})
        return 0
    if not found:
        say("There are no jobs yet.")
        return 0
    rows = [["ID", "STATE", "ENDPOINT", "WHERE", "COST", "CREATED"]]
    rows += [
        [
            job.id,
            job.state.value,
            job.endpoint,
            "live" if job.destination == "live" else "sandbox",
            _cost(job),
            time_text(job.created_at) or "",
        ]
        for job in found
    ]
    say(table(rows))
    return 0


def _cost(job: JobRecord) -> str:
    if job.cost_usd is not None:
        return usd_text(job.cost_usd)
    if job.quote_least_usd is not None:
        return f"quoted {usd_text(job.quote_least_usd, job.quote_most_usd)}"
    return "unknown"


def show_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    with workplace(options) as place:
        job = place.ledger.get(options.job)
        _show(job, place, options.json)
    return 0


def _show(job: JobRecord, place: Workplace, as_json: bool) -> None:
    document = receipt(job, place.ledger.items(job.id), place.home)
    if as_json:
        print_json(document)
        return
    rows = [[name, _text(value)] for name, value in document.items() if value not in (None, [], {})]
    say(table(rows))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={_text(v)}" for k, v in value.items() if v not in (None, [], {}))
    if isinstance(value, list):
        return "; ".join(_text(entry) for entry in value)
    return str(value)


def check_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    with workplace(options) as place, ProgressLine() as progress:
        watch = Watch(cancel, progress)
        job = asyncio.run(verbs.check(options.job, place, watch, options.sandbox or None))
        _show(job, place, options.json)
    return 0


def resume_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    return _bring(options, cancel, verbs.resume)


def resubmit_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    return _bring(options, cancel, verbs.resubmit)


def _bring(
    options: argparse.Namespace,
    cancel: CancelToken,
    verb: Callable[[str, Workplace, Watch, str | None], Awaitable[Finished]],
) -> int:
    with workplace(options) as place, ProgressLine() as progress:
        watch = Watch(cancel, progress, options.time_limit)

        async def bring() -> Finished:
            return await verb(options.job, place, watch, options.sandbox or None)

        if options.out is not None:
            check_out(options.out, _suffix_of(place.ledger.get(options.job)), [])
        try:
            brought = asyncio.run(bring())
        except VisemeError as problem:
            _copy_what_is_here(problem, options, place)
            raise
        files = deliver(brought, options.out, place)
    print_finished(brought, files, options.json)
    return 0


def _copy_what_is_here(problem: VisemeError, options: argparse.Namespace, place: Workplace) -> None:
    """Where asking for a job's missing results fails, those that came are still given."""
    job = place.ledger.get(options.job)
    if options.out is None or job.state is not State.FETCHED or lost_items(job, place):
        return
    files = deliver(finished(job, place, reused=True), options.out, place)
    problem.remedy = " ".join([problem.remedy or "", f"Copied: {', '.join(map(str, files))}."])


def _suffix_of(job: JobRecord) -> str:
    return f".{str(job.arguments.get('outputFormat', 'MP4')).lower()}"


def cancel_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    with workplace(options) as place, ProgressLine() as progress:
        watch = Watch(cancel, progress)
        job, said = asyncio.run(verbs.cancel(options.job, place, watch, options.sandbox or None))
        if said is verbs.CancelAnswer.UNSUPPORTED:
            raise VendorError(
                f"{job.vendor.label} cannot cancel; the job goes on.",
                job_id=job.id,
                remedy=f"Fetch its result with `{job_command('resume', job.id, place.home)}`.",
            )
        if said is None and job.state in AT_VENDOR:
            raise VendorError(
                f"{job.vendor.label} did not answer whether it cancels the job, which may go on"
                f"{' and be charged' if job.destination == LIVE else ''}.",
                job_id=job.id,
                remedy=f"See how it ends with `{job_command('check', job.id, place.home)}`.",
            )
        if options.json:
            _show(job, place, as_json=True)
        else:
            words = "did not answer" if said is None else f"said: {said.value}"
            say(f"job {job.id} is {job.state.value}; the vendor {words}")
    return 0


def discard_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    with workplace(options) as place:
        job = verbs.discard(options.job, place)
        if options.json:
            _show(job, place, as_json=True)
        else:
            say(f"job {job.id} is discarded; the same command buys anew")
    return 0


def spend_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    since = _since(options.since)
    with workplace(options) as place:
        rows = place.ledger.spend(since)
    if options.json:
        print_json(
            {
                "spend": [
                    {
                        "vendor": row.vendor.value,
                        "destination": row.destination,
                        "endpoint": row.endpoint,
                        "jobs": row.job_count,
                        "least_usd": usd_or_none(row.least_usd),
                        "most_usd": usd_or_none(row.most_usd),
                        "unknown_jobs": row.unknown_count,
                    }
                    for row in rows
                ]
            }
        )
        return 0
    if not rows:
        say("Nothing was spent.")
        return 0
    lines = [["VENDOR", "WHERE", "ENDPOINT", "JOBS", "USD", "NOT COUNTED"]]
    lines += [
        [
            row.vendor.label,
            "live" if row.destination == "live" else "sandbox",
            row.endpoint,
            str(row.job_count),
            usd_text(row.least_usd, row.most_usd),
            f"{row.unknown_count} of unknown price" if row.unknown_count else "",
        ]
        for row in rows
    ]
    say(table(lines))
    return 0


def _since(text: str | None) -> int:
    if text is None:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise InputError(
            f"{text!r} is no date.",
            field="--since",
            value=text,
            limit="YYYY-MM-DD",
            remedy="Write it like 2026-01-31.",
        ) from problem
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1000)
