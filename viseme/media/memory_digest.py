"""What identifies frames and samples in memory: BLAKE3 of their values, read in pieces.

The same values give the same digest, in whatever array or tensor, on whatever device they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from .digest import stop_if
from .pixels import to_array

Cancel: TypeAlias = "Callable[[], bool] | None"
Pieces: TypeAlias = Iterator["NDArray[np.float32]"]

_PIECE_VALUES = 1 << 23  # 32 MiB of float32
_COLOURS = 3
_LITTLE_ENDIAN = np.dtype("<f4")


def digest_frames(frames: Any, frame_rate: Fraction | None, *, cancel: Cancel = None) -> str:
    """Of frames [N, H, W, 3 or 4] (array or tensor); alpha, which is never sent, does not count.

    ``frame_rate`` is None for a still. Raises ``Interrupted``.
    """
    count, height, width = (int(side) for side in frames.shape[:3])
    rate = None if frame_rate is None else str(frame_rate)
    head = {"frames": [count, height, width], "rate": rate}
    return _digest(head, _frame_pieces(frames), cancel)


def digest_samples(waveform: Any, sample_rate: int, *, cancel: Cancel = None) -> str:
    """Of sound [C, S] (array or tensor). Raises ``Interrupted``."""
    channels, count = (int(side) for side in waveform.shape)
    head = {"samples": [channels, count], "rate": sample_rate}
    return _digest(head, _sample_pieces(waveform), cancel)


def _digest(head: dict[str, Any], pieces: Pieces, cancel: Cancel) -> str:
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update(json.dumps(head, sort_keys=True).encode())
    for piece in pieces:
        stop_if(cancel)
        hasher.update(piece.data.cast("B"))
    return hasher.hexdigest()


def _frame_pieces(frames: Any) -> Pieces:
    _, height, width, channels = (int(side) for side in frames.shape)
    rows = max(1, _PIECE_VALUES // (width * channels))
    for index in range(int(frames.shape[0])):
        for top in range(0, height, rows):
            yield _normal(frames[index, top : top + rows, :, :_COLOURS])


def _sample_pieces(waveform: Any) -> Pieces:
    for channel in range(int(waveform.shape[0])):
        for start in range(0, int(waveform.shape[1]), _PIECE_VALUES):
            yield _normal(waveform[channel, start : start + _PIECE_VALUES])


def _normal(values: Any) -> NDArray[np.float32]:
    """Contiguous little-endian float32; without a copy where it is that already."""
    array = to_array(values)
    if array.dtype == np.uint8:
        array = array / np.float32(255)
    return np.ascontiguousarray(array, _LITTLE_ENDIAN)
