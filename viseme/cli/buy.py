"""run, quote and demo."""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..edits import parse as parse_edits
from ..endpoints import endpoint as endpoint_by_id
from ..endpoints.base import Endpoint
from ..errors import InputError
from ..jobs.destination import LIVE
from ..jobs.inputs import check_unicode, own_sound, read_footage, read_sound, read_text, with_text
from ..jobs.quotes import quotes
from ..jobs.receipt import usd_or_none
from ..jobs.run import Finished, run
from ..jobs.signals import CancelToken, Progress, Step
from ..jobs.wish import Planned, Wish, make_plan
from ..jobs.workplace import Watch, Workplace, media_guard
from ..model import Carry, Clip, Speech
from ..money import parse_usd, usd_text
from ..samples import sample_clip_path, sample_speech_path
from .output import ProgressLine, note, print_json, say, table
from .session import check_out, copy_results, destination, sandbox, workplace


def run_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    max_usd = None if options.max_usd is None else parse_usd(options.max_usd, field="--max-usd")
    with workplace(options) as place, ProgressLine() as progress:
        planned = _plan(options, place, cancel, progress)
        if options.out is not None:
            suffix = planned.endpoint.result_suffix(planned.order)
            check_out(options.out, suffix, [options.video, options.audio])
        finished = asyncio.run(_run(options, planned, place, cancel, progress, max_usd))
        files = deliver(finished, options.out, place)
    print_finished(finished, files, options.json)
    return 0


async def _run(
    options: argparse.Namespace,
    planned: Planned,
    place: Workplace,
    cancel: CancelToken,
    progress: ProgressLine,
    max_usd: Decimal | None,
) -> Finished:
    where = await destination(options, place)
    watch = Watch(cancel, progress, options.time_limit)
    return await run(planned, place, where, watch, max_usd=max_usd)


def demo_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    endpoint = endpoint_by_id(options.endpoint)
    with workplace(options) as place, ProgressLine() as progress:
        guard = media_guard(place)
        video = options.video or str(sample_clip_path())
        audio = options.audio or str(sample_speech_path())
        progress(Progress(Step.PROBE, "reading the media"))
        footage = read_footage(video, endpoint, guard=guard, cancel=cancel)
        speech = read_sound(audio, endpoint, guard=guard, cancel=cancel)
        planned = make_plan(Wish(endpoint.id, {}, footage, speech), place.settings)
        check_out(options.out, endpoint.result_suffix(planned.order), [video, audio])

        async def in_sandbox() -> Finished:
            return await run(planned, place, await sandbox(place), Watch(cancel, progress))

        finished = asyncio.run(in_sandbox())
        files = deliver(finished, options.out, place)
    print_finished(finished, files, options.json)
    if not options.json:
        say(f"This was the sandbox: nothing was spent. Live it would cost {_price(planned)}.")
        login = place.home.command("login", endpoint.vendor.value)
        say(f"The same for real: `{login}`, then `viseme run` without --sandbox.")
    return 0


def quote_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    with workplace(options) as place, ProgressLine() as progress:
        planned = _plan(options, place, cancel, progress)
        found = quotes(planned, place.settings.assumed)
    if options.json:
        print_json(
            {
                "quotes": [
                    {
                        "endpoint": entry.endpoint.id,
                        "vendor": entry.endpoint.vendor.value,
                        "least_usd": usd_or_none(entry.quote.least_usd),
                        "most_usd": usd_or_none(entry.quote.most_usd),
                        "basis": entry.quote.basis or None,
                        "unknown_reason": entry.quote.unknown_reason,
                    }
                    for entry in found
                ]
            }
        )
        return 0
    for warning in planned.purchase.warnings:
        note(f"warning: {warning}")
    rows = [["ENDPOINT", "VENDOR", "PRICE", "BASIS"]]
    for entry in found:
        quote = entry.quote
        price = "unknown" if quote.least_usd is None else usd_text(quote.least_usd, quote.most_usd)
        basis = quote.unknown_reason or quote.basis
        rows.append([entry.endpoint.id, entry.endpoint.vendor.label, price, basis])
    say(table(rows))
    return 0


