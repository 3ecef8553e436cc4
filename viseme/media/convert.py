"""A clip that an endpoint does not take as it is, copied or encoded into one that it takes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..model import Clip
from .clip_sound import ClipSound, coded_steps
from .coding import EncodeSettings
from .conform import SUFFIXES, Conformed, Needs, coded_pictures, too_large
from .copying import hdr_steps
from .encode import write_interleaved, writer_like
from .fit import Fit, fit_video
from .frames import iterate_pictures
from .limits import MediaLimits
from .media_guard import BeforeDecoding
from .opening import translated
from .picture import PictureReader
from .remux import Copied, copy_pictures, own_track
from .sniff import MEDIA_TYPES

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Cancel: TypeAlias = "Callable[[], bool] | None"

_ATTEMPTS = 4
_ALL_CODED = Copied(pictures=False, sound=False)


def convert(
    clip: Clip,
    out_dir: Path,
    needs: Needs,
    max_bytes: int | None,
    limits: MediaLimits,
    before_decoding: BeforeDecoding,
    cancel: Cancel,
) -> Conformed:
    """A new file in ``out_dir``, with what the clip needs and no larger; see ``conform_clip``."""
    is_small = max_bytes is None or clip.size_bytes <= max_bytes
    path = out_dir / f"{clip.path.stem[:60]}-conformed{SUFFIXES[needs.container]}"
    if path.absolute() == clip.path.absolute():
        path = path.with_stem(path.stem + "-2")
    size, copied, is_written = (clip.width, clip.height), _ALL_CODED, True
    if not needs.encode and is_small:
        track = own_track(
            clip, needs.container, limits=limits, before_decoding=before_decoding, cancel=cancel
        )
        copied = copy_pictures(
            clip,
            path,
            needs.container,
            track,
            limits=limits,
            before_decoding=before_decoding,
            cancel=cancel,
        )
    elif is_small or needs.encode:
        before_decoding(clip, frames=True, sound=True)
        size = _transcode(clip, path, needs.container, None, limits, cancel)
    else:
        is_written = False  # whatever lies there is not of this clip
    if is_written and (max_bytes is None or path.stat().st_size <= max_bytes):
        return _conformed(path, needs.container, _steps(clip, needs, copied, limits), size)
    before_decoding(clip, frames=True, sound=True)
    return _fitted(clip, path, needs, max_bytes or 0, limits, cancel)


def _conformed(
    path: Path, container: str, steps: tuple[str, ...], size: tuple[int, int]
) -> Conformed:
    return Conformed(path, MEDIA_TYPES[container], path.stat().st_size, steps, *size)


def _steps(clip: Clip, needs: Needs, copied: Copied, limits: MediaLimits) -> tuple[str, ...]:
    """What is told of a clip that was not made smaller."""
    steps = needs.steps(is_copied=copied.pictures)
    if not needs.encode and not copied.pictures:
        why = "since its edit list hides pictures that others build on"
        steps = (f"{coded_pictures(clip, needs.container)}, {why}", *steps)
    return _completed(clip, needs, copied, steps, limits)


def _completed(
    clip: Clip, needs: Needs, copied: Copied, steps: tuple[str, ...], limits: MediaLimits
) -> tuple[str, ...]:
    """The steps, and what became of HDR colours and of the sound where they do not say it."""
    if not copied.pictures:
        steps = (*steps, *hdr_steps(clip, limits))
    if clip.sound is None or copied.sound:
        return steps
    told = coded_steps(clip.sound, needs.container)
    return (*steps, *(step for step in told if step not in steps))


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
            steps = (*needs.steps(is_copied=False), *_told(clip, fit, max_bytes))
            told = _completed(clip, needs, _ALL_CODED, steps, limits)
            return _conformed(path, needs.container, told, size)
        share *= Fraction(max_bytes, size_bytes) * Fraction(96, 100)
    path.unlink(missing_ok=True)
    raise too_large(clip, max_bytes)


def _told(clip: Clip, fit: Fit, max_bytes: int) -> tuple[str, ...]:
    steps = [
        f"encoded at {fit.bit_rate // 1000} kbit/s to fit {max_bytes / 1e6:.1f} MB "
        f"(was {clip.size_bytes / 1e6:.1f} MB)"
    ]
    if (fit.width, fit.height) != (clip.width + clip.width % 2, clip.height + clip.height % 2):
        steps.append(f"scaled {clip.width}x{clip.height} to {fit.width}x{fit.height}")
    return tuple(steps)


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
    size = (clip.width, clip.height)
    if fit is not None:
        # Where bits are few, a slower preset makes more of them.
        settings = EncodeSettings(
            preset="faster", bit_rate=fit.bit_rate, sound_bit_rate=fit.sound_bit_rate or None
        )
        size = (fit.width, fit.height)
    track = ClipSound.of_clip(clip, limits, cancel)
    is_padded = fit is None and any(side % 2 for side in size)
    # Turned or padded pictures go through RGB; all others stay in the colours they are coded in.
    is_direct = not is_padded and not clip.has_alpha
    reader = PictureReader()
    with writer_like(
        clip, path, container, track, size=size, settings=settings, cancel=cancel
    ) as writer:

        def write(picture: VideoFrame) -> None:
            with translated(clip.path):
                if is_direct and reader.orientation(picture).is_upright:
                    writer.write_picture(picture)
                else:
                    writer.write_scaled(picture, reader.read_bytes)

        pictures = iterate_pictures(clip, limits=limits, cancel=cancel)
        write_interleaved(writer, pictures, track, clip.frame_rate, write)
    return writer.coded_size
