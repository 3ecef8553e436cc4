"""Sound out of files: float32 in -1..1, to the sample, placed by its times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaDamaged
from ..model import Clip, Recording
from .digest import stop_if
from .limits import DEFAULT_LIMITS, MediaLimits
from .memory import check_memory
from .mixdown import mix_matrix
from .opening import open_media
from .sniff import sniff
from .timeline import round_half_up
from .track import SoundTrack, pick_sound

Samples: TypeAlias = NDArray[np.float32]
SoundSource: TypeAlias = "Path | Clip | Recording"
Cancel: TypeAlias = "Callable[[], bool] | None"


def path_of(source: SoundSource) -> Path:
    return source.path if isinstance(source, (Clip, Recording)) else Path(source)


class SoundReader:
    """The first sound track of a file that can be decoded, in pieces.

    ``sample_rate`` is known once it iterates.
    The sound of a ``Clip`` begins with its first picture: later sound is preceded by silence,
    earlier sound is cut off. That of a ``Recording`` or path begins with its first sample. With
    ``most_channels`` (1 or 2, or at least as many as there are) it is mixed down to so many.
    """

    def __init__(
        self,
        source: SoundSource,
        *,
        most_channels: int | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
        cancel: Cancel = None,
    ) -> None:
        self.path = path_of(source)
        self._origin = source.start_seconds if isinstance(source, Clip) else None
        self._most_channels = most_channels
        self._mix: Samples | None = None
        self._limits = limits
        self._cancel = cancel
        self.sample_rate = 0
        self.channels = 0

    def __iter__(self) -> Iterator[Samples]:
        with open_media(self.path, limits=self._limits) as container:
            stream = pick_sound(container)
            if stream is None:
                raise no_sound(self.path)
            track = SoundTrack(self.path, sniff(self.path) or "", stream, self._limits)
            skip: int | None = None
            for packet in container.demux(stream):
                stop_if(self._cancel)
                for piece in track.push(packet if packet.size else None):
                    if skip is None:
                        self._begin(track)
                        skip = self._lead(track)
                        if skip < 0:
                            yield from silence(self.channels, -skip)
                            skip = 0
                    cut = min(skip, piece.silence)
                    skip -= cut
                    yield from silence(self.channels, piece.silence - cut)
                    samples = piece.samples()
                    if self._mix is not None:
                        samples = self._mix @ samples
                    cut = min(skip, samples.shape[1])
                    skip -= cut
                    if cut < samples.shape[1]:
                        yield samples[:, cut:]
            if skip is None:
                raise no_sound(self.path)

    def _begin(self, track: SoundTrack) -> None:
        self.sample_rate, self.channels = track.sample_rate, track.channels
        most = self._most_channels
        if most is not None and track.channels > most:
            self._mix = mix_matrix(track.channel_names, most)
            self.channels = most

    def _lead(self, track: SoundTrack) -> int:
        """Samples to cut off at the beginning, or silence to put there where negative."""
        if self._origin is None:
            return 0
        return round_half_up((self._origin - track.start_seconds) * track.sample_rate)


def silence(channels: int, sample_count: int) -> Iterator[Samples]:
    """Zeros, float32 [channels, n], in pieces of at most 65536."""
    while sample_count > 0:
        size = min(sample_count, 65536)
        yield np.zeros((channels, size), np.float32)
        sample_count -= size


def no_sound(path: Path) -> MediaDamaged:
    return MediaDamaged(
        f"{path} has no sound that can be decoded.",
        value=path,
        remedy="Give a file with a sound track.",
    )


def iterate_sound(
    source: SoundSource,
    *,
    start_seconds: Fraction | None = None,
    stop_seconds: Fraction | None = None,
    most_channels: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> Iterator[tuple[Samples, int]]:
    """``(float32 [C, n], sample_rate)`` in pieces, for sound longer than memory.

    Times count from the first picture of a ``Clip``, else from the first sample. With
    ``stop_seconds`` the sound is padded with silence up to it; the ends fall on the nearest
    sample. ``most_channels`` as for ``SoundReader``. Raises ``MediaDamaged`` where there is no
    sound, and ``Interrupted``.
    """
    reader = SoundReader(source, most_channels=most_channels, limits=limits, cancel=cancel)
    at, window = 0, None
    for piece in reader:
        window = window or _samples_at(start_seconds, stop_seconds, reader.sample_rate)
        start, stop = window
        first = max(start - at, 0)
        last = piece.shape[1] if stop is None else min(stop - at, piece.shape[1])
        at += piece.shape[1]
        if first < last:
            yield piece[:, first:last], reader.sample_rate
        if stop is not None and at >= stop:
            return
    # No piece came where all sound lies before the first picture, but the rate is known by now.
    start, stop = window or _samples_at(start_seconds, stop_seconds, reader.sample_rate)
    if stop is not None:
        for piece in silence(reader.channels, stop - max(at, start)):
            yield piece, reader.sample_rate


def _samples_at(
    start_seconds: Fraction | None, stop_seconds: Fraction | None, sample_rate: int
) -> tuple[int, int | None]:
    """The half-open window in samples; never ends before it begins."""
    start = round_half_up((start_seconds or Fraction(0)) * sample_rate)
    if stop_seconds is None:
        return start, None
    return start, max(round_half_up(stop_seconds * sample_rate), start)


def decode_sound(
    source: SoundSource,
    *,
    start_seconds: Fraction | None = None,
    stop_seconds: Fraction | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> tuple[Samples, int]:
    """The sound as ``(float32 [1, C, S] in -1..1, sample_rate)``; window as ``iterate_sound``.

    Raises ``MediaDamaged`` where there is no sound, ``MediaTooLarge`` where it does not fit into
    memory, and ``Interrupted``.
    """
    pieces = _Gathered(_expected_seconds(source, start_seconds, stop_seconds))
    for piece, rate in iterate_sound(
        source,
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
        limits=limits,
        cancel=cancel,
    ):
        pieces.add(piece, rate)
    if pieces.sample_rate == 0:
        # Nothing lies inside the window; rate and channels still have to be told. Where all sound
        # lies before the first picture, not even one piece comes.
        reader = SoundReader(source, limits=limits, cancel=cancel)
        next(iter(reader), None)
        return np.zeros((1, reader.channels, 0), np.float32), reader.sample_rate
    return pieces.whole(), pieces.sample_rate


def _expected_seconds(
    source: SoundSource, start: Fraction | None, stop: Fraction | None
) -> Fraction | None:
    """How long the sound will be, where that is known beforehand."""
    if stop is not None:
        return max(stop - (start or 0), Fraction(0))
    if isinstance(source, (Clip, Recording)) and source.sound is not None:
        lead = source.sound.start_seconds if isinstance(source, Clip) else Fraction(0)
        return max(source.sound.seconds + lead - (start or 0), Fraction(0))
    return None


class _Gathered:
    """Pieces in one array, made as large as expected and larger where that was too little."""

    def __init__(self, expected_seconds: Fraction | None) -> None:
        self.sample_rate = 0
        self._expected_seconds = expected_seconds
        self._array = np.empty((1, 0, 0), np.float32)
        self._count = 0

    def add(self, piece: Samples, sample_rate: int) -> None:
        channels, size = piece.shape
        if self.sample_rate == 0:
            self.sample_rate = sample_rate
            seconds = self._expected_seconds or Fraction(30)
            self._array = _empty(channels, ceil(seconds * sample_rate) + 2)
        if self._count + size > self._array.shape[2]:
            larger = _empty(channels, (self._count + size) * 3 // 2)
            larger[..., : self._count] = self._array[..., : self._count]
            self._array = larger
        self._array[0, :, self._count : self._count + size] = piece
        self._count += size

    def whole(self) -> Samples:
        return self._array[..., : self._count]


def _empty(channels: int, sample_count: int) -> Samples:
    check_memory(
        channels * sample_count * 4, "the sound", "Decode a part of it, or read it in pieces."
    )
    return np.empty((1, channels, sample_count), np.float32)
