"""Edit Ranges: an edit plan, the sound cut alike to the sample, and a picture of the cut. Free."""

from __future__ import annotations

from functools import partial
from typing import Any

from comfy_api.latest import io, ui

from ..viseme.errors import VisemeError
from . import _common, _host
from ._edits_text import EMPTY, EXAMPLE, plan_of
from ._errors import node_error
from ._inputs import check_values
from ._runner import on_runner
from ._sockets import check_connected
from ._types import Edits

_NODE_ID = "VisemeEditRanges"
_host.decode_when_consumed(_NODE_ID, {"audio": 1, "preview": 2})

_INPUTS = [
    io.MultiType.Input(
        "media",
        types=[io.Video, io.Image],
        optional=True,
        tooltip="The clip as it is before any edit: a VIDEO, or its frames (see source_fps).",
    ),
    io.Audio.Input(
        "audio",
        optional=True,
        tooltip="The speech that goes with the clip, from its first frame on. Without "
        "it the video's own sound is cut.",
    ),
    io.String.Input(
        "edits",
        default=EMPTY,
        multiline=True,
        dynamic_prompts=False,
        placeholder=EXAMPLE,
        optional=True,
        tooltip="What to cut and add, as JSON, counted on the clip before any edit. "
        'unit is "seconds" or "frames". An addition puts duration of new frames before '
        "at; a removal takes out from up to (not with) to, and puts bridge of new "
        f"frames in its place (0: a jump cut). Example: {' '.join(EXAMPLE.split())}. "
        "pipio's own four lists are taken too. Empty: nothing is edited.",
    ),
    _common.source_fps_input(),
]


class EditRanges(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id=_NODE_ID,
            display_name="Edit Ranges",
            category=_common.CATEGORY,
            description="Cuts parts out of a clip and makes room for new ones, with the sound cut "
            "alike to the sample. Pipio Lip Sync then redraws the mouth across the seams. In the "
            "preview additions are blue and bridges orange. Free: nothing leaves this machine.",
            search_aliases=[
                "edit plan",
                "cut sentence",
                "cut speech",
                "remove words",
                "jump cut",
                "insert pause",
                "trim video and audio",
                "pipio edits",
                "viseme",
            ],
            inputs=_INPUTS,
            outputs=[
                Edits.Output(
                    "edits", tooltip="The edit plan, for the edits input of Pipio Lip Sync."
                ),
                io.Audio.Output(
                    "audio",
                    tooltip="The sound, cut as the frames are, to the sample: what is removed is "
                    "gone, and new frames are silent. For the audio input of Pipio Lip Sync, with "
                    "audio_is_edited on.",
                ),
                io.Video.Output(
                    "preview",
                    tooltip="The cut as a video with its sound. New frames hold the picture before "
                    "them: additions hatched in blue, bridges in orange.",
                ),
                io.Int.Output("frame_count", tooltip="How many frames the clip has after the cut."),
                io.Float.Output("seconds", tooltip="How long the clip is after the cut."),
            ],
            hidden=_common.hidden(),
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, **values: Any) -> bool:
        try:
            check_values(_INPUTS, values)
            check_connected(values, "media", "a VIDEO or IMAGE")
            if values.get("edits") is not None:  # a linked text is not known yet
                plan_of(values["edits"])
        except VisemeError as problem:
            raise node_error(problem) from problem
        return True

    @classmethod
    async def execute(
        cls,
        media: Any = None,
        audio: Any = None,
        edits: str = "",
        source_fps: float = _common.DEFAULT_FPS,
        **_extra: Any,
    ) -> io.NodeOutput:
        """The player in the node shows the cut where drawing it takes moments (``_cut.py``)."""
        # Media libraries are for those who run it, not for everybody who starts ComfyUI.
        from ._cut import cut
        from ._given import remember_file
        from ._media import hold, video_output

        consumed = _host.consumed(cls.hidden)
        work = partial(cut, hold(media), audio, edits, source_fps, consumed)
        made = await on_runner(work, cls.hidden.unique_id)
        video = shown = None
        if made.preview is not None:
            if (signature := _host.signature_of(cls.hidden)) is not None:
                remember_file(signature, made.preview)
            video = video_output(made.preview)
            file = ui.SavedResult(made.preview.name, made.preview.parent.name, io.FolderType.temp)
            shown = ui.PreviewVideo([file])
        return io.NodeOutput(
            made.edits,
            made.audio,
            video,
            made.frame_count,
            float(made.seconds),
            ui=shown,
        )
