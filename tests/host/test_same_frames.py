"""Frames that our nodes decode are those that the host's own nodes make of the same file."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from tests.host.hosting import Installation
from tests.media.conftest import MediaMaker
from viseme.media import encode_clip
from viseme.samples import sample_clip_path

PROGRAM = Path(__file__).with_name("compare_frames.py")


def test_frames_are_bit_for_bit_those_of_the_host(
    installation: Installation, tmp_path: Path
) -> None:
    make = MediaMaker(tmp_path)
    y, x = np.mgrid[0:360, 0:640].astype(np.float32)
    ramp = np.stack([x / 640, y / 360, (x + y) / 1000], axis=-1)
    tagged = tmp_path / "tagged.mp4"
    encode_clip(tagged, np.stack([ramp, ramp[::-1], ramp[:, ::-1]]), Fraction(25))
    paths = [
        sample_clip_path(),
        tagged,
        make.clip("narrow.mp4", size=(62, 50), b_frames=2),
        make.clip("odd.mp4", size=(65, 49), pixel_format="yuv444p"),
        make.clip("untagged-hd.mp4", size=(1280, 720), frame_count=3),
        make.clip("full.mp4", size=(64, 48), pixel_format="yuvj420p"),
        make.clip("deep.mp4", size=(178, 50), pixel_format="yuv420p10le"),
        make.clip("alpha.mkv", codec="ffv1", pixel_format="yuva420p", alpha=True),
        make.clip("rgb.mkv", codec="ffv1", pixel_format="bgra", alpha=True),
        *(make.turned(degrees, f"turned-{degrees}.mp4") for degrees in (90, 180, 270)),
        *(make.still("still" + suffix) for suffix in (".png", ".jpg", ".webp")),
        make.still("see-through.png", alpha=True),
    ]
    command = [str(installation.python), str(PROGRAM), str(ROOT), *map(str, paths)]
    done = subprocess.run(
        command, cwd=installation.folder, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout.splitlines()[-1])
    assert verdicts == {str(path): "equal" for path in paths}
