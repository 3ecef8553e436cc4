"""What the user gets to read of a job: one JSON document, made from the ledger alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..errors import VisemeError
from ..home import Home
from ..ledger import ItemRecord, ItemState, JobRecord
from ..model import Clip, Quote, Timing
from ..money import usd_json
from ..secret import redact
from .commands import job_command


def receipt(
    job: JobRecord, items: Sequence[ItemRecord], home: Home, *, reused: bool = False
) -> dict[str, Any]:
    """The receipt of a job as it stands. ``reused`` says that this run found it already bought."""
    return {
        "id": job.id,
        "state": job.state.value,
        "endpoint": job.endpoint,
        "vendor": job.vendor.value,
        "destination": job.destination,
        "take": job.take,
        "reused": reused,
        "vendor_ids": shown_ids(job.vendor_ids),
        "quote": quote_json(job.quote),
        "cost_usd": usd_or_none(job.cost_usd),
        "timing": job.timing,
        "media": _without_signatures(job.media),
        "arguments": _without_signatures(job.arguments),
        "warnings": list(job.warnings),
        "vendor_output": job.vendor_output,
        "items": [_item_json(item, home) for item in items],
        "error": _with_whole_commands(job.error, home),
        "created": time_text(job.created_at),
        "finished": time_text(job.finished_at),
    }


def _with_whole_commands(error: Mapping[str, Any] | None, home: Home) -> dict[str, Any] | None:
    """A kept error with a remedy that works where it is read: its home may have moved."""
    if error is None:
        return None
    remedy = error.get("remedy")
    return {**error, "remedy": home.completed(remedy) if isinstance(remedy, str) else remedy}


def _without_signatures(value: Any) -> Any:
    """JSON without the queries of its URLs, which may be signatures."""
    if isinstance(value, Mapping):
        return {name: _without_signatures(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_signatures(inner) for inner in value]
    return redact(value) if isinstance(value, str) and "://" in value else value


def job_line(job: JobRecord) -> dict[str, Any]:
    """A job as ``viseme jobs --json`` lists it."""
    return {
        "id": job.id,
        "state": job.state.value,
        "endpoint": job.endpoint,
        "vendor": job.vendor.value,
        "destination": job.destination,
        "vendor_ids": shown_ids(job.vendor_ids),
        "quote": quote_json(job.quote),
        "cost_usd": usd_or_none(job.cost_usd),
        "take": job.take,
        "created": time_text(job.created_at),
    }


def shown_ids(vendor_ids: Mapping[str, Any] | None) -> dict[str, Any]:
    """The vendor's ids without the paths that are kept beside them."""
    return {k: v for k, v in (vendor_ids or {}).items() if not k.endswith("_path")}


def quote_json(quote: Quote) -> dict[str, Any]:
    """A quote with its amounts as strings."""
    return {
        "least_usd": usd_or_none(quote.least_usd),
        "most_usd": usd_or_none(quote.most_usd),
        "basis": quote.basis,
        "unknown_reason": quote.unknown_reason,
    }


def timing_json(timing: Timing) -> dict[str, Any]:
    """A prediction; rates as ``30000/1001``."""
    return {
        "frame_count_least": timing.frame_count_least,
        "frame_count_most": timing.frame_count_most,
        "frame_rate": None if timing.frame_rate is None else str(timing.frame_rate),
        "width": timing.width,
        "height": timing.height,
        "basis": timing.basis,
        "is_assumed": timing.is_assumed,
    }


def timing_from_json(document: Mapping[str, Any] | None) -> Timing:
    """The prediction that ``timing_json`` wrote."""
    document = document or {}
    rate = document.get("frame_rate")
    return Timing(
        document.get("frame_count_least"),
        document.get("frame_count_most"),
        None if rate is None else Fraction(str(rate)),
        document.get("width"),
        document.get("height"),
        str(document.get("basis", "")),
        bool(document.get("is_assumed")),
    )


def result_json(clip: Clip) -> dict[str, Any]:
    """What a result really is, as counted."""
    sound = clip.sound
    return {
        "frame_count": clip.frame_count,
        "frame_rate": str(clip.frame_rate),
        "width": clip.width,
        "height": clip.height,
        "container": clip.container,
        "codec": clip.codec,
        "sound": None
        if sound is None
        else {
            "codec": sound.codec,
            "sample_rate": sound.sample_rate,
            "channels": sound.channels,
            "sample_count": sound.sample_count,
        },
    }


def error_json(problem: VisemeError) -> dict[str, Any]:
    """An error for the ledger and the receipt, without what a vendor may have repeated in it."""
    return {
        "kind": problem.kind,
        "message": redact(problem.message),
        "field": problem.field,
        "value": problem.value and redact(problem.value),
        "limit": problem.limit,
        "remedy": problem.remedy and redact(problem.remedy),
        "code": problem.code,
        "http_status": problem.http_status,
    }


def usd_or_none(amount: Decimal | None) -> str | None:
    return None if amount is None else usd_json(amount)


def time_text(milliseconds: int | None) -> str | None:
    """UTC milliseconds as ISO text."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _item_json(item: ItemRecord, home: Home) -> dict[str, Any]:
    is_fetched = item.state is ItemState.FETCHED and item.path is not None
    file = home.results / str(item.path) if is_fetched else None
    problem = item.problem
    if file is not None and not file.is_file():
        again = job_command("resume", item.job_id, home)
        file, problem = None, f"its file is gone; fetch it again with `{again}`"
    return {
        "number": item.number,
        "state": item.state.value,
        "vendor_id": item.vendor_id,
        "file": None if file is None else str(file),
        "digest": item.digest,
        "size_bytes": item.size_bytes,
        "problem": problem,
    }
