"""What PixVerse LipSync is, whoever sells it. Source: docs.platform.pixverse.ai."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal, get_args

from ..model import SpokenText, Timing
from ._media import clip_of, seconds_of
from ._timing import frames_in, timing_of, unknown_timing
from .base import Assumption, Endpoint, MediaRules, Order

MODEL = "PixVerse LipSync"
Name = Literal[
    "Emily",
    "James",
    "Isabella",
    "Liam",
    "Chloe",
    "Adrian",
    "Harper",
    "Ava",
    "Sophia",
    "Julia",
    "Mason",
    "Jack",
    "Oliver",
    "Ethan",
]
NAMES: tuple[str, ...] = get_args(Name)
UPSTREAM = "PixVerse (docs.platform.pixverse.ai)"
MOST_CHARACTERS = 200
_MOST_SECONDS = Fraction(30)
_MOST_BYTES = 50_000_000

VIDEO_RULES = MediaRules(
    containers=frozenset({"mp4", "mov"}),
    codecs=frozenset({"h264"}),
    warn_seconds=_MOST_SECONDS,
    warn_bytes=_MOST_BYTES,
    warn_longest_side=1920,
    source=UPSTREAM,
)
SOUND_RULES = MediaRules(
    containers=frozenset({"mp3", "wav"}),
    codecs=frozenset({"mp3", "pcm_s16le"}),
    warn_seconds=_MOST_SECONDS,
    warn_bytes=_MOST_BYTES,
    source=UPSTREAM,
)

LENGTH = Assumption(
    "pixverse_length",
    "speech",
    "How long PixVerse's result is when speech and clip differ: as long as the speech, or as the "
    "clip. No document says.",
    ("speech", "clip"),
)
LIMITS = Assumption(
    "pixverse_limits",
    "warn",
    "PixVerse's own limits (30 s, 50 MB, 1920 pixels at the longest side, 200 characters) are "
    "warned of: the vendor names none of them. What it does name is refused.",
    ("warn",),
)
PACE_LEAST = Assumption(
    "voice_characters_per_second_least",
    "4",
    "How slowly a vendor's voice speaks at the slowest, for the upper end of a price by time.",
)
PACE_MOST = Assumption(
    "voice_characters_per_second_most",
    "25",
    "How fast a vendor's voice speaks at the fastest, for the lower end of a price by time.",
)


def predict(endpoint: Endpoint, order: Order, assumed: Mapping[str, str]) -> Timing:
    """The clip's rate and size; as long as the speech or the clip, by the setting."""
    length: Literal["speech", "clip"] = (
        "clip" if endpoint.assumed_value(assumed, LENGTH.name) == "clip" else "speech"
    )
    clip = clip_of(order.footage)
    if clip is None:
        return unknown_timing(
            "the clip is fetched by the vendor; its length, rate and size are not known here"
        )
    if length == "clip":
        basis = "as long as the clip (assumed: pixverse_length is clip)"
        return timing_of(clip, clip.frame_count, basis, is_assumed=True)
    seconds = seconds_of(order.speech)
    if seconds is None:
        what = (
            "the vendor's voice" if isinstance(order.speech, SpokenText) else "what the URL names"
        )
        basis = f"as long as the speech (assumed), and the length of {what} is not known"
        return timing_of(clip, None, basis, is_assumed=True)
    frame_count = frames_in(seconds, clip.frame_rate)
    if frame_count == clip.frame_count:
        return timing_of(clip, frame_count, "speech and clip are equally long", is_assumed=False)
    basis = "as long as the speech (assumed: no document says what happens when they differ)"
    return timing_of(clip, frame_count, basis, is_assumed=True)


def spoken_seconds(
    endpoint: Endpoint, text: str, assumed: Mapping[str, str]
) -> tuple[Fraction, Fraction, str]:
    """How long a vendor's voice takes for a text, least and most, and what that assumes."""
    slowest = endpoint.assumed_number(assumed, PACE_LEAST.name)
    fastest = endpoint.assumed_number(assumed, PACE_MOST.name)
    reason = f"assumed: the voice speaks {slowest} to {fastest} characters a second"
    return len(text) / Fraction(fastest), len(text) / Fraction(slowest), reason
