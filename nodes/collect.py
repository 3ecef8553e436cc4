"""Collect Lip Sync Job: the results of a job that was bought before, without paying again."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from comfy_api.latest import io

from ..viseme.errors import VisemeError
from . import _common, _host
from ._errors import node_error
from ._runner import on_runner

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
                    tooltip="The job's id, as a receipt or an error message names it. Its "
                    "beginning, or the beginning of what follows the hyphen, is enough where only "
                    "one job has it.",
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
        from ._collected import collected

        wanted, signature = _host.wanted(cls.hidden), _host.signature_of(cls.hidden)
        work = partial(collected, job_id, wanted, signature)
        bought = await on_runner(work, cls.hidden.unique_id)
        return bought.list_output()


def _check_known(job_id: str) -> None:
    """In a thread, since what is imported here would hold up the server the first time."""
    from ._collected import check_known

    check_known(job_id)
