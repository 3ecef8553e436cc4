"""``fal-ai/sync-lipsync/v2/pro``, from fal.ai/models/fal-ai/sync-lipsync/v2/pro/llms.txt.

What the modes mean is from sync.so/docs/developer-guides/sync-mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from ..render import Result, render, write_canned_clip
from ..schedule import Slot, bounced, held, looped, picture_count, sample_count, stretched
from ..source import Footage
from .base import DEFAULT_OPTIONS, Model, Problem, RenderOptions
from .media_in import open_footage, open_speech, refusing
from .prices import per_second
from .schema import LenientBody, media_url, parse, parsed

USD_PER_OUTPUT_SECOND = Decimal("0.083")
"""The sandbox's own value: the page names no price. It is near the $5 a minute that follows from
"roughly 1.67x" of lipsync 2's $3 (fal.ai/models/fal-ai/sync-lipsync/v2)."""

SyncMode = Literal["cut_off", "loop", "bounce", "silence", "remap"]


def _fetchable(value: str) -> str:
    return media_url(value, schemes=("http", "https", "data"))


MediaUrl = Annotated[str, AfterValidator(_fetchable)]


class Body(LenientBody):
    video_url: MediaUrl
    audio_url: MediaUrl
    sync_mode: SyncMode = "cut_off"


def asked_seconds(mode: SyncMode, video: Fraction, audio: Fraction) -> Fraction:
    """How long the result plays when the clip and the speech play so long."""
    if mode == "cut_off":
        return min(video, audio)
    if mode == "silence":
        return max(video, audio)
    return audio


def schedule(mode: SyncMode, footage: Footage, seconds: Fraction) -> Iterator[Slot]:
    """The pictures of a result that plays ``seconds``."""
    count = picture_count(seconds, footage.frame_rate)
    if mode == "loop":
        return looped(count, footage.frame_count)
    if mode == "bounce":
        return bounced(count, footage.frame_count)
    if mode == "remap":
        return stretched(count, footage.frame_count, footage.seconds / seconds)
    return held(count, footage.frame_count)


class FalSync(Model):
    vendor: ClassVar[str] = "fal"
    name: ClassVar[str] = "fal-ai/sync-lipsync/v2/pro"

    def check(self, body: Mapping[str, Any]) -> list[Problem]:
        return parse(Body, body)[1]

    def media(self, body: Mapping[str, Any]) -> dict[str, str]:
        request = parsed(Body, body)
        return {"video": request.video_url, "audio": request.audio_url}

    def price_usd(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        options: RenderOptions = DEFAULT_OPTIONS,
    ) -> Decimal:
        """The set price a second of output."""
        request = parsed(Body, body)
        footage = open_footage(video, ("video_url",), request.video_url)
        speech = open_speech(_given(audio), ("audio_url",), request.audio_url)
        seconds = asked_seconds(request.sync_mode, footage.seconds, speech.seconds)
        count = picture_count(seconds, footage.frame_rate)
        return per_second(count / footage.frame_rate, USD_PER_OUTPUT_SECOND)

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
        speech = open_speech(_given(audio), ("audio_url",), request.audio_url)
        seconds = asked_seconds(request.sync_mode, footage.seconds, speech.seconds)
        result = Result(
            path=path,
            slots=schedule(request.sync_mode, footage, seconds),
            frame_rate=footage.frame_rate,
            width=footage.width,
            height=footage.height,
            sample_count=sample_count(seconds, speech.sample_rate),
        )
        with refusing(video, ("video_url",), request.video_url):
            return [render(footage, speech, result, cancelled)]


def _given(audio: Path | None) -> Path:
    if audio is None:
        raise ValueError("this model always has sound")
    return audio
