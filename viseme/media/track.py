"""A sound track, packet by packet: decoded or counted, placed by its times, without padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaTooLarge
from .identify import damaged
from .limits import MediaLimits
from .opening import has_decoder
from .sniff import SOUND_CONTAINERS, TIMED_CONTAINERS

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

# Rounded times (Matroska's milliseconds) are no gaps; a lost packet is 20 ms and more.
_LEAST_GAP_MILLISECONDS = 15
# Tags and cut-off frames stand at the ends of bare MPEG and ADTS streams.
_FORGIVING = frozenset({"mp3", "aac"})
# As many alike show what such packets hold; what the decoder lacks at the start lies before them.
_SHOWING_PACKETS = 4
_FULL_SCALE = {"s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}


@dataclass(frozen=True, slots=True)
class Piece:
    """``silence`` samples without sound, then the first ``sample_count`` samples of ``frame``."""

    frame: AudioFrame
    silence: int
    sample_count: int

    def samples(self) -> NDArray[np.float32]:
        """float32 [C, sample_count], in -1..1, the silence left out."""
        return to_float(self.frame)[:, : self.sample_count]


def pick_sound(container: InputContainer) -> AudioStream | None:
    """The first sound track that can be decoded: the one that is read, copied and told of."""
    return next((stream for stream in container.streams.audio if has_decoder(stream)), None)


class SoundTrack:
    """Decodes or counts one stream. ``sample_count`` grows; the rest is known after a piece."""

    def __init__(
        self, path: Path, container: str, stream: AudioStream, limits: MediaLimits
    ) -> None:
        self.path = path
        self.codec = codec_name(stream)
        self.sample_rate = 0
        self.channels = 0
        self.channel_names: tuple[str, ...] = ()
        self.sample_count = 0
        self.packet_count = 0  # of those that were decoded, or counted by their times
        self.start_seconds = Fraction(0)
        self.stream = stream
        self._most_seconds = limits.max_seconds
        self._most_samples = 0
        self._first_pts = 0
        # All that comes out of one track is counted in the same ticks: the seconds of one, as
        # numerator and denominator.
        tick_seconds = stream.time_base
        self._tick = None if tick_seconds is None else tick_seconds.as_integer_ratio()
        # A bare sound file begins with its first sample; times there only tell of priming.
        self._is_placed = container not in SOUND_CONTAINERS
        self._has_exact_durations = container in TIMED_CONTAINERS
        self._is_forgiving = container in _FORGIVING
        # Only of plain AAC each packet can be decoded by itself: of xHE-AAC one that follows others
        # which were left out looks damaged.
        is_even = self._has_exact_durations and self.codec == "aac" and stream.profile == "LC"
        self._even = EvenPackets() if is_even else None

    def push(self, packet: Packet[AudioStream] | None) -> Iterator[Piece]:
        """The sound in one packet; ``None`` flushes the decoder."""
        for frame in self._decoded(packet):
            placed = self._place(frame, packet)
            if placed is not None:
                yield Piece(frame, *placed)

    def count(self, packet: Packet[AudioStream] | None) -> None:
        """Count the sound in one packet as ``push`` does, without giving it out."""
        for frame in self._decoded(packet):
            self._place(frame, packet)

    def count_by_times(self, packet: Packet[AudioStream] | None) -> None:
        """Count the sound in one packet, decoding it only where its times do not tell enough.

        They do for plain AAC in mp4 and mov, where packets hold as much as the first ones did.
        Whether such a packet can be decoded is not seen then.
        """
        even = self._even
        if even is None or packet is None:
            self.count(packet)
        elif even.take(packet):
            self.packet_count += 1
            self._add(even.sample_count)
        else:
            before = self.sample_count
            self.count(packet)
            even.learn(packet, self.sample_count - before, self.sample_rate, self._tick)

    def _decoded(self, packet: Packet[AudioStream] | None) -> Sequence[AudioFrame]:
        if packet is not None and packet.size == 0:
            return ()
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.error.EOFError:
            return ()
        except av.error.InvalidDataError:
            if self._is_forgiving:
                return ()
            raise
        self.packet_count += packet is not None
        return frames

    # An hour has more than 100,000 packets: what is done for each is done with whole numbers.

    def _place(
        self, frame: AudioFrame, packet: Packet[AudioStream] | None
    ) -> tuple[int, int] | None:
        """Samples of silence before it, and of its own; ``None`` where nothing is left of it."""
        count, sample_rate = frame.samples, frame.sample_rate
        # Of what the decoder still held at the end PyAV tells no times.
        tick = None if packet is None else self._tick
        if packet is not None and tick is not None and self._has_exact_durations:
            duration = packet.duration
            if duration:
                # The last packet of a track is shorter than what the decoder makes of it.
                shown = _divided(duration * tick[0] * sample_rate, tick[1])
                if shown < count:
                    count = shown
        if count <= 0:
            return None
        pts = frame.pts if self._is_placed and tick is not None else None
        if self.sample_rate == 0:
            self._begin(frame, pts)
        elif sample_rate != self.sample_rate or frame.layout.nb_channels != self.channels:
            raise damaged(self.path, "its sound changes sample rate or channels on the way")
        silence = self._gap_before(pts)
        self._add(silence + count)
        return silence, count

    def _add(self, sample_count: int) -> None:
        self.sample_count += sample_count
        if self.sample_count > self._most_samples:
            raise self._too_long()

    def _begin(self, frame: AudioFrame, pts: int | None) -> None:
        self.sample_rate = frame.sample_rate
        self.channel_names = tuple(channel.name for channel in frame.layout.channels)
        self.channels = len(self.channel_names)
        if pts is not None and self._tick is not None:
            self._first_pts = pts
            self.start_seconds = pts * Fraction(*self._tick)
        # A damaged time may lie years away; silence up to it would never end.
        left = self._most_seconds - abs(self.start_seconds)
        self._most_samples = (left * self.sample_rate).__floor__()

    def _gap_before(self, pts: int | None) -> int:
        """Samples of silence between what came before and a frame; 0 where nothing tells."""
        if pts is None or self._tick is None or self.sample_count == 0:
            return 0
        numerator, denominator = self._tick
        # In units of a tick of the file and of a sample at once.
        due = (pts - self._first_pts) * numerator * self.sample_rate
        gap = due - self.sample_count * denominator
        least = _LEAST_GAP_MILLISECONDS * denominator * self.sample_rate
        return _divided(gap, denominator) if 1000 * gap >= least else 0

    def _too_long(self) -> MediaTooLarge:
        seconds = abs(self.start_seconds) + Fraction(self.sample_count, self.sample_rate)
        return MediaTooLarge(
            f"The sound of {self.path} ends after {float(seconds):.0f} s; at most "
            f"{self._most_seconds} s are read.",
            value=f"{float(seconds):.0f}",
            limit=self._most_seconds,
            remedy="Cut it first.",
        )


class EvenPackets:
    """What is known of a track whose packets all hold as many samples: AAC, but for its ends.

    ``sample_count`` is that of a packet, once enough in a row have shown it.
    """

    def __init__(self) -> None:
        self.sample_count = 0
        self._duration = 0
        self._next_pts: int | None = None
        self._shown = 0

    def take(self, packet: Packet[AudioStream]) -> bool:
        """Take a packet that follows the one before it and is like the ones that were decoded.

        False for any other, which has to be decoded, and learned from.
        """
        pts = packet.pts
        if (
            self._shown < _SHOWING_PACKETS
            or pts is None
            or pts != self._next_pts
            or packet.duration != self._duration
            or packet.is_discard
            or packet.is_corrupt
            # What changes how much comes of a packet, or of all that follow.
            or packet.has_sidedata("skip_samples")
            or packet.has_sidedata("new_extradata")
        ):
            return False
        self._next_pts = pts + self._duration
        return True

    def learn(
        self,
        packet: Packet[AudioStream],
        sample_count: int,
        sample_rate: int,
        tick: tuple[int, int] | None,
    ) -> None:
        """Take note of a packet that was decoded, and of how many samples came of it."""
        duration, pts = packet.duration, packet.pts
        is_exact = (
            tick is not None
            and pts is not None
            and duration is not None
            and sample_count > 0
            and duration * tick[0] * sample_rate == sample_count * tick[1]
        )
        is_next = (pts, duration, sample_count) == (
            self._next_pts,
            self._duration,
            self.sample_count,
        )
        self._shown = (self._shown + 1 if is_next else 1) if is_exact else 0
        self.sample_count, self._duration = sample_count, duration or 0
        self._next_pts = None if pts is None else pts + self._duration


def _divided(value: int, by: int) -> int:
    """Rounded half up."""
    return (2 * value + by) // (2 * by)


def codec_name(stream: AudioStream) -> str:
    """The codec, not the decoder: mp3 rather than mp3float."""
    name = stream.codec_context.codec.canonical_name
    return str(name)


def to_float(frame: AudioFrame) -> NDArray[np.float32]:
    """float32 [C, S] in -1..1 from any of FFmpeg's sample formats."""
    kind = frame.format.name
    raw: NDArray[Any] = _whole_64(frame) if kind.startswith("s64") else frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(-1, len(frame.layout.channels)).T
    base = kind.removesuffix("p")
    if base == "u8":
        raw = (raw.astype(np.float32) - np.float32(128)) / np.float32(128)
    elif base in _FULL_SCALE:
        raw = raw.astype(np.float32) / np.float32(_FULL_SCALE[base])
    floats: NDArray[np.float32] = raw.astype(np.float32, copy=False)
    return floats


def _whole_64(frame: AudioFrame) -> NDArray[Any]:
    """As ``to_ndarray`` gives other formats: PyAV has no array for this one."""
    in_each = frame.samples * (1 if frame.format.is_planar else len(frame.layout.channels))
    return np.stack([np.frombuffer(memoryview(plane), np.int64, in_each) for plane in frame.planes])
