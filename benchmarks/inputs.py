"""The clips that are measured with: drawn here, or real ones that the command line names."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from viseme import media

from .plan import Case
from .scene import FRAME_RATE, SAMPLE_RATE, draw_frames, loudness, speech

# Files to be decoded are written with what peers write: x264's medium and 23.
PEER_SETTINGS = media.EncodeSettings(preset="medium", crf=23)


@dataclass(frozen=True)
class Input:
    """Frames as rgb24 bytes in ``raw``, float32 samples in ``sound``, and the same as an mp4 file.

    ``video`` is what decoders read: of real footage the file itself, else one that we wrote. It is
    plain at a constant rate and upright.
    """

    name: str
    raw: Path
    sound: Path
    video: Path
    width: int
    height: int
    frame_count: int
    frame_rate: Fraction
    sample_rate: int
    channels: int
    decoded_count: int
    is_real: bool = False
    is_plain: bool = True

    @property
    def source(self) -> dict[str, Any]:
        """As a job for a child process has it."""
        return {
            "raw": str(self.raw),
            "width": self.width,
            "height": self.height,
            "frame_count": self.frame_count,
            "frame_rate": str(self.frame_rate),
            "sound": str(self.sound),
            "sample_rate": self.sample_rate,
            "channels": self.channels,
        }

    @property
    def seconds(self) -> float:
        return float(self.frame_count / self.frame_rate)

    @property
    def tensor_bytes(self) -> int:
        return self.frame_count * self.width * self.height * 12

    @property
    def decoded_bytes(self) -> int:
        return self.decoded_count * self.width * self.height * 12


def synthetic_input(case: Case, folder: Path) -> Input:
    samples = speech(case.frame_count / FRAME_RATE)
    raw, sound, video = _paths(folder, case.name)
    samples.tofile(sound)
    frames = draw_frames(
        case.width, case.height, case.frame_count, loudness(samples, case.frame_count)
    )
    with (
        raw.open("wb") as file,
        media.ClipWriter(
            video,
            width=case.width,
            height=case.height,
            frame_rate=Fraction(FRAME_RATE),
            sound=(SAMPLE_RATE, 1),
            settings=PEER_SETTINGS,
        ) as writer,
    ):
        writer.write_sound(samples[np.newaxis])
        for frame in frames:
            file.write(frame.tobytes())
            writer.write_frame(frame)
    return Input(
        name=case.name,
        raw=raw,
        sound=sound,
        video=video,
        width=case.width,
        height=case.height,
        frame_count=case.frame_count,
        frame_rate=Fraction(FRAME_RATE),
        sample_rate=SAMPLE_RATE,
        channels=1,
        decoded_count=case.frame_count,
    )


def footage_input(name: str, path: Path, most_frames: int, folder: Path) -> Input:
    """The first frames of a real clip, cut to even sizes; speech of ours where it has no sound."""
    clip = media.probe_clip(path)
    count = min(clip.frame_count, most_frames)
    width, height = clip.width - clip.width % 2, clip.height - clip.height % 2
    raw, sound, _ = _paths(folder, name)
    with raw.open("wb") as file:
        for frame in media.iterate_frames(clip, stop=count, crop_to=(width, height)):
            file.write(np.ascontiguousarray(frame).tobytes())
    seconds = count / clip.frame_rate
    if clip.sound is None:
        samples, rate = speech(float(seconds))[np.newaxis], SAMPLE_RATE
    else:
        found, rate = media.decode_sound(clip, stop_seconds=seconds)
        samples = found[0][:2]
    np.ascontiguousarray(samples.T).tofile(sound)
    return Input(
        name=name,
        raw=raw,
        sound=sound,
        video=path,
        width=width,
        height=height,
        frame_count=count,
        frame_rate=clip.frame_rate,
        sample_rate=rate,
        channels=samples.shape[0],
        decoded_count=clip.frame_count,
        is_real=True,
        is_plain=clip.is_constant_rate and clip.is_upright,
    )


def _paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    return folder / f"{name}.rgb", folder / f"{name}.f32", folder / f"{name}-read.mp4"
