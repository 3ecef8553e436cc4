"""From a request body to a job that can be accepted, the same way for every vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from .jobs import invalid, new_seed
from .media_store import MediaMissing
from .models.base import Model, Problem
from .records import Failure, Job, now
from .wire import Call

FATES = ("job-fails", "reject-content")


@dataclass(frozen=True)
class Wishes:
    """What a submission asks for beside the model's own arguments."""

    queue_seconds: float
    run_seconds: float
    result_count: int = 1
    start_deadline_seconds: float | None = None
    lifetime_seconds: float | None = None
    keeps_payload: bool = True
    webhook_url: str | None = None
    upload_url: str | None = None
    client_request_id: str | None = None


async def prepare(
    call: Call, model: Model, body: dict[str, Any], job_id: str, wishes: Wishes
) -> Job:
    """A job with its media found and its price set, not yet accepted.

    A body or media that the model does not take make a job whose ``failure`` is set already.
    ``wishes`` are in unscaled seconds.
    """
    scale = call.box.options.time_scale
    media, failure = find_media(call, model, body)
    slow = call.struck_by("slow-queue")
    fate = next((name for name in FATES if call.struck_by(name)), None)
    if fate is None and wishes.result_count > 1 and call.struck_by("partial-results"):
        fate = "partial-results"
    job = Job(
        vendor=call.vendor.name,
        id=job_id,
        model=model.name,
        account=call.account,
        body=body,
        body_disk=None,
        media=media,
        price_usd="0",
        accepted_at=now(),
        queue_seconds=slow.lasting_seconds if slow else wishes.queue_seconds * scale,
        run_seconds=wishes.run_seconds * scale,
        result_count=wishes.result_count,
        seed=new_seed(),
        failure=failure,
        fate=fate,
        start_deadline_seconds=wishes.start_deadline_seconds,
        lifetime_seconds=wishes.lifetime_seconds,
        keeps_payload=wishes.keeps_payload,
        webhook_url=wishes.webhook_url,
        upload_url=wishes.upload_url,
        client_request_id=wishes.client_request_id,
    )
    await call.box.jobs.price(job)
    job.accepted_at = now()
    return job


def accept(call: Call, job: Job) -> None:
    """Book the job; from here on it lives without the call."""
    if job.keeps_payload and call.body is not None:
        disk = f"bodies/{job.vendor}-{job.id}.json"
        call.body.keep(call.box.state.folder / disk)
        job.body_disk = disk
    call.keeps_body = True
    call.box.jobs.accept(job)


def find_media(
    call: Call, model: Model, body: dict[str, Any]
) -> tuple[dict[str, str], Failure | None]:
    """The files for the roles that a body names; or why there are none."""
    problems = model.check(body)
    if problems:
        return {}, invalid(problems)
    media: dict[str, str] = {}
    for role, text in model.media(body).items():
        try:
            path = call.box.media.resolve(text, role, knows_uuids=call.vendor.name == "runware")
        except MediaMissing as error:
            problem = error.problem(locate(body, text), text)
            return {}, Failure("media", str(error), [asdict(problem)])
        media[role] = str(path)
    return media, None


def locate(value: Any, wanted: str) -> tuple[str | int, ...]:
    """The way to a string in a JSON value; empty when it is not there."""
    pairs: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, item in pairs:
        if item == wanted:
            return (key,)
        below = locate(item, wanted)
        if below:
            return (key, *below)
    return ()


def problems_of(failure: Failure) -> list[Problem]:
    return [Problem(**item | {"loc": tuple(item["loc"])}) for item in failure.problems]


def iso(moment: float | None) -> str | None:
    """UNIX seconds as ``2026-01-31T23:59:59.123Z``."""
    if moment is None:
        return None
    text = datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def read_time(text: str) -> float:
    """An ISO-8601 date or time, UTC where it names no offset, as UNIX seconds."""
    # A plus in a query that was not encoded arrives as a space.
    moment = datetime.fromisoformat(text.strip().replace(" ", "+").replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def hidden_until(call: Call, delay_seconds: float) -> float | None:
    """Jobs accepted after this moment are not listed yet; ``None`` hides every job.

    ``delay_seconds`` is the vendor's own lag.
    """
    if call.struck_by("lookup-hidden"):
        return None
    late = call.struck_by("lookup-late")
    lag = late.lasting_seconds if late else delay_seconds * call.box.options.time_scale
    return now() - lag
