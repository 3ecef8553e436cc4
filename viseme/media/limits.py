"""How large a medium may be before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Upper bounds for what is opened; over any of them is ``MediaTooLarge``.

    ``max_pixels`` is width times height of one picture; ``max_check_bytes`` the memory that the
    process may take which reads a file of others first.
    """

    max_pixels: int = 8192 * 8192
    max_frames: int = 2_000_000
    max_seconds: int = 4 * 3600
    max_streams: int = 16
    max_bytes: int = 20 * 10**9
    max_check_bytes: int = 1280 * 2**20


DEFAULT_LIMITS = MediaLimits()
