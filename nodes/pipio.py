"""Pipio Lip Sync, at fal: videos, frames or one still image, and cuts in speech."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..viseme.edits import PIPIO_LISTS
from ..viseme.endpoints import endpoint
from . import _common, _host
from ._checks import check_before_run
from ._inputs import given_by, option_inputs, options_of
from ._types import Edits

_ENDPOINT = "fal-pipio"
# The four lists of edits come as one plan, through a socket.
_OPTIONS = options_of(endpoint(_ENDPOINT).arguments_model, leave_out=PIPIO_LISTS)
_COMMON = ("use_custom_prompt", "custom_prompt", "frame_rate", "num_frames", "seed")
_FIRST = tuple(option for name in _COMMON for option in _OPTIONS if option.widget_id == name)
_RARE = tuple(option for option in _OPTIONS if option.role == "picture" and option not in _FIRST)
_DELIVERY = tuple(option for option in _OPTIONS if option.role == "delivery")
_NODE_ID = "VisemePipioLipSync"
_host.decode_when_consumed(_NODE_ID, _common.DECODED_OUTPUTS)

_INPUTS = [
    *_common.media_inputs("The video, its frames (see source_fps), or one image that is to speak."),
    Edits.Input(
        "edits",
        optional=True,
        tooltip="An edit plan from Edit Ranges: what is cut out and what is added.",
    ),
    _common.run_on_input(),
    io.Boolean.Input(
        "audio_is_edited",
        default=True,
        optional=True,
        tooltip="With edits: on when the audio is cut along them already, as the "
        "audio output of Edit Ranges is. Off: it is cut here.",
    ),
    *option_inputs(_FIRST),
    *option_inputs(_RARE, rare=[option.widget_id for option in _RARE]),
    *_common.run_inputs(),
    *option_inputs(_DELIVERY),
]


class PipioLipSync(io.ComfyNode):
    """pipio LipSync at fal, with edit ranges."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id=_NODE_ID,
            display_name="Pipio Lip Sync",
            category=_common.CATEGORY,
            description="Makes the mouth in a video, or in one still image, say recorded speech, "
            "with pipio lipsync at fal. With edits it also redraws the mouth across cuts and in "
            "new frames. In the sandbox it is free.",
            search_aliases=[*_common.ALIASES, "pipio", "edit", "portrait", "photo", "fal"],
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
    async def execute(
        cls, media: Any = None, audio: Any = None, edits: Any = None, **others: Any
    ) -> Any:
        from ._buy import LipSync, buy

        bought = await buy(
            LipSync(
                _ENDPOINT,
                _common.run_options(_INPUTS, others),
                media=media,
                audio=audio,
                given=given_by(_OPTIONS, others),
                edits=edits,
                sound_is_edited=edits is not None and bool(others.get("audio_is_edited", True)),
            ),
            cls.hidden,
        )
        return bought.output()
