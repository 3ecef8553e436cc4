"""Sync Lip Sync 2 Pro, at fal."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..viseme.endpoints import endpoint
from . import _common, _host
from ._checks import check_before_run
from ._inputs import given_by, option_inputs, options_of

_ENDPOINT = "fal-sync"
_OPTIONS = options_of(endpoint(_ENDPOINT).arguments_model)
_PICTURE = tuple(option for option in _OPTIONS if option.role == "picture")
_DELIVERY = tuple(option for option in _OPTIONS if option.role == "delivery")
_NODE_ID = "VisemeSyncLipSync2Pro"
_host.decode_when_consumed(_NODE_ID, _common.DECODED_OUTPUTS)

_INPUTS = [
    *_common.media_inputs("The video, or its frames (see source_fps)."),
    _common.run_on_input(),
    *option_inputs(_PICTURE),
    *_common.run_inputs(),
    *option_inputs(_DELIVERY),
]


class SyncLipSync2Pro(io.ComfyNode):
    """Sync Lipsync 2 Pro at fal."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id=_NODE_ID,
            display_name="Sync Lip Sync 2 Pro",
            category=_common.CATEGORY,
            description="Makes the mouth in a video say recorded speech, with Sync Lipsync 2 Pro "
            "at fal. In the sandbox it is free.",
            search_aliases=[*_common.ALIASES, "sync", "sync.so", "lipsync-2-pro", "fal"],
            inputs=list(_INPUTS),
            outputs=_common.result_outputs(),
            hidden=_common.hidden(),
            has_intermediate_output=True,
        )

    @classmethod
    async def validate_inputs(cls, **values: Any) -> bool:
        await check_before_run(_INPUTS, values, _ENDPOINT, _OPTIONS)
        return True

    @classmethod
    async def execute(cls, media: Any = None, audio: Any = None, **others: Any) -> Any:
        from ._buy import LipSync, buy

        bought = await buy(
            LipSync(
                _ENDPOINT,
                _common.run_options(_INPUTS, others),
                media=media,
                audio=audio,
                given=given_by(_OPTIONS, others),
            ),
            cls.hidden,
        )
        return bought.output()
