"""``pixverse:lipsync@1``, from runware.ai/docs/models/pixverse-lipsync."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from ..render import write_canned_clip
from ..source import RecordedSpeech, SpokenText
from .base import DEFAULT_OPTIONS, Model, Problem, RenderOptions
from .media_in import open_footage, open_speech, refusing
from .pixverse import Voice, lip_sync
from .prices import per_second
from .schema import StrictBody, is_uuid, is_uuid_v4, media_url, parse, parsed, wrong

USD_PER_AUDIO_SECOND = Decimal("0.0136")
_SUFFIXES = {"MP4": ".mp4", "WEBM": ".webm", "MOV": ".mov"}
_FIRST_VIDEO = ("inputs", "referenceVideos", 0)
_AUDIO = ("inputs", "audio")


def _uuid_or_url(value: str) -> str:
    if is_uuid(value):
        return value
    if urlsplit(value).scheme not in ("http", "https"):
        raise wrong("Input should be a UUID or a URL", type_="url_parsing")
    return media_url(value, schemes=("http", "https"))


def _uuid_v4(value: str) -> str:
    if not is_uuid_v4(value):
        raise wrong("Input should be a UUID v4", type_="uuid_parsing")
    return value


def _uri(value: str) -> str:
    return media_url(value, schemes=("http", "https"))


MediaReference = Annotated[str, AfterValidator(_uuid_or_url)]
Uri = Annotated[str, AfterValidator(_uri)]


class Inputs(StrictBody):
    reference_videos: Annotated[list[MediaReference], Field(alias="referenceVideos", min_length=1)]
    audio: MediaReference | None = None


class Speech(StrictBody):
    """``voice`` has a default on the page, and is required there all the same."""

    text: Annotated[str, Field(min_length=1, max_length=200)]
    voice: Literal[Voice, "auto"]


class Safety(StrictBody):
    check_content: Annotated[bool, Field(alias="checkContent")] = False
    mode: Literal["none", "fast", "full"] = "none"


class Body(StrictBody):
    task_type: Annotated[Literal["videoInference"], Field(alias="taskType")]
    task_uuid: Annotated[str, AfterValidator(_uuid_v4), Field(alias="taskUUID")]
    model: Literal["pixverse:lipsync@1"]
    inputs: Inputs
    speech: Speech | None = None
    output_type: Annotated[Literal["URL"], Field(alias="outputType")] = "URL"
    output_format: Annotated[Literal["MP4", "WEBM", "MOV"], Field(alias="outputFormat")] = "MP4"
    output_quality: Annotated[int, Field(alias="outputQuality", ge=20, le=99)] = 95
    webhook_url: Annotated[Uri | None, Field(alias="webhookURL")] = None
    delivery_method: Annotated[Literal["async"], Field(alias="deliveryMethod")] = "async"
    upload_endpoint: Annotated[Uri | None, Field(alias="uploadEndpoint")] = None
    safety: Safety = Safety()
    ttl: Annotated[int, Field(ge=60)] | None = None
    include_cost: Annotated[bool, Field(alias="includeCost")] = False
    number_results: Annotated[int, Field(alias="numberResults", ge=1, le=4)] = 1

    @model_validator(mode="after")
    def _either_sound_or_text(self) -> Body:
        if self.inputs.audio is not None and self.speech is not None:
            raise wrong("inputs.audio and speech cannot be used together")
        if self.inputs.audio is None and self.speech is None:
            raise wrong("Either inputs.audio or speech is required")
        return self

    @property
    def crf(self) -> int:
        """``outputQuality`` 20 to 99 as x264 and VP9 count it: 42 (coarse) to 14 (fine)."""
        return round(42 - (self.output_quality - 20) * 28 / 79)


class RunwarePixverse(Model):
    vendor: ClassVar[str] = "runware"
    name: ClassVar[str] = "pixverse:lipsync@1"

    def check(self, body: Mapping[str, Any]) -> list[Problem]:
        return parse(Body, body)[1]

    def media(self, body: Mapping[str, Any]) -> dict[str, str]:
        """Of several reference videos the first counts; the page does not say what others do."""
        request = parsed(Body, body)
        named = {"video": request.inputs.reference_videos[0]}
        if request.inputs.audio is not None:
            named["audio"] = request.inputs.audio
        return named

    def price_usd(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        options: RenderOptions = DEFAULT_OPTIONS,
    ) -> Decimal:
        """$0.0136 a second of the speech, sent or synthesised, for each result."""
        request = parsed(Body, body)
        seconds = _speech(request, audio).seconds
        return per_second(seconds, USD_PER_AUDIO_SECOND, request.number_results)

    def render(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        out_dir: Path,
        options: RenderOptions,
        cancelled: Callable[[], bool],
    ) -> list[Path]:
        """Results differ in the meter's colour and in the note "1/4" after the word SANDBOX."""
        request = parsed(Body, body)
        count = request.number_results
        suffix = _SUFFIXES[request.output_format]
        notes = [f"{n}/{count}" if count > 1 else "" for n in range(1, count + 1)]
        paths = [out_dir / f"output-{n}{suffix}" for n in range(1, count + 1)]
        if options.canned:
            pairs = zip(paths, notes, strict=True)
            return [write_canned_clip(path, note=note) for path, note in pairs]
        first_video = request.inputs.reference_videos[0]
        footage = open_footage(video, _FIRST_VIDEO, first_video)
        speech = _speech(request, audio)
        with refusing(video, _FIRST_VIDEO, first_video):
            for n in range(count):
                lip_sync(
                    footage,
                    speech,
                    paths[n],
                    options,
                    cancelled,
                    crf=request.crf,
                    note=notes[n],
                    colour=options.seed + n,
                )
        return paths


def _speech(request: Body, audio: Path | None) -> RecordedSpeech | SpokenText:
    if request.speech is not None:
        return SpokenText(request.speech.text, request.speech.voice)
    if audio is None:
        raise ValueError("a request without speech has sound")
    return open_speech(audio, _AUDIO, request.inputs.audio)
