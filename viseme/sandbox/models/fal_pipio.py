"""``pipio/lipsync``, from fal.ai/models/pipio/lipsync/api."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from ..render import Result, render, write_canned_clip
from ..schedule import Slot, picture_count, sample_count
from ..source import Footage
from .base import DEFAULT_OPTIONS, ContentProblem, Model, Problem, RenderOptions
from .media_in import open_footage, open_speech, refusing
from .pipio_edits import Edits, Kept
from .prices import per_second
from .schema import LenientBody, media_url, parse, parsed, wrong

USD_PER_OUTPUT_SECOND = ((1080, Decimal("0.09")), (1440, Decimal("0.16")), (2160, Decimal("0.36")))
"""By the shorter side, the "p" of 1080p; what is below 1080p counts as 1080p and what is above
2160p as 2160p, since the page (fal.ai/models/pipio/lipsync) names these three alone."""

LONGEST_SIDE = 8192
MOST_FRAMES = 500_000
"""The sandbox's own limits, so that a slip of the pen does not fill a disk."""


def _fetchable(value: str) -> str:
    return media_url(value, schemes=("http", "https", "data"))


def _file_object(value: Any) -> Any:
    """A plain URL stands for a file object with that URL."""
    return {"url": value} if isinstance(value, str) else value


def _native_or_frames_per_second(value: int) -> int:
    if value == -1 or 1 <= value <= 240:
        return value
    raise wrong("Input should be -1 for the native rate, or 1 to 240")


def _native_part_or_pixels(value: int) -> int:
    if value < 0 or 2 <= value <= LONGEST_SIDE:
        return value
    raise wrong(f"Input should be -k for native/k, or 2 to {LONGEST_SIDE}")


def _chunk_size(value: int) -> int:
    if value < 1 or value % 8 != 1:
        raise wrong("Input should be of the form 8n+1")
    return value


def _face_strength(value: int) -> int:
    if not -1 <= value <= 16:
        raise wrong("Input should be -1, or in the range 0 to 16")
    return value


class FileInput(LenientBody):
    """fal's File: of what it may hold beside the URL nothing counts, the bytes decide."""

    url: Annotated[str, AfterValidator(_fetchable)]


File = Annotated[FileInput, BeforeValidator(_file_object)]
Side = Annotated[int, AfterValidator(_native_part_or_pixels)]
Numbers = list[int] | None


class Body(LenientBody):
    video: File
    audio: File
    use_custom_prompt: bool = False
    custom_prompt: str = "A high quality video."
    frame_rate: Annotated[int, AfterValidator(_native_or_frames_per_second)] = -1
    height: Side = -1
    width: Side = -1
    num_frames: Annotated[int, Field(ge=1)] = 100
    vae_chunk_size: Annotated[int, AfterValidator(_chunk_size)] = 65
    vae_overlap_window_width: Annotated[int, Field(ge=0)] = 16
    frame_block_width: Annotated[int, Field(ge=1)] = 136
    feed_forward_num_splits: Annotated[int, Field(ge=1)] = 2
    face_id_cond_strength: Annotated[int, AfterValidator(_face_strength)] = -1
    appearance_cond_strength: Annotated[int, Field(ge=1, le=16)] = 1
    edit_addition_start_frames: Numbers = None
    edit_addition_durations: Numbers = None
    edit_removal_ranges: Numbers = None
    edit_removal_bridge_durations: Numbers = None
    seed: int = 42

    @property
    def edits(self) -> Edits:
        return Edits(
            self.edit_addition_start_frames or (),
            self.edit_addition_durations or (),
            self.edit_removal_ranges or (),
            self.edit_removal_bridge_durations or (),
        )


@dataclass(frozen=True)
class Output:
    """What a request makes of a clip."""

    frame_rate: Fraction
    width: int
    height: int
    num_frames: int
    frame_count: int

    @property
    def seconds(self) -> Fraction:
        return self.frame_count / self.frame_rate


