"""Pictures copied as they are coded: into another container, with other sound, with new times."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import InputError
from ..model import Clip, Recording
from .clip_sound import ClipSound
from .coding import DEFAULT_SETTINGS, EncodeSettings, can_copy
from .copying import (
    SoundCopy,
    Window,
    can_cut,
    copied_sound,
    pictures,
    reorder_delay,
    sound_copy,
    sound_of,
    video_of,
)
from .digest import stop_if
from .encode import write_interleaved, writer_like
from .frames import check_window, iterate_frames
from .limits import DEFAULT_LIMITS, MediaLimits
from .media_guard import BeforeDecoding, let_pass
from .opening import open_media
from .output import video_output
from .partfile import translated_writes
from .sound_stream import SOUND_CODECS, SoundStream

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

Cancel: TypeAlias = "Callable[[], bool] | None"
# Packets of sound, and the second that they reach.
Sounded: TypeAlias = "tuple[list[Packet[Any]], Fraction]"


@dataclass(frozen=True, slots=True)
class Copied:
    """What of a clip was copied as it is coded. Where not, it was coded anew or is not there."""

    pictures: bool
    sound: bool


def replace_sound(
    clip: Clip,
    sound: tuple[Any, int] | Recording | None,
    path: Path,
    *,
    container: str = "mp4",
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> None:
    """The clip with other sound from its first picture on; ``None`` leaves it silent.

    ``sound`` is (float32 [C, S] or [1, C, S], sample_rate) or a recording. Pictures are copied as
    they are coded, with exact times from 0; where ``can_copy`` says no they are encoded anew.
    Raises ``InputError``, ``MediaDamaged``, ``LocalError`` and ``Interrupted``.
    """
    track = ClipSound.of(sound, limits, cancel)
    if not can_copy(clip, container):
        _encode_with(clip, track, path, container, (0, clip.frame_count), limits, cancel)
        return
    copy_pictures(clip, path, container, track, limits=limits, cancel=cancel)


def trim_clip(
    clip: Clip,
    path: Path,
    start_frame: int,
    stop_frame: int,
    *,
    container: str = "mp4",
    settings: EncodeSettings = DEFAULT_SETTINGS,
    limits: MediaLimits = DEFAULT_LIMITS,
    before_decoding: BeforeDecoding = let_pass,
    cancel: Cancel = None,
) -> Copied:
    """Frames ``start_frame <= k < stop_frame`` with the sound that belongs to them.

    Sound is cut to the sample. Where ``can_cut`` says yes, pictures are copied as they are coded.
    ``before_decoding`` is told of the clip where they are not, or its sound is not.
    Raises ``InputError`` for an empty window or one that leaves the clip.
    """
    window = check_window(clip, start_frame, stop_frame)
    if window[0] == window[1]:
        raise InputError(
            f"frames [{window[0]}, {window[1]}) are none.",
            remedy="Name a window of at least one frame.",
        )
    if can_cut(clip, container, window, limits=limits, cancel=cancel):
        track = _own_track(clip, container, window, limits, before_decoding, cancel)
        return copy_pictures(
            clip,
            path,
            container,
            track,
            window=window,
            limits=limits,
            before_decoding=before_decoding,
            cancel=cancel,
        )
    before_decoding(clip, frames=True, sound=True)
    track = _sound_in(clip, window, limits, cancel)
    _encode_with(clip, track, path, container, window, limits, cancel, settings)
    return Copied(pictures=False, sound=False)


def copy_pictures(
    clip: Clip,
    path: Path,
    container: str,
    track: ClipSound | SoundCopy | None,
    *,
    window: Window | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    before_decoding: BeforeDecoding = let_pass,
    cancel: Cancel = None,
) -> Copied:
    """Copy coded pictures with times that are exact multiples of the frame, and write ``track``.

    Where an edit list hides pictures that others build on, all are encoded anew;
    ``before_decoding`` is told of that first.
    """
    window = window or (0, clip.frame_count)
    with open_media(clip.path, limits=limits) as source:
        delay = reorder_delay(clip, source, window, cancel=cancel)
    if delay is None:
        # ``track`` may be other sound than the clip's own; that which is copied is.
        before_decoding(clip, frames=True, sound=isinstance(track, SoundCopy))
        if isinstance(track, SoundCopy):
            track = _sound_in(clip, window, limits, cancel)
        _encode_with(clip, track, path, container, window, limits, cancel)
        return Copied(pictures=False, sound=False)
    with open_media(clip.path, limits=limits) as source, video_output(path, container) as output:
        target = output.container
        sound = _sound_packets(clip, track, target, container, limits, cancel)
        with translated_writes(path), closing(sound):
            _copy(clip, source, target, window, delay, sound, cancel)
        output.finish(cancel)
    return Copied(pictures=True, sound=isinstance(track, SoundCopy))


def own_track(
    clip: Clip,
    container: str,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    before_decoding: BeforeDecoding = let_pass,
    cancel: Cancel = None,
) -> ClipSound | SoundCopy | None:
    """The clip's own sound for ``copy_pictures``: copied where no sample moves, else coded anew.

    ``before_decoding`` is told of that.
    """
    window = (0, clip.frame_count)
    return _own_track(clip, container, window, limits, before_decoding, cancel)


def _own_track(
    clip: Clip,
    container: str,
    window: Window,
    limits: MediaLimits,
    before_decoding: BeforeDecoding,
    cancel: Cancel,
) -> ClipSound | SoundCopy | None:
    copy = sound_copy(clip, container, window, limits=limits, cancel=cancel)
    if copy is not None:
        return copy
    if clip.sound is not None:
        before_decoding(clip, sound=True)
    return _sound_in(clip, window, limits, cancel)


def _sound_in(clip: Clip, window: Window, limits: MediaLimits, cancel: Cancel) -> ClipSound | None:
    if clip.sound is None or window == (0, clip.frame_count):
        return ClipSound.of_clip(clip, limits, cancel)
    start, stop = window
    times = (start / clip.frame_rate, stop / clip.frame_rate)
    return ClipSound.of_window(clip, times, limits, cancel)


def _copy(
    clip: Clip,
    source: InputContainer,
    target: OutputContainer,
    window: Window,
    delay: int,
    sound: Generator[Sounded, None, None],
    cancel: Cancel,
) -> None:
    out = target.add_stream_from_template(video_of(clip, source), opaque=True)
    out.time_base = 1 / clip.frame_rate
    out.codec_context.sample_aspect_ratio = clip.pixel_aspect
    packets, sounded = next(sound, ([], None))  # begins the sound's stream as well
    for index, (frame, packet) in enumerate(pictures(clip, source, window, cancel=cancel)):
        packet.pts = frame - window[0]
        packet.dts = index - delay
        packet.duration = 1
        packet.time_base = 1 / clip.frame_rate
        packet.stream = out
        target.mux(packet)
        # Sound keeps pace with the pictures, so that nothing piles up in the muxer.
        while sounded is not None and sounded <= (index + 1) / clip.frame_rate:
            target.mux(packets)
            packets, sounded = next(sound, ([], None))
    target.mux(packets)
    for packets, _ in sound:
        stop_if(cancel)
        target.mux(packets)


def _sound_packets(
    clip: Clip,
    track: ClipSound | SoundCopy | None,
    target: OutputContainer,
    container: str,
    limits: MediaLimits,
    cancel: Cancel,
) -> Generator[Sounded, None, None]:
    """What is to be written of the sound; first nothing, when its stream is there."""
    if isinstance(track, SoundCopy):
        with open_media(clip.path, limits=limits) as source:
            out = target.add_stream_from_template(sound_of(clip, source), opaque=True)
            out.time_base = Fraction(1, track.sample_rate)
            yield [], Fraction(0)
            for packet, reached in copied_sound(clip, source, track, cancel=cancel):
                packet.stream = out
                yield [packet], Fraction(reached, track.sample_rate)
    elif track is not None:
        stream = SoundStream(target, SOUND_CODECS[container], track.sample_rate, track.channels)
        yield [], Fraction(0)
        reached = 0
        for piece in track.pieces:
            reached += piece.shape[1]
            for packets in stream.encode(piece):
                yield packets, Fraction(reached, track.sample_rate)
        yield stream.finish(), Fraction(reached, track.sample_rate)


def _encode_with(
    clip: Clip,
    track: ClipSound | None,
    path: Path,
    container: str,
    window: tuple[int, int],
    limits: MediaLimits,
    cancel: Cancel,
    settings: EncodeSettings = DEFAULT_SETTINGS,
) -> None:
    with writer_like(clip, path, container, track, settings=settings, cancel=cancel) as writer:
        frames = iterate_frames(clip, start=window[0], stop=window[1], limits=limits, cancel=cancel)
        write_interleaved(writer, frames, track, clip.frame_rate, writer.write_frame)
