"""What a result is made of: pictures in any order, and speech in any portions.

Neither ever holds a whole clip or a whole recording.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import media
from ..media.sound_stream import written_channels
from .voice import SAMPLE_RATE, sample_count, speak

_REVERSE_BYTES = 64 * 2**20
_FARTHEST_SKIP = 250
_KEPT_PICTURES = 3


class Footage:
    """A clip file, or a still image that stands for one; all numbers counted.

    ``frame_count`` is 1 and ``frame_rate`` 1 for a still.
    """

    def __init__(self, path: Path) -> None:
        """Raises ``viseme.errors.InputError`` for a file without usable pictures."""
        self._clip = media.probe_clip(path)
        self.width = self._clip.width
        self.height = self._clip.height
        self.pixel_aspect = self._clip.pixel_aspect
        self.frame_rate = self._clip.frame_rate
        self.frame_count = self._clip.frame_count
        self.is_still = self._clip.is_still
        self.seconds = self._clip.seconds

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Pictures ``[start, stop)`` as uint8 [H,W,3], one in memory at a time."""
        return media.iterate_frames(self._clip, start=start, stop=stop)


class Speech(Protocol):
    """What is said: recorded, or a text with a voice."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def sample_count(self) -> int: ...
    @property
    def seconds(self) -> Fraction: ...
    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """float32 [channels, samples], in order."""


@dataclass(frozen=True)
class RecordedSpeech:
    """The sound of a file; a video's sound track counts."""

    path: Path
    sample_rate: int
    channels: int
    sample_count: int

    @classmethod
    def open(cls, path: Path) -> RecordedSpeech:
        """Raises ``viseme.errors.InputError`` for a file without usable sound."""
        sound = media.probe_speech(path).sound
        channels = written_channels(sound.channels)
        return cls(path, sound.sample_rate, channels, sound.sample_count)

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.sample_count, self.sample_rate)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        pieces = media.iterate_sound(self.path, most_channels=self.channels)
        return (samples for samples, _ in pieces)


@dataclass(frozen=True)
class SpokenText:
    """A text in the synthetic voice."""

    text: str
    voice: str
    sample_rate: int = SAMPLE_RATE
    channels: int = 1

    @property
    def sample_count(self) -> int:
        return sample_count(self.text)

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.sample_count, self.sample_rate)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        return speak(self.text, self.voice)


class SoundReader:
    """A speech in portions, followed by endless silence."""

    def __init__(self, speech: Speech) -> None:
        self._channels = speech.channels
        self._blocks = speech.blocks()
        self._rest: NDArray[np.float32] = np.zeros((speech.channels, 0), dtype=np.float32)

    def take(self, sample_count: int) -> NDArray[np.float32]:
        """The next samples, float32 [channels, sample_count]."""
        parts = [self._rest]
        held = self._rest.shape[1]
        while held < sample_count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((self._channels, sample_count - held), dtype=np.float32)
            parts.append(block)
            held += block.shape[1]
        joined = np.concatenate(parts, axis=1) if len(parts) > 1 else self._rest
        self._rest = joined[:, sample_count:]
        return joined[:, :sample_count]


class PictureReader:
    """A clip's pictures by number, cheap in the orders that results ask for.

    Forward is decoded once; the start again starts anew; backward is decoded in runs that fit
    64 MiB. The last few pictures stay at hand, since blends go to and fro between two.
    """

    def __init__(self, footage: Footage) -> None:
        self._footage = footage
        self._recent: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._run: dict[int, NDArray[np.uint8]] = {}
        self._forward: Iterator[NDArray[np.uint8]] | None = None
        self._next = 0
        self._last = -1
        bytes_per_picture = footage.width * footage.height * 3
        self._run_length = max(4, min(64, _REVERSE_BYTES // bytes_per_picture))

    def at(self, index: int) -> NDArray[np.uint8]:
        """Picture ``index`` as uint8 [H,W,3]; not to be written into."""
        if index in self._recent:
            self._recent.move_to_end(index)
        else:
            self._recent[index] = self._fetch(index)
            if len(self._recent) > _KEPT_PICTURES:
                self._recent.popitem(last=False)
        self._last = index
        return self._recent[index]

    def _fetch(self, index: int) -> NDArray[np.uint8]:
        if index in self._run:
            return self._run[index]
        if index == self._last - 1:
            start = max(0, index - self._run_length + 1)
            self.close()
            pictures = self._footage.pictures(start, index + 1)
            self._run = dict(enumerate(pictures, start))
            return self._run[index]
        if self._forward is None or not 0 <= index - self._next <= _FARTHEST_SKIP:
            self.close()
            self._forward = self._footage.pictures(index)
            self._next = index
        while self._next < index:
            next(self._forward)
            self._next += 1
        self._next += 1
        return next(self._forward)

    def close(self) -> None:
        """Free the decoder at once; what is asked for later is decoded anew."""
        self._run = {}
        self._forward = None
