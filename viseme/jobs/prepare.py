"""Conform the media as far as needed, and choose and go the way they travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..bodies import JsonBody
from ..edits import EditPlan
from ..endpoints.base import Endpoint, Order
from ..media import Conformed, MediaLimits, conform_clip, conform_speech
from ..media.media_guard import BeforeDecoding
from ..media.sniff import SUFFIXES_BY_TYPE
from ..model import (
    Carried,
    Carry,
    Clip,
    InlineMedia,
    Recording,
    RemoteMedia,
    Timing,
)
from ..services.base import OutgoingFile, Service, Upload
from ..settings import Settings
from .signals import Progress, Report, Step

# Of a body that must fit a size, no more than this share goes to the sound.
SOUND_SHARE = 4
UNTOUCHED = ("passed through untouched",)


@dataclass(frozen=True, slots=True)
class Medium:
    """One medium as it will travel: a file, or the reference that the user gave.

    ``digest`` identifies its source. ``file_digest`` is BLAKE3 of the bytes of a file of the
    user's that passed through untouched: others are not sent in their place.
    """

    role: str
    reference: str | None = None
    file: Conformed | None = None
    name: str | None = None
    digest: str | None = None
    file_digest: str | None = None

    @property
    def inline(self) -> InlineMedia | None:
        if self.file is None:
            return None
        file = self.file
        return InlineMedia(file.path, file.media_type, file.size_bytes, self.file_digest)

    def after(self, steps: tuple[str, ...]) -> Medium:
        """The same, with what was done before it was conformed."""
        if self.file is None or not steps:
            return self
        own = () if self.file.steps == UNTOUCHED else self.file.steps
        return replace(self, file=replace(self.file, steps=(*steps, *own)))


@dataclass(frozen=True, slots=True)
class CarriedMedium:
    """A medium as it stands in the request, and where it lies at the vendor if it was uploaded."""

    medium: Medium
    carried: Carried
    how: Carry
    upload: Upload | None = None

    def as_json(self) -> dict[str, Any]:
        file = self.medium.file
        return {
            "name": self.medium.name,
            "digest": self.medium.digest,
            "carried": self.how.value,
            "steps": list(file.steps) if file else [],
            "sent_bytes": file.size_bytes if file else None,
            "reference": self.medium.reference,
        }


@dataclass(frozen=True, slots=True)
class CutSound:
    """How the speech is cut along an edit plan, over the frames that are processed."""

    plan: EditPlan
    frame_count: int
    frame_rate: Fraction
    is_own_track: bool


def cut_of(endpoint: Endpoint, order: Order) -> CutSound | None:
    """How the speech is cut unless it is cut already; None where there is nothing to cut. Pure.

    Speech that the vendor fetches or speaks itself is not cut here.
    """
    if not isinstance(order.speech, Recording):
        return None
    edited = endpoint.edited(order)
    if edited is None or edited.plan.is_empty:
        return None
    is_own = isinstance(order.footage, Clip) and order.footage.digest == order.speech.digest
    return CutSound(edited.plan, edited.frame_count, edited.frame_rate, is_own)


def conform_media(
    endpoint: Endpoint,
    order: Order,
    work: Path,
    *,
    body_limit_bytes: int | None,
    cut: CutSound | None,
    limits: MediaLimits,
    before_decoding: BeforeDecoding,
    cancel: Callable[[], bool],
) -> tuple[Medium, Medium | None]:
    """Files that the endpoint takes, in ``work``. Blocking.

    ``body_limit_bytes`` is the most that both may take as data URIs together; None is no limit.
    ``before_decoding`` is told of the clip where it has to be decoded.
    Raises MediaError, LocalError, Interrupted.
    """
    sound = _conform_sound(endpoint, order, work, body_limit_bytes, cut, limits, cancel)
    left = body_limit_bytes
    if left is not None and sound is not None and sound.inline is not None:
        left -= sound.inline.uri_bytes
    footage = order.footage
    if isinstance(footage, RemoteMedia):
        return Medium("video", reference=footage.reference), sound
    file = conform_clip(
        footage,
        work,
        containers=endpoint.video_rules.containers,
        codecs=endpoint.video_rules.codecs,
        max_bytes=None if left is None else _raw_bytes(left),
        limits=limits,
        before_decoding=before_decoding,
        cancel=cancel,
    )
    return _medium("video", footage, file, _file_digest(footage, file)), sound


def _conform_sound(
    endpoint: Endpoint,
    order: Order,
    work: Path,
    body_limit_bytes: int | None,
    cut: CutSound | None,
    limits: MediaLimits,
    cancel: Callable[[], bool],
) -> Medium | None:
    speech = order.speech
    if isinstance(speech, RemoteMedia):
        return Medium("audio", reference=speech.reference)
    if not isinstance(speech, Recording):
        return None
    recording = speech
    steps: tuple[str, ...] = ()
    if cut is not None:
        from .cut import cut_recording  # numpy and codecs, which take long to import

        own_clip = order.footage if cut.is_own_track and isinstance(order.footage, Clip) else None
        recording = cut_recording(
            speech,
            own_clip,
            cut.plan,
            cut.frame_count,
            cut.frame_rate,
            work / "cut.wav",
            limits=limits,
            cancel=cancel,
        )
        steps = ("cut along the edit plan",)
    file = conform_speech(
        recording,
        work,
        containers=endpoint.sound_rules.containers,
        codecs=endpoint.sound_rules.codecs,
        max_bytes=None if body_limit_bytes is None else _raw_bytes(body_limit_bytes // SOUND_SHARE),
        limits=limits,
        cancel=cancel,
    )
    return _medium("audio", speech, file, _file_digest(recording, file)).after(steps)


def _medium(role: str, given: Clip | Recording, file: Conformed, file_digest: str | None) -> Medium:
    return Medium(
        role, file=file, name=given.path.name, digest=given.digest, file_digest=file_digest
    )


def _file_digest(medium: Clip | Recording, file: Conformed) -> str | None:
    """Of the bytes of ``file`` where it is the one that the medium was read from."""
    source = medium.source
    return None if source is None or file.path != source.path else source.digest


def _raw_bytes(uri_bytes: int) -> int:
    """How large a file may be whose data URI has at most ``uri_bytes``."""
    return max(0, (uri_bytes - 64) // 4 * 3)


def choose_carry(
    endpoint: Endpoint, carry: Carry, skeleton_bytes: int, media: list[Medium], settings: Settings
) -> Carry:
    """How files travel where the user left the choice open. Pure.

    fal takes data URIs while the whole body is small and uploads otherwise; AI/ML API has no
    uploads, Runware documents nothing else.
    """
    if carry is not Carry.AUTO:
        return carry
    if Carry.INLINE not in endpoint.carries:
        return Carry.UPLOAD
    if Carry.UPLOAD not in endpoint.carries:
        return Carry.INLINE
    body_bytes = skeleton_bytes + sum(m.inline.uri_bytes for m in media if m.inline is not None)
    return Carry.INLINE if body_bytes <= settings.inline_body_bytes else Carry.UPLOAD


def body_limit_bytes(endpoint: Endpoint, settings: Settings) -> int | None:
    """The most that a whole request body may take; None where media can be uploaded."""
    if Carry.UPLOAD in endpoint.carries:
        return None
    return settings.aimlapi_body_bytes - 4096  # what is no medium in the body


async def carry_media(
    endpoint: Endpoint,
    order: Order,
    timing: Timing,
    media: list[Medium],
    carry: Carry,
    service: Service,
    settings: Settings,
    report: Report,
    on_upload: Callable[[CarriedMedium], None],
) -> dict[str, CarriedMedium]:
    """Bring the media to the vendor, or leave them to travel in the request. By role.

    ``on_upload`` is told of each file as soon as it lies at the vendor.
    """
    by_role = {medium.role: medium for medium in media}
    names = dict.fromkeys(by_role, "x")
    skeleton = endpoint.write_request(order, names["video"], names.get("audio"), timing=timing)
    way = choose_carry(endpoint, carry, JsonBody(skeleton.body).length, media, settings)
    carried: dict[str, CarriedMedium] = {}
    for role, medium in by_role.items():
        if medium.reference is not None:
            carried[role] = CarriedMedium(medium, medium.reference, Carry.REFERENCE)
        elif way is Carry.INLINE and medium.inline is not None:
            carried[role] = CarriedMedium(medium, medium.inline, Carry.INLINE)
        else:
            upload = await _upload(medium, service, report)
            carried[role] = CarriedMedium(medium, upload.reference, Carry.UPLOAD, upload)
            on_upload(carried[role])
    return carried


async def _upload(medium: Medium, service: Service, report: Report) -> Upload:
    file = medium.file
    if file is None:
        raise ValueError("only a file can be uploaded")
    what = {"video": "the clip", "audio": "the speech"}[medium.role]

    def on_bytes_sent(sent: int) -> None:
        share = min(1.0, sent / max(1, file.size_bytes))
        report(Progress(Step.UPLOAD, f"uploading {what}: {share:.0%}", fraction=share))

    return await service.upload(
        OutgoingFile(
            file.path,
            file.media_type,
            file.size_bytes,
            f"{medium.role}{SUFFIXES_BY_TYPE[file.media_type]}",
            medium.file_digest,
        ),
        on_bytes_sent,
    )


def expires_at_ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def as_sent(
    endpoint: Endpoint, order: Order, file: Conformed | None, assumed: Mapping[str, str]
) -> tuple[Timing, tuple[str, ...]]:
    """The prediction for the picture as it is sent, and what to tell the user of it. Pure.

    A clip may be made smaller to fit a body, or padded, since the sides of a video are even.
    """
    clip = order.footage
    if not isinstance(clip, Clip) or file is None or file.width is None or file.height is None:
        return endpoint.predict(order, assumed), ()
    sent = replace(clip, width=file.width, height=file.height)
    timing = endpoint.predict(replace(order, footage=sent), assumed)
    if sent == clip:
        return timing, ()
    return timing, (
        f"The clip was sent at {sent.width}x{sent.height}, not {clip.width}x{clip.height} "
        f"({'; '.join(file.steps)}); the result's file keeps the size that was sent.",
    )
