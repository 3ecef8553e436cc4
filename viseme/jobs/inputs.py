"""Media as somebody names them: a path, an https URL or a vendor's UUID."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..endpoints.base import Endpoint
from ..errors import InputError, MediaError
from ..media import MediaGuard
from ..model import Clip, Footage, Recording, RemoteMedia, SpokenText

Cancel = Callable[[], bool] | None
UNREMEMBERED = MediaGuard()


def read_footage(
    text: str,
    endpoint: Endpoint,
    *,
    guard: MediaGuard = UNREMEMBERED,
    cancel: Cancel = None,
) -> Footage:
    """The clip that ``--video`` names. Raises InputError and MediaError naming ``--video``."""
    remote = _remote(text, endpoint, "--video")
    return read_clip_file(text, guard=guard, cancel=cancel) if remote is None else remote


def read_sound(
    text: str,
    endpoint: Endpoint,
    *,
    guard: MediaGuard = UNREMEMBERED,
    cancel: Cancel = None,
) -> Recording | RemoteMedia:
    """The speech that ``--audio`` names. Raises InputError and MediaError naming ``--audio``."""
    remote = _remote(text, endpoint, "--audio")
    return read_sound_file(text, guard=guard, cancel=cancel) if remote is None else remote


def read_clip_file(
    text: str, *, guard: MediaGuard = UNREMEMBERED, frames: bool = False, cancel: Cancel = None
) -> Clip:
    """The clip in a file; ``frames`` says that they will be decoded.

    Raises InputError and MediaError naming ``--video``.
    """
    try:
        return guard.clip(Path(text).expanduser(), frames=frames, cancel=cancel)
    except InputError as problem:
        raise _named(problem, "--video", text) from problem


def read_sound_file(
    text: str, *, guard: MediaGuard = UNREMEMBERED, cancel: Cancel = None
) -> Recording:
    """The speech in a file. Raises InputError and MediaError naming ``--audio``."""
    try:
        return guard.recording(Path(text).expanduser(), cancel=cancel)
    except InputError as problem:
        raise _named(problem, "--audio", text) from problem


def read_text(text: str | None, voice: str | None, endpoint: Endpoint) -> SpokenText | None:
    """What ``--text`` and ``--voice`` say. Raises InputError where the endpoint speaks no text."""
    if text is None and voice is not None:
        raise InputError(
            "A voice was given, but no text for it.",
            field="--voice",
            value=voice,
            remedy="Give the text with --text, or leave --voice out.",
        )
    if text is None:
        return None
    if not endpoint.takes_text:
        raise InputError(
            f"{endpoint.id} speaks no text.",
            field="--text",
            value=text if len(text) <= 40 else f"{text[:40]}...",
            remedy="Give recorded speech with --audio, or use a PixVerse endpoint.",
        )
    check_unicode(text, "--text")
    return SpokenText(text, voice)


def check_unicode(text: str, field: str) -> None:
    """Raise InputError for text with bytes in it that are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise InputError(
            f"{field} has bytes in it that are not UTF-8.",
            field=field,
            value=ascii(text[:40]),
            limit="UTF-8",
            remedy="Write it in UTF-8.",
        ) from problem


def with_text(
    given: Mapping[str, Any], spoken: SpokenText, endpoint: Endpoint
) -> Mapping[str, Any]:
    """``given`` with a text that was given beside a recording, under its documented names.

    What then holds is the endpoint's to say: fal takes the sound, others refuse both.
    """
    merged = dict(given)
    for field, value in ((endpoint.text_field, spoken.text), (endpoint.voice_field, spoken.voice)):
        if field is None or value is None:
            continue
        *outer, name = field.split(".")
        place = merged
        for key in outer:
            place[key] = dict(place.get(key) or {})
            place = place[key]
        place.setdefault(name, value)
    return merged


def own_sound(
    footage: Footage, *, guard: MediaGuard = UNREMEMBERED, cancel: Cancel = None
) -> Recording:
    """The clip's own sound as the speech. Raises InputError where it has none."""
    if isinstance(footage, RemoteMedia):
        raise InputError(
            "The sound of a URL cannot be cut here.",
            field="--audio",
            value=footage.reference,
            remedy="Give a file for --video, or the speech with --audio.",
        )
    if footage.sound is None:
        raise InputError(
            f"{footage.path.name} has no sound to cut.",
            field="--audio",
            value=footage.path,
            remedy="Give the speech with --audio.",
        )
    return guard.recording(footage.path, cancel=cancel)


def _remote(text: str, endpoint: Endpoint, field: str) -> RemoteMedia | None:
    """``text`` as something the vendor has or fetches; None where it is a path."""
    if "://" in text:
        if text.startswith("https://") and "@" not in text.partition("://")[2].partition("/")[0]:
            return RemoteMedia(text)
        raise InputError(
            f"{field} is a URL that a vendor does not fetch.",
            field=field,
            value=text,
            limit="https://, without user and password",
            remedy="Give such a URL (a presigned one will do), or a file of this machine.",
        )
    if not _is_uuid(text) or Path(text).exists():
        return None
    if endpoint.takes_uuid:
        return RemoteMedia(text)
    raise InputError(
        f"{endpoint.vendor.label} knows no media by UUID.",
        field=field,
        value=text,
        remedy="Give a file or an https URL.",
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _named(problem: InputError, field: str, value: str) -> InputError:
    """The same problem under the name by which the user gave the file."""
    kind = type(problem) if isinstance(problem, MediaError) else InputError
    return kind(
        problem.message, field=field, value=value, limit=problem.limit, remedy=problem.remedy
    )
