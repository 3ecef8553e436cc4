"""How pictures are coded: which coder, how well, and how many bits it may take."""

from __future__ import annotations

from dataclasses import dataclass

CODECS = {"mp4": "libx264", "mov": "libx264", "webm": "libvpx-vp9"}
# libvpx's scale of quality is wider than x264's.
_VP9_CRF_OFFSET = 10
_VP9_SPEED = {"ultrafast": 8, "superfast": 8, "veryfast": 8, "faster": 7, "fast": 6, "medium": 5}


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """``crf`` is x264's (lower is better); ``bit_rate`` (bits a second) replaces it.

    ``sound_bit_rate`` is in bits a second for the whole track; by default 64 kbit a channel.

    The defaults are the fastest that look like x264's medium and 23 on drawn and on filmed clips
    alike: veryfast and 20 do where little moves, and fall short where a camera does
    (docs/benchmarks.md has both).
    """

    preset: str = "faster"
    crf: int = 21
    bit_rate: int | None = None
    sound_bit_rate: int | None = None


DEFAULT_SETTINGS = EncodeSettings()


def codec_options(container: str, settings: EncodeSettings) -> dict[str, str]:
    """What the coder for ``container`` is told."""
    if container == "webm":
        speed = _VP9_SPEED.get(settings.preset, 4)
        options = {"deadline": "realtime", "cpu-used": str(speed), "row-mt": "1"}
        if settings.bit_rate is None:
            options |= {"crf": str(min(settings.crf + _VP9_CRF_OFFSET, 63)), "b": "0"}
        return options
    options = {"preset": settings.preset}
    if settings.bit_rate is None:
        options["crf"] = str(settings.crf)
    else:
        options |= {
            "maxrate": str(settings.bit_rate * 3 // 2),
            "bufsize": str(settings.bit_rate * 2),
        }
    return options
