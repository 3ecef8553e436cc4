"""Draws the icon and the banner anew: ``python tools/make_brand.py [CHROMIUM]``.

Both are mouths whose opening is a sound wave. The shapes are computed here and written as SVG;
Chromium turns them into the PNGs that a registry's page shows.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"
ICON_PIXELS = 400
BANNER_WIDTH, BANNER_HEIGHT = 1680, 720

NIGHT = "#12343f"
DEEP = "#184653"
TEAL = "#1f5d6b"
MIST = "#6fb7b7"
CORAL = "#ef7a53"
ROSE = "#c9414f"
CREAM = "#fff4e2"
INK = "#2a0f1c"


@dataclass(frozen=True)
class Mouth:
    """One mouth shape about (0, 0); all lengths in pixels."""

    half_width: float
    opening: float
    """Between the lips, in the middle."""
    upper_lip: float
    lower_lip: float

    def outline(self) -> str:
        w, top = self.half_width, self.opening / 2 + self.upper_lip
        bottom = self.opening / 2 + self.lower_lip
        return (
            f"M{-w:.1f},0 C{-0.70 * w:.1f},{-0.62 * top:.1f} {-0.46 * w:.1f},{-top:.1f} "
            f"{-0.24 * w:.1f},{-top:.1f} C{-0.12 * w:.1f},{-top:.1f} {-0.07 * w:.1f},"
            f"{-0.84 * top:.1f} 0,{-0.84 * top:.1f} C{0.07 * w:.1f},{-0.84 * top:.1f} "
            f"{0.12 * w:.1f},{-top:.1f} {0.24 * w:.1f},{-top:.1f} C{0.46 * w:.1f},{-top:.1f} "
            f"{0.70 * w:.1f},{-0.62 * top:.1f} {w:.1f},0 C{0.74 * w:.1f},{0.72 * bottom:.1f} "
            f"{0.42 * w:.1f},{bottom:.1f} 0,{bottom:.1f} C{-0.42 * w:.1f},{bottom:.1f} "
            f"{-0.74 * w:.1f},{0.72 * bottom:.1f} {-w:.1f},0 Z"
        )

    def gap(self) -> str:
        w, half = 0.84 * self.half_width, self.opening / 2
        return (
            f"M{-w:.1f},0 C{-0.55 * w:.1f},{-0.85 * half:.1f} {-0.32 * w:.1f},{-half:.1f} "
            f"0,{-half:.1f} C{0.32 * w:.1f},{-half:.1f} {0.55 * w:.1f},{-0.85 * half:.1f} "
            f"{w:.1f},0 C{0.55 * w:.1f},{0.9 * half:.1f} {0.32 * w:.1f},{half:.1f} 0,{half:.1f} "
            f"C{-0.32 * w:.1f},{half:.1f} {-0.55 * w:.1f},{0.9 * half:.1f} {-w:.1f},0 Z"
        )

    def bars(self, levels: tuple[float, ...], width: float) -> str:
        """The sound between the lips: upright bars with round ends, as tall as the gap allows."""
        drawn = []
        for number, level in enumerate(levels):
            place = (number - (len(levels) - 1) / 2) / (len(levels) / 2)
            tall = max(width, level * 0.80 * self.opening * (1 - place * place) ** 0.5)
            x = 0.66 * self.half_width * place
            drawn.append(
                f'<rect x="{x - width / 2:.1f}" y="{-tall / 2:.1f}" width="{width:.1f}" '
                f'height="{tall:.1f}" rx="{width / 2:.1f}"/>'
            )
        return "".join(drawn)

    def svg(self, x: float, y: float, levels: tuple[float, ...], bar_width: float) -> str:
        return (
            f'<g transform="translate({x:.1f},{y:.1f})">'
            f'<path d="{self.outline()}" fill="url(#lips)"/>'
            f'<path d="{self.gap()}" fill="{INK}"/>'
            f'<g fill="{CREAM}">{self.bars(levels, bar_width)}</g></g>'
        )


GRADIENTS = (
    f'<defs><linearGradient id="lips" x1="0" y1="0" x2="0" y2="1"><stop offset="0" '
    f'stop-color="{ROSE}"/><stop offset="1" stop-color="{CORAL}"/></linearGradient>'
    f'<linearGradient id="back" x1="0" y1="0" x2="1" y2="1"><stop offset="0" '
    f'stop-color="{TEAL}"/><stop offset="1" stop-color="{NIGHT}"/></linearGradient></defs>'
)

# The letters of the name as strokes, on a 100-high x-height; (path, advance).
LETTERS = {
    "v": ("M8,0 L44,100 L80,0", 100),
    "i": ("M16,0 V100 M16,-42 V-41", 44),
    "s": (
        "M74,16 C66,4 54,0 42,0 C22,0 10,10 10,26 C10,44 26,48 42,51 "
        "C60,54 76,59 76,76 C76,92 62,100 42,100 C28,100 16,95 8,83",
        96,
    ),
    "e": (
        "M12,52 H92 C92,20 76,0 51,0 C26,0 9,20 9,50 C9,80 26,100 52,100 C68,100 80,94 88,82",
        110,
    ),
    "m": (
        "M14,100 V0 M14,40 C14,14 28,0 46,0 C64,0 74,12 74,36 V100 "
        "M74,40 C74,14 88,0 106,0 C124,0 134,12 134,36 V100",
        158,
    ),
}


def wordmark(x: float, y: float, scale: float) -> str:
    drawn, at = [], 0.0
    for letter in "viseme":
        path, advance = LETTERS[letter]
        drawn.append(f'<path d="{path}" transform="translate({at:.0f},0)"/>')
        at += advance
    return (
        f'<g transform="translate({x:.1f},{y:.1f}) scale({scale})" fill="none" stroke="{CREAM}" '
        f'stroke-width="19" stroke-linecap="round" stroke-linejoin="round">{"".join(drawn)}</g>'
    )


def icon() -> str:
    mouth = Mouth(half_width=150, opening=104, upper_lip=48, lower_lip=58)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{ICON_PIXELS}" height="{ICON_PIXELS}" '
        f'viewBox="0 0 400 400">{GRADIENTS}<rect width="400" height="400" rx="84" '
        f'fill="url(#back)"/>{mouth.svg(200, 200, (0.5, 0.85, 0.5, 1.0, 0.6, 0.9, 0.45), 15)}</svg>'
    )


def banner() -> str:
    shapes = (
        (Mouth(half_width=96, opening=8, upper_lip=26, lower_lip=32), ()),
        (Mouth(half_width=106, opening=42, upper_lip=27, lower_lip=34), (0.5, 0.9, 0.6, 1.0, 0.5)),
        (Mouth(half_width=112, opening=84, upper_lip=28, lower_lip=36), (0.7, 0.5, 1.0, 0.6, 0.8)),
        (Mouth(half_width=72, opening=92, upper_lip=30, lower_lip=36), (0.6, 1.0, 0.7)),
        (Mouth(half_width=116, opening=30, upper_lip=25, lower_lip=31), (0.6, 1.0, 0.5, 0.9, 0.6)),
    )
    places = [260 + 290 * number for number in range(len(shapes))]
    wave = "M0,250 " + " ".join(
        f"L{x},{250 + 46 * math.sin(x / 61) * math.sin(math.pi * x / BANNER_WIDTH):.1f}"
        for x in range(8, BANNER_WIDTH + 1, 8)
    )
    mouths = "".join(
        mouth.svg(x, 250, levels, 8) for (mouth, levels), x in zip(shapes, places, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{BANNER_WIDTH}" '
        f'height="{BANNER_HEIGHT}" viewBox="0 0 {BANNER_WIDTH} {BANNER_HEIGHT}">{GRADIENTS}'
        f'<rect width="{BANNER_WIDTH}" height="{BANNER_HEIGHT}" fill="{DEEP}"/>'
        f'<path d="{wave}" fill="none" stroke="{MIST}" stroke-opacity="0.45" stroke-width="5"/>'
        f"{mouths}{wordmark(464, 478, 1.22)}</svg>"
    )


def render(chromium: str, svg: Path, png: Path, width: int, height: int) -> None:
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(  # noqa: S603 - the browser that the developer named
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--hide-scrollbars",
                "--default-background-color=00000000",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={png}",
                svg.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def main() -> None:
    chromium = sys.argv[1] if len(sys.argv) > 1 else "chromium"
    ASSETS.mkdir(exist_ok=True)
    for name, drawing, width, height in (
        ("icon", icon(), ICON_PIXELS, ICON_PIXELS),
        ("banner", banner(), BANNER_WIDTH, BANNER_HEIGHT),
    ):
        svg = ASSETS / f"{name}.svg"
        svg.write_text(drawing + "\n", encoding="utf-8")
        render(chromium, svg, ASSETS / f"{name}.png", width, height)


if __name__ == "__main__":
    main()
