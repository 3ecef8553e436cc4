"""A talking head drawn by arithmetic: texture everywhere, noise, and a mouth that follows speech.

An encoder has to work for it as for a camera's picture: nothing is flat, and nothing stands still.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, pi, sin

import numpy as np
from numpy.typing import NDArray

from viseme.sandbox.voice import SAMPLE_RATE as VOICE_RATE
from viseme.sandbox.voice import speak

FRAME_RATE = 25
SAMPLE_RATE = 44_100
_NOISE_SIGMA = 2.0
_PAN_PIXELS = 1.5  # a frame
_BLINK_FRAMES = 70
_TEXT = "The quick brown fox jumps over the lazy dog, and nobody in the room says a word about it. "

Floats = NDArray[np.float32]


def speech(seconds: float) -> Floats:
    """float32 [n] at 44.1 kHz: the sandbox's voice, which nobody is meant to understand."""
    count = round(seconds * SAMPLE_RATE)
    text = _TEXT * ceil(seconds / (len(_TEXT) / 14.0) + 1)
    needed = ceil(count * VOICE_RATE / SAMPLE_RATE) + 1
    pieces: list[Floats] = []
    for piece in speak(text):
        pieces.append(piece[0])
        if sum(map(len, pieces)) >= needed:
            break
    voice = np.concatenate(pieces)
    at = np.arange(count) * (VOICE_RATE / SAMPLE_RATE)
    samples: Floats = np.interp(at, np.arange(len(voice)), 0.5 * voice).astype(np.float32)
    return samples


def loudness(samples: Floats, frame_count: int) -> Floats:
    """0 to 1 for each frame: how far the mouth is open."""
    edges = np.linspace(0, len(samples), frame_count + 1).astype(int)
    pieces = np.split(samples, edges[1:-1])
    levels = np.array([float(np.sqrt(np.mean(piece**2))) for piece in pieces])
    return (levels / max(float(levels.max()), 1e-6)).astype(np.float32)


def draw_frames(
    width: int, height: int, frame_count: int, openings: Floats, seed: int = 1
) -> Iterator[NDArray[np.uint8]]:
    """uint8 [H, W, 3] for each frame; the same for the same arguments."""
    random = np.random.default_rng(seed)
    pan = ceil(frame_count * _PAN_PIXELS) + 2
    wall = 60 + 110 * _fractal(height, width + pan, random)
    noise = random.normal(0, _NOISE_SIGMA, (height + 64, width + 64, 3)).astype(np.float32)
    head = Head(height, random)
    for number in range(frame_count):
        at = number * _PAN_PIXELS
        whole, share = int(at), np.float32(at % 1)
        picture = wall[:, whole : whole + width] * (1 - share)
        picture += wall[:, whole + 1 : whole + 1 + width] * share
        head.draw(picture, number, float(openings[number]))
        down, across = random.integers(0, 64, 2)
        picture += noise[down : down + height, across : across + width]
        yield np.clip(np.floor(picture + 0.5), 0, 255).astype(np.uint8)


class Head:
    """A textured face that sways, blinks and speaks."""

    def __init__(self, height: int, random: np.random.Generator) -> None:
        self.half_height = int(0.36 * height)
        self.half_width = int(0.27 * height)
        size = (2 * self.half_height, 2 * self.half_width)
        y = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, size[1], dtype=np.float32)[None, :]
        self.x, self.y = x, y
        radius = np.sqrt(x**2 + y**2)
        self.cover = np.clip((1 - radius) * self.half_width / 2, 0, 1)[..., None]
        light = (1.05 - 0.3 * (x + 0.4) ** 2 - 0.2 * (y + 0.3) ** 2)[..., None]
        skin = np.array((205, 160, 132), np.float32)
        grain = 0.75 + 0.5 * _fractal(*size, random)
        self.face = (skin * light * grain).astype(np.float32)

    def draw(self, picture: Floats, number: int, opening: float) -> None:
        height, width = picture.shape[:2]
        turn = 2 * pi * number / 90
        top = height // 2 - self.half_height + round(0.012 * height * sin(2 * turn))
        left = width // 2 - self.half_width + round(0.03 * height * sin(turn))
        face = self.face.copy()
        self._paint(face, (0.0, 0.5), (0.26, 0.03 + 0.13 * opening), (96, 30, 34))
        self._paint(face, (0.0, 0.5), (0.18, 0.01 + 0.08 * opening), (40, 12, 16))
        lids = 0.1 if number % _BLINK_FRAMES in (31, 32, 33) else 1.0
        for side in (-0.38, 0.38):
            self._paint(face, (side, -0.2), (0.16, 0.075 * lids), (238, 236, 230))
            gaze = side + 0.03 * sin(turn / 2)
            self._paint(face, (gaze, -0.2), (0.06, 0.06 * lids), (52, 74, 92))
        place = picture[top : top + len(face), left : left + face.shape[1]]
        place += self.cover * (face - place)

    def _paint(
        self,
        face: Floats,
        centre: tuple[float, float],
        half: tuple[float, float],
        colour: tuple[int, int, int],
    ) -> None:
        rows = slice(*self._range(self.y[:, 0], centre[1], half[1]))
        columns = slice(*self._range(self.x[0], centre[0], half[0]))
        x = (self.x[:, columns] - centre[0]) / half[0]
        y = (self.y[rows] - centre[1]) / half[1]
        cover = np.clip((1 - np.sqrt(x**2 + y**2)) * 6, 0, 1)[..., None]
        place = face[rows, columns]
        place += cover * (np.array(colour, np.float32) - place)

    @staticmethod
    def _range(values: Floats, centre: float, half: float) -> tuple[int, int]:
        start, stop = np.searchsorted(values, (centre - 1.1 * half, centre + 1.1 * half))
        return int(start), int(stop)


def _fractal(height: int, width: int, random: np.random.Generator) -> Floats:
    """float32 [H, W, 3] in 0..1: grids of random values, each finer and fainter than the last."""
    total = np.zeros((height, width, 3), np.float32)
    weight, cell = 1.0, max(height // 3, 8)
    weights = 0.0
    while cell >= 2:
        grid = random.random((height // cell + 3, width // cell + 3, 3), dtype=np.float32)
        total += np.float32(weight) * _enlarged(grid, cell, height, width)
        weights += weight
        weight, cell = weight * 0.62, cell // 2
    whole: Floats = total / np.float32(weights)
    return whole


def _enlarged(grid: Floats, cell: int, height: int, width: int) -> Floats:
    """A grid with ``cell`` pixels between its points, straight lines between them."""
    rows, columns = np.arange(height) / cell, np.arange(width) / cell
    low, left = rows.astype(int), columns.astype(int)
    down = (rows - low).astype(np.float32)[:, None, None]
    across = (columns - left).astype(np.float32)[None, :, None]
    wide = grid[:, left] * (1 - across) + grid[:, left + 1] * across
    large: Floats = wide[low] * (1 - down) + wide[low + 1] * down
    return large
