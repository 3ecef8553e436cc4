"""The nodes, in the order of the menu, and what happens when ComfyUI loads the pack."""

from __future__ import annotations

import logging

from comfy_api.latest import ComfyExtension, io
from server import PromptServer

from ..viseme.secret import RedactingFilter
from . import _host, _routes
from .collect import CollectLipSyncJob
from .edit_ranges import EditRanges
from .pipio import PipioLipSync
from .pixverse import PixverseLipSync
from .prices import LipSyncPrices
from .sample_clip import SampleClip
from .sync import SyncLipSync2Pro


class VisemeExtension(ComfyExtension):
    """What ComfyUI asks for the nodes."""

    async def on_load(self) -> None:
        # Their lines hold the addresses of results, which anyone who knows them can read: httpx's
        # at INFO, and httpcore's at DEBUG the signed one that a redirect leads to.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        _host.log.addFilter(RedactingFilter())
        PromptServer.instance.add_on_prompt_handler(_host.mark_consumed)
        _routes.add_routes()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            PixverseLipSync,
            SyncLipSync2Pro,
            PipioLipSync,
            EditRanges,
            LipSyncPrices,
            CollectLipSyncJob,
            SampleClip,
        ]


async def comfy_entrypoint() -> VisemeExtension:
    """What ComfyUI calls once it has imported the pack."""
    return VisemeExtension()
