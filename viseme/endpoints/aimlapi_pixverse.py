"""PixVerse LipSync at AI/ML API.

Sources: docs.aimlapi.com, video models, PixVerse, lip-sync; request tracing and cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from ..model import (
    Carried,
    Carry,
    Footage,
    Quote,
    ResultItem,
    Speech,
    SpokenText,
    Timing,
    Vendor,
    VendorResult,
    WireRequest,
)
from ..money import charged_usd
from ._arguments import MediaUrl, option, read_arguments
from ._media import TextRules, settle_footage, settle_speech
from ._pixverse import (
    LENGTH,
    LIMITS,
    MODEL,
    MOST_CHARACTERS,
    NAMES,
    SOUND_RULES,
    VIDEO_RULES,
    Name,
    predict,
)
from ._results import documented, media_text, unreadable
from .base import MEDIA, SPEECH, Arguments, Endpoint, Order

CREDITS_PER_USD = 2_000_000
_VOICES = (*NAMES, "Auto")


class AimlapiPixverseArguments(Arguments):
    """The model's input at AI/ML API."""

    video_url: MediaUrl | None = Field(
        None,
        description="The video to lip-sync, where it is on the web already: an https URL.",
        json_schema_extra=MEDIA,
    )
    audio_url: MediaUrl | None = Field(
        None,
        description="The speech, where it is on the web already: an https URL. Sound or text, "
        "never both.",
        json_schema_extra=MEDIA,
    )
    lip_sync_tts_content: str | None = Field(
        None,
        description="Text to be spoken. Sound or text, never both. PixVerse's own limit is 200 "
        "characters; AI/ML API names none.",
        json_schema_extra=SPEECH,
    )
    lip_sync_tts_speaker: (
        Annotated[
            Literal[Name, "Auto"],
            option(*_VOICES),
        ]
        | None
    ) = Field(
        None,
        description="Voice that speaks the text; Auto where none is named.",
        json_schema_extra=SPEECH,
    )


class AimlapiPixverse(Endpoint):
    id = "aimlapi-pixverse"
    title = "PixVerse LipSync (AI/ML API)"
    model = MODEL
    vendor = Vendor.AIMLAPI
    vendor_model = "pixverse/lip-sync"
    source = "https://docs.aimlapi.com/api-references/video-models/pixverse/lip-sync"
    arguments_model = AimlapiPixverseArguments
    carries = (Carry.INLINE,)
    # Its request body is far smaller than PixVerse's 50 MB: a larger clip is encoded to fit.
    video_rules = replace(VIDEO_RULES, warn_bytes=None)
    sound_rules = replace(SOUND_RULES, warn_bytes=None)
    takes_text = True
    text_field = "lip_sync_tts_content"
    voice_field = "lip_sync_tts_speaker"
    text_rules = TextRules(_VOICES, "Auto", warn_characters=MOST_CHARACTERS)
    assumptions = (LENGTH, LIMITS)

    def order(
        self, given: Mapping[str, Any], footage: Footage | None, speech: Speech | None
    ) -> Order:
        arguments = read_arguments(self.id, AimlapiPixverseArguments, given)
        settled, warnings = settle_footage(self, arguments.video_url, footage)
        spoken, more = settle_speech(
            self,
            self.text_rules,
            speech,
            audio=arguments.audio_url,
            text=arguments.lip_sync_tts_content,
            voice=arguments.lip_sync_tts_speaker,
        )
        return Order(AimlapiPixverseArguments(), settled, spoken, (*warnings, *more))

    def predict(self, order: Order, assumed: Mapping[str, str]) -> Timing:
        return predict(self, order, assumed)

    def quote(self, order: Order, timing: Timing, assumed: Mapping[str, str]) -> Quote:
        return Quote.unknown("AI/ML API publishes no price for pixverse/lip-sync.")

    def write_request(
        self, order: Order, video: Carried, sound: Carried | None, *, timing: Timing
    ) -> WireRequest:
        body: dict[str, Any] = {"model": self.vendor_model, "video_url": video}
        if isinstance(order.speech, SpokenText):
            body["lip_sync_tts_content"] = order.speech.text
            body["lip_sync_tts_speaker"] = order.speech.voice
        else:
            body["audio_url"] = media_text(sound)
        return WireRequest("", body)

    def read_result(self, body: Mapping[str, Any], *, expected_items: int = 1) -> VendorResult:
        video = body.get("video")
        url = video.get("url") if isinstance(video, Mapping) else None
        if body.get("status") not in ("completed", "succeeded") or not isinstance(url, str):
            unreadable(self.id, "video.url of a completed generation", body)
        if not url:
            unreadable(self.id, "video.url", body)
        vendor_id = body.get("id")
        item = ResultItem(url=url, vendor_id=vendor_id if isinstance(vendor_id, str) else None)
        output = documented(body, ("id", "status", "error", "meta"), ())
        output["video"] = documented({"url": url}, ("url",), ("url",))
        return VendorResult((item,), output, _cost_usd(body.get("meta")))


def _cost_usd(meta: object) -> Decimal | None:
    """What the generation cost: dollars where they are named, else credits at their fixed rate."""
    usage = meta.get("usage") if isinstance(meta, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    spent = charged_usd(usage.get("usd_spent"))
    if spent is not None:
        return spent
    credits_used = usage.get("credits_used")
    if isinstance(credits_used, bool) or not isinstance(credits_used, (int, float)):
        return None
    return charged_usd(Decimal(str(credits_used)) / CREDITS_PER_USD)
