"""A clip made into a file that an endpoint takes, changed only as far as needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from ..errors import InputError, MediaTooLarge
from ..model import Clip, Sound
from .coding import can_copy, can_tag_aspect
from .limits import DEFAULT_LIMITS, MediaLimits
from .media_guard import BeforeDecoding, let_pass
from .sniff import MEDIA_TYPES

Cancel: TypeAlias = "Callable[[], bool] | None"

SUFFIXES = {"mp4": ".mp4", "mov": ".mov", "webm": ".webm"}
_WRITTEN = {"mp4": "h264", "mov": "h264", "webm": "vp9"}
_SOUND_WRITTEN = {"mp4": "aac", "mov": "aac", "webm": "opus"}
_OWN_SOUND = {
    "mp4": frozenset({"aac", "mp3"}),
    "mov": frozenset({"aac", "mp3", "pcm_s16le"}),
    "webm": frozenset({"opus", "vorbis"}),
}
_PLAIN_FORMATS = frozenset({"yuv420p", "yuvj420p"})
_LEAST_OFFSET = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Conformed:
    """A file that an endpoint takes. ``steps`` tell the user what was done to get it.

    ``width`` and ``height`` are those of the picture as it is sent; ``None`` for sound.
    """

    path: Path
    media_type: str
    size_bytes: int
    steps: tuple[str, ...]
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What stands between a clip and an endpoint: reasons to encode, to copy, to do the sound.

    ``other`` is the clip's own container where that is not the one to be written.
    """

    container: str
    encode: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    other: str | None = None

    @property
    def is_untouched(self) -> bool:
        return not self.encode and not self.copy and self.other is None

    def steps(self, *, is_copied: bool) -> tuple[str, ...]:
        """What is told of it once it is done. ``is_copied``: no picture had to be encoded."""
        moved: tuple[str, ...] = ()
        if self.other is not None:
            verb = f"remuxed {_short(self.other)} to" if is_copied else "put into"
            moved = (f"{verb} {self.container}",)
        return (*self.encode, *moved, *self.copy)


def find_needs(clip: Clip, containers: Collection[str], codecs: Collection[str]) -> Needs:
    """Judge a clip against what an endpoint takes. Pure.

    Raises ``InputError`` where no container that can be written is taken.
    """
    container = _target_of(clip, containers)
    encode = reasons_to_encode(clip, codecs, _WRITTEN[container])
    other = clip.container if clip.container != container else None
    copy = []
    sound = clip.sound
    if sound is not None and abs(sound.start_seconds) > _LEAST_OFFSET:
        side = "after" if sound.start_seconds > 0 else "before"
        copy.append(
            f"aligned the sound, which begins {abs(float(sound.start_seconds)):.3f} s {side} "
            "the picture"
        )
    elif clip.start_seconds * 2 * clip.frame_rate > 1:
        copy.append(f"moved the picture's beginning from {float(clip.start_seconds):.3f} s to 0")
    if sound is not None and sound.codec not in (*codecs, *_OWN_SOUND[container]):
        copy.append(coded_sound(sound, container))
    is_touched = bool(encode or copy or other)
    if is_touched and clip.pixel_aspect != 1 and not can_tag_aspect(container):
        encode.append("made its pixels square")
    if not encode and is_touched and not can_copy(clip, container):
        encode.append(f"encoded {clip.codec} in {_short(clip.container)} as {_WRITTEN[container]}")
    return Needs(container, tuple(encode), tuple(copy), other)


def coded_pictures(clip: Clip, container: str) -> str:
    """What is told of pictures that were encoded though nothing about them asked for it."""
    return f"encoded {clip.codec} {_as(clip.codec, _WRITTEN[container])}"


def coded_sound(sound: Sound, container: str) -> str:
    """What is told of sound that was not copied into ``container``."""
    return f"encoded its {sound.codec} sound {_as(sound.codec, _SOUND_WRITTEN[container])}"


def _as(codec: str, written: str) -> str:
    return "anew" if codec == written else f"as {written}"


