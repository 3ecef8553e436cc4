"""Clips whose pictures tell their own number, and speech that is loud, then quiet."""

from __future__ import annotations

import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.media import ClipWriter, EncodeSettings

DARKEST = 20
STEP = 16


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """``make_clip(frames=10, rate=10, width=64, height=64)``: frame n is grey 20 + 16 n."""

    def make(
        frames: int = 10, rate: int | Fraction = 10, width: int = 64, height: int = 64
    ) -> Path:
        path = tmp_path / f"clip-{frames}-{float(rate):.3f}-{width}x{height}.mp4"
        with ClipWriter(
            path,
            width=width,
            height=height,
            frame_rate=Fraction(rate),
            settings=EncodeSettings(preset="ultrafast", crf=8),
        ) as writer:
            for number in range(frames):
                grey = DARKEST + STEP * (number % 14)
                writer.write_frame(np.full((height, width, 3), grey, dtype=np.uint8))
        return path

    return make


@pytest.fixture
def make_speech(tmp_path: Path) -> Callable[..., Path]:
    """``make_speech(seconds, rate=16000, channels=1)``: a tone, its second half 30 dB softer."""

    def make(seconds: str, rate: int = 16_000, channels: int = 1) -> Path:
        path = tmp_path / f"speech-{seconds.replace('/', '_')}-{rate}-{channels}.wav"
        count = int(Fraction(seconds) * rate)
        tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(count) / rate)
        tone[count // 2 :] *= 0.03
        samples = np.repeat((tone * 32767).astype("<i2")[:, np.newaxis], channels, axis=1)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
        return path

    return make


@pytest.fixture
def make_still(tmp_path: Path) -> Callable[..., Path]:
    """A png of one grey."""

    def make(width: int = 64, height: int = 64) -> Path:
        path = tmp_path / f"still-{width}x{height}.png"
        with av.open(str(path), "w", format="image2pipe") as container:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
            picture = np.full((height, width, 3), 120, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def pictures_of() -> Callable[[Path], NDArray[np.uint8]]:
    """All pictures of a file, decoded by PyAV alone: uint8 [N,H,W,3]."""

    def decode(path: Path) -> NDArray[np.uint8]:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames)

    return decode


@pytest.fixture
def numbers_in(
    pictures_of: Callable[[Path], NDArray[np.uint8]],
) -> Callable[[Path], list[float]]:
    """The number that each picture tells, to a quarter, read in its lower left corner."""

    def read(path: Path) -> list[float]:
        corners = pictures_of(path)[:, -6:, :12].astype(np.float64)
        levels = corners.mean(axis=(1, 2, 3))
        return [round(4 * (level - DARKEST) / STEP) / 4 for level in levels]

    return read
