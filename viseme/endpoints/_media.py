"""Footage and speech of an order: where they come from, and whether they fit the endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from ..errors import InputError, MediaTooLarge
from ..model import Clip, Footage, Recording, RemoteMedia, Speech, SpokenText
from ._arguments import Refusal, check_https, check_https_or_uuid, shown
from .base import Endpoint, MediaRules


def _given_twice(field: str, option: str, value: str) -> InputError:
    return InputError(
        f"{field} is {shown(value)}, and {option} was given too; only one of them can be used.",
        field=field,
        value=shown(value),
        limit="one of the two",
        remedy=f"Leave out {field} or {option}.",
    )


def _checked_reference(endpoint: Endpoint, field: str, media: RemoteMedia) -> RemoteMedia:
    check = check_https_or_uuid if endpoint.takes_uuid else check_https
    try:
        return RemoteMedia(check(media.reference))
    except Refusal as refusal:
        raise InputError(
            f"{field} is {shown(media.reference)}; {endpoint.id} takes {refusal.limit}.",
            field=field,
            value=shown(media.reference),
            limit=refusal.limit,
            remedy=refusal.remedy,
        ) from refusal


def limit_warnings(
    rules: MediaRules, field: str, *, seconds: Fraction, size_bytes: int, longest_side: int | None
) -> list[str]:
    """What is over a limit that only somebody else documents.

    Raises ``MediaTooLarge`` for what is over a limit that this vendor documents.
    """
    measures: tuple[tuple[str, Fraction | int, Fraction | int | None, Fraction | int | None], ...]
    measures = (
        ("seconds", seconds, rules.refuse_seconds, rules.warn_seconds),
        ("MB", size_bytes, rules.refuse_bytes, rules.warn_bytes),
        ("pixels", longest_side or 0, rules.refuse_longest_side, rules.warn_longest_side),
    )
    warnings = []
    for unit, value, refuse, warn in measures:
        if refuse is not None and value > refuse:
            raise MediaTooLarge(
                f"{field} is {_measure(value, unit)}; the vendor takes at most "
                f"{_measure(refuse, unit)} ({rules.source}).",
                field=field,
                value=_measure(value, unit),
                limit=_measure(refuse, unit),
                remedy="Shorten it, or make it smaller.",
            )
        if warn is not None and value > warn:
            warnings.append(
                f"{field} is {_measure(value, unit)}; {rules.source} gives "
                f"{_measure(warn, unit)} as the most."
            )
    return warnings


def _measure(value: Fraction | int, unit: str) -> str:
    if unit == "pixels":
        return f"{value} pixels at its longest side"
    return f"{float(value) / (1_000_000 if unit == 'MB' else 1):.1f} {unit}"


def settle_footage(
    endpoint: Endpoint, written: str | None, footage: Footage | None
) -> tuple[Footage, list[str]]:
    """The footage, from ``--video`` or from the endpoint's own field, and warnings about it."""
    if written is not None and footage is not None and footage != RemoteMedia(written):
        raise _given_twice(endpoint.video_field, "--video", written)
    if written is not None:
        return RemoteMedia(written), []
    if footage is None:
        raise InputError(
            "No video was given.",
            field="--video",
            limit="a file or an https URL",
            remedy=f"Give --video FILE, or {endpoint.video_field} with an https URL.",
        )
    if isinstance(footage, RemoteMedia):
        return _checked_reference(endpoint, "--video", footage), []
    if footage.is_still and not endpoint.takes_still:
        raise InputError(
            f"--video is a still image ({footage.container}); {endpoint.id} needs a video.",
            field="--video",
            value=footage.container,
            limit="a video",
            remedy="Give a video, or use fal-pipio, which takes still images.",
        )
    longest_side = max(footage.width, footage.height)
    seconds = Fraction(0) if footage.is_still else footage.seconds
    return footage, limit_warnings(
        endpoint.video_rules,
        "--video",
        seconds=seconds,
        size_bytes=footage.size_bytes,
        longest_side=longest_side,
    )


@dataclass(frozen=True, slots=True)
class TextRules:
    """What a vendor's own voice takes. ``refuse_characters`` is documented by the vendor."""

    voices: Sequence[str]
    default_voice: str
    warn_characters: int | None = None
    refuse_characters: int | None = None
    sound_wins: bool = False  # with both sound and text, the text is left out


