"""Bring results into the results folder: fetched or unpacked, whole, checked, kept by content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..download import (
    FetchedFile,
    FetchRules,
    disk_error,
    fetch,
    state_after_rename,
    store_data,
)
from ..errors import FetchRefused, InputError, MediaTooLarge
from ..media import VIDEO_CONTAINERS, MediaGuard, sniff
from ..media.digest import digest_file
from ..model import Clip, ResultItem, SourceFile, Timing
from ..parts import chance, put_in_place, remove_part
from .returned import mark_used

SUFFIXES = {
    "mp4": ".mp4",
    "mov": ".mov",
    "webm": ".webm",
    "matroska": ".mkv",
    "avi": ".avi",
}


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A result in the results folder. ``path`` is relative to it, with ``/``.

    ``source`` is the file that was put there, as it was then; None where it was there before.
    """

    path: str
    digest: str
    size_bytes: int
    clip: Clip
    source: SourceFile | None


async def keep_result(
    item: ResultItem,
    name: str,
    folder: Path,
    rules: FetchRules,
    guard: MediaGuard,
    on_bytes: Callable[[int, int | None], None] | None = None,
) -> KeptResult:
    """Bring one result into ``folder`` under the digest of its bytes.

    ``name`` says whose file it is while it is on its way, which clean-up reads. Raises FetchRefused
    where what came is no whole video, and what ``fetch`` raises; then nothing is left behind. Where
    it is stopped, what a thread still writes is left to clean-up.
    """
    incoming = folder / f"incoming-{name}.{chance()}"
    try:
        if item.data is not None:
            fetched = await asyncio.to_thread(store_data, item.data, incoming, rules.max_bytes)
        elif item.url is not None:
            fetched = await fetch(item.url, incoming, rules, on_bytes)
        else:
            raise FetchRefused("The vendor names a result without saying where it is.")
        return await asyncio.to_thread(_keep, fetched, folder, guard)
    finally:
        remove_part(incoming)


def _keep(fetched: FetchedFile, folder: Path, guard: MediaGuard) -> KeptResult:
    container = sniff(fetched.path)
    if container not in VIDEO_CONTAINERS:
        raise FetchRefused(
            f"What came instead of the result is {container or 'no media file'}, not a video.",
            value=f"{fetched.size_bytes} bytes",
            remedy="Fetch it again; if it stays so, ask the vendor.",
        )
    try:
        known = SourceFile(fetched.path, fetched.digest, fetched.state)
        clip = guard.clip(fetched.path, known=known)
    except MediaTooLarge as problem:
        raise FetchRefused(
            f"The result is over a limit of this machine: {problem.message}",
            limit=problem.limit,
            remedy="Raise that limit under media_limits in settings.json, and fetch it again.",
        ) from problem
    except InputError as problem:
        raise FetchRefused(
            f"The result is not a whole video: {problem.message}",
            remedy="Fetch it again; if it stays so, ask the vendor.",
        ) from problem
    if clip.digest != fetched.digest:
        raise FetchRefused(
            "The result's file is not what was written to it: something else has changed it.",
            value=clip.digest,
            limit=fetched.digest,
            remedy="Fetch it again.",
        )
    relative = f"{fetched.digest[:2]}/{fetched.digest}{SUFFIXES[container]}"
    target, source = folder / relative, None
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if _is_kept(target, fetched):
            mark_used(target)
        else:
            put_in_place(fetched.path, target)
            state = state_after_rename(target, fetched.state)
            source = SourceFile(target, fetched.digest, state)
    except OSError as problem:
        raise disk_error(target, problem) from problem
    return KeptResult(relative, fetched.digest, fetched.size_bytes, clip, source)


def _is_kept(target: Path, fetched: FetchedFile) -> bool:
    """Whether the same bytes are there already, as of another job.

    Then they stay as they are: somebody may be reading them, to whom another file in their place
    would look like a change.
    """
    if not target.is_file() or target.stat().st_size != fetched.size_bytes:
        return False
    return digest_file(target) == fetched.digest


def differences(clip: Clip, predicted: Timing) -> list[str]:
    """In what a result is not as predicted, as warnings; one frame is let pass. Pure."""
    found = []
    if predicted.frame_rate is not None:
        if clip.frame_rate != predicted.frame_rate:
            found.append(f"The result has {clip.frame_rate} fps, not {predicted.frame_rate}.")
        found += _length_differences(clip, predicted, predicted.frame_rate)
    size = (predicted.width, predicted.height)
    if None not in size and (clip.width, clip.height) != size:
        found.append(
            f"The result is {clip.width}x{clip.height}, not {size[0]}x{size[1]} as predicted."
        )
    return found


def _length_differences(clip: Clip, predicted: Timing, frame_rate: Fraction) -> list[str]:
    """In frames where the rates agree, else in seconds."""
    least, most = predicted.frame_count_least, predicted.frame_count_most
    if least is None or most is None:
        return []
    one_frame = max(1 / clip.frame_rate, 1 / frame_rate)
    if least / frame_rate - one_frame <= clip.seconds <= most / frame_rate + one_frame:
        return []
    if clip.frame_rate != frame_rate:
        wanted = _range(f"{float(least / frame_rate):.2f}", f"{float(most / frame_rate):.2f}")
        return [f"The result lasts {float(clip.seconds):.2f} s, not {wanted} s as predicted."]
    wanted = _range(str(least), str(most))
    return [f"The result has {clip.frame_count} frames, not {wanted} as predicted."]


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"
