"""A file that no endpoint takes as it is, made into one: ours, and the ffmpeg command."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from viseme import media

from .encoders import QUIET, TO_BT709, Ours, sound_options, x264_options
from .passing import CODECS, CONTAINERS
from .work import Facts, Job, Work, run_program


class Conform:
    """Decoded and encoded anew, with its sound, as its kind needs."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.sent: media.Conformed | None = None

    def run(self) -> None:
        clip = media.probe_clip(self.path)
        self.sent = media.conform_clip(clip, self.folder, containers=CONTAINERS, codecs=CODECS)

    def facts(self) -> Facts:
        if self.sent is None:
            return {}
        return {"size_bytes": self.sent.size_bytes, "steps": list(self.sent.steps)}


class Command:
    """The limit: ffmpeg turns by itself, and is told of the constant rate."""

    def __init__(self, path: Path, folder: Path, frame_rate: Fraction) -> None:
        self.path = path
        self.target = folder / "conformed-ffmpeg.mp4"
        self.frame_rate = frame_rate
        self.height = media.probe_clip(path).height

    def run(self) -> None:
        settings = Ours.settings
        run_program(
            [
                *(*QUIET, "-i", str(self.path), "-r", str(self.frame_rate), "-vsync", "cfr"),
                *("-c:v", "libx264", *x264_options(settings, self.height)),
                *(*TO_BT709, *sound_options(channels=1)),
                *("-movflags", "+faststart", str(self.target)),
            ]
        )

    def facts(self) -> Facts:
        return {"size_bytes": self.target.stat().st_size, "steps": []}


def prepare(job: Job) -> Work:
    path, folder = Path(job["path"]), Path(job["folder"])
    if job["method"] == "ffmpeg":
        return Command(path, folder, Fraction(job["frame_rate"]))
    return Conform(path, folder)
