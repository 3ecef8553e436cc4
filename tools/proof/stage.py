"""What a worker stands on: a sandbox, media, and homes on a disk in memory where there is one."""

from __future__ import annotations

import os
import shutil
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from .box import KEY_VARIABLES, Box, bare_environment
from .crash import Victim, warm_up
from .plans import COUNTED_FROM, ENDPOINTS
from .scene import Stage


@contextmanager
def stage(*, time_scale: float, folder: Path | None = None) -> Iterator[Stage]:
    """A stage whose processes are warm. Ends its sandbox and removes what it made.

    A disk in memory is as safe against SIGKILL as any other; what it does not show is a power cut.
    """
    for name in (*KEY_VARIABLES, *(name for name in os.environ if name.startswith("VISEME_"))):
        os.environ.pop(name, None)
    os.environ.update(bare_environment())
    in_memory = Path("/dev/shm")  # noqa: S108 - named by mkdtemp
    parent = folder or (in_memory if os.access(in_memory, os.W_OK) else None)
    root = Path(tempfile.mkdtemp(prefix="viseme-proof-", dir=parent))
    box = Box(root / "box", time_scale=time_scale)
    try:
        video, audio = _clip(root / "clip.mp4"), _speech(root / "speech.wav")
        template = root / "template"
        made = Stage(box, root, video, audio, template)
        _warm(made)
        yield made
    finally:
        box.kill()
        shutil.rmtree(root, ignore_errors=True)


def _warm(made: Stage) -> None:
    """Buy at every vendor, first in processes of their own, then here. The home in which it was
    done, without its purchases, is what each history begins with: its media are known there, so
    that no command has to start a process to check them."""
    media = ["--video", made.video, "--audio", made.audio, "--sandbox", made.box.control]
    home = ["--home", made.template, "--json"]
    for ids in ENDPOINTS.values():
        ended = Victim(["run", ids[0], *media, *home]).ended()
        if ended.code != 0:
            raise RuntimeError(f"the first purchase failed: {ended}")
    runs = [["run", ids[0], *media, *home, "--take", "2"] for ids in ENDPOINTS.values()]
    warm_up(runs, COUNTED_FROM)
    for ids in ENDPOINTS.values():
        ended = Victim(["run", ids[0], *media, *home, "--take", "3"]).ended()
        made.usual_seconds["run"] = max(made.usual_seconds["run"], ended.seconds)
    for file in made.template.glob("ledger.sqlite3*"):
        file.unlink()
    for folder in ("results", "work", "sandbox"):
        shutil.rmtree(made.template / folder, ignore_errors=True)
    warm_up([["jobs", *home]], COUNTED_FROM)


def _clip(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "12", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for number in range(12):
            pixels = np.full((64, 96, 3), 20 + 16 * number, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(video.encode(None))
    return path


def _speech(path: Path) -> Path:
    samples = 0.3 * np.sin(2 * np.pi * 220 * np.arange(6400) / 16_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path
