"""``pixverse/lip-sync``, from docs.aimlapi.com/api-references/video-models/pixverse/lip-sync."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from ..render import write_canned_clip
from ..source import SpokenText
from .base import DEFAULT_OPTIONS, Model, Problem, RenderOptions
from .media_in import open_footage, open_speech, refusing
from .pixverse import Voice, lip_sync
from .schema import StrictBody, media_url, parse, parsed, wrong

USD_PER_JOB = Decimal("1.0000")
"""The sandbox's own value: AI/ML API publishes no price for this model."""


def _fetchable(value: str) -> str:
    return media_url(value, schemes=("https", "data"))


MediaUrl = Annotated[str, AfterValidator(_fetchable)]


class Body(StrictBody):
    """Optional fields may be left out, but are not null."""

    model: Literal["pixverse/lip-sync"]
    video_url: MediaUrl
    audio_url: MediaUrl = ""
    lip_sync_tts_content: Annotated[str, Field(min_length=1)] = ""
    lip_sync_tts_speaker: Literal[Voice, "Auto"] = "Auto"

    @model_validator(mode="after")
    def _either_sound_or_text(self) -> Body:
        text_fields = {"lip_sync_tts_content", "lip_sync_tts_speaker"} & self.model_fields_set
        if "audio_url" in self.model_fields_set:
            if text_fields:
                raise wrong(
                    "Use either audio_url or (lip_sync_tts_speaker together with "
                    "lip_sync_tts_content), but not both"
                )
        elif len(text_fields) < 2:
            raise wrong(
                "Either audio_url or lip_sync_tts_content together with lip_sync_tts_speaker "
                "is required"
            )
        return self


class AimlapiPixverse(Model):
    vendor: ClassVar[str] = "aimlapi"
    name: ClassVar[str] = "pixverse/lip-sync"

    def check(self, body: Mapping[str, Any]) -> list[Problem]:
        return parse(Body, body)[1]

    def media(self, body: Mapping[str, Any]) -> dict[str, str]:
        request = parsed(Body, body)
        if not request.audio_url:
            return {"video": request.video_url}
        return {"video": request.video_url, "audio": request.audio_url}

    def price_usd(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        options: RenderOptions = DEFAULT_OPTIONS,
    ) -> Decimal:
        """The set price, whatever the job."""
        return USD_PER_JOB

    def render(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        out_dir: Path,
        options: RenderOptions,
        cancelled: Callable[[], bool],
    ) -> list[Path]:
        request = parsed(Body, body)
        path = out_dir / "output.mp4"
        if options.canned:
            return [write_canned_clip(path)]
        footage = open_footage(video, ("video_url",), request.video_url)
        speech = (
            SpokenText(request.lip_sync_tts_content, request.lip_sync_tts_speaker)
            if audio is None
            else open_speech(audio, ("audio_url",), request.audio_url)
        )
        with refusing(video, ("video_url",), request.video_url):
            return [lip_sync(footage, speech, path, options, cancelled)]
