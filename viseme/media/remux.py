"""Pictures copied as they are coded: into another container, with other sound, with new times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import av

from ..errors import InputError
from ..model import Clip, Recording
from .awaited import ShownPackets
from .clip_sound import ClipSound
from .coding import DEFAULT_SETTINGS, EncodeSettings
from .digest import stop_if
from .encode import write_interleaved
from .frames import check_window, iterate_frames
from .limits import DEFAULT_LIMITS, MediaLimits
from .opening import damaged, open_media
from .partfile import part_file, translated_writes
from .picture import pick_video
from .sound_stream import SOUND_CODECS, SoundStream
from .timeline import frame_at
from .writer import ClipWriter, can_tag_aspect

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

Cancel: TypeAlias = "Callable[[], bool] | None"
BeforeDecoding: TypeAlias = Callable[[Clip], None]

# What a container may hold without players and vendors stumbling over it.
COPYABLE = {
    "mp4": frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"}),
    "mov": frozenset({"h264", "hevc", "mpeg4", "prores", "mjpeg"}),
    "webm": frozenset({"vp8", "vp9", "av1"}),
}
_SOURCES = frozenset({"mp4", "mov", "matroska", "webm"})


def let_pass(_clip: Clip) -> None:
    """For a clip whose frames may be decoded as it is."""


def can_copy(clip: Clip, container: str) -> bool:
    """Whether the clip's pictures can go into ``container`` as they are coded."""
    return (
        clip.is_constant_rate
        and not clip.is_still
        and clip.container in _SOURCES
        and clip.codec in COPYABLE.get(container, frozenset())
        and clip.rotation_degrees == 0
        and (clip.pixel_aspect == 1 or can_tag_aspect(container))
    )


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
    track = ClipSound.of(sound, cancel)
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
    cancel: Cancel = None,
) -> None:
    """Frames ``start_frame <= k < stop_frame`` with the sound that belongs to them.

    Sound is cut to the sample. Raises ``InputError`` for an empty window or one that leaves the
    clip.
    """
    start, stop = check_window(clip, start_frame, stop_frame)
    if start == stop:
        raise InputError(
            f"frames [{start}, {stop}) are none.", remedy="Name a window of at least one frame."
        )
    track = None
    if clip.sound is not None:
        window = (start / clip.frame_rate, stop / clip.frame_rate)
        track = ClipSound.of_window(clip, window, cancel)
    _encode_with(clip, track, path, container, (start, stop), limits, cancel, settings)


def copy_pictures(
    clip: Clip,
    path: Path,
    container: str,
    track: ClipSound | None,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    before_decoding: BeforeDecoding = let_pass,
    cancel: Cancel = None,
) -> None:
    """Copy coded pictures with times that are exact multiples of the frame; encode ``track``.

    Where an edit list hides pictures that others build on, all are encoded anew;
    ``before_decoding`` is told of that first.
    """
    with open_media(clip.path, limits=limits) as source:
        delay = _reorder_delay(clip, source)
    if delay is None:
        before_decoding(clip)
        _encode_with(clip, track, path, container, (0, clip.frame_count), limits, cancel)
        return
    with open_media(clip.path, limits=limits) as source, part_file(path) as part:
        stream = _video_of(clip, source)
        options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
        target = av.open(f"file:{part.absolute()}", "w", format=container, options=options)
        try:
            with translated_writes(path):
                _copy(clip, source, stream, target, delay, track, container, cancel)
        finally:
            with translated_writes(path):
                target.close()


def _copy(
    clip: Clip,
    source: InputContainer,
    stream: VideoStream,
    target: OutputContainer,
    delay: int,
    track: ClipSound | None,
    container: str,
    cancel: Cancel,
) -> None:
    out = target.add_stream_from_template(stream, opaque=True)
    out.time_base = 1 / clip.frame_rate
    out.codec_context.sample_aspect_ratio = clip.pixel_aspect
    sound = None
    if track is not None:
        sound = SoundStream(target, SOUND_CODECS[container], track.sample_rate, track.channels)
    sounded = 0
    for index, packet in enumerate(_pictures(source, stream)):
        stop_if(cancel)
        packet.pts = _frame_of(clip, packet)
        packet.dts = index - delay
        packet.duration = 1
        packet.time_base = 1 / clip.frame_rate
        packet.stream = out
        target.mux(packet)
        while sound is not None and track is not None:
            # Sound keeps pace with the pictures, so that nothing piles up in the muxer.
            if Fraction(sounded, track.sample_rate) > (index + 1) / clip.frame_rate:
                break
            piece = next(track.pieces, None)
            if piece is None:
                break
            sound.write(piece)
            sounded += piece.shape[1]
    if sound is not None and track is not None:
        for piece in track.pieces:
            stop_if(cancel)
            sound.write(piece)
        target.mux(sound.finish())


def _video_of(clip: Clip, source: InputContainer) -> VideoStream:
    stream = pick_video(source)
    if stream is None:
        raise damaged(clip.path, "its picture track is gone")
    return stream


def _pictures(source: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    shown = ShownPackets(stream)
    for packet in source.demux(stream):
        if shown.can_decode(packet) and not packet.is_discard:
            yield packet


def _frame_of(clip: Clip, packet: Packet[VideoStream]) -> int:
    if packet.pts is None:
        raise damaged(clip.path, "a picture has no time")
    return max(frame_at(packet.pts * packet.time_base - clip.start_seconds, clip.frame_rate), 0)


def _reorder_delay(clip: Clip, source: InputContainer) -> int | None:
    """By how many frames decoding must precede showing: for every packet, dts <= pts.

    ``None`` where pictures are shown that build on ones that an edit list hides: those cannot be
    copied alone.
    """
    stream = _video_of(clip, source)
    shown = ShownPackets(stream)
    delay, index = 0, 0
    for packet in source.demux(stream):
        if packet.size and packet.is_discard:
            return None
        if shown.can_decode(packet):
            delay = max(delay, index - _frame_of(clip, packet))
            index += 1
    return delay


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
    with ClipWriter(
        path,
        width=clip.width,
        height=clip.height,
        frame_rate=clip.frame_rate,
        container=container,
        pixel_aspect=clip.pixel_aspect,
        sound=None if track is None else (track.sample_rate, track.channels),
        settings=settings,
        cancel=cancel,
    ) as writer:
        frames = iterate_frames(clip, start=window[0], stop=window[1], limits=limits, cancel=cancel)
        write_interleaved(writer, frames, track, clip.frame_rate, writer.write_frame)
