"""``fal-ai/pixverse/lipsync``, from fal.ai/models/fal-ai/pixverse/lipsync/llms.txt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from ..render import write_canned_clip
from ..source import SpokenText
from .base import DEFAULT_OPTIONS, Model, Problem, RenderOptions
from .media_in import open_footage, open_speech, refusing
from .pixverse import Voice, lip_sync, output_seconds
from .prices import per_second
from .schema import LenientBody, media_url, parse, parsed

USD_PER_OUTPUT_SECOND = Decimal("0.04")
USD_PER_HUNDRED_CHARACTERS = Decimal("0.24")
UNASKED_TEXT = "Hello, this is a test message."
"""Spoken where neither sound nor text is given.

The page's own shortest example has neither ("If not provided, TTS will be used"), so it has to
work; what the model then says is not documented, and this is the page's example of ``text``.
"""


def _fetchable(value: str) -> str:
    return media_url(value, schemes=("http", "https", "data"))


MediaUrl = Annotated[str, AfterValidator(_fetchable)]


class Body(LenientBody):
    video_url: MediaUrl
    audio_url: MediaUrl | None = None
    voice_id: Literal[Voice, "Auto"] = "Auto"
    text: str | None = None

    @property
    def spoken(self) -> SpokenText:
        return SpokenText(self.text or UNASKED_TEXT, self.voice_id)


class FalPixverse(Model):
    vendor: ClassVar[str] = "fal"
    name: ClassVar[str] = "fal-ai/pixverse/lipsync"

    def check(self, body: Mapping[str, Any]) -> list[Problem]:
        return parse(Body, body)[1]

    def media(self, body: Mapping[str, Any]) -> dict[str, str]:
        """With sound and text, sound wins: text is "for TTS when audio_url is not provided"."""
        request = parsed(Body, body)
        if request.audio_url is None:
            return {"video": request.video_url}
        return {"video": request.video_url, "audio": request.audio_url}

    def price_usd(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        options: RenderOptions = DEFAULT_OPTIONS,
    ) -> Decimal:
        """$0.04 a second of output; for a text instead $0.24 for every 100 characters begun."""
        request = parsed(Body, body)
        if audio is None:
            hundreds = -(-len(request.spoken.text) // 100)
            return (hundreds * USD_PER_HUNDRED_CHARACTERS).quantize(Decimal("0.000001"))
        footage = open_footage(video, ("video_url",), request.video_url)
        speech = open_speech(audio, ("audio_url",), request.audio_url)
        return per_second(output_seconds(footage, speech, options), USD_PER_OUTPUT_SECOND)

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
            request.spoken
            if audio is None
            else open_speech(audio, ("audio_url",), request.audio_url)
        )
        with refusing(video, ("video_url",), request.video_url):
            return [lip_sync(footage, speech, path, options, cancelled)]