def _price(planned: Planned) -> str:
    quote = planned.purchase.quote
    if quote.least_usd is None:
        return f"an unknown amount ({quote.unknown_reason})"
    return usd_text(quote.least_usd, quote.most_usd)


def _plan(
    options: argparse.Namespace, place: Workplace, cancel: CancelToken, progress: ProgressLine
) -> Planned:
    """Read the media that the options name, and make the plan."""
    endpoint = endpoint_by_id(options.endpoint)
    guard = media_guard(place)
    given = _given(options.settings)
    progress(Progress(Step.PROBE, "reading the media"))
    footage = (
        read_footage(options.video, endpoint, guard=guard, cancel=cancel)
        if options.video is not None
        else None
    )
    speech: Speech | None = (
        read_sound(options.audio, endpoint, guard=guard, cancel=cancel)
        if options.audio is not None
        else None
    )
    if options.edits is not None:
        given["edits"] = _edits(options.edits, endpoint, footage)
        if speech is None and footage is not None and options.text is None:
            speech = own_sound(footage, guard=guard, cancel=cancel)
    spoken = read_text(options.text, options.voice, endpoint)
    if spoken is not None and speech is not None:
        given = dict(with_text(given, spoken, endpoint))
    wish = Wish(
        endpoint.id,
        given,
        footage,
        speech if speech is not None else spoken,
        options.audio_is_edited,
        Carry(options.carry),
        options.take,
    )
    return make_plan(wish, place.settings)


def _given(settings: list[str]) -> dict[str, Any]:
    """``--set a.b=value`` as nested arguments; values stay text, which the endpoint reads."""
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise InputError(
                f"--set {setting!r} is not NAME=VALUE.",
                field="--set",
                value=setting,
                limit="NAME=VALUE",
                remedy="Write it like --set sync_mode=loop.",
            )
        check_unicode(setting, "--set")
        *outer, last = name.split(".")
        place = given
        for key in outer:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise InputError(
                    f"{name} was set as a whole and in parts.", field=name, remedy="Set one."
                )
        if last in place:
            raise InputError(f"{name} was set twice.", field=name, remedy="Set it once.")
        place[last] = value
    return given


def _edits(path: Path, endpoint: Endpoint, footage: object) -> Any:
    if not endpoint.takes_edits:
        raise InputError(
            f"{endpoint.id} knows no edits.",
            field="--edits",
            value=path,
            remedy="Use fal-pipio, or apply them first with `viseme edits apply`.",
        )
    rate = footage.frame_rate if isinstance(footage, Clip) else None
    return parse_edits(read_text_file(path, "--edits"), rate)


def read_text_file(path: Path, field: str) -> str:
    """A small text file that the user named. Raises InputError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise InputError(
            f"{path} cannot be read: {reason}.", field=field, value=path, remedy="Check the path."
        ) from problem


def deliver(finished: Finished, out: Path | None, place: Workplace) -> tuple[Path, ...]:
    if out is None:
        return finished.files
    command = place.home.command("resume", finished.job.id, "-o", str(out))
    return copy_results(
        finished.files,
        out,
        job_id=finished.job.id,
        command=command,
    )


def print_finished(finished: Finished, files: tuple[Path, ...], as_json: bool) -> None:
    if as_json:
        print_json({**finished.receipt, "files": [str(path.absolute()) for path in files]})
        return
    for warning in finished.job.warnings:
        note(f"warning: {warning}")
    for path in files:
        say(str(path.absolute()))
    cost = finished.receipt["cost_usd"]
    is_live = finished.job.destination == LIVE
    if finished.reused:
        paid = "already bought, nothing was spent now"
    elif not is_live:
        paid = "bought in the sandbox, free" + ("" if cost is None else f"; live ${cost}")
    else:
        paid = "bought" + ("" if cost is None else f", ${cost}")
    say(f"job {finished.job.id}: {paid}")
