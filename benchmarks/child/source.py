"""The frames and the sound that go into an encoder, read from the files that the inputs are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .work import Job


@dataclass(frozen=True)
class Source:
    """``raw`` has rgb24 frames one behind the other, ``sound`` interleaved float32 samples."""

    raw: Path
    width: int
    height: int
    frame_count: int
    frame_rate: Fraction
    sound: Path
    sample_rate: int
    channels: int

    @classmethod
    def of(cls, job: Job) -> Source:
        given = job["source"]
        return cls(
            Path(given["raw"]),
            given["width"],
            given["height"],
            given["frame_count"],
            Fraction(given["frame_rate"]),
            Path(given["sound"]),
            given["sample_rate"],
            given["channels"],
        )

    def frames(self, count: int | None = None) -> torch.Tensor:
        """IMAGE: float32 [N, H, W, 3] in 0..1, as a decoder gives it. The same each time."""
        return _frames(self, count or self.frame_count)

    def waveform(self) -> torch.Tensor:
        """float32 [1, C, S]."""
        samples: NDArray[np.float32] = np.fromfile(self.sound, np.float32)
        planar = np.ascontiguousarray(samples.reshape(-1, self.channels).T)
        return torch.from_numpy(planar[np.newaxis])

    def audio(self) -> dict[str, Any]:
        """AUDIO."""
        return {"waveform": self.waveform(), "sample_rate": self.sample_rate}

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def picture_input(self) -> list[str]:
        """How ffmpeg is told of the frames, but for the name of the file."""
        return [
            *("-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-s", self.size, "-r", str(self.frame_rate)),
        ]

    @property
    def sound_input(self) -> list[str]:
        return ["-f", "f32le", "-ar", str(self.sample_rate), "-ac", str(self.channels)]


@lru_cache(maxsize=1)
def _frames(source: Source, count: int) -> torch.Tensor:
    shape = (source.frame_count, source.height, source.width, 3)
    raw = np.memmap(source.raw, np.uint8, "r", shape=shape)
    frames = np.empty((count, *shape[1:]), np.float32)
    for index in range(count):
        np.divide(raw[index], np.float32(255), out=frames[index])
    return torch.from_numpy(frames)
