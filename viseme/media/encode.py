"""Frames in memory into a file, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ..errors import InputError
from .pixels import to_array
from .writer import DEFAULT_SETTINGS, ClipWriter, EncodeSettings

Cancel: TypeAlias = "Callable[[], bool] | None"


def encode_clip(
    path: Path,
    frames: Any,
    frame_rate: Fraction,
    sound: tuple[Any, int] | None = None,
    *,
    container: str = "mp4",
    settings: EncodeSettings = DEFAULT_SETTINGS,
    cancel: Cancel = None,
) -> None:
    """Write frames [N, H, W, 3 or 4] in 0..1 (array, tensor, or an iterable of such chunks).

    ``sound`` is (float32 [C, S] or [1, C, S], sample_rate).
    """
    chunks: Iterable[Any] = [frames] if hasattr(frames, "shape") else frames
    waveform, rate = (None, 0) if sound is None else (_flat(sound[0]), sound[1])
    writer: ClipWriter | None = None
    try:
        for chunk in chunks:
            if writer is None:
                height, width = chunk.shape[1:3]
                writer = ClipWriter(
                    path,
                    width=width,
                    height=height,
                    frame_rate=frame_rate,
                    container=container,
                    sound=None if waveform is None else (rate, waveform.shape[0]),
                    settings=settings,
                    cancel=cancel,
                ).__enter__()
                if waveform is not None:
                    writer.write_sound(waveform)
            writer.write_frames(chunk)
    except BaseException as error:
        if writer is not None:
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    if writer is None:
        raise InputError(f"{path} got no frames.", remedy="Give at least one frame.")
    writer.__exit__(None, None, None)


def _flat(waveform: Any) -> NDArray[Any]:
    samples = to_array(waveform)
    return samples[0] if samples.ndim == 3 else samples
