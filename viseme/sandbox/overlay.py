"""What the sandbox draws on every picture: the word SANDBOX, and a level meter by the mouth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .font import GLYPH_HEIGHT, GLYPH_WIDTH, text_mask

LABEL = "SANDBOX"
METER_COLOURS = (
    (92, 225, 170),
    (255, 186, 73),
    (111, 177, 255),
    (255, 122, 150),
    (196, 148, 255),
    (240, 240, 120),
    (120, 230, 240),
)
_BAR_SHAPE = (0.35, 0.62, 0.85, 1.0, 0.85, 0.62, 0.35)
_QUIETEST_DECIBEL = -46.0
_LOUDEST_DECIBEL = -10.0
_FALL_PER_PICTURE = 0.72


def loudness(samples: NDArray[np.float32]) -> float:
    """How loud float32 [channels, samples] is, from 0 (quiet) to 1 (loud speech)."""
    if samples.size == 0:
        return 0.0
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    if power <= 0.0:
        return 0.0
    decibel = 10.0 * np.log10(power)
    span = _LOUDEST_DECIBEL - _QUIETEST_DECIBEL
    return float(np.clip((decibel - _QUIETEST_DECIBEL) / span, 0.0, 1.0))


class Overlay:
    """Draws on pictures of one size, in order; the meter falls slower than it rises.

    ``label_box`` and ``meter_box`` are (top, bottom, left, right) in pixels, half-open: nothing
    outside them is touched.
    """

    def __init__(self, width: int, height: int, *, note: str = "", colour: int = 0) -> None:
        """``note`` follows the word SANDBOX, and ``colour`` numbers the meter's colour."""
        self._level = 0.0
        self._colour = np.array(METER_COLOURS[colour % len(METER_COLOURS)], dtype=np.uint8)
        label = f"{LABEL} {note}" if note else LABEL
        self._text, self.label_box, self._text_box = _place_label(label, width, height)
        self.meter_box, self._bars = _place_meter(width, height)

    def draw(self, picture: NDArray[np.uint8], level: float) -> None:
        """Draw on uint8 [H,W,3] in place, at ``level`` from 0 to 1."""
        self._level = max(level, self._level * _FALL_PER_PICTURE)
        _darken(picture, self.label_box, 4)
        top, bottom, left, right = self._text_box
        picture[top:bottom, left:right][self._text] = 255
        _darken(picture, self.meter_box, 2)
        top, bottom, _, _ = self.meter_box
        middle = (top + bottom) / 2
        reach = (bottom - top) * 0.42
        for (left, right), share in zip(self._bars, _BAR_SHAPE, strict=True):
            half = max(0.5, reach * share * max(self._level, 0.04))
            picture[round(middle - half) : round(middle + half), left:right] = self._colour


def _place_label(
    label: str, width: int, height: int
) -> tuple[NDArray[np.bool_], tuple[int, int, int, int], tuple[int, int, int, int]]:
    """The mask of the text, the box behind it and the box of the text, in the upper left."""
    letters = len(label)
    scale = max(1, round(min(width, height) / 120))
    while scale > 1 and (letters * (GLYPH_WIDTH + 1) + 3) * scale > width:
        scale -= 1
    edge = 2 * scale if width >= (letters * (GLYPH_WIDTH + 1) + 7) * scale else 0
    mask = text_mask(label, scale)
    top, left = edge + 2 * scale, edge + 2 * scale
    mask = mask[: max(0, height - top), : max(0, width - left)]
    text_box = (top, top + mask.shape[0], left, left + mask.shape[1])
    box = (
        edge,
        min(height, top + (GLYPH_HEIGHT + 2) * scale),
        edge,
        min(width, text_box[3] + 2 * scale),
    )
    return mask, box, text_box


def _place_meter(
    width: int, height: int
) -> tuple[tuple[int, int, int, int], tuple[tuple[int, int], ...]]:
    """The box of the meter, in the lower middle where a mouth is, and the bars' columns."""
    unit = min(width, height) / 100
    count = len(_BAR_SHAPE)
    bar, gap = max(1, round(3.2 * unit)), max(1, round(1.8 * unit))
    padding = max(1, round(3 * unit))
    across = count * bar + (count - 1) * gap
    left = max(0, (width - across) // 2)
    bars = tuple((left + n * (bar + gap), left + n * (bar + gap) + bar) for n in range(count))
    half_height = max(2, round(9 * unit))
    middle = round(0.78 * height)
    box = (
        max(0, middle - half_height),
        min(height, middle + half_height),
        max(0, left - padding),
        min(width, left + across + padding),
    )
    return box, bars


def _darken(picture: NDArray[np.uint8], box: tuple[int, int, int, int], divisor: int) -> None:
    top, bottom, left, right = box
    part = picture[top:bottom, left:right]
    part //= divisor
