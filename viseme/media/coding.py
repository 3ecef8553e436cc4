"""How pictures are coded: by which coder, how well, in how many bits; and which need none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil

from ..model import Clip

CODECS = {"mp4": "libx264", "mov": "libx264", "webm": "libvpx-vp9"}
# What a container may hold without players and vendors stumbling over it.
COPYABLE = {
    "mp4": frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"}),
    "mov": frozenset({"h264", "hevc", "mpeg4", "prores", "mjpeg"}),
    "webm": frozenset({"vp8", "vp9", "av1"}),
}
_COPYABLE_FROM = frozenset({"mp4", "mov", "matroska", "webm"})
SOUND_SUFFIXES = {
    "wav": ".wav",
    "flac": ".flac",
    "mp3": ".mp3",
    "mp4": ".m4a",
    "ogg": ".ogg",
    "aac": ".aac",
}
# libvpx's scale of quality is wider than x264's, and has whole numbers only: the default is its 31.
_VP9_CRF_OFFSET = 9
_VP9_SPEED = {"ultrafast": 8, "superfast": 8, "veryfast": 7, "faster": 7, "fast": 6, "medium": 5}
# How a preset is tuned here, where nobody says otherwise and quality is what is asked for: so that
# it looks like ComfyUI's own medium and 23 on three drawn and three filmed clips, in at most 1.15
# times its bytes, and takes the least computing of all that was tried: a seventh less than faster
# and 20, tuned too.
_TUNING = {
    "veryfast": ":".join(
        (
            # A camera that moves asks for motion to fractions of a pixel (subme); a wider search
            # (me) and 4x4 blocks of their own (i4x4) cost more than they give.
            "subme=4:me=dia:partitions=p8x8,b8x8,i8x8",
            # Rounding that is nearer to the nearest, at a higher crf, and small details that are
            # kept: in the same bytes as much as trellis gives, for nothing.
            "deadzone-inter=8:deadzone-intra=4:no-dct-decimate=1",
            # More bits go to what later pictures are made of (with mb-tree that is a lower qcomp),
            # and fewer into noise on plain ground.
            "qcomp=0.5:aq-strength=0.8",
            # As few pictures wait for those behind them as are needed: each takes memory. With
            # fewer that are looked ahead at, a clip in which a camera moves takes more bits to look
            # the same; with fewer between looking ahead and coding, processors wait.
            "rc-lookahead=8:sync-lookahead=5",
        )
    )
}
# Slower presets are for those who have the time, and the memory: with more pictures in its hands at
# once x264 seldom waits for one. Frame by frame it is as good, and within a few thousandths as
# large, a twentieth sooner on two processors, for 50 MB more at 720p.
_SLOWER = frozenset({"fast", "medium", "slow", "slower", "veryslow", "placebo"})
_MORE_AT_ONCE = "sync-lookahead=16"
_MORE_THREADS = 3  # than there are processors
# As many as eight processors have use for; each holds pictures of its own, 20 MB at 1080p.
_MOST_THREADS = 12
# Each thread but the first follows one that is ahead of it by this much: x264 itself has no more
# threads than half of a picture's rows of blocks.
_ROWS_A_THREAD = 2 * 16


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """``crf`` is x264's (lower is better); ``bit_rate`` (bits a second) replaces it. WebM has
    whole numbers of its own for it, the next one above.

    ``sound_bit_rate`` is in bits a second for the whole track; by default 64 kbit a channel.
    ``x264_params`` are x264's own, ``name=value`` joined by colons, over all of these; one that
    x264 does not know is left out, and WebM has none. By default those that ``preset`` is tuned by
    here, which with a bit rate are none; those of fast and slower presets say nothing of
    quality, only of how much is worked on at once.

    The defaults are the fastest found that look like x264's medium and 23 on drawn and on filmed
    clips alike: x264's own veryfast and 20 fall short where a camera moves, and in the drawn clip
    of 720p (``make bench`` with footage shows both).
    """

    preset: str = "veryfast"
    crf: float = 21.4
    bit_rate: int | None = None
    sound_bit_rate: int | None = None
    x264_params: str | None = None

    @property
    def tuning(self) -> str:
        """The ``x264_params`` that are coded by."""
        if self.x264_params is not None:
            return self.x264_params
        if self.bit_rate is not None:
            return ""
        return _MORE_AT_ONCE if _works_on_more(self) else _TUNING.get(self.preset, "")


DEFAULT_SETTINGS = EncodeSettings()


def _works_on_more(settings: EncodeSettings) -> bool:
    is_untouched = settings.x264_params is None and settings.bit_rate is None
    return is_untouched and settings.preset in _SLOWER


def coder_threads(container: str, settings: EncodeSettings, height: int) -> int:
    """Threads for pictures of so many rows; 0 leaves it to the coder.

    x264 then takes 1.5 for each processor that this process may use, libvpx one.
    """
    processors = _processor_count()
    own = processors * 3 // 2
    is_more = container != "webm" and _works_on_more(settings)
    wanted = max(own, processors + _MORE_THREADS) if is_more else own
    wanted = min(wanted, _MOST_THREADS)
    return 0 if wanted == own or height < wanted * _ROWS_A_THREAD else wanted


def _processor_count() -> int:
    """As many as this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def codec_options(container: str, settings: EncodeSettings) -> dict[str, str]:
    """What the coder for ``container`` is told."""
    if container == "webm":
        speed = _VP9_SPEED.get(settings.preset, 4)
        options = {"deadline": "realtime", "cpu-used": str(speed), "row-mt": "1"}
        if settings.bit_rate is None:
            options |= {"crf": str(min(ceil(settings.crf) + _VP9_CRF_OFFSET, 63)), "b": "0"}
        return options
    options = {"preset": settings.preset}
    if settings.tuning:
        options["x264-params"] = settings.tuning
    if settings.bit_rate is None:
        options["crf"] = str(settings.crf)
    else:
        options |= {
            "maxrate": str(settings.bit_rate * 3 // 2),
            "bufsize": str(settings.bit_rate * 2),
        }
    return options


def can_copy(clip: Clip, container: str) -> bool:
    """Whether the clip's pictures can go into ``container`` as they are coded."""
    return (
        clip.is_constant_rate
        and not clip.is_still
        and clip.container in _COPYABLE_FROM
        and clip.codec in COPYABLE.get(container, frozenset())
        and clip.is_upright
        and (clip.pixel_aspect == 1 or can_tag_aspect(container))
    )


def can_tag_aspect(container: str) -> bool:
    """Whether pixels that are not square can be told of: PyAV has no way to do so in WebM."""
    return container != "webm"
