"""What must hold whatever the speed: sound to the sample, times, colours, sizes, rotation.

Each check makes its own clip, takes it through a file and back, and tells how far off it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from viseme import media

from .encoders import QUIET
from .turning import turn_by_a_quarter
from .work import Facts, Job, run_program

RATE = Fraction(25)
SAMPLE_RATE = 44_100
_DELAY_SECONDS = 0.5
# White, yellow, cyan, green, magenta, red, blue, black, at 75 percent.
_BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))
_BAR_PIXELS = 160
_EDGE_PIXELS = 8
_CHECK_PIXELS = 8
_STAMPS_MS = (0, 40, 80, 130, 280, 307, 360, 400, 440)
_DARKEST, _STEP = 30, 6  # greys that tell one picture from the next

Floats = NDArray[np.float32]


class Exactness:
    """Runs one check by its name; ``facts`` has what it found."""

    def __init__(self, check: Callable[[Path], Facts], folder: Path) -> None:
        self.check = check
        self.folder = folder
        self.found: Facts = {}

    def run(self) -> None:
        self.found = self.check(self.folder)

    def facts(self) -> Facts:
        return self.found


def _noise(seconds: int) -> Floats:
    """float32 [1, n]: noise without the highest tones, which a codec may drop."""
    random = np.random.default_rng(5)
    white = random.normal(0, 0.2, seconds * SAMPLE_RATE)
    return np.convolve(white, np.ones(8) / 8, "same").astype(np.float32)[np.newaxis]


def _grey(frame_count: int, width: int = 64, height: int = 64) -> Floats:
    return np.full((frame_count, height, width, 3), 0.5, np.float32)


def _lag(given: Floats, found: Floats) -> int:
    """By how many samples what was found comes later than what was given."""
    size = 1 << (len(given) + len(found)).bit_length()
    product = np.fft.rfft(found, size) * np.conj(np.fft.rfft(given, size))
    at = int(np.argmax(np.fft.irfft(product, size)))
    return at - size if at > size // 2 else at


def sound(folder: Path) -> Facts:
    """4 s through AAC and back: samples late, and samples too many."""
    path, given = folder / "exact-sound.mp4", _noise(4)
    media.encode_clip(path, _grey(100), RATE, (given, SAMPLE_RATE))
    found, _ = media.decode_sound(media.probe_clip(path))
    return {
        "lag_samples": _lag(given[0], found[0, 0]),
        "surplus_samples": found.shape[2] - given.shape[1],
    }


def offset(folder: Path) -> Facts:
    """Sound that the container delays by half a second: how far from there it is found."""
    path, late, given = folder / "exact-even.mp4", folder / "exact-late.mp4", _noise(4)
    media.encode_clip(path, _grey(125), RATE, (given, SAMPLE_RATE))
    delayed = ("-itsoffset", str(_DELAY_SECONDS), "-i", str(path))
    run_program(
        [*QUIET, "-i", str(path), *delayed, "-map", "0:v", "-map", "1:a", "-c", "copy", str(late)]
    )
    found, _ = media.decode_sound(media.probe_clip(late))
    seconds = _lag(given[0], found[0, 0]) / SAMPLE_RATE
    return {"offset_error_seconds": abs(seconds - _DELAY_SECONDS)}


def variable_rate(folder: Path) -> Facts:
    """Pictures at and between the frames of a rate, some held: how far frames are from them."""
    path = folder / "exact-variable.mp4"
    stamps = [480 * turn + ms for turn in range(4) for ms in _STAMPS_MS]
    times = [Fraction(ms, 1000) for ms in stamps]
    with av.open(str(path), "w") as container:
        video = cast("Any", container.add_stream("libx264", rate=25, options={"crf": "5"}))
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            picture = np.full((64, 64, 3), _DARKEST + _STEP * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    clip = media.probe_clip(path)
    shown = [
        min(max(round((float(np.mean(picture)) - _DARKEST) / _STEP), 0), len(times) - 1)
        for picture in media.iterate_frames(clip)
    ]
    return {"drift_frames": drift(times, shown, clip.frame_rate)}


def drift(times: Sequence[Fraction], shown: Sequence[int], frame_rate: Fraction) -> float:
    """By how many frames a picture comes before or after its time, at most.

    ``shown`` is the picture of each frame. One that no frame shows comes with the next that is;
    where there is none, a frame behind the end, so that it is missed.
    """
    worst = Fraction(0)
    for picture, time in enumerate(times):
        later = (number for number, other in enumerate(shown) if other >= picture)
        at = next(later, len(shown) + 1) / frame_rate
        worst = max(worst, abs(at - time))
    return float(worst * frame_rate)


def bars(folder: Path) -> Facts:
    """Colour bars through our defaults: mean error of the worst channel, of 255.

    Once without what is near to where two bars meet: there, colour is lost in 4:2:0 itself.
    """
    row = np.repeat(np.array(_BARS, np.float32) * np.float32(191 / 255), _BAR_PIXELS, axis=0)
    given = np.broadcast_to(row, (10, 720, len(row), 3))
    path = folder / "exact-bars.mp4"
    media.encode_clip(path, given, RATE)
    clip = media.probe_clip(path)
    found: Facts = {}
    for name, is_accurate in (("bars_error", False), ("bars_error_accurate", True)):
        errors = np.abs(given - media.decode_frames(clip, accurate_colours=is_accurate))
        at = np.arange(given.shape[2]) % _BAR_PIXELS
        inside = (at >= _EDGE_PIXELS) & (at < _BAR_PIXELS - _EDGE_PIXELS)
        found[name] = _worst_channel(errors[:, :, inside])
        found[f"{name}_with_borders"] = _worst_channel(errors)
    return found


def _worst_channel(errors: Floats) -> float:
    return float(errors.mean(axis=(0, 1, 2)).max() * 255)


def rounding(_folder: Path) -> Facts:
    """Any floats to bytes: how far the mean is from where it was, of 255."""
    from viseme.media.pixels import FrameBytes

    random = np.random.default_rng(6)
    given = random.random((720, 1280, 3), dtype=np.float32)
    made = FrameBytes(1280, 720).from_floats(given)
    difference = np.asarray(made, np.float64) - given.astype(np.float64) * 255
    return {"byte_bias": abs(float(difference.mean()))}


def odd_size(folder: Path) -> Facts:
    """511x513 and back: whether the size returns, and how far the picture and its edges are off."""
    given = np.broadcast_to(odd_picture(), (5, 513, 511, 3))
    path = folder / "exact-odd.mp4"
    media.encode_clip(path, given, RATE)
    return odd_errors(given, media.decode_frames(media.probe_clip(path), crop_to=(511, 513)))


def odd_picture() -> Floats:
    """float32 [513, 511, 3]: a soft ramp within grey checks, which show where a pixel has gone."""
    y, x = np.mgrid[0:513, 0:511].astype(np.float32)
    ramp = np.stack([x / 511, y / 513, (x + y) / 1024], axis=-1)
    to_edge = np.minimum(np.minimum(x, 510 - x), np.minimum(y, 512 - y))
    checks = np.where((x // _CHECK_PIXELS + y // _CHECK_PIXELS) % 2, 0.75, 0.25)
    is_frame = to_edge < 2 * _CHECK_PIXELS
    return np.where(is_frame[..., None], checks[..., None], ramp).astype(np.float32)


def odd_errors(given: Floats, found: Floats) -> Facts:
    """Of 255: of the whole picture, and of the worst of its four edges."""
    if found.shape != given.shape:
        return {"odd_error": 255.0, "odd_edge_error": 255.0}
    errors, wide = np.abs(found - given).mean(axis=(0, 3)) * 255, _CHECK_PIXELS
    edges = (errors[:wide], errors[-wide:], errors[:, :wide], errors[:, -wide:])
    return {
        "odd_error": float(errors.mean()),
        "odd_edge_error": max(float(edge.mean()) for edge in edges),
    }


def rotation(folder: Path) -> Facts:
    """A file that says it is shown turned by a quarter: how far from the turned picture, of 255."""
    given = np.zeros((5, 64, 96, 3), np.float32)
    given[:, :32, :48] = (0.75, 0.25, 0.25)
    given[:, 32:, 48:] = (0.25, 0.75, 0.25)
    path = folder / "exact-turned.mp4"
    media.encode_clip(path, given, RATE)
    turn_by_a_quarter(path)
    found = media.decode_frames(media.probe_clip(path))
    turned = np.rot90(given, -1, axes=(1, 2))
    is_right = found.shape == turned.shape
    return {"turned_error": float(np.abs(found - turned).mean() * 255) if is_right else 255.0}


CHECKS: dict[str, Callable[[Path], Facts]] = {
    "sound": sound,
    "offset": offset,
    "variable rate": variable_rate,
    "bars": bars,
    "rounding": rounding,
    "odd size": odd_size,
    "rotation": rotation,
}


def prepare(job: Job) -> Exactness:
    return Exactness(CHECKS[job["check"]], Path(job["folder"]))
