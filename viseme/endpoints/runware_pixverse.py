"""PixVerse LipSync at Runware. Source: runware.ai/docs/models/pixverse-lipsync."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..model import (
    Carried,
    Carry,
    Footage,
    Quote,
    Recording,
    RemoteMedia,
    ResultItem,
    Speech,
    SpokenText,
    Timing,
    Vendor,
    VendorResult,
    WireRequest,
)
from ..money import charged_usd, times
from ._arguments import arguments_of, read_arguments
from ._media import TextRules, settle_footage, settle_speech
from ._pixverse import (
    LENGTH,
    LIMITS,
    MODEL,
    MOST_CHARACTERS,
    PACE_LEAST,
    PACE_MOST,
    SOUND_RULES,
    VIDEO_RULES,
    predict,
    spoken_seconds,
)
from ._results import documented, media_text, unreadable
from ._runware_arguments import VOICES, RunwareInputs, RunwarePixverseArguments, RunwareSpeech
from .base import Assumption, Endpoint, Order

PRICE_USD_PER_SECOND = Decimal("0.0136")
_RESULT_FIELDS = (
    "taskType",
    "taskUUID",
    "videoUUID",
    "videoURL",
    "seed",
    "NSFWContent",
    "cost",
    "status",
)
_ERROR_FIELDS = ("code", "message", "parameter", "type", "documentation", "taskType", "taskUUID")


class RunwarePixverse(Endpoint):
    id = "runware-pixverse"
    title = "PixVerse LipSync (Runware)"
    model = MODEL
    vendor = Vendor.RUNWARE
    vendor_model = "pixverse:lipsync@1"
    source = "https://runware.ai/docs/models/pixverse-lipsync"
    arguments_model = RunwarePixverseArguments
    carries = (Carry.UPLOAD,)
    video_rules = VIDEO_RULES
    sound_rules = SOUND_RULES
    takes_text = True
    takes_uuid = True
    video_field = "inputs.referenceVideos"
    audio_field = "inputs.audio"
    text_field = "speech.text"
    voice_field = "speech.voice"
    text_rules = TextRules(VOICES, "auto", refuse_characters=MOST_CHARACTERS)
    assumptions = (
        LENGTH,
        LIMITS,
        Assumption(
            "runware_results_price",
            "multiplied",
            "Several results (numberResults) are billed as so many; the page does not say.",
            ("multiplied",),
        ),
        PACE_LEAST,
        PACE_MOST,
    )

    def order(
        self, given: Mapping[str, Any], footage: Footage | None, speech: Speech | None
    ) -> Order:
        arguments = read_arguments(self.id, RunwarePixverseArguments, given)
        videos = arguments.inputs.referenceVideos or []
        settled, warnings = settle_footage(self, videos[0] if videos else None, footage)
        text = arguments.speech or RunwareSpeech()
        voice = text.voice if "voice" in text.model_fields_set else None
        spoken, more = settle_speech(
            self,
            self.text_rules,
            speech,
            audio=arguments.inputs.audio,
            text=text.text,
            voice=voice,
        )
        # The first video is the footage; where more are named, they are kept to be sent.
        kept = RunwareInputs(referenceVideos=videos) if len(videos) > 1 else RunwareInputs()
        if len(videos) > 1:
            more = [*more, "More than one reference video: what becomes of them is not documented."]
        bare = arguments.model_copy(update={"inputs": kept, "speech": None})
        return Order(bare, settled, spoken, (*warnings, *more))

    def result_suffix(self, order: Order) -> str:
        return f".{arguments_of(order, RunwarePixverseArguments).outputFormat.lower()}"

    def item_count(self, order: Order) -> int:
        return arguments_of(order, RunwarePixverseArguments).numberResults

    def picture_arguments(self, order: Order) -> Mapping[str, Any]:
        picture = dict(super().picture_arguments(order))
        videos = arguments_of(order, RunwarePixverseArguments).inputs.referenceVideos
        return picture if videos is None else picture | {"inputs.referenceVideos": videos}

    def predict(self, order: Order, assumed: Mapping[str, str]) -> Timing:
        return predict(self, order, assumed)

    def quote(self, order: Order, timing: Timing, assumed: Mapping[str, str]) -> Quote:
        count, speech = self.item_count(order), order.speech
        if isinstance(speech, RemoteMedia):
            return Quote.unknown(
                f"Runware bills ${PRICE_USD_PER_SECOND} per second of audio, and the length of "
                "what the URL or UUID names is not known."
            )
        if isinstance(speech, Recording):
            least = most = speech.seconds
            seconds, reason = f"{float(least):.3f} s of audio", ""
        else:
            least, most, pace = spoken_seconds(self, speech.text, assumed)
            seconds = f"{float(least):.1f} to {float(most):.1f} s of audio"
            reason = f"; the length of the voice is not known before, {pace}"
        results = f" x {count} results" if count > 1 else ""
        return Quote(
            times(PRICE_USD_PER_SECOND, least * count),
            times(PRICE_USD_PER_SECOND, most * count),
            f"${PRICE_USD_PER_SECOND} x {seconds}{results}{reason}",
        )

    def write_request(
        self, order: Order, video: Carried, sound: Carried | None, *, timing: Timing
    ) -> WireRequest:
        """The task without its taskUUID, which the service adds."""
        arguments = arguments_of(order, RunwarePixverseArguments)
        inputs: dict[str, Any] = {
            "referenceVideos": [video, *(arguments.inputs.referenceVideos or [])[1:]]
        }
        body: dict[str, Any] = {
            "taskType": "videoInference",
            "model": self.vendor_model,
            "inputs": inputs,
            "outputType": arguments.outputType,
            "outputFormat": arguments.outputFormat,
            "outputQuality": arguments.outputQuality,
            "deliveryMethod": arguments.deliveryMethod,
            "includeCost": arguments.includeCost,
            "numberResults": arguments.numberResults,
        }
        if isinstance(order.speech, SpokenText):
            body["speech"] = {"text": order.speech.text, "voice": order.speech.voice}
        else:
            inputs["audio"] = media_text(sound)
        for name in ("webhookURL", "uploadEndpoint", "ttl"):
            if getattr(arguments, name) is not None:
                body[name] = getattr(arguments, name)
        if arguments.safety.mode != "none":
            body["safety"] = {"checkContent": True, "mode": arguments.safety.mode}
        elif arguments.safety.checkContent:
            body["safety"] = {"checkContent": True}
        return WireRequest("", body)

    def read_result(self, body: Mapping[str, Any], *, expected_items: int = 1) -> VendorResult:
        answers = [entry for entry in _entries(body, "data") if _has_video(entry)]
        # A result may be told more than once; its videoUUID says that it is the same.
        known: dict[str, Mapping[str, Any]] = {}
        for index, entry in enumerate(answers):
            known.setdefault(str(entry.get("videoUUID", index)), entry)
        if not known:
            unreadable(self.id, "videoURL, videoBase64Data or videoDataURI", body)
        errors = [documented(entry, _ERROR_FIELDS, ()) for entry in _entries(body, "errors")]
        notes = [f"{entry.get('code', 'error')}: {entry.get('message', '')}" for entry in errors]
        costs = [charged_usd(entry.get("cost")) for entry in known.values()]
        charged = [cost for cost in costs if cost is not None]
        if charged and len(charged) < len(costs):
            notes.append(f"Runware named a cost for {len(charged)} of {len(costs)} results.")
        output: dict[str, Any] = {
            "results": [
                documented(entry, _RESULT_FIELDS, ("videoURL",)) for entry in known.values()
            ]
        }
        if errors:
            output["errors"] = errors
        return VendorResult(
            tuple(_item(entry) for entry in known.values()),
            output,
            sum(charged, Decimal(0)) if charged else None,
            max(expected_items, len(known)),
            tuple(notes),
        )


def _entries(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = body.get(name)
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _has_video(entry: Mapping[str, Any]) -> bool:
    return any(
        isinstance(entry.get(name), str) and entry[name]
        for name in ("videoURL", "videoBase64Data", "videoDataURI")
    )


def _item(entry: Mapping[str, Any]) -> ResultItem:
    vendor_id = entry.get("videoUUID")
    return ResultItem(
        url=entry.get("videoURL") or None,
        data=entry.get("videoDataURI") or entry.get("videoBase64Data") or None,
        vendor_id=vendor_id if isinstance(vendor_id, str) else None,
    )
