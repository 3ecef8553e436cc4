"""One lip-sync from a node's inputs to its outputs: the work that every lip-sync node does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import io

from ..viseme.endpoints import endpoint
from ..viseme.errors import InputError, Interrupted, MediaTooLarge, VisemeError
from ..viseme.jobs.destination import LIVE, Destination, chosen_sandbox, live
from ..viseme.jobs.orders import odd_size_of
from ..viseme.jobs.quotes import price_text
from ..viseme.jobs.run import Finished, job_mark, run
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.wish import Planned, Wish, make_plan
from ..viseme.jobs.workplace import Watch, Workplace, media_guard
from ..viseme.ledger import JobRecord
from ..viseme.model import Clip, Recording, SpokenText
from ..viseme.money import usd_text
from . import _host
from ._common import RunOptions
from ._given import forget_decoded, remember
from ._jobs import attend, count_of_warnings
from ._media import (
    Scratch,
    audio_output,
    clip_input,
    frames_output,
    hold,
    sound_input,
    video_output,
)
from ._runner import Execution, on_runner
from ._types import EditsValue, check_edits


@dataclass(frozen=True)
class LipSync:
    """What a node asks for. ``given`` holds the endpoint's options, nested.

    ``text`` is what the vendor is to speak; ``audio`` is not used then. ``edits`` come with
    ``sound_is_edited``, which says that the audio is cut along them already.
    """

    endpoint_id: str
    options: RunOptions
    media: object = None
    audio: object = None
    text: SpokenText | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    edits: EditsValue | None = None
    sound_is_edited: bool = False


@dataclass(frozen=True)
class Result:
    """One result as the outputs give it. Frames and audio are None where nobody takes them."""

    path: Path
    frame_rate: float
    frames: torch.Tensor | None
    audio: dict[str, Any] | None


@dataclass(frozen=True)
class Bought:
    """All results of a job, one at least, with the job's receipt."""

    job_id: str
    results: tuple[Result, ...]
    receipt: str
    preview: Any = None

    def output(self) -> Any:
        """For a node with five plain outputs: the first result."""
        first = self.results[0]
        return io.NodeOutput(
            video_output(first.path),
            first.frames,
            first.audio,
            first.frame_rate,
            self.receipt,
            ui=self.preview,
        )

    def list_output(self) -> Any:
        """For a node whose five outputs are lists, all of one length."""
        return io.NodeOutput(
            [video_output(result.path) for result in self.results],
            [result.frames for result in self.results],
            [result.audio for result in self.results],
            [result.frame_rate for result in self.results],
            [self.receipt for _ in self.results],
            ui=self.preview,
        )


async def buy(request: LipSync, hidden: Any) -> Bought:
    """The results of a lip-sync, bought or come back to; for a node's ``execute``.

    Raises LipSyncError, and the host's own interruption.
    """
    request = replace(request, media=hold(request.media))
    work = partial(_buy, request, _host.wanted(hidden), _host.signature_of(hidden))
    return await on_runner(work, hidden.unique_id)


async def _buy(
    request: LipSync, wanted: frozenset[str], signature: str | None, execution: Execution
) -> Bought:
    execution.report(Progress(Step.PROBE, "reading the media"))
    place = await asyncio.to_thread(_host.workplace)
    options, scratch = request.options, Scratch(place.home)
    try:
        planned = await asyncio.to_thread(plan, request, place, scratch, execution)
        where = live(place.settings)
        if not options.is_live:
            where = await chosen_sandbox(place.home, place.settings)
        mark = await asyncio.to_thread(job_mark, planned, place, where)
        work = partial(_run, planned, place, where, options.max_usd, scratch)
        finished = await attend(mark, place, work, execution, options.time_limit_seconds)
    finally:
        if not scratch.is_in_use:
            await asyncio.to_thread(scratch.remove)
    return await bring(finished, wanted, signature, place, execution)


async def _run(
    planned: Planned,
    place: Workplace,
    where: Destination,
    max_usd: Decimal | None,
    scratch: Scratch,
    watch: Watch,
) -> Finished:
    scratch.is_in_use = True
    try:
        return await run(planned, place, where, watch, max_usd=max_usd)
    finally:
        scratch.is_in_use = False
        await asyncio.to_thread(scratch.remove)


def plan(request: LipSync, place: Workplace, scratch: Scratch, execution: Execution) -> Planned:
    """Read the media and make the plan; blocking. Raises InputError, MediaError, Interrupted."""
    options, target = request.options, endpoint(request.endpoint_id)
    guard, cancel = media_guard(place), execution.cancel
    check_edits(request.edits)
    given: dict[str, Any] = dict(request.given)
    wish = Wish(
        target.id, carry=options.carry, take=options.take, sound_is_edited=request.sound_is_edited
    )
    if options.video_url:
        given[target.video_field] = options.video_url
    if request.media is not None:
        source = clip_input(request.media, options.source_fps, scratch, guard, cancel)
        wish = replace(wish, footage=source.clip, write_footage=source.write)
    if request.text is not None:
        wish = replace(wish, speech=request.text)
    else:
        if options.audio_url:
            given[target.audio_field] = options.audio_url
        if request.audio is not None:
            sound = sound_input(request.audio, cancel, guard.limits)
            wish = replace(wish, speech=sound.recording, write_speech=sound.write)
            _check_cut(request, sound.recording)
    if request.edits is not None:
        given["edits"] = request.edits.plan
        if isinstance(wish.footage, Clip):
            request.edits.check_fits(wish.footage, given.get("frame_rate"))
    return make_plan(replace(wish, given=given), place.settings)


