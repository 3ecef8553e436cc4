"""A wish as the ledger keeps it, so that a job can be prepared again after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..ledger import JobRecord, Outcome
from ..media import MediaGuard
from ..model import Carry, Clip, Footage, Recording, RemoteMedia, Speech, SpokenText
from .wish import Planned, Wish, make_plan
from .workplace import Workplace, media_guard


def order_json(planned: Planned) -> dict[str, Any]:
    """All that was ordered, as plain JSON; files by path and digest, what is none by its name."""
    wish, purchase = planned.wish, planned.purchase
    return {
        "endpoint": wish.endpoint_id,
        "given": purchase.arguments,
        "video": _medium_json(purchase.footage, wish.write_footage is not None),
        "speech": _medium_json(purchase.speech, wish.write_speech is not None),
        "sound_is_edited": wish.sound_is_edited,
        "carry": wish.carry.value,
        "take": wish.take,
    }


def _medium_json(medium: Footage | Speech | None, is_unwritten: bool) -> dict[str, Any] | None:
    if medium is None:
        return None
    if isinstance(medium, (Clip, Recording)):
        size = {"size": [medium.width, medium.height]} if isinstance(medium, Clip) else {}
        if is_unwritten:
            return {"unwritten": medium.path.name, "digest": medium.digest, **size}
        return {"path": str(medium.path.absolute()), "digest": medium.digest, **size}
    if isinstance(medium, RemoteMedia):
        return {"reference": medium.reference}
    return {"text": medium.text, "voice": medium.voice}


def planned_from_order(
    job: JobRecord, place: Workplace, *, cancel: Callable[[], bool] | None = None
) -> Planned:
    """The plan of a job of the ledger, its files probed anew.

    Raises InputError where a file is not there any more or is another one now, and where the media
    were no files.
    """
    order = job.order
    if has_unwritten_media(job):
        raise _only_in_a_graph(job, place)
    guard = media_guard(place)
    footage: Footage | None = None
    video = order.get("video")
    if isinstance(video, Mapping):
        if "reference" in video:
            footage = RemoteMedia(str(video["reference"]))
        else:
            footage = guard.clip(Path(str(video["path"])), cancel=cancel)
            _check_same(job, "--video", footage.path, footage.digest, str(video["digest"]))
    wish = Wish(
        str(order["endpoint"]),
        order.get("given") or {},
        footage,
        _speech_of(job, order.get("speech"), guard, cancel),
        bool(order.get("sound_is_edited")),
        Carry(order.get("carry", "auto")),
        int(order.get("take", 1)),
    )
    return make_plan(wish, place.settings)


def odd_size_of(job: JobRecord) -> tuple[int, int] | None:
    """Width and height of the clip that was ordered, where they were padded to even ones."""
    video = job.order.get("video")
    size = video.get("size") if isinstance(video, Mapping) else None
    if size is None or not any(side % 2 for side in size):
        return None
    width, height = size
    return int(width), int(height)


def has_unwritten_media(job: JobRecord) -> bool:
    """Whether the job's media were in a graph and can be had from there alone."""
    media = (job.order.get("video"), job.order.get("speech"))
    return any(isinstance(medium, Mapping) and "unwritten" in medium for medium in media)


def _only_in_a_graph(job: JobRecord, place: Workplace) -> InputError:
    in_doubt = (None, Outcome.UNKNOWN)
    is_open = any(sent.outcome in in_doubt for sent in place.ledger.submissions(job.id))
    return InputError(
        "The media of this job were in a graph of ComfyUI and are in no file."
        + ("" if is_open else " Nothing was bought."),
        field="job",
        value=job.id,
        job_id=job.id,
        remedy="Run the graph again with the same inputs: it goes on with this job.",
    )


def _speech_of(
    job: JobRecord, speech: Any, guard: MediaGuard, cancel: Callable[[], bool] | None
) -> Speech | None:
    if not isinstance(speech, Mapping):
        return None
    if "reference" in speech:
        return RemoteMedia(str(speech["reference"]))
    if "text" in speech:
        return SpokenText(str(speech["text"]), speech.get("voice"))
    recording = guard.recording(Path(str(speech["path"])), cancel=cancel)
    _check_same(job, "--audio", recording.path, recording.digest, str(speech["digest"]))
    return recording


def _check_same(job: JobRecord, field: str, path: Path, digest: str, wanted: str) -> None:
    if digest != wanted:
        raise InputError(
            f"{path.name} is not the file that this job was planned with.",
            field=field,
            value=path,
            job_id=job.id,
            remedy="Put the file back, or run a new command with the file as it is now.",
        )
