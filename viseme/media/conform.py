"""A clip made into a file that an endpoint takes, changed only as far as needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InputError, MediaTooLarge
from ..model import Clip
from .clip_sound import ClipSound
from .coding import EncodeSettings
from .copying import can_copy
from .encode import write_interleaved
from .fit import Fit, fit_video
from .frames import iterate_pictures
from .limits import DEFAULT_LIMITS, MediaLimits
from .picture import PictureReader
from .remux import BeforeDecoding, copy_pictures, let_pass, own_track
from .sniff import MEDIA_TYPES
from .writer import ClipWriter, can_tag_aspect

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Cancel: TypeAlias = "Callable[[], bool] | None"

_SUFFIXES = {"mp4": ".mp4", "mov": ".mov", "webm": ".webm"}
_WRITTEN = {"mp4": "h264", "mov": "h264", "webm": "vp9"}
_SOUND_WRITTEN = {"mp4": "aac", "mov": "aac", "webm": "opus"}
_OWN_SOUND = {
    "mp4": frozenset({"aac", "mp3"}),
    "mov": frozenset({"aac", "mp3", "pcm_s16le"}),
    "webm": frozenset({"opus", "vorbis"}),
}
_PLAIN_FORMATS = frozenset({"yuv420p", "yuvj420p"})
_LEAST_OFFSET = Fraction(1, 1000)
_ATTEMPTS = 4


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
    """What stands between a clip and an endpoint: reasons to encode, to copy, to do the sound."""

    container: str
    encode: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()

    @property
    def is_untouched(self) -> bool:
        return not self.encode and not self.copy


def find_needs(clip: Clip, containers: Collection[str], codecs: Collection[str]) -> Needs:
    """Judge a clip against what an endpoint takes. Pure.

    Raises ``InputError`` where no container that can be written is taken.
    """
    container = _target_of(clip, containers)
    encode = _reasons_to_encode(clip, codecs, _WRITTEN[container])
    copy = []
    if clip.container != container:
        verb = "put into" if encode else f"remuxed {_short(clip.container)} to"
        copy.append(f"{verb} {container}")
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
        copy.append(f"encoded its {sound.codec} sound as {_SOUND_WRITTEN[container]}")
    if (encode or copy) and clip.pixel_aspect != 1 and not can_tag_aspect(container):
        encode.append("made its pixels square")
    if not encode and copy and not can_copy(clip, container):
        encode.append(f"encoded {clip.codec} in {_short(clip.container)} as {_WRITTEN[container]}")
    return Needs(container, tuple(encode), tuple(copy))


def _target_of(clip: Clip, containers: Collection[str]) -> str:
    if clip.container in containers and clip.container in _SUFFIXES:
        return clip.container
    for name in _SUFFIXES:
        if name in containers:
            return name
    raise InputError(
        f"{clip.path} is {clip.container}; this endpoint takes {', '.join(sorted(containers))}.",
        field="--video",
        value=clip.container,
        limit=", ".join(sorted(containers)),
        remedy="Convert it first.",
    )


def _reasons_to_encode(clip: Clip, codecs: Collection[str], written: str) -> list[str]:
    reasons = []
    if clip.rotation_degrees:
        reasons.append(f"turned upright by {clip.rotation_degrees} degrees")
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
    fewer bits, then in a smaller size. ``before_decoding`` is told where its frames
    are going to be decoded, and may raise. Raises ``MediaTooLarge`` where nothing decent fits,
    ``InputError``, ``MediaDamaged``, ``LocalError`` and ``Interrupted``.
    """
    if clip.is_still and clip.container in containers:
        return _untouched_still(clip, max_bytes)
    needs = find_needs(clip, containers, codecs)
    is_small = max_bytes is None or clip.size_bytes <= max_bytes
    if needs.is_untouched and is_small:
        return _untouched(clip)
    path = out_dir / f"{clip.path.stem[:60]}-conformed{_SUFFIXES[needs.container]}"
    if path.absolute() == clip.path.absolute():
        path = path.with_stem(path.stem + "-2")
    size = (clip.width, clip.height)
    if not needs.encode and is_small:
        track = own_track(clip, needs.container, limits=limits, cancel=cancel)
        copy_pictures(
            clip,
            path,
            needs.container,
            track,
            limits=limits,
            before_decoding=before_decoding,
            cancel=cancel,
        )
    elif is_small or needs.encode:
        before_decoding(clip)
        size = _transcode(clip, path, needs.container, None, limits, cancel)
    if path.exists() and (max_bytes is None or path.stat().st_size <= max_bytes):
        return _conformed(path, needs.container, (*needs.encode, *needs.copy), size)
    before_decoding(clip)
    return _fitted(clip, path, needs, max_bytes or 0, limits, cancel)


