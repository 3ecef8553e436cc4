"""Draws the sample's talking head: no photograph, no person, no licence to ask for.

Every shape is a signed distance in pixels (negative inside), so that edges are smooth at any
place and the head can move by less than a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 512
FRAME_RATE = 25
FRAME_COUNT = 125
BLINK_FRAMES = (22, 68, 104)

Plane = NDArray[Any]
Colour = tuple[int, int, int]

SKIN: Colour = (236, 184, 146)
SKIN_SHADE: Colour = (214, 152, 116)
SKIN_DEEP: Colour = (168, 106, 82)
SKIN_LIGHT: Colour = (248, 206, 172)
BLUSH: Colour = (230, 140, 118)
HAIR: Colour = (58, 38, 44)
HAIR_LIGHT: Colour = (96, 62, 64)
LIP: Colour = (188, 84, 84)
LIP_SHADE: Colour = (170, 72, 76)
LIP_LINE: Colour = (118, 48, 54)
SWEATER: Colour = (232, 112, 78)
SWEATER_SHADE: Colour = (196, 84, 62)
COLLAR: Colour = (246, 236, 220)
EYE: Colour = (250, 248, 244)
IRIS: Colour = (66, 120, 112)
PUPIL: Colour = (22, 24, 30)


@dataclass(frozen=True)
class Pose:
    """Where the head is in a frame: shifts in pixels, tilt in radians, lids from 0 to 1 (shut)."""

    across: float
    down: float
    tilt: float
    breath: float
    lids: float
    gaze: float
    brows: float


def pose_at(frame: int) -> Pose:
    """The first and last frames fit together, so that the clip can be looped."""
    turn = 2 * pi * frame / FRAME_COUNT
    lids = max(_blink(frame - centre) for centre in BLINK_FRAMES)
    return Pose(
        across=5.0 * sin(turn) + 1.5 * sin(3 * turn + 1),
        down=2.5 * sin(2 * turn + 0.6),
        tilt=0.022 * sin(turn + 0.8) + 0.008 * sin(2 * turn),
        breath=2.0 * sin(2 * turn),
        lids=lids,
        gaze=3.0 * sin(turn + 2.2),
        brows=2.0 * max(0.0, sin(2 * turn - 0.5)),
    )


def draw_frame(frame: int) -> NDArray[np.uint8]:
    """Frame ``frame`` of the clip as uint8 [512,512,3]."""
    pose = pose_at(frame)
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
    canvas = _background(x, y)
    _draw_shoulders(canvas, x, y - pose.breath)
    cos, sin_ = np.cos(pose.tilt), np.sin(pose.tilt)
    from_x, from_y = x - 256 - pose.across, y - 400 - pose.down
    head_x = (cos * from_x + sin_ * from_y).astype(np.float32)
    head_y = (-sin_ * from_x + cos * from_y + 400).astype(np.float32)
    _draw_head(canvas, head_x, head_y, pose)
    return np.clip(np.floor(canvas + 0.5), 0, 255).astype(np.uint8)


def _blink(offset: int) -> float:
    return {-2: 0.35, -1: 0.85, 0: 1.0, 1: 1.0, 2: 0.6, 3: 0.2}.get(offset, 0.0)


def _background(x: Plane, y: Plane) -> Plane:
    """A plain wall with light from the upper left, and a soft round lamp behind the head."""
    top, bottom = np.array((94, 148, 158)), np.array((44, 84, 108))
    share = np.clip((0.35 * x + y) / (1.35 * SIZE), 0, 1)[..., np.newaxis]
    wall = top * (1 - share) + bottom * share
    glow = np.exp(-(((x - 256) / 210) ** 2) - ((y - 220) / 210) ** 2)[..., np.newaxis]
    light: Plane = wall + glow * np.array((38, 34, 22))
    return light.astype(np.float32)


def _draw_shoulders(canvas: Plane, x: Plane, y: Plane) -> None:
    across = np.abs(x - 256)
    body = _round_box(across, y - 545, 176, 128, 104)
    _paint(canvas, body, SWEATER)
    _paint(canvas, 134 - across, SWEATER_SHADE, 0.55, 40, inside=body)
    _paint(canvas, _ellipse(across, y - 436, 100, 40), SWEATER_SHADE, 0.6, 26, inside=body)
    _paint(canvas, _ellipse(across, y - 418, 76, 36), COLLAR)
    _paint(canvas, _ellipse(across, y - 414, 62, 27), SKIN_SHADE)


def _draw_head(canvas: Plane, x: Plane, y: Plane, pose: Pose) -> None:
    across = np.abs(x)
    _paint(canvas, _ellipse(x, y - 218, 132, 150), HAIR)
    _paint(canvas, _round_box(across, y - 262, 130, 104, 74), HAIR)
    neck = _round_box(across, y - 376, 44, 58, 24)
    _paint(canvas, neck, SKIN_SHADE)
    _paint(canvas, _ellipse(x - 4, y - 356, 60, 46), SKIN_DEEP, 0.5, 30, inside=neck)
    face = _face(x, y)
    _paint(canvas, face, SKIN)
    _paint(canvas, -_ellipse(x + 24, y - 240, 122, 150), SKIN_SHADE, 0.6, 34, inside=face)
    _paint(canvas, _ellipse(x + 34, y - 198, 52, 40), SKIN_LIGHT, 0.55, 44, inside=face)
    _paint(canvas, _ellipse(across - 62, y - 304, 24, 16), BLUSH, 0.45, 24, inside=face)
    _draw_eyes(canvas, x, y, pose)
    _draw_nose(canvas, x, y)
    _draw_mouth(canvas, x, y)
    _draw_hair(canvas, x, y)


def _face(x: Plane, y: Plane) -> Plane:
    """An egg: round above, narrower to the chin."""
    narrowing = 1.0 + np.clip((y - 262) / 480, 0, 1)
    return _ellipse(x * narrowing, y - 258, 112, 136)


def _draw_eyes(canvas: Plane, x: Plane, y: Plane, pose: Pose) -> None:
    for side in (-1, 1):
        eye_x, eye_y = x - side * 46, y - 256
        open_height = max(1.6, 17.0 * (1 - pose.lids))
        white = np.maximum(_ellipse(eye_x, eye_y, 25, 17), np.abs(eye_y + 1) - open_height)
        _paint(canvas, _ellipse(eye_x, eye_y - 2, 29, 21), SKIN_SHADE, 0.35, 8)
        if pose.lids < 0.95:
            _paint(canvas, white, EYE)
            ball_x = eye_x - pose.gaze
            _paint(canvas, np.maximum(white, _ellipse(ball_x, eye_y, 13.5, 13.5)), IRIS)
            _paint(canvas, np.maximum(white, _ellipse(ball_x, eye_y, 6.5, 6.5)), PUPIL)
            _paint(canvas, np.maximum(white, _ellipse(ball_x + 5, eye_y + 5, 3.2, 3.2)), EYE)
            _paint(canvas, np.maximum(white, eye_y + 11), SKIN_SHADE, 0.45, 8)
        droop = 1 - 2 * pose.lids
        lid = np.abs(eye_y + min(open_height, 15) * droop * _arch(eye_x, 27)) - 2.4
        if pose.lids >= 0.95:
            lid = np.abs(eye_y + 4 - 9 * _arch(eye_x, 29)) - 2.2
        _paint(canvas, np.maximum(lid, np.abs(eye_x) - 26), HAIR)
        outward = side * eye_x
        brow_y = eye_y + 33 + pose.brows + 7 * _arch(eye_x, 36) + 0.03 * outward
        thickness = 5.2 * np.sqrt(np.clip((33 - outward) / 66, 0, 1)) * _arch(eye_x - side * 2, 33)
        _paint(canvas, np.maximum(np.abs(brow_y) - thickness, np.abs(eye_x) - 33), HAIR)


def _draw_nose(canvas: Plane, x: Plane, y: Plane) -> None:
    _paint(canvas, _ellipse(x - 5, y - 302, 17, 12), SKIN_SHADE, 0.75, 10)
    _paint(canvas, _round_box(np.abs(x + 3), y - 276, 5, 24, 5), SKIN_LIGHT, 0.5, 9)
    _paint(canvas, _ellipse(np.abs(x) - 9, y - 309, 4.4, 2.6), LIP_LINE, 0.55, 3)


def _draw_mouth(canvas: Plane, x: Plane, y: Plane) -> None:
    """Closed and at rest, a breath from a smile."""
    line = y - 344 + 3.5 * (x / 34) ** 2
    width = np.abs(x) - 36
    upper = np.maximum(line, -(line + 9 * _arch(x, 36) - 3.0 * np.exp(-((x / 8) ** 2))))
    lower = np.maximum(-line, line - 12 * _arch(x, 33))
    _paint(canvas, _ellipse(x, y - 366, 22, 7), SKIN_SHADE, 0.5, 8)
    _paint(canvas, np.maximum(lower, width), LIP)
    _paint(canvas, np.maximum(upper, width), LIP_SHADE)
    _paint(canvas, _ellipse(x + 3, y - 350, 12, 2.6), SKIN_LIGHT, 0.5, 4, inside=lower)
    _paint(canvas, np.maximum(np.abs(line) - 1.5 * _arch(x, 39), np.abs(x) - 37), LIP_LINE)


def _draw_hair(canvas: Plane, x: Plane, y: Plane) -> None:
    """A fringe swept to one side over the brow, and hair over the ears."""
    cap = np.maximum(_ellipse(x, y - 218, 132, 150), y - 280)
    forehead = _ellipse(x - 40, y - 276, 156, 112)
    cheeks = _round_box(x, y - 296, 110, 128, 106)
    fringe = np.maximum(cap, -np.maximum(forehead, cheeks))
    _paint(canvas, fringe, HAIR)
    for shift, depth in ((0.0, 3.0), (24.0, 2.4), (-26.0, 2.4)):
        strand = np.abs(_ellipse(x + 44 + shift, y - 240, 124, 124 + 0.4 * shift)) - depth
        _paint(canvas, np.maximum(strand, x - 64), HAIR_LIGHT, 0.5, 3, inside=fringe + 8)


def _arch(x: Plane, half_width: float) -> Plane:
    """1 in the middle, 0 from ``half_width`` on."""
    return np.sqrt(np.clip(1 - (x / half_width) ** 2, 0, 1))


def _ellipse(x: Plane, y: Plane, half_width: float, half_height: float) -> Plane:
    """Near enough the distance to an ellipse around the origin."""
    radius = np.sqrt((x / half_width) ** 2 + (y / half_height) ** 2)
    slope = np.sqrt((x / half_width**2) ** 2 + (y / half_height**2) ** 2)
    distance: Plane = radius * (radius - 1) / np.maximum(slope, 1e-6)
    return distance


def _round_box(x: Plane, y: Plane, half_width: float, half_height: float, corner: float) -> Plane:
    beyond_x = np.abs(x) - half_width + corner
    beyond_y = np.abs(y) - half_height + corner
    outside = np.hypot(np.maximum(beyond_x, 0), np.maximum(beyond_y, 0))
    return outside + np.minimum(np.maximum(beyond_x, beyond_y), 0) - corner


def _paint(
    canvas: Plane,
    distance: Plane,
    colour: Colour,
    strength: float = 1.0,
    softness: float = 1.0,
    *,
    inside: Plane | None = None,
) -> None:
    """Cover where ``distance`` is negative, and ``inside`` too where it is given.

    ``softness`` is the width of the edge in pixels; the edge of ``inside`` is always sharp.
    """
    cover = np.clip(0.5 - distance / softness, 0, 1) * strength
    if inside is not None:
        cover *= np.clip(0.5 - inside, 0, 1)
    canvas += cover[..., np.newaxis] * (np.array(colour, dtype=np.float32) - canvas)
