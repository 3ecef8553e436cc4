"""Which coded pictures and sound of a clip can go into another file as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from ..model import Clip
from .awaited import ShownPackets
from .coding import can_copy
from .digest import stop_if
from .identify import damaged
from .limits import DEFAULT_LIMITS, MediaLimits
from .opening import open_media
from .picture import hdr_of, pick_video
from .sound_stream import written_channels
from .timeline import frame_at, round_half_up
from .track import pick_sound

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

Cancel: TypeAlias = "Callable[[], bool] | None"
Window: TypeAlias = tuple[int, int]

_CUT_FORMATS = frozenset({"yuv420p", "yuvj420p"})
_SOUND_SOURCES = frozenset({"mp4", "mov", "matroska"})
_SOUND_TARGETS = frozenset({"mp4", "mov"})
# Matroska tells times in milliseconds.
_COARSE_TICK = Fraction(2, 1000)
# A packet of AAC sounds as it should behind one that was decoded before it.
_AAC_LEAD = 2
_IDR = 5


def can_cut(
    clip: Clip,
    container: str,
    window: Window,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> bool:
    """Whether the pictures of a window can be copied, and are coded as they would be anew.

    The window must begin with a picture that builds on no other, and no picture in it may build
    on one behind it. Raises ``MediaDamaged`` and ``Interrupted``.
    """
    if not can_copy(clip, container) or clip.codec != "h264":
        return False
    if clip.pixel_format not in _CUT_FORMATS or clip.width % 2 or clip.height % 2:
        return False
    with open_media(clip.path, limits=limits) as source:
        return reorder_delay(clip, source, window, cancel=cancel) is not None


def video_of(clip: Clip, source: InputContainer) -> VideoStream:
    stream = pick_video(source)
    if stream is None:
        raise damaged(clip.path, "its picture track is gone")
    return stream


def hdr_steps(clip: Clip, limits: MediaLimits) -> tuple[str, ...]:
    """What is told of pictures that were coded anew, since they are written as BT.709."""
    with open_media(clip.path, limits=limits) as source:
        name = hdr_of(video_of(clip, source))
    if name is None:
        return ()
    return (f"its HDR colours ({name}) were not converted: they may look flat",)


def sound_of(clip: Clip, source: InputContainer) -> AudioStream:
    stream = pick_sound(source)
    if stream is None:
        raise damaged(clip.path, "its sound track is gone")
    return stream


def _packets(
    source: InputContainer, stream: VideoStream | AudioStream, cancel: Cancel
) -> Iterator[Packet[Any]]:
    """Those of one track. Raises ``Interrupted``, also where that track is silent for long."""
    for packet in source.demux():
        stop_if(cancel)
        if packet.size and packet.stream_index == stream.index:
            yield packet


def pictures(
    clip: Clip, source: InputContainer, window: Window, *, cancel: Cancel = None
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The packets that are shown in a window, as they are stored, each with its frame.

    Raises ``MediaDamaged`` and, also among those before the window, ``Interrupted``.
    """
    stream = video_of(clip, source)
    shown, left = ShownPackets(stream), window[1] - window[0]
    is_part = window != (0, clip.frame_count)
    for packet in _packets(source, stream, cancel):
        if shown.can_decode(packet) and not packet.is_discard:
            frame = _frame_of(clip, packet)
            if is_part and not window[0] <= frame < window[1]:
                continue
            yield frame, packet
            left -= 1
            if is_part and not left:
                return


def _frame_of(clip: Clip, packet: Packet[VideoStream]) -> int:
    if packet.pts is None:
        raise damaged(clip.path, "a picture has no time")
    return max(frame_at(packet.pts * packet.time_base - clip.start_seconds, clip.frame_rate), 0)


def reorder_delay(
    clip: Clip, source: InputContainer, window: Window, *, cancel: Cancel = None
) -> int | None:
    """By how many frames decoding must precede showing: for every packet, dts <= pts.

    ``None`` where pictures are shown that build on ones that an edit list hides or that lie
    outside the window: those cannot be copied alone.
    """
    stream = video_of(clip, source)
    shown = ShownPackets(stream)
    start, stop = window
    is_part = window != (0, clip.frame_count)
    delay, index, is_behind = 0, 0, False
    for packet in _packets(source, stream, cancel):
        if packet.size and packet.is_discard:
            return None
        if not shown.can_decode(packet):
            continue
        frame = _frame_of(clip, packet)
        if is_part and not start <= frame < stop:
            if frame < start and index:
                return None
            is_behind = is_behind or frame >= stop
        elif is_part and (is_behind or (not index and not _begins(packet, frame, start))):
            return None
        else:
            delay = max(delay, index - (frame - start))
            index += 1
        if is_part and index == stop - start:
            return delay
    return None if is_part else delay


