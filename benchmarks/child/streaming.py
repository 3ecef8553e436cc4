"""Clips of any length: encoded and decoded piece by piece, so that a length need not fit memory."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from viseme import media

from .passing import Replaced, Untouched
from .source import Source
from .work import Facts, Job, Work


class Encode:
    """The same few seconds of frames again and again, through one writer; the sound is whole."""

    def __init__(self, source: Source, path: Path, seconds: int) -> None:
        self.path = path
        self.frame_rate = source.frame_rate
        self.sample_rate = source.sample_rate
        self.frame_count = int(seconds * source.frame_rate)
        self.piece = source.frames(min(source.frame_count, self.frame_count))
        self.waveform = long_waveform(source, seconds)

    def pieces(self) -> Iterator[torch.Tensor]:
        left = self.frame_count
        while left:
            piece = self.piece[:left]
            left -= len(piece)
            yield piece

    def run(self) -> None:
        sound = (self.waveform, self.sample_rate)
        media.encode_clip(self.path, self.pieces(), self.frame_rate, sound)

    def facts(self) -> Facts:
        return {"size_bytes": self.path.stat().st_size}


class Decode:
    """Ten seconds at a time as the tensor that a node gives; the sound in pieces."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frame_count = 0
        self.piece_bytes = 0

    def run(self) -> None:
        clip = media.probe_clip(self.path)
        step = int(10 * clip.frame_rate)
        for start in range(0, clip.frame_count, step):
            stop = min(start + step, clip.frame_count)
            frames = media.decode_frames(clip, start=start, stop=stop)
            self.frame_count += len(frames)
            self.piece_bytes = max(self.piece_bytes, frames.nbytes)
            del frames  # before the next one is made
        for _ in media.iterate_sound(clip):
            pass

    def facts(self) -> Facts:
        return {"frame_count": self.frame_count, "piece_bytes": self.piece_bytes}


def long_waveform(source: Source, seconds: int) -> torch.Tensor:
    """float32 [1, C, S]: the source's own sound again and again."""
    samples = source.waveform().numpy()
    count = int(seconds * Fraction(source.sample_rate))
    turns = -(-count // samples.shape[2])
    return torch.from_numpy(np.ascontiguousarray(np.tile(samples, (1, 1, turns))[..., :count]))


def prepare(job: Job) -> Work:
    path, method = Path(job["path"]), job["method"]
    if method == "encode":
        return Encode(Source.of(job), path, job["seconds"])
    if method == "decode":
        return Decode(path)
    folder = path.parent
    if method == "untouched":
        return Untouched(path, folder)
    replaced = Replaced(path, folder, Source.of(job))
    replaced.sound = (long_waveform(Source.of(job), job["seconds"]), replaced.sound[1])
    return replaced