def _target_of(clip: Clip, containers: Collection[str]) -> str:
    if clip.container in containers and clip.container in SUFFIXES:
        return clip.container
    for name in SUFFIXES:
        if name in containers:
            return name
    raise InputError(
        f"{clip.path} is {clip.container}; this endpoint takes {', '.join(sorted(containers))}.",
        field="--video",
        value=clip.container,
        limit=", ".join(sorted(containers)),
        remedy="Convert it first.",
    )


def reasons_to_encode(clip: Clip, codecs: Collection[str], written: str) -> list[str]:
    """Why a clip's pictures cannot be sent as they are, as it is told when they were encoded. Pure.

    ``codecs`` are those that are taken; ``written`` is the one that others become.
    """
    reasons = []
    if clip.rotation_degrees:
        reasons.append(f"turned upright by {clip.rotation_degrees} degrees")
    if clip.is_mirrored:
        reasons.append("mirrored as it is to be shown")
    if not clip.is_constant_rate:
        reasons.append(f"made constant at {_rate_text(clip.frame_rate)} fps")
    if clip.width % 2 or clip.height % 2:
        even = f"{clip.width + clip.width % 2}x{clip.height + clip.height % 2}"
        reasons.append(f"padded {clip.width}x{clip.height} to {even}")
    if clip.has_alpha:
        reasons.append("dropped alpha")
    if clip.codec not in codecs:
        reasons.append(f"encoded {clip.codec} as {written}")
    elif clip.codec in ("h264", "hevc") and clip.pixel_format not in _PLAIN_FORMATS:
        reasons.append(f"encoded {clip.pixel_format} as 8-bit 4:2:0")
    return reasons


def conform_clip(
    clip: Clip,
    out_dir: Path,
    *,
    containers: Collection[str],
    codecs: Collection[str],
    max_bytes: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    before_decoding: BeforeDecoding = let_pass,
    cancel: Cancel = None,
) -> Conformed:
    """The clip itself where the endpoint takes it, else a new file in ``out_dir``.

    ``containers`` and ``codecs`` are names as in ``Clip``. With ``max_bytes`` it is encoded with
    fewer bits, then in a smaller size. ``before_decoding`` is told where its frames or its sound
    are going to be decoded, and may raise. Raises ``MediaTooLarge`` where nothing decent fits,
    ``InputError``, ``MediaDamaged``, ``LocalError`` and ``Interrupted``.
    """
    if clip.is_still and clip.container in containers:
        return _untouched_still(clip, max_bytes)
    needs = find_needs(clip, containers, codecs)
    is_small = max_bytes is None or clip.size_bytes <= max_bytes
    if needs.is_untouched and is_small:
        return _untouched(clip)
    from .convert import convert  # most pass as they are, and codecs take long to import

    return convert(clip, out_dir, needs, max_bytes, limits, before_decoding, cancel)


def _untouched_still(clip: Clip, max_bytes: int | None) -> Conformed:
    if max_bytes is not None and clip.size_bytes > max_bytes:
        raise too_large(clip, max_bytes)
    return _untouched(clip)


def _untouched(clip: Clip) -> Conformed:
    return Conformed(
        clip.path,
        MEDIA_TYPES[clip.container],
        clip.size_bytes,
        ("passed through untouched",),
        clip.width,
        clip.height,
    )


def too_large(clip: Clip, max_bytes: int) -> MediaTooLarge:
    """The error for a clip of which nothing decent fits."""
    return MediaTooLarge(
        f"{clip.path} ({clip.size_bytes} bytes, {float(clip.seconds):.1f} s) cannot be made to fit "
        f"{max_bytes} bytes decently.",
        field="--video",
        value=clip.size_bytes,
        limit=max_bytes,
        remedy="Cut it shorter, or give an https URL.",
    )


def _short(container: str) -> str:
    return {"matroska": "mkv"}.get(container, container)


def _rate_text(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.3f}".rstrip("0")