def _untouched_still(clip: Clip, max_bytes: int | None) -> Conformed:
    if max_bytes is not None and clip.size_bytes > max_bytes:
        raise _too_large(clip, max_bytes)
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


def _conformed(
    path: Path, container: str, steps: tuple[str, ...], size: tuple[int, int]
) -> Conformed:
    return Conformed(path, MEDIA_TYPES[container], path.stat().st_size, steps, *size)


def _fitted(
    clip: Clip,
    path: Path,
    needs: Needs,
    max_bytes: int,
    limits: MediaLimits,
    cancel: Cancel,
) -> Conformed:
    share = Fraction(1)
    for _ in range(_ATTEMPTS):
        fit = fit_video(
            width=clip.width,
            height=clip.height,
            frame_rate=clip.frame_rate,
            seconds=clip.seconds,
            has_sound=clip.sound is not None,
            max_bytes=max_bytes,
            share=share,
        )
        if fit is None:
            break
        size = _transcode(clip, path, needs.container, fit, limits, cancel)
        size_bytes = path.stat().st_size
        if size_bytes <= max_bytes:
            steps = (*needs.encode, *needs.copy, *_told(clip, fit, max_bytes))
            return _conformed(path, needs.container, steps, size)
        share *= Fraction(max_bytes, size_bytes) * Fraction(96, 100)
    path.unlink(missing_ok=True)
    raise _too_large(clip, max_bytes)


def _told(clip: Clip, fit: Fit, max_bytes: int) -> tuple[str, ...]:
    steps = [
        f"encoded at {fit.bit_rate // 1000} kbit/s to fit {max_bytes / 1e6:.1f} MB "
        f"(was {clip.size_bytes / 1e6:.1f} MB)"
    ]
    if (fit.width, fit.height) != (clip.width + clip.width % 2, clip.height + clip.height % 2):
        steps.append(f"scaled {clip.width}x{clip.height} to {fit.width}x{fit.height}")
    return tuple(steps)


def _too_large(clip: Clip, max_bytes: int) -> MediaTooLarge:
    return MediaTooLarge(
        f"{clip.path} ({clip.size_bytes} bytes, {float(clip.seconds):.1f} s) cannot be made to fit "
        f"{max_bytes} bytes decently.",
        field="--video",
        value=clip.size_bytes,
        limit=max_bytes,
        remedy="Cut it shorter, or give an https URL.",
    )


def _transcode(
    clip: Clip,
    path: Path,
    container: str,
    fit: Fit | None,
    limits: MediaLimits,
    cancel: Cancel,
) -> tuple[int, int]:
    """Returns the size as coded."""
    settings = EncodeSettings()
    width, height = clip.width, clip.height
    if fit is not None:
        settings = EncodeSettings(bit_rate=fit.bit_rate, sound_bit_rate=fit.sound_bit_rate or None)
        width, height = fit.width, fit.height
    track = ClipSound.of_clip(clip, cancel)
    is_padded = fit is None and (width % 2 or height % 2)
    # Turned or padded pictures go through RGB; all others stay in the colours they are coded in.
    is_direct = not is_padded and not clip.has_alpha
    reader = PictureReader()
    with ClipWriter(
        path,
        width=width,
        height=height,
        frame_rate=clip.frame_rate,
        container=container,
        pixel_aspect=clip.pixel_aspect,
        sound=None if track is None else (track.sample_rate, track.channels),
        settings=settings,
        cancel=cancel,
    ) as writer:

        def write(picture: VideoFrame) -> None:
            if is_direct and reader.orientation(picture).is_upright:
                writer.write_picture(picture)
            else:
                writer.write_scaled(reader.read_bytes(picture))

        pictures = iterate_pictures(clip, limits=limits, cancel=cancel)
        write_interleaved(writer, pictures, track, clip.frame_rate, write)
    return writer.coded_size


def _short(container: str) -> str:
    return {"matroska": "mkv"}.get(container, container)


def _rate_text(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.3f}".rstrip("0")
