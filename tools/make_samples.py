"""Makes the files of viseme/samples anew: ``python tools/make_samples.py``.

Only a developer runs this, from a checkout with Viseme installed. The voice needs espeak-ng; the
face is drawn by sample_face.py and is the same on every machine.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from sample_face import FRAME_COUNT, FRAME_RATE, SIZE, draw_frame

FOLDER = Path(__file__).resolve().parent.parent / "viseme" / "samples"
SENTENCES = "Hello! My face is drawn, my voice is made, and Viseme moves my lips."
VOICE = ("-v", "en-us+f4", "-s", "176", "-p", "52")
EDGE_SECONDS = 0.08
PEAK = 0.8


def main() -> int:
    program = shutil.which("espeak-ng")
    if program is None:
        sys.stderr.write("espeak-ng is not installed; the voice needs it.\n")
        return 1
    sys.path.insert(0, str(FOLDER.parent.parent))
    make_clip(FOLDER / "talking_head.mp4")
    make_portrait(FOLDER / "portrait.png")
    make_speech(program, FOLDER / "speech.wav")
    for path in sorted(FOLDER.glob("*.*")):
        sys.stderr.write(f"{path.name}: {path.stat().st_size} bytes\n")
    return 0


def make_clip(path: Path) -> None:
    from viseme.media import ClipWriter, EncodeSettings

    settings = EncodeSettings(preset="veryslow", crf=21)
    with ClipWriter(
        path, width=SIZE, height=SIZE, frame_rate=Fraction(FRAME_RATE), settings=settings
    ) as writer:
        for number in range(FRAME_COUNT):
            writer.write_frame(draw_frame(number))


def make_portrait(path: Path) -> None:
    with av.open(str(path), "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1, options={"compression_level": "9"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(draw_frame(0), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_speech(program: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.wav"
        subprocess.run([program, *VOICE, "-w", str(raw), SENTENCES], check=True)  # noqa: S603
        with wave.open(str(raw), "rb") as source:
            sample_rate = source.getframerate()
            samples = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2")
    edge = round(EDGE_SECONDS * sample_rate)
    spoken = _without_silence(samples.astype(np.float64), edge)
    spoken *= PEAK * 32767 / np.max(np.abs(spoken))
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(sample_rate)
        target.writeframes(np.round(spoken).astype("<i2").tobytes())


def _without_silence(samples: NDArray[np.float64], edge: int) -> NDArray[np.float64]:
    """Cut silence off both ends, but for ``edge`` samples of it."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.max(np.abs(samples)))
    return np.pad(samples[loud[0] : loud[-1] + 1], edge)


if __name__ == "__main__":
    raise SystemExit(main())
