"""What a preview of a cut draws on new frames, so that they are told from the clip's own.

Additions are blue, hatched one way; bridges are orange, hatched the other way. Both say which they
are and how far into the run of new frames a frame is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Origin = Literal["addition", "bridge"]

COLOURS: dict[Origin, tuple[int, int, int]] = {
    "addition": (40, 150, 255),
    "bridge": (255, 150, 30),
}
WORDS: dict[Origin, str] = {"addition": "ADDED", "bridge": "BRIDGE"}
_DARK = 24
_TINT_EIGHTHS = 3  # how much of the colour lies over the picture
_BORDER_SHARE = 16  # of the shorter side, rounded down
_LEAST_BORDER = 4

# Five rows of three dots each, top first: a caption needs these letters alone.
_LETTERS = {
    "A": "010 101 111 101 101",
    "B": "110 101 110 101 110",
    "D": "110 101 101 101 110",
    "E": "111 100 110 100 111",
    "G": "011 100 101 101 011",
    "I": "111 010 010 010 111",
    "R": "110 101 110 101 101",
    "0": "111 101 101 101 111",
    "1": "010 110 010 010 111",
    "2": "110 001 010 100 111",
    "3": "110 001 010 001 110",
    "4": "101 101 111 001 001",
    "5": "111 100 110 001 110",
    "6": "011 100 111 101 111",
    "7": "111 001 010 010 010",
    "8": "111 101 111 101 111",
    "9": "111 101 111 001 110",
    "/": "001 001 010 100 100",
    " ": "000 000 000 000 000",
}
_LETTER_WIDTH, _LETTER_HEIGHT = 3, 5


class Marks:
    """Draws on frames of one size."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._border = max(_LEAST_BORDER, min(width, height) // _BORDER_SHARE)
        self._scale = max(1, min(width, height) // 72)

    def over(
        self, held: NDArray[np.uint8], origin: Origin, frame_count: int
    ) -> Iterator[NDArray[np.uint8]]:
        """``frame_count`` new frames, uint8 [H, W, 3], over the picture that they hold."""
        ground = self._ground(held, origin)
        for number in range(1, frame_count + 1):
            frame = ground.copy()
            self._caption(frame, f"{WORDS[origin]} {number}/{frame_count}")
            yield frame

    def _ground(self, held: NDArray[np.uint8], origin: Origin) -> NDArray[np.uint8]:
        colour = np.array(COLOURS[origin], np.uint16)
        tinted = held[..., :3] * np.uint16(8 - _TINT_EIGHTHS) + colour * _TINT_EIGHTHS
        ground: NDArray[np.uint8] = (tinted >> 3).astype(np.uint8)
        rows, columns = np.ogrid[: self._height, : self._width]
        border = self._border
        is_border = (rows < border) | (rows >= self._height - border)
        is_border = is_border | (columns < border) | (columns >= self._width - border)
        along = rows + columns if origin == "addition" else rows - columns
        is_stripe = (along // border) % 2 == 0
        ground[is_border & is_stripe] = COLOURS[origin]
        ground[is_border & ~is_stripe] = _DARK
        return ground

    def _caption(self, frame: NDArray[np.uint8], text: str) -> None:
        """White on dark at the lower left; left out where the picture is too small for it."""
        letters, pad = text_dots(text, self._scale), 2 * self._scale
        height, width = letters.shape
        left = self._border
        bottom = self._height - self._border
        top = bottom - height - 2 * pad
        right = left + width + 2 * pad
        if top < self._border or right > self._width - self._border:
            return
        frame[top:bottom, left:right] = _DARK
        frame[top + pad : bottom - pad, left + pad : right - pad][letters] = 255


def text_dots(text: str, scale: int = 1) -> NDArray[np.bool_]:
    """``text`` as dots [5*scale, (4*len-1)*scale], true where a letter is.

    Raises ``KeyError`` for a letter that no caption has.
    """
    dots = np.zeros((_LETTER_HEIGHT, (_LETTER_WIDTH + 1) * len(text)), np.bool_)
    for position, letter in enumerate(text):
        left = position * (_LETTER_WIDTH + 1)
        rows = [[dot == "1" for dot in row] for row in _LETTERS[letter].split()]
        dots[:, left : left + _LETTER_WIDTH] = rows
    return dots[:, :-1].repeat(scale, axis=0).repeat(scale, axis=1)
