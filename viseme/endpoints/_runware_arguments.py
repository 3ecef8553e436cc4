"""The arguments of PixVerse LipSync at Runware. Source: runware.ai/docs/models/pixverse-lipsync."""
# ruff: noqa: N815 - they bear the names that Runware documents

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ._arguments import (
    FROM_TEXT,
    NO_TRUTH,
    CallbackUrl,
    Integer,
    MediaReference,
    MediaReferences,
    option,
)
from ._pixverse import MOST_CHARACTERS, NAMES, Name
from .base import DELIVERY, MEDIA, PICTURE, SPEECH, Arguments

VOICES = (*NAMES, "auto")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunwareInputs(_Part):
    """Media that the vendor has or fetches."""

    referenceVideos: MediaReferences | None = Field(
        None,
        min_length=1,
        description="The video to lip-sync, where Runware can have it already: an https URL, or "
        "the UUID of media kept there.",
        json_schema_extra=MEDIA,
    )
    audio: MediaReference | None = Field(
        None,
        description="The speech, where Runware can have it already: an https URL, or the UUID of "
        "media kept there. Sound or text, never both.",
        json_schema_extra=MEDIA,
    )


class RunwareSpeech(_Part):
    """Text for Runware's voice."""

    text: str | None = Field(
        None,
        max_length=MOST_CHARACTERS,
        description="Text to be spoken, at most 200 characters. Sound or text, never both.",
        json_schema_extra=SPEECH,
    )
    voice: Annotated[
        Literal[Name, "auto"],
        option(*VOICES),
    ] = Field(
        "auto",
        description="Voice that speaks the text; auto lets Runware choose.",
        json_schema_extra=SPEECH,
    )


class RunwareSafety(_Part):
    """Whether Runware looks at the result before it is delivered."""

    checkContent: bool = Field(
        False,
        description="Check the content of the result; fast, where no mode is chosen.",
        json_schema_extra=PICTURE,
    )
    mode: Annotated[Literal["none", "fast", "full"], option("none", "fast", "full")] = Field(
        "none",
        description="How content is checked: none, fast (key frames) or full (every frame). fast "
        "and full turn the check on.",
        json_schema_extra=PICTURE,
    )


class RunwarePixverseArguments(Arguments):
    """The task's parameters at Runware."""

    inputs: Annotated[RunwareInputs, FROM_TEXT] = Field(
        RunwareInputs(),
        description="Media that Runware has or fetches.",
        json_schema_extra=MEDIA,
    )
    speech: Annotated[RunwareSpeech, FROM_TEXT] | None = Field(
        None,
        description="Text to be spoken, instead of sound.",
        json_schema_extra=SPEECH,
    )
    outputType: Annotated[Literal["URL"], option("URL")] = Field(
        "URL",
        description="How the result is delivered; this model knows only URL.",
        json_schema_extra=DELIVERY,
    )
    outputFormat: Annotated[Literal["MP4", "WEBM", "MOV"], option("MP4", "WEBM", "MOV")] = Field(
        "MP4",
        description="Container of the result: MP4 (H.264, plays everywhere), WEBM (for the web) or "
        "MOV (QuickTime).",
        json_schema_extra=PICTURE,
    )
    outputQuality: Integer = Field(
        95,
        ge=20,
        le=99,
        description="Compression quality of the result. Higher looks better and takes more bytes.",
        json_schema_extra=PICTURE,
    )
    webhookURL: CallbackUrl | None = Field(
        None,
        description="URL to which Runware posts each result as well, once it is there.",
        json_schema_extra=DELIVERY,
    )
    deliveryMethod: Annotated[Literal["async"], option("async")] = Field(
        "async",
        description="How results are collected; this model knows only async (polling).",
        json_schema_extra=DELIVERY,
    )
    uploadEndpoint: CallbackUrl | None = Field(
        None,
        description="URL to which Runware uploads the result as well, by HTTP PUT; a presigned "
        "URL of your own storage, say.",
        json_schema_extra=DELIVERY,
    )
    safety: Annotated[RunwareSafety, FROM_TEXT] = Field(
        RunwareSafety(),
        description="Whether Runware checks the content of the result.",
        json_schema_extra=PICTURE,
    )
    ttl: Annotated[int, Field(ge=60), NO_TRUTH] | None = Field(
        None,
        description="For how many seconds the result stays at its URL. Empty: Runware's own "
        "choice.",
        json_schema_extra=DELIVERY,
    )
    includeCost: bool = Field(
        True,
        description="Let Runware say what the job cost. Runware's own default is false; the "
        "receipt has no cost then.",
        json_schema_extra=DELIVERY,
    )
    numberResults: Integer = Field(
        1,
        ge=1,
        le=4,
        description="How many variations to make, each with another seed. The price is multiplied.",
        json_schema_extra=PICTURE,
    )
