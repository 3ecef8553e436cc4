"""The nodes, in the order of the menu, and what happens when ComfyUI loads the pack."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io
from server import PromptServer

from . import _host, _routes
from .pipio import PipioLipSync
from .pixverse import PixverseLipSync
from .sample_clip import SampleClip
from .sync import SyncLipSync2Pro


class VisemeExtension(ComfyExtension):
    """What ComfyUI asks for the nodes."""

    async def on_load(self) -> None:
        PromptServer.instance.add_on_prompt_handler(_host.mark_consumed)
        _routes.add_routes()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [PixverseLipSync, SyncLipSync2Pro, PipioLipSync, SampleClip]


async def comfy_entrypoint() -> VisemeExtension:
    """What ComfyUI calls once it has imported the pack."""
    return VisemeExtension()