def output_of(request: Body, footage: Footage) -> Output:
    """Raises ``ContentProblem`` where the request asks for more than the clip has.

    A still image is held for exactly ``num_frames`` and has no rate of its own; of a clip as many
    pictures are taken as it has at the wanted rate.
    """
    if footage.is_still and request.frame_rate == -1:
        message = "A still image has no native frame rate; give frame_rate."
        raise ContentProblem(Problem(("frame_rate",), message, "value_error", -1))
    rate = footage.frame_rate if request.frame_rate == -1 else Fraction(request.frame_rate)
    num_frames = request.num_frames
    if not footage.is_still:
        num_frames = min(num_frames, picture_count(footage.seconds, rate))
    problems = request.edits.problems(num_frames)
    if problems:
        raise ContentProblem(problems[0])
    frame_count = request.edits.frame_count(num_frames)
    if frame_count > MOST_FRAMES:
        message = f"The result would have {frame_count} frames; at most {MOST_FRAMES} are made."
        raise ContentProblem(Problem(("num_frames",), message, "value_error", request.num_frames))
    return Output(
        frame_rate=rate,
        width=_side("width", request.width, footage.width),
        height=_side("height", request.height, footage.height),
        num_frames=num_frames,
        frame_count=frame_count,
    )


def schedule(request: Body, footage: Footage, output: Output) -> Iterator[Slot]:
    """The pictures of the result, as pictures of the file."""
    speed = Fraction(0) if footage.is_still else footage.frame_rate / output.frame_rate

    last = footage.frame_count - 1

    def in_file(index: int) -> int:
        return min(floor(index * speed), last)

    for picture in request.edits.timeline(output.num_frames):
        if isinstance(picture, Kept):
            yield Slot(in_file(picture.index), in_file(picture.index))
        else:
            yield Slot(in_file(picture.before), in_file(picture.after), picture.share)


class FalPipio(Model):
    vendor: ClassVar[str] = "fal"
    name: ClassVar[str] = "pipio/lipsync"

    def check(self, body: Mapping[str, Any]) -> list[Problem]:
        """The edit lists are checked against ``num_frames`` here, against the clip later."""
        request, problems = parse(Body, body)
        return problems if request is None else request.edits.problems(request.num_frames)

    def media(self, body: Mapping[str, Any]) -> dict[str, str]:
        request = parsed(Body, body)
        return {"video": request.video.url, "audio": request.audio.url}

    def price_usd(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        options: RenderOptions = DEFAULT_OPTIONS,
    ) -> Decimal:
        """A second of output at the price of its size."""
        request = parsed(Body, body)
        footage = open_footage(video, ("video",), request.video.url, still_allowed=True)
        output = output_of(request, footage)
        return per_second(output.seconds, _usd_per_second(min(output.width, output.height)))

    def render(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        out_dir: Path,
        options: RenderOptions,
        cancelled: Callable[[], bool],
    ) -> list[Path]:
        """The sound is the speech, cut or followed by silence to the length of the pictures."""
        request = parsed(Body, body)
        path = out_dir / "output.mp4"
        if options.canned:
            return [write_canned_clip(path)]
        if audio is None:
            raise ValueError("this model always has sound")
        footage = open_footage(video, ("video",), request.video.url, still_allowed=True)
        speech = open_speech(audio, ("audio",), request.audio.url)
        output = output_of(request, footage)
        result = Result(
            path=path,
            slots=schedule(request, footage, output),
            frame_rate=output.frame_rate,
            width=output.width,
            height=output.height,
            sample_count=sample_count(output.seconds, speech.sample_rate),
        )
        with refusing(video, ("video",), request.video.url):
            return [render(footage, speech, result, cancelled)]


def _side(name: str, wanted: int, native: int) -> int:
    if wanted > 0:
        return wanted
    pixels = native // -wanted
    if pixels < 2:
        message = f"The native {name} of {native} pixels divided by {-wanted} leaves no picture."
        raise ContentProblem(Problem((name,), message, "value_error", wanted))
    return pixels


def _usd_per_second(lines: int) -> Decimal:
    for most_lines, usd in USD_PER_OUTPUT_SECOND:
        if lines <= most_lines:
            return usd
    return USD_PER_OUTPUT_SECOND[-1][1]
