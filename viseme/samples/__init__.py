"""A short talking head and speech, to try things with.

Both were made for this project by ``tools/make_samples.py``: the face is drawn by arithmetic, the
voice is synthetic. They come under the project's own licence.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def sample_clip_path() -> Path:
    """A drawn face at rest, looking at you: 512x512, 25 fps, 125 frames, H.264 mp4, no sound."""
    return _FOLDER / "talking_head.mp4"


def sample_portrait_path() -> Path:
    """The first frame of the clip as a still image: 512x512, png."""
    return _FOLDER / "portrait.png"


def sample_speech_path() -> Path:
    """A synthetic voice that says two sentences: about 5 s, 22.05 kHz, mono, 16-bit wav."""
    return _FOLDER / "speech.wav"
