"""A small bitmap font of our own: PyAV's wheel has no drawtext."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GLYPH_WIDTH = 5
GLYPH_HEIGHT = 7

_GLYPHS = {
    "A": (".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "B": ("####.", "#...#", "#...#", "####.", "#...#", "#...#", "####."),
    "D": ("####.", "#...#", "#...#", "#...#", "#...#", "#...#", "####."),
    "N": ("#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"),
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
    "S": (".####", "#....", "#....", ".###.", "....#", "....#", "####."),
    "X": ("#...#", "#...#", ".#.#.", "..#..", ".#.#.", "#...#", "#...#"),
    "0": (".###.", "#...#", "#..##", "#.#.#", "##..#", "#...#", ".###."),
    "1": ("..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."),
    "2": (".###.", "#...#", "....#", "..##.", ".#...", "#....", "#####"),
    "3": ("####.", "....#", "....#", ".###.", "....#", "....#", "####."),
    "4": ("#..#.", "#..#.", "#..#.", "#####", "...#.", "...#.", "...#."),
    "/": ("....#", "....#", "...#.", "..#..", ".#...", "#....", "#...."),
    " ": (".....",) * 7,
}


def text_mask(text: str, scale: int = 1) -> NDArray[np.bool_]:
    """``text`` as a bool array [7*scale, (6*len-1)*scale]; true where a letter covers the pixel.

    Letters are of one width, a column apart. Raises ``KeyError`` for a letter that the font has
    not: it has what the sandbox writes.
    """
    mask = np.zeros((GLYPH_HEIGHT, max(0, (GLYPH_WIDTH + 1) * len(text) - 1)), dtype=np.bool_)
    for position, letter in enumerate(text):
        left = position * (GLYPH_WIDTH + 1)
        rows = [[dot == "#" for dot in row] for row in _GLYPHS[letter]]
        mask[:, left : left + GLYPH_WIDTH] = rows
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)
