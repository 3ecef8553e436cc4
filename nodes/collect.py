"""Collect Lip Sync Job: the results of a job that was bought before, without paying again."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from comfy_api.latest import io

from ..viseme.errors import InputError, VisemeError
from ..viseme.home import Home
from ..viseme.jobs.collect import collect
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.workplace import Watch
from . import _common, _host
from ._buy import Bought, bring
from ._errors import node_error
from ._runner import Execution, on_runner

_NODE_ID = "VisemeCollectLipSyncJob"
_host.decode_when_consumed(_NODE_ID, _common.DECODED_OUTPUTS)


class CollectLipSyncJob(io.ComfyNode):
    """An output node, so that an id alone brings the result back and shows it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id=_NODE_ID,
            display_name="Collect Lip Sync Job",
            category=_common.CATEGORY,
            description="Brings back the results of a lip-sync that was bought before, for when "
            "its graph is gone or ComfyUI was closed meanwhile. A job that still runs is waited "
            "for. It never pays, and stopping it does not cancel the job.",
            search_aliases=[
                *_common.ALIASES,
                "resume",
                "recover",
                "fetch result",
                "job id",
                "receipt",
                "history",
            ],
            inputs=[
                io.String.Input(
                    "job_id",
                    default="",
                    optional=True,
                    tooltip="The job's id, as a receipt or an error message names it. A part of it "
                    "is enough where only one job has that part.",
                ),
            ],
            outputs=_common.result_outputs(is_list=True),
            hidden=_common.hidden(),
            is_output_node=True,
            has_intermediate_output=True,
        )

    @classmethod
    async def validate_inputs(cls, **values: Any) -> bool:
        try:
            if values.get("job_id", "") is not None:  # a linked id is not known yet
                await asyncio.to_thread(_check_known, str(values.get("job_id", "")))
        except VisemeError as problem:
            raise node_error(problem) from problem
        return True

    @classmethod
    async def execute(cls, job_id: str = "", **_extra: Any) -> io.NodeOutput:
        work = partial(_collect, job_id, _host.wanted(cls.hidden))
        bought = await on_runner(work, cls.hidden.unique_id)
        return bought.list_output()


async def _collect(job_id: str, wanted: frozenset[str], execution: Execution) -> Bought:
    execution.report(Progress(Step.PROBE, "looking for the job"))
    place = await asyncio.to_thread(_host.workplace)
    watch = Watch(execution.cancel, execution.report)
    try:
        finished = await collect(job_id, place, watch)
    except InputError as problem:
        raise _in_its_place(problem, place.home) from problem
    return await bring(finished, wanted, execution)


def _check_known(job_id: str) -> None:
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
