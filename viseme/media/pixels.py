"""Float frames to bytes: clamped, rounded half up, padded to even sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

# Each step over a piece of this size finds in the cache what the step before has left there, beside
# what a coder keeps in it; smaller pieces only add calls.
_SCRATCH_BYTES = 1 << 18


def to_array(values: Any) -> NDArray[Any]:
    """A numpy view of an array or of a tensor, wherever that lives."""
    if hasattr(values, "detach"):
        values = values.detach()
        if not str(values.dtype).endswith(("float32", "float64", "uint8")):
            values = values.float()
        values = values.cpu().numpy()
    return np.asarray(values)


def _is_in_range(values: NDArray[np.float32]) -> bool:
    """Whether all can become bytes as they are: to look takes less time than to clamp them.

    NaN is in no range.
    """
    return bool(values.min() >= 0 and values.max() < 256)


class FrameBytes:
    """Turns frames into RGB bytes of even size, in buffers of its own that are used again."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.even_width = width + width % 2
        self.even_height = height + height % 2
        self._rows = min(height, max(1, _SCRATCH_BYTES // (width * 12)))
        self._scratch: NDArray[np.float32] | None = None
        self._bytes = np.empty((self.even_height, self.even_width, 3), np.uint8)

    def from_floats(self, frame: NDArray[Any]) -> NDArray[np.uint8]:
        """[H, W, C >= 3] in 0..1; NaN becomes 0, what is out of range is clamped."""
        self._check(frame)
        if self._scratch is None:
            self._scratch = np.empty((self._rows, self.width, 3), np.float32)
        with np.errstate(all="ignore"):
            for top in range(0, self.height, self._rows):
                rows = frame[top : top + self._rows]
                self._convert(rows, self._scratch[: len(rows)], top)
        return self._padded()

    def _convert(self, rows: NDArray[Any], scratch: NDArray[np.float32], top: int) -> None:
        if rows.shape[2] == 3:
            np.multiply(rows, np.float32(255), out=scratch, casting="same_kind")
        else:
            # Runs of three out of four numbers are slow; of each colour there is one long run.
            for colour in range(3):
                values = rows[..., colour]
                np.multiply(values, np.float32(255), scratch[..., colour], casting="same_kind")
        scratch += np.float32(0.5)
        if not _is_in_range(scratch):
            # Unlike fmax and fmin, this is one quick pass; but it leaves NaN as it is.
            np.clip(scratch, 0, 255, out=scratch)
            if np.isnan(scratch.min()):
                scratch[np.isnan(scratch)] = 0
        np.copyto(self._bytes[top : top + len(rows), : self.width], scratch, casting="unsafe")

    def from_bytes(self, frame: NDArray[Any]) -> NDArray[np.uint8]:
        """[H, W, C >= 3] of uint8."""
        self._check(frame)
        self._bytes[: self.height, : self.width] = frame[..., :3]
        return self._padded()

    def _padded(self) -> NDArray[np.uint8]:
        if self.even_width != self.width:
            self._bytes[:, self.width :] = self._bytes[:, self.width - 1 : self.width]
        if self.even_height != self.height:
            self._bytes[self.height :] = self._bytes[self.height - 1 : self.height]
        return self._bytes

    def _check(self, frame: NDArray[Any]) -> None:
        is_right = frame.ndim == 3 and frame.shape[:2] == (self.height, self.width)
        if not is_right or frame.shape[2] < 3:
            raise InputError(
                f"a frame has the shape {list(frame.shape)}; this video takes "
                f"[{self.height}, {self.width}, 3].",
                value=list(frame.shape),
                limit=[self.height, self.width, 3],
                remedy="Give all frames the same size, with three colour channels.",
            )
