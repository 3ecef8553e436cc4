"""Sync Lipsync 2 Pro at fal. Source: fal.ai/models/fal-ai/sync-lipsync/v2/pro.

fal's page names the sync modes; sync.so/docs/developer-guides/sync-mode says what they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from ..model import (
    Carried,
    Carry,
    Footage,
    Quote,
    Speech,
    Timing,
    Vendor,
    VendorResult,
    WireRequest,
)
from ..money import times
from ._arguments import MediaUrl, arguments_of, option, read_arguments
from ._fal import FalArguments, fal_request, read_fal_video, store_io_warnings
from ._media import clip_of, seconds_of, settle_footage, settle_recorded
from ._results import media_text
from ._timing import frames_in, timing_of, unknown_timing
from .base import MEDIA, PICTURE, Assumption, Endpoint, MediaRules, Order

SYNC_MODES = ("cut_off", "loop", "bounce", "silence", "remap")

_MODE_BASIS = {
    "cut_off": "cut_off: the shorter of clip and speech",
    "loop": "loop: as long as the speech, the clip repeated or cut",
    "bounce": "bounce: as long as the speech, the clip forward and backward or cut",
    "silence": "silence: the longer of clip and speech",
    "remap": "remap: as long as the speech, the clip slowed down or sped up",
}


class FalSyncArguments(FalArguments):
    """The model's input at fal, and fal's delivery options."""

    video_url: MediaUrl | None = Field(
        None,
        description="The video to lip-sync, where it is on the web already: an https URL.",
        json_schema_extra=MEDIA,
    )
    audio_url: MediaUrl | None = Field(
        None,
        description="The speech, where it is on the web already: an https URL.",
        json_schema_extra=MEDIA,
    )
    sync_mode: Annotated[
        Literal["cut_off", "loop", "bounce", "silence", "remap"], option(*SYNC_MODES)
    ] = Field(
        "cut_off",
        description="When clip and speech differ in length: cut_off ends with the shorter one; "
        "loop starts the clip again; bounce plays it forward and backward; silence keeps the "
        "longer one, without sound where the speech has ended; remap slows the clip down or "
        "speeds it up. loop, bounce and remap are as long as the speech.",
        json_schema_extra=PICTURE,
    )


class FalSync(Endpoint):
    id = "fal-sync"
    title = "Sync Lipsync 2 Pro (fal)"
    model = "Sync Lipsync 2 Pro"
    vendor = Vendor.FAL
    vendor_model = "fal-ai/sync-lipsync/v2/pro"
    source = "https://fal.ai/models/fal-ai/sync-lipsync/v2/pro"
    arguments_model = FalSyncArguments
    carries = (Carry.INLINE, Carry.UPLOAD)
    video_rules = MediaRules(
        containers=frozenset({"mp4", "mov", "webm", "avi"}),
        codecs=frozenset({"h264", "hevc", "vp8", "vp9", "mpeg4"}),
        warn_seconds=Fraction(300),
        warn_longest_side=4096,
        source="sync.so (media formats)",
    )
    sound_rules = MediaRules(
        containers=frozenset({"wav", "mp3", "ogg", "flac"}),
        codecs=frozenset({"pcm_s16le", "mp3", "vorbis", "opus", "flac"}),
        warn_seconds=Fraction(300),
        source="sync.so (media formats)",
    )
    assumptions = (
        Assumption(
            "fal_sync_modes",
            "sync.so",
            "What the sync modes do to the length is taken from sync.so's documents; fal's page "
            "only names them. Lengths are rounded up to whole frames at the clip's rate.",
            ("sync.so",),
        ),
        Assumption(
            "fal_sync_least_usd_per_second",
            "0.067",
            "Lower end of the price per second of output. fal's page prints no price; sync.so "
            "itself asks this much for the same model.",
        ),
        Assumption(
            "fal_sync_most_usd_per_second",
            "0.0835",
            "Upper end of the price per second of output. fal's page prints no price; its page of "
            "Lipsync 2 gives $3 a minute, and the pro model about 1.67 times that.",
        ),
    )

    def order(
        self, given: Mapping[str, Any], footage: Footage | None, speech: Speech | None
    ) -> Order:
        arguments = read_arguments(self.id, FalSyncArguments, given)
        settled, warnings = settle_footage(self, arguments.video_url, footage)
        spoken, more = settle_recorded(self, arguments.audio_url, speech)
        bare = arguments.model_copy(update={"video_url": None, "audio_url": None})
        notes = store_io_warnings(bare)
        return Order(bare, settled, spoken, (*warnings, *more, *notes))

    def predict(self, order: Order, assumed: Mapping[str, str]) -> Timing:
        clip, spoken = clip_of(order.footage), seconds_of(order.speech)
        if clip is None:
            return unknown_timing("the clip is fetched by the vendor; its length is not known here")
        if spoken is None:
            return timing_of(
                clip, None, "the length of the speech is not known here", is_assumed=False
            )
        mode = arguments_of(order, FalSyncArguments).sync_mode
        seconds = spoken
        if mode == "cut_off":
            seconds = min(clip.seconds, spoken)
        elif mode == "silence":
            seconds = max(clip.seconds, spoken)
        frame_count = frames_in(seconds, clip.frame_rate)
        return timing_of(clip, frame_count, _MODE_BASIS[mode], is_assumed=False)

    def quote(self, order: Order, timing: Timing, assumed: Mapping[str, str]) -> Quote:
        seconds = timing.seconds_most
        if seconds is None:
            return Quote.unknown(
                "fal bills per second of output, and its length is not known: a URL stands for "
                "the clip or the speech."
            )
        least = self.assumed_number(assumed, "fal_sync_least_usd_per_second")
        most = max(least, self.assumed_number(assumed, "fal_sync_most_usd_per_second"))
        return Quote(
            times(least, seconds),
            times(most, seconds),
            f"assumed ${least} to ${most} x {float(seconds):.3f} s of output, {timing.basis}; "
            "fal's page prints no price for this model",
        )

    def write_request(
        self, order: Order, video: Carried, sound: Carried | None, *, timing: Timing
    ) -> WireRequest:
        arguments = arguments_of(order, FalSyncArguments)
        body = {
            "video_url": video,
            "audio_url": media_text(sound),
            "sync_mode": arguments.sync_mode,
        }
        return fal_request(self.vendor_model, body, arguments)

    def read_result(self, body: Mapping[str, Any], *, expected_items: int = 1) -> VendorResult:
        return read_fal_video(self.id, body)
