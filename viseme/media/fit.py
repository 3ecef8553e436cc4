"""How a video is made to fit a size. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

# Below this x264 smears; measured in bits for each pixel of each frame.
_DECENT_BITS_A_PIXEL = Fraction(1, 25)
_MOST_BITS_A_PIXEL = Fraction(1, 5)
# Headers and the rate control's slack.
_USABLE_SHARE = Fraction(94, 100)
_LEAST_SIDE = 128
_LEAST_BITS_A_SECOND = 24_000
_SOUND_BITS_A_SECOND = 64_000
_LEAST_SOUND_BITS_A_SECOND = 16_000


@dataclass(frozen=True, slots=True)
class Fit:
    """Bit rates in bits a second; the size is even and not larger than the source's."""

    width: int
    height: int
    bit_rate: int
    sound_bit_rate: int


def fit_video(
    *,
    width: int,
    height: int,
    frame_rate: Fraction,
    seconds: Fraction,
    has_sound: bool,
    max_bytes: int,
    share: Fraction = Fraction(1),
) -> Fit | None:
    """Bit rate first, then size; ``None`` where no decent picture fits into ``max_bytes``.

    ``share`` under 1 leaves room after an attempt that came out too large.
    """
    bits_a_second = int(max_bytes * 8 * _USABLE_SHARE * share / seconds)
    sound = min(_SOUND_BITS_A_SECOND, bits_a_second // 6) if has_sound else 0
    if has_sound and sound < _LEAST_SOUND_BITS_A_SECOND:
        return None
    left = bits_a_second - sound
    if left < _LEAST_BITS_A_SECOND:
        return None
    pixels_a_second = width * height * frame_rate
    bit_rate = min(left, int(pixels_a_second * _MOST_BITS_A_PIXEL))
    if bit_rate >= pixels_a_second * _DECENT_BITS_A_PIXEL:
        return Fit(_even(width), _even(height), bit_rate, sound)
    # width' * height' * rate * decent = bit_rate, at the same proportions
    room = bit_rate / (frame_rate * _DECENT_BITS_A_PIXEL)
    thousandths = isqrt(int(1_000_000 * room / (width * height)))
    smaller = (_even(width * thousandths // 1000), _even(height * thousandths // 1000))
    if min(smaller) < min(_LEAST_SIDE, width, height):
        return None
    return Fit(*smaller, bit_rate, sound)


def _even(side: int) -> int:
    return max(2, side + side % 2)