def _begins(packet: Packet[VideoStream], frame: int, start: int) -> bool:
    """Whether the first H.264 packet of a window shows its first frame, and frees all decoders.

    Some files call pictures key pictures that others behind them reach across.
    """
    if frame != start or not packet.is_keyframe:
        return False
    data, at = memoryview(packet), 0
    while at + 4 < len(data):
        if data[at + 4] & 0x1F == _IDR:
            return True
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return False


@dataclass(frozen=True, slots=True)
class SoundCopy:
    """Packets ``first <= k < last`` of a sound track; places in samples after frame 0.

    The first packet begins at ``place``, before 0 where its beginning is to be hidden. The last
    one ends at ``end``. ``frame_samples`` are in each packet where the file tells no exact times.
    """

    first: int
    last: int
    place: int
    end: int
    sample_rate: int
    frame_samples: int | None


def sound_copy(
    clip: Clip,
    container: str,
    window: Window,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> SoundCopy | None:
    """How the clip's own sound is copied so that every sample keeps its place.

    ``None`` where it has to be coded anew for that: where it begins after the picture or ends
    before the window, has gaps, or is coded so that it cannot begin or end there. Raises
    ``MediaDamaged`` and ``Interrupted``.
    """
    sound = clip.sound
    if (
        sound is None
        or sound.codec not in ("aac", "mp3")
        or clip.container not in _SOUND_SOURCES
        or container not in _SOUND_TARGETS
        or written_channels(sound.channels) != sound.channels
    ):
        return None
    rate = sound.sample_rate
    begin = round_half_up(sound.start_seconds * rate)
    end = begin + sound.sample_count
    cut_start, cut_stop = (round_half_up(frame / clip.frame_rate * rate) for frame in window)
    if window != (0, clip.frame_count):
        if end < cut_stop:
            return None
        end = cut_stop
    if begin > cut_start or end <= cut_start:
        return None
    is_whole = begin == cut_start
    with open_media(clip.path, limits=limits) as source:
        stream = sound_of(clip, source)
        if sound.codec == "aac" and stream.profile != "LC":
            return None
        frame_samples = stream.codec_context.frame_size if clip.container == "matroska" else None
        if frame_samples == 0:
            return None
        places = _places(clip, source, stream, begin, frame_samples, cancel)
        if places is None:
            return None
    reached = [k for k, place in enumerate(places) if place <= cut_start]
    first = 0 if is_whole else max(reached[-1] - _AAC_LEAD, 0) if reached else None
    last = sum(place < end for place in places[:-1])
    if first is None or places[-1] < end or last <= first:
        return None
    # A packet of MP3 needs many before it, and is always read whole.
    if sound.codec != "aac" and not (is_whole and places[-1] == end):
        return None
    return SoundCopy(first, last, places[first] - cut_start, end - cut_start, rate, frame_samples)


def _places(
    clip: Clip,
    source: InputContainer,
    stream: AudioStream,
    begin: int,
    frame_samples: int | None,
    cancel: Cancel,
) -> list[int] | None:
    """Where each packet begins and the last one ends, in samples after the clip's first picture.

    ``None`` where they do not follow one another.
    """
    rate = stream.codec_context.sample_rate
    places: list[int] = []
    at: int | None = None
    tolerance = 0 if frame_samples is None else round_half_up(_COARSE_TICK * rate)
    for packet in _packets(source, stream, cancel):
        if packet.pts is None:
            return None
        place = round_half_up((packet.pts * packet.time_base - clip.start_seconds) * rate)
        if at is None:
            # Milliseconds cannot tell where the first packet begins; but what is left out of it is
            # told in samples, and so is where it is heard from.
            at = place if frame_samples is None else begin - _skipped(packet)
        if abs(place - at) > tolerance:
            return None
        places.append(at)
        at += frame_samples or round_half_up((packet.duration or 0) * packet.time_base * rate)
    return None if at is None else [*places, at]


def _skipped(packet: Packet[AudioStream]) -> int:
    """The samples of a first packet that are not to be heard."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")


def copied_sound(
    clip: Clip, source: InputContainer, copy: SoundCopy, *, cancel: Cancel = None
) -> Iterator[tuple[Packet[AudioStream], int]]:
    """The packets, with new times in samples, each with the sample that it reaches."""
    stream = sound_of(clip, source)
    at = copy.place
    time_base = Fraction(1, copy.sample_rate)
    for index, packet in enumerate(_packets(source, stream, cancel)):
        if index >= copy.last:
            return
        if index >= copy.first:
            size = copy.frame_samples or round_half_up(
                (packet.duration or 0) * packet.time_base * copy.sample_rate
            )
            packet.pts = packet.dts = at
            packet.duration = min(size, copy.end - at)
            packet.time_base = time_base
            at += size
            yield packet, at
