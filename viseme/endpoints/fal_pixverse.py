"""PixVerse LipSync at fal. Source: fal.ai/models/fal-ai/pixverse/lipsync."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from ..model import (
    Carried,
    Carry,
    Footage,
    Quote,
    Speech,
    SpokenText,
    Timing,
    Vendor,
    VendorResult,
    WireRequest,
)
from ..money import times
from ._arguments import MediaUrl, arguments_of, option, read_arguments
from ._fal import FalArguments, fal_request, read_fal_video, store_io_warnings
from ._media import TextRules, settle_footage, settle_speech
from ._pixverse import (
    LENGTH,
    LIMITS,
    MODEL,
    MOST_CHARACTERS,
    NAMES,
    PACE_LEAST,
    PACE_MOST,
    SOUND_RULES,
    VIDEO_RULES,
    Name,
    predict,
    spoken_seconds,
)
from ._results import media_text
from .base import MEDIA, SPEECH, Assumption, Endpoint, Order

PRICE_USD_PER_SECOND = Decimal("0.04")
PRICE_USD_PER_100_CHARACTERS = Decimal("0.24")
_VOICES = (*NAMES, "Auto")

Voice = Annotated[
    Literal[Name, "Auto"],
    option(*_VOICES),
]


class FalPixverseArguments(FalArguments):
    """The model's input at fal, and fal's delivery options."""

    video_url: MediaUrl | None = Field(
        None,
        description="The video to lip-sync, where it is on the web already: an https URL.",
        json_schema_extra=MEDIA,
    )
    audio_url: MediaUrl | None = Field(
        None,
        description="The speech, where it is on the web already: an https URL. Without sound, "
        "the text is spoken.",
        json_schema_extra=MEDIA,
    )
    voice_id: Voice = Field(
        "Auto",
        description="Voice that speaks the text. Without effect where there is sound.",
        json_schema_extra=SPEECH,
    )
    text: str | None = Field(
        None,
        description="Text to be spoken where there is no sound. PixVerse's own limit is 200 "
        "characters; fal names none.",
        json_schema_extra=SPEECH,
    )


class FalPixverse(Endpoint):
    id = "fal-pixverse"
    title = "PixVerse LipSync (fal)"
    model = MODEL
    vendor = Vendor.FAL
    vendor_model = "fal-ai/pixverse/lipsync"
    source = "https://fal.ai/models/fal-ai/pixverse/lipsync"
    arguments_model = FalPixverseArguments
    carries = (Carry.INLINE, Carry.UPLOAD)
    video_rules = VIDEO_RULES
    sound_rules = SOUND_RULES
    takes_text = True
    text_field = "text"
    voice_field = "voice_id"
    text_rules = TextRules(_VOICES, "Auto", warn_characters=MOST_CHARACTERS, sound_wins=True)
    assumptions = (
        LENGTH,
        LIMITS,
        Assumption(
            "fal_pixverse_text_price",
            "range",
            "Whether the price of text ($0.24 per 100 characters) replaces the price per second "
            "or is added to it; the page does not say. range quotes both.",
            ("range", "replaces", "adds"),
        ),
        Assumption(
            "fal_pixverse_text_rounding",
            "started",
            "Whether started hundreds of characters are billed whole, or exact characters.",
            ("started", "exact"),
        ),
        PACE_LEAST,
        PACE_MOST,
    )

    def order(
        self, given: Mapping[str, Any], footage: Footage | None, speech: Speech | None
    ) -> Order:
        arguments = read_arguments(self.id, FalPixverseArguments, given)
        settled, warnings = settle_footage(self, arguments.video_url, footage)
        spoken, more = settle_speech(
            self,
            self.text_rules,
            speech,
            audio=arguments.audio_url,
            text=arguments.text,
            voice=None if arguments.voice_id == "Auto" else arguments.voice_id,
        )
        bare = {"video_url": None, "audio_url": None, "text": None, "voice_id": "Auto"}
        notes = store_io_warnings(arguments)
        return Order(arguments.model_copy(update=bare), settled, spoken, (*warnings, *more, *notes))

    def predict(self, order: Order, assumed: Mapping[str, str]) -> Timing:
        return predict(self, order, assumed)

    def quote(self, order: Order, timing: Timing, assumed: Mapping[str, str]) -> Quote:
        if isinstance(order.speech, SpokenText):
            return self._text_quote(order.speech.text, timing, assumed)
        seconds = timing.seconds_most
        if seconds is None:
            return Quote.unknown(
                f"fal bills ${PRICE_USD_PER_SECOND} per second of output, and its length is not "
                "known: a URL stands for the clip or the speech."
            )
        amount = times(PRICE_USD_PER_SECOND, seconds)
        basis = f"${PRICE_USD_PER_SECOND} x {float(seconds):.3f} s of output, {timing.basis}"
        return Quote(amount, amount, basis)

    def _text_quote(self, text: str, timing: Timing, assumed: Mapping[str, str]) -> Quote:
        rounding = self.assumed_value(assumed, "fal_pixverse_text_rounding")
        mode = self.assumed_value(assumed, "fal_pixverse_text_price")
        hundreds = Fraction(-(-len(text) // 100) if rounding == "started" else len(text), 1)
        if rounding == "exact":
            hundreds /= 100
        for_text = times(PRICE_USD_PER_100_CHARACTERS, hundreds)
        basis = (
            f"${PRICE_USD_PER_100_CHARACTERS} per 100 characters ({rounding} ones, assumed) x "
            f"{len(text)} characters"
        )
        if mode == "replaces":
            return Quote(for_text, for_text, f"{basis}, in place of the price per second (assumed)")
        least, most, pace = spoken_seconds(self, text, assumed)
        if timing.seconds_least is not None and timing.seconds_most is not None:
            least, most, pace = timing.seconds_least, timing.seconds_most, timing.basis
        with_seconds = for_text + times(PRICE_USD_PER_SECOND, most)
        if mode == "adds":
            lower = for_text + times(PRICE_USD_PER_SECOND, least)
            reason = f"plus ${PRICE_USD_PER_SECOND} per second of output (assumed); {pace}"
            return Quote(lower, with_seconds, f"{basis}, {reason}")
        return Quote(
            for_text,
            with_seconds,
            f"{basis}; the page does not say whether ${PRICE_USD_PER_SECOND} per second of output "
            f"is added, which is the upper end; {pace}",
        )

    def write_request(
        self, order: Order, video: Carried, sound: Carried | None, *, timing: Timing
    ) -> WireRequest:
        body: dict[str, Any] = {"video_url": video}
        if isinstance(order.speech, SpokenText):
            body |= {"text": order.speech.text, "voice_id": order.speech.voice}
        else:
            body["audio_url"] = media_text(sound)
        return fal_request(self.vendor_model, body, arguments_of(order, FalPixverseArguments))

    def read_result(self, body: Mapping[str, Any], *, expected_items: int = 1) -> VendorResult:
        return read_fal_video(self.id, body)
