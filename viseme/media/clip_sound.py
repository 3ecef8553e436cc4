"""The sound that is written beside pictures: a clip's own, or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model import Clip, Recording, Sound
from .conform import coded_sound
from .limits import MediaLimits
from .mixdown import mix_matrix
from .sound import iterate_sound
from .sound_stream import as_samples, written_channels

Cancel: TypeAlias = "Callable[[], bool] | None"
Samples: TypeAlias = NDArray[np.float32]

_PIECE_SAMPLES = 16384


def coded_steps(sound: Sound, container: str) -> tuple[str, ...]:
    """What is told of a clip's own sound that was coded anew for ``container``."""
    channels = written_channels(sound.channels)
    if channels == sound.channels:
        return (coded_sound(sound, container),)
    return (coded_sound(sound, container), f"mixed {sound.channels} channels down to {channels}")


class ClipSound:
    """Sound to be written: its format, and its samples in pieces.

    All channels are kept where a file can hold so many, else they are mixed down to two.
    """

    def __init__(self, sample_rate: int, channels: int, pieces: Iterator[Samples]) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.pieces = pieces

    @classmethod
    def of(
        cls, sound: tuple[Any, int] | Recording | None, limits: MediaLimits, cancel: Cancel
    ) -> ClipSound | None:
        if sound is None:
            return None
        if isinstance(sound, Recording):
            return cls._of_file(sound, sound.sound, None, limits, cancel)
        samples = as_samples(sound[0])
        channels = written_channels(samples.shape[0])
        return cls(sound[1], channels, _pieces(samples, channels))

    @classmethod
    def of_clip(cls, clip: Clip, limits: MediaLimits, cancel: Cancel) -> ClipSound | None:
        """The clip's own sound, from its first picture on."""
        if clip.sound is None:
            return None
        return cls._of_file(clip, clip.sound, None, limits, cancel)

    @classmethod
    def of_window(
        cls, clip: Clip, window: tuple[Fraction, Fraction], limits: MediaLimits, cancel: Cancel
    ) -> ClipSound:
        """The clip's own sound between two times, in seconds from its first picture."""
        if clip.sound is None:
            raise InputError(f"{clip.path} has no sound.")
        return cls._of_file(clip, clip.sound, window, limits, cancel)

    @classmethod
    def _of_file(
        cls,
        source: Clip | Recording,
        sound: Sound,
        window: tuple[Fraction, Fraction] | None,
        limits: MediaLimits,
        cancel: Cancel,
    ) -> ClipSound:
        start, stop = window or (None, None)
        channels = written_channels(sound.channels)
        pieces = iterate_sound(
            source,
            start_seconds=start,
            stop_seconds=stop,
            most_channels=channels,
            limits=limits,
            cancel=cancel,
        )
        return cls(sound.sample_rate, channels, (piece for piece, _ in pieces))


def _pieces(samples: NDArray[Any], channels: int) -> Iterator[Samples]:
    mix = None
    if channels != samples.shape[0]:
        mix = mix_matrix(["NONE"] * samples.shape[0], channels)
    for at in range(0, samples.shape[1], _PIECE_SAMPLES):
        piece = samples[:, at : at + _PIECE_SAMPLES]
        yield piece if mix is None else mix @ np.nan_to_num(piece, nan=0.0)