def _check_cut(request: LipSync, speech: Recording) -> None:
    """The uncut sound with an edit plan would put the words of one place to the lips of another."""
    edits = request.edits
    if edits is not None and request.sound_is_edited and edits.is_uncut(speech):
        raise InputError(
            "audio is the speech as it was before the edits, but audio_is_edited is on.",
            field="audio",
            value="uncut speech",
            limit="the audio output of Edit Ranges",
            remedy="Connect the audio output of Edit Ranges, or turn audio_is_edited off to have "
            "it cut here.",
        )


async def bring(
    finished: Finished,
    wanted: frozenset[str],
    signature: str | None,
    place: Workplace,
    execution: Execution,
    *,
    asks_again: bool = False,
) -> Bought:
    """A job's results as outputs, with what of ``frames`` and ``audio`` is wanted decoded.

    They are remembered under the node's ``signature``, where it has one; ``asks_again`` of a node
    that asks for results which did not come whenever it is executed.

    Frames of a clip whose odd sides were padded to even ones are cropped to them again. An error
    names the job, and says that its result is kept and which outputs go without what failed.
    """
    execution.report(Progress(Step.FETCH, "reading the result", fraction=0.9))
    if signature is not None:
        forget_decoded(signature)
    results = [
        await asyncio.to_thread(_result, path, finished.job, wanted, place, execution)
        for path in finished.files
    ]
    shown = await asyncio.to_thread(_host.preview, finished.files, finished.job.id)
    if signature is not None:
        remember(
            signature,
            finished.job,
            finished.files,
            place.ledger,
            decoded=wanted,
            asks_again=asks_again,
        )
    execution.say_last(_summary(finished))
    receipt = json.dumps(finished.receipt, indent=2)
    return Bought(finished.job.id, tuple(results), receipt, shown)


def _summary(finished: Finished) -> str:
    """One line: the job, what it cost or would have cost, and whether there is more to know."""
    job = finished.job
    price = price_text(job.quote) if job.cost_usd is None else usd_text(job.cost_usd)
    if price == "unknown":
        price = "price not known"
    if job.destination != LIVE:
        price = f"free in the sandbox, live {price}"
    again = "bought before; " if finished.reused else ""
    warned = f"; {count_of_warnings(job)}, see the receipt" if job.warnings else ""
    return f"job {job.id}: {again}{price}{warned}"


def _result(
    path: Path, job: JobRecord, wanted: frozenset[str], place: Workplace, execution: Execution
) -> Result:
    guard, cancel = media_guard(place), execution.cancel
    with _of_job(job, "video", f"take {path}", f"raise media_limits in {place.home.settings}"):
        clip = guard.clip(path, known=place.brought.get(path), cancel=cancel)
    frames = audio = None
    without = "disconnect {} and take the video"
    if "frames" in wanted:
        is_accurate = place.settings.accurate_colours
        with _of_job(job, "frames", without.format("frames"), "run this with more memory free"):
            guard.check(clip, frames=True, cancel=cancel)
            frames = frames_output(
                clip,
                _crop_of(clip, job),
                cancel,
                accurate_colours=is_accurate,
                limits=guard.limits,
            )
    if "audio" in wanted:
        with _of_job(job, "audio", without.format("audio"), "run this with more memory free"):
            guard.check(clip, sound=True, cancel=cancel)
            audio = audio_output(clip, cancel, guard.limits)
    return Result(path, float(clip.frame_rate), frames, audio)


@contextmanager
def _of_job(job: JobRecord, output: str, instead: str, if_too_large: str) -> Iterator[None]:
    """Have an error in here say that the result is there, and how to come by it."""
    try:
        yield
    except Interrupted:
        raise
    except VisemeError as problem:
        kept = "kept and paid for once" if job.destination == LIVE else "kept"
        way = f"{instead}, or {if_too_large}" if isinstance(problem, MediaTooLarge) else instead
        raise type(problem)(
            problem.message,
            field=output,
            value=problem.value,
            limit=problem.limit,
            remedy=f"The result is {kept}: {way}.",
            job_id=job.id,
        ) from problem


def _crop_of(clip: Clip, job: JobRecord) -> tuple[int, int] | None:
    """The odd size that was padded to the clip's own; None where nothing was."""
    native_size = odd_size_of(job)
    is_padded = native_size is not None and (clip.width, clip.height) == _even(native_size)
    return native_size if is_padded else None


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] + size[0] % 2, size[1] + size[1] % 2