def _spoken(
    endpoint: Endpoint, rules: TextRules, text: str, voice: str | None
) -> tuple[SpokenText, list[str]]:
    field = endpoint.text_field or "--text"
    if not text.strip():
        raise InputError(
            f"{field} is empty.",
            field=field,
            value=repr(text[:20]),
            limit="some words",
            remedy="Say what is to be spoken.",
        )
    limit, warnings = rules.refuse_characters, []
    if limit is not None and len(text) > limit:
        raise InputError(
            f"{field} is {len(text)} characters; {endpoint.vendor.label} speaks at most {limit}.",
            field=field,
            value=f"{len(text)} characters",
            limit=f"{limit} characters",
            remedy="Shorten it or split the clip.",
        )
    if rules.warn_characters is not None and len(text) > rules.warn_characters:
        warnings.append(
            f"{field} is {len(text)} characters; PixVerse speaks at most {rules.warn_characters} "
            f"by its own documents, {endpoint.vendor.label} names no limit."
        )
    by_case = {entry.casefold(): entry for entry in rules.voices}
    spelled = by_case.get((voice or rules.default_voice).casefold())
    if spelled is None:
        raise InputError(
            f"{endpoint.voice_field} is {shown(voice)}; {endpoint.id} takes one of "
            f"{', '.join(rules.voices)}.",
            field=endpoint.voice_field,
            value=shown(voice),
            limit=", ".join(rules.voices),
            remedy="Choose one of these.",
        )
    return SpokenText(text, spelled), warnings


def _no_sound(endpoint: Endpoint) -> NoReturn:
    what = "a sound file" if endpoint.text_field is None else "a sound file, or text"
    remedy = f"Give --audio FILE, or {endpoint.audio_field} with an https URL"
    if endpoint.text_field is not None:
        remedy += f", or --text (the argument {endpoint.text_field})"
    raise InputError("No speech was given.", field="--audio", limit=what, remedy=f"{remedy}.")


def settle_sound(
    endpoint: Endpoint, written: str | None, speech: Speech | None
) -> tuple[Recording | RemoteMedia | None, list[str]]:
    """Recorded speech, from ``--audio`` or from the endpoint's own field, or None."""
    sound = None if isinstance(speech, SpokenText) else speech
    if written is not None and sound is not None and sound != RemoteMedia(written):
        raise _given_twice(endpoint.audio_field, "--audio", written)
    if written is not None:
        return RemoteMedia(written), []
    if isinstance(sound, RemoteMedia):
        return _checked_reference(endpoint, "--audio", sound), []
    if sound is None:
        return None, []
    return sound, limit_warnings(
        endpoint.sound_rules,
        "--audio",
        seconds=sound.seconds,
        size_bytes=sound.size_bytes,
        longest_side=None,
    )


def settle_recorded(
    endpoint: Endpoint, written: str | None, speech: Speech | None
) -> tuple[Recording | RemoteMedia, list[str]]:
    """Speech for an endpoint that has no voice of its own."""
    if isinstance(speech, SpokenText):
        raise InputError(
            f"--text was given, but {endpoint.id} has no voice of its own.",
            field="--text",
            value=shown(speech.text),
            limit="a sound file",
            remedy="Give --audio, or use an endpoint of PixVerse LipSync.",
        )
    sound, warnings = settle_sound(endpoint, written, speech)
    if sound is None:
        _no_sound(endpoint)
    return sound, warnings


def settle_speech(
    endpoint: Endpoint,
    rules: TextRules,
    speech: Speech | None,
    *,
    audio: str | None,
    text: str | None,
    voice: str | None,
) -> tuple[Speech, list[str]]:
    """Recorded speech or text, from the order's speech or the endpoint's own fields.

    ``voice`` is None where it was left at its default.
    """
    text_field, voice_field = endpoint.text_field or "--text", endpoint.voice_field or "--voice"
    sound, warnings = settle_sound(endpoint, audio, speech)
    if isinstance(speech, SpokenText):
        if text is not None and text != speech.text:
            raise _given_twice(text_field, "--text", text)
        given = speech.voice
        if voice is not None and given is not None and voice.casefold() != given.casefold():
            raise _given_twice(voice_field, "--voice", voice)
        text, voice = speech.text, given or voice
    if sound is not None and (text is not None or voice is not None):
        field, value = (text_field, text) if text is not None else (voice_field, voice)
        if not rules.sound_wins:
            raise InputError(
                f"{field} is {shown(value)}, but sound was given too; {endpoint.id} takes one of "
                "the two.",
                field=field,
                value=shown(value),
                limit="sound or text, never both",
                remedy=f"Leave out the sound or {field}.",
            )
        return sound, [*warnings, f"Sound was given, so {field} has no effect."]
    if sound is not None:
        return sound, warnings
    if text is None:
        _no_sound(endpoint)
    return _spoken(endpoint, rules, text, voice)


def clip_of(footage: Footage) -> Clip | None:
    """The footage where it was counted here, None where only the vendor sees it."""
    return footage if isinstance(footage, Clip) else None


def seconds_of(speech: Speech) -> Fraction | None:
    """How long recorded speech is, None where it is not known."""
    return speech.seconds if isinstance(speech, Recording) else None
