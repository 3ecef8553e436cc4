"""Frames and sound into an mp4 file: our way, those of peers, and the ffmpeg command alone."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from viseme import media
from viseme.media.coding import coder_threads
from viseme.media.sound_stream import coder_options

from .core import core
from .source import Source
from .work import Facts, Job, finish_program, run_program

BT709_TAGS = (
    *("-color_range", "tv", "-colorspace", "bt709"),
    *("-color_primaries", "bt709", "-color_trc", "bt709"),
)
TO_BT709 = ("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p", *BT709_TAGS)
QUIET = ("ffmpeg", "-nostdin", "-v", "error", "-y")


def x264_options(settings: media.EncodeSettings, height: int) -> list[str]:
    """The same for the ffmpeg command as our own coder is told for pictures of so many rows."""
    options = ["-preset", settings.preset, "-crf", str(settings.crf)]
    if settings.tuning:
        options += ["-x264-params", settings.tuning]
    threads = coder_threads("mp4", settings, height)
    if threads:
        options += ["-threads", str(threads)]
    return options


def sound_options(channels: int) -> list[str]:
    """The same of our sound, at its default bit rate."""
    chosen = [part for pair in coder_options("aac", 64_000).items() for part in pair]
    chosen[::2] = [f"-{name}" for name in chosen[::2]]
    return ["-c:a", "aac", *chosen, "-b:a", f"{64 * channels}k"]


class Encode:
    """One way to write a source into a file. Subclasses get ready in ``__init__``."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path

    def run(self) -> None:
        raise NotImplementedError

    def facts(self) -> Facts:
        return {"size_bytes": self.path.stat().st_size}


class Ours(Encode):
    settings = media.EncodeSettings()

    def __init__(self, source: Source, path: Path) -> None:
        super().__init__(source, path)
        self.frames, self.waveform = source.frames(), source.waveform()

    def run(self) -> None:
        source = self.source
        sound = (self.waveform, source.sample_rate)
        media.encode_clip(self.path, self.frames, source.frame_rate, sound, settings=self.settings)


class OursVeryfast(Ours):
    """x264's own, for which the target was set out."""

    settings = media.EncodeSettings(preset="veryfast", crf=20, x264_params="")


class OursMedium(Ours):
    settings = media.EncodeSettings(preset="medium", crf=23)


class Core(Encode):
    """The VIDEO class of ComfyUI for frames in memory, saved: x264's medium and 23."""

    def __init__(self, source: Source, path: Path) -> None:
        super().__init__(source, path)
        latest = core()
        parts = latest.Types.VideoComponents(
            images=source.frames(), audio=source.audio(), frame_rate=source.frame_rate
        )
        self.video = latest.InputImpl.VideoFromComponents(parts)

    def run(self) -> None:
        self.video.save_to(str(self.path))


class Pipe(Encode):
    """VideoHelperSuite's way: bytes of each frame into ffmpeg, then ffmpeg again for the sound."""

    def __init__(self, source: Source, path: Path) -> None:
        super().__init__(source, path)
        self.frames, self.waveform = source.frames(), source.waveform()

    def run(self) -> None:
        silent = self.path.with_name("pipe-silent.mp4")
        settings = ("-c:v", "libx264", "-crf", "23", *TO_BT709)
        self._feed([*self.source.picture_input, "-i", "-", *settings, str(silent)], self._write)
        muxed = ("-i", str(silent), *self.source.sound_input, "-i", "-", "-c:v", "copy")
        self._feed([*muxed, "-c:a", "aac", "-shortest", str(self.path)], self._write_sound)
        silent.unlink()

    def _feed(self, arguments: list[str], write: Callable[[Any], None]) -> None:
        # No -nostdin: what is piped in comes that way.
        command = ["ffmpeg", "-v", "error", "-y", *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            if process.stdin is not None:
                write(process.stdin)
                process.stdin.close()
            finish_program(process)

    def _write(self, pipe: Any) -> None:
        for frame in self.frames:
            bytes_ = np.clip(frame.cpu().numpy() * 255 + 0.5, 0, 255).astype(np.uint8)
            pipe.write(bytes_.tobytes())

    def _write_sound(self, pipe: Any) -> None:
        pipe.write(self.waveform[0].transpose(0, 1).contiguous().numpy().tobytes())


class Naive(Encode):
    """What a node does that was written in an evening: PIL for each frame, PyAV's defaults."""

    def __init__(self, source: Source, path: Path) -> None:
        super().__init__(source, path)
        self.pil = importlib.import_module("PIL.Image")
        self.frames, self.waveform = source.frames(), source.waveform()

    def run(self) -> None:
        source = self.source
        with av.open(str(self.path), "w", format="mp4") as container:
            video = cast("Any", container.add_stream("libx264", rate=source.frame_rate))
            video.width, video.height, video.pix_fmt = source.width, source.height, "yuv420p"
            audio = cast("Any", container.add_stream("aac", rate=source.sample_rate))
            audio.layout = "mono" if source.channels == 1 else "stereo"
            for tensor in self.frames:
                values = np.clip(255.0 * tensor.cpu().numpy(), 0, 255).astype(np.uint8)
                picture = np.array(self.pil.fromarray(values))
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            layout = "mono" if source.channels == 1 else "stereo"
            sound = av.AudioFrame.from_ndarray(self.waveform[0].numpy(), "fltp", layout)
            sound.sample_rate = source.sample_rate
            sound.time_base = Fraction(1, source.sample_rate)
            sound.pts = 0
            container.mux(audio.encode(sound))
            container.mux(audio.encode(None))


class Command(Encode):
    """The limit: the ffmpeg command, with bytes where we have floats."""

    settings = Ours.settings

    def run(self) -> None:
        source = self.source
        run_program(
            [
                *QUIET,
                *(*source.picture_input, "-i", str(source.raw)),
                *(*source.sound_input, "-i", str(source.sound)),
                *("-c:v", "libx264", *x264_options(self.settings, source.height), *TO_BT709),
                *sound_options(source.channels),
                *("-movflags", "+faststart", str(self.path)),
            ]
        )


class CommandMedium(Command):
    settings = OursMedium.settings


class CommandVeryfast(Command):
    settings = OursVeryfast.settings


METHODS: dict[str, type[Encode]] = {
    "ours": Ours,
    "ours-veryfast": OursVeryfast,
    "ours-medium": OursMedium,
    "core": Core,
    "pipe": Pipe,
    "naive": Naive,
    "ffmpeg": Command,
    "ffmpeg-medium": CommandMedium,
    "ffmpeg-veryfast": CommandVeryfast,
}


def prepare(job: Job) -> Encode:
    return METHODS[job["method"]](Source.of(job), Path(job["path"]))
