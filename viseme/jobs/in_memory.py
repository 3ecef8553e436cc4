"""What frames and samples in memory must be to be sent: checked before anything is planned."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..errors import InputError, MediaTooLarge
from ..media import MediaLimits
from ..media.timeline import snap_rate

MOST_SIDE = 16_384  # of H.264
MOST_RATE = 1000
MOST_CHANNELS = 8
LEAST_SAMPLE_RATE, MOST_SAMPLE_RATE = 1000, 768_000
_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


def check_frames(frames: Any, limits: MediaLimits) -> tuple[int, int, int, int]:
    """The shape of frames [N, H, W, 3 or 4]. Raises InputError and MediaTooLarge for ``media``."""
    shape = _shape(frames)
    if shape is None or len(shape) != 4 or shape[3] not in (3, 4):
        raise InputError(
            f"media is {_said(frames, shape)}; frames are [frames, height, width, 3 or 4 colours].",
            field="media",
            value=_said(frames, shape),
            limit="[N, H, W, 3] or [N, H, W, 4]",
            remedy="Connect a VIDEO or an IMAGE; a mask is made one by Convert Mask to Image.",
        )
    if _dtype(frames) not in _FLOATS | {"uint8"}:
        raise InputError(
            f"media holds {_dtype(frames)} values; frames hold numbers from 0 to 1.",
            field="media",
            value=_dtype(frames),
            limit="float32 in 0 to 1",
            remedy="Connect an IMAGE as ComfyUI's own nodes give it.",
        )
    count, height, width, channels = shape
    if 0 in (count, height, width):
        raise InputError(
            f"media has no picture in it: {count} frames of {width}x{height}.",
            field="media",
            value=list(shape),
            limit="at least one frame",
            remedy="See why the node before this one gives an empty batch.",
        )
    if max(height, width) > MOST_SIDE or height * width > limits.max_pixels:
        raise MediaTooLarge(
            f"media is {width}x{height}; at most {MOST_SIDE} pixels a side and "
            f"{limits.max_pixels} in all are sent.",
            field="media",
            value=f"{width}x{height}",
            limit=f"{MOST_SIDE} a side, {limits.max_pixels} in all",
            remedy="Scale the frames down first.",
        )
    if count > limits.max_frames:
        raise _too_long("media", count, "frames", limits.max_frames)
    return count, height, width, channels


def checked_rate(frame_rate: Fraction, count: int, limits: MediaLimits) -> Fraction:
    """The rate at which ``count`` frames are sent: 29.97 is 30000/1001.

    Raises InputError for ``source_fps`` and MediaTooLarge for ``media``.
    """
    if not 0 < frame_rate <= MOST_RATE:
        raise InputError(
            f"source_fps is {float(frame_rate):g}; frames play at more than 0 and at most "
            f"{MOST_RATE} a second.",
            field="source_fps",
            value=f"{float(frame_rate):g}",
            limit=f"over 0, at most {MOST_RATE}",
            remedy="Set source_fps to the rate that the frames were made for.",
        )
    rate = snap_rate(Fraction(frame_rate)).limit_denominator(1001)
    if rate == 0 or count > limits.max_seconds * rate:
        raise _too_long("media", int(count / frame_rate), "seconds", limits.max_seconds)
    return rate


def check_samples(waveform: Any, sample_rate: int, limits: MediaLimits) -> Any:
    """The samples [C, S]. Raises InputError and MediaTooLarge for ``audio``."""
    shape = _shape(waveform)
    if shape is not None and len(shape) == 3 and shape[0] > 1:
        raise InputError(
            f"audio is a batch of {shape[0]}; one recording is sent with each job.",
            field="audio",
            value=shape[0],
            limit=1,
            remedy="Choose one of them, or give them to this node one after another.",
        )
    if shape is None or len(shape) not in (2, 3) or _dtype(waveform) not in _FLOATS:
        said = _said(waveform, shape)
        raise InputError(
            f"audio is {said}; sound is float32 [1, channels, samples].",
            field="audio",
            value=said,
            limit="[1, channels, samples]",
            remedy="Connect an AUDIO as ComfyUI's own nodes give it.",
        )
    if 0 in shape:
        raise InputError(
            "audio is empty: it has not one sample.",
            field="audio",
            value=list(shape),
            limit="at least one sample",
            remedy="See why the node before this one gives empty sound.",
        )
    channels, count = shape[-2:]
    if channels > MOST_CHANNELS:
        raise InputError(
            f"audio has {channels} channels; at most {MOST_CHANNELS} are mixed down.",
            field="audio",
            value=channels,
            limit=MOST_CHANNELS,
            remedy="Mix it down to mono or stereo first.",
        )
    if not LEAST_SAMPLE_RATE <= sample_rate <= MOST_SAMPLE_RATE:
        raise InputError(
            f"audio says that it has {sample_rate} samples a second.",
            field="audio",
            value=sample_rate,
            limit=f"{LEAST_SAMPLE_RATE} to {MOST_SAMPLE_RATE}",
            remedy="Give it its real sample rate.",
        )
    if count > limits.max_seconds * sample_rate:
        raise _too_long("audio", count // sample_rate, "seconds", limits.max_seconds)
    return waveform[0] if len(shape) == 3 else waveform


def _shape(values: Any) -> tuple[int, ...] | None:
    shape = getattr(values, "shape", None)
    return None if shape is None or not hasattr(values, "dtype") else tuple(int(n) for n in shape)


def _dtype(values: Any) -> str:
    # Of numpy it has a name, of torch it is ``torch.float32``.
    return str(getattr(values.dtype, "name", values.dtype)).removeprefix("torch.")


def _said(values: Any, shape: tuple[int, ...] | None) -> str:
    return f"a {type(values).__name__}" if shape is None else f"of the shape {list(shape)}"


def _too_long(field: str, value: int, unit: str, limit: int) -> MediaTooLarge:
    return MediaTooLarge(
        f"{field} has {value} {unit}; at most {limit} are sent.",
        field=field,
        value=f"{value} {unit}",
        limit=f"{limit} {unit}",
        remedy="Cut it first.",
    )
