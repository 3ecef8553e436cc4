"""The work of Collect Lip Sync Job, with all that needs a network: imported when it is done."""

from __future__ import annotations

import asyncio

from ..viseme.errors import InputError
from ..viseme.home import Home
from ..viseme.jobs.collect import collect
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.workplace import Watch
from . import _host
from ._buy import Bought, bring
from ._runner import Execution


async def collected(
    job_id: str, wanted: frozenset[str], signature: str | None, execution: Execution
) -> Bought:
    """Every result of a job that was bought before, waited for where it still runs."""
    execution.report(Progress(Step.PROBE, "looking for the job"))
    place = await asyncio.to_thread(_host.workplace)
    watch = Watch(execution.cancel, execution.report)
    try:
        finished = await collect(job_id, place, watch)
    except InputError as problem:
        raise _in_its_place(problem, place.home) from problem
    return await bring(finished, wanted, signature, place, execution, asks_again=True)


def check_known(job_id: str) -> None:
    """Raise InputError for an id that no job of this home has; blocking."""
    place = _host.workplace()
    try:
        place.ledger.get(job_id)
    except InputError as problem:
        raise _in_its_place(problem, place.home) from problem


def _in_its_place(problem: InputError, home: Home) -> InputError:
    """The same error with the node's own name for the field, and a remedy for this machine."""
    field, remedy = problem.field, problem.remedy
    if field == "job" and problem.job_id is None:
        field = "job_id"
        if remedy is None or "viseme jobs" in remedy:
            remedy = f"`{home.command('jobs')}` lists all jobs."
    elif field == "--sandbox":
        field = "VISEME_SANDBOX"
        remedy = (
            "Start it with the home that it had then, `viseme sandbox --home FOLDER --port N`, "
            "and start ComfyUI with VISEME_SANDBOX set to the address it prints."
        )
    return InputError(
        problem.message,
        field=field,
        value=problem.value,
        limit=problem.limit,
        remedy=remedy,
        job_id=problem.job_id,
    )
