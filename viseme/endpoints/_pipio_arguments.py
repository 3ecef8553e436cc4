"""The arguments of pipio LipSync. Source: fal.ai/models/pipio/lipsync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ._arguments import FROM_TEXT, NO_TRUTH, Integer, IntegerList, MediaUrl, Refusal, option
from ._fal import FalArguments
from .base import MEDIA, PICTURE

NATIVE = -1
STILL_FRAME_RATE = 25
DEFAULT_PROMPT = "A high quality video."


def _chunk_size(value: int) -> int:
    if value < 1 or value % 8 != 1:
        below = max(1, (value - 1) // 8 * 8 + 1)
        raise Refusal("8n+1", f"The nearest are {below} and {below + 8}.")
    return value


def _frame_rate(value: int) -> int:
    if value != NATIVE and value < 1:
        raise Refusal("-1 (native), or frames per second from 1", "Give -1 to keep the clip's.")
    return value


def _side(value: int) -> int:
    if value == 0:
        raise Refusal(
            "pixels from 1, -1 (native) or -k (native divided by k)", "Give -1 to keep the clip's."
        )
    return value


def _file_url(value: Any) -> Any:
    """The file object of the page, or its URL alone."""
    if isinstance(value, Mapping) and set(value) <= {
        "url",
        "content_type",
        "file_name",
        "file_size",
    }:
        return value.get("url")
    return value


FileUrl = Annotated[MediaUrl, BeforeValidator(_file_url), FROM_TEXT]


class FalPipioArguments(FalArguments):
    """The model's input at fal, and fal's delivery options."""

    video: FileUrl | None = Field(
        None,
        description="The video or still image to lip-sync, where it is on the web already: an "
        "https URL.",
        json_schema_extra=MEDIA,
    )
    audio: FileUrl | None = Field(
        None,
        description="The speech, where it is on the web already: an https URL. With edits, the "
        "speech of the edited video.",
        json_schema_extra=MEDIA,
    )
    use_custom_prompt: bool = Field(
        False,
        description="Use custom_prompt instead of the prompt that is made from the video.",
        json_schema_extra=PICTURE,
    )
    custom_prompt: str = Field(
        DEFAULT_PROMPT,
        description="Text describing the edited video. Used only with use_custom_prompt.",
        json_schema_extra=PICTURE,
    )
    frame_rate: Annotated[Integer, AfterValidator(_frame_rate)] = Field(
        NATIVE,
        ge=-1,
        description="Frames per second of the result; -1 keeps the clip's. A still image has "
        "none: 25 there, where nothing is given.",
        json_schema_extra=PICTURE,
    )
    height: Annotated[Integer, AfterValidator(_side)] = Field(
        NATIVE,
        description="Height of the result in pixels; -1 keeps the clip's, -2 halves it, -3 is a "
        "third, and so on.",
        json_schema_extra=PICTURE,
    )
    width: Annotated[Integer, AfterValidator(_side)] = Field(
        NATIVE,
        description="Width of the result in pixels; -1 keeps the clip's, -2 halves it, -3 is a "
        "third, and so on.",
        json_schema_extra=PICTURE,
    )
    num_frames: Annotated[
        Annotated[int, Field(ge=1), NO_TRUTH] | Literal["all"],
        option("all"),
    ] = Field(
        "all",
        description="How many frames of the clip are used, from its start; the result is as long, "
        "plus and minus edits. all takes the whole clip, and for a still image as many as the "
        "speech needs. (pipio's own default is 100, which cuts longer clips.)",
        json_schema_extra=PICTURE,
    )
    vae_chunk_size: Annotated[Integer, AfterValidator(_chunk_size)] = Field(
        65,
        ge=1,
        description="Frames that are encoded and decoded at a time, of the form 8n+1. A very large "
        "value takes all at once.",
        json_schema_extra=PICTURE,
    )
    vae_overlap_window_width: Integer = Field(
        16,
        ge=0,
        description="Frames by which these chunks overlap; 0 for none.",
        json_schema_extra=PICTURE,
    )
    frame_block_width: Integer = Field(
        136,
        ge=1,
        description="Frames that the transformer sees at a time, in long videos.",
        json_schema_extra=PICTURE,
    )
    feed_forward_num_splits: Integer = Field(
        2,
        ge=1,
        description="Parts in which the feed-forward layer is computed. More need less memory and "
        "more time.",
        json_schema_extra=PICTURE,
    )
    face_id_cond_strength: Integer = Field(
        -1,
        ge=-1,
        le=16,
        description="How strongly the face keeps its identity, 0 to 16; -1 lets pipio choose. "
        "Higher values may cost accuracy of the lips.",
        json_schema_extra=PICTURE,
    )
    appearance_cond_strength: Integer = Field(
        1,
        ge=1,
        le=16,
        description="How strongly new frames keep to the look of the clip, 1 to 16. Higher values "
        "leave less freedom.",
        json_schema_extra=PICTURE,
    )
    edit_addition_start_frames: IntegerList | None = Field(
        None,
        description="Frames, counted from 0, at which new content is added. Set by an edit plan.",
        json_schema_extra=PICTURE,
    )
    edit_addition_durations: IntegerList | None = Field(
        None,
        description="Length of each addition in frames, one for each start frame. Set by an edit "
        "plan.",
        json_schema_extra=PICTURE,
    )
    edit_removal_ranges: IntegerList | None = Field(
        None,
        description="First and last frame of each removed range, flat, counted from 0, the last "
        "one included. Set by an edit plan.",
        json_schema_extra=PICTURE,
    )
    edit_removal_bridge_durations: IntegerList | None = Field(
        None,
        description="Frames of new content in place of each removed range; 0 is a jump cut. Set "
        "by an edit plan.",
        json_schema_extra=PICTURE,
    )
    seed: Integer = Field(
        42,
        description="The same seed with the same inputs gives the same result.",
        json_schema_extra=PICTURE,
    )
