"""Media on this machine: probe, decode, encode, conform. Exact time, constant memory.

Everything here works on local files alone; nothing is ever fetched.
"""

from __future__ import annotations

from .frames import decode_frames, iterate_frames
from .limits import DEFAULT_LIMITS, MediaLimits
from .opening import open_media
from .probe import probe_clip, probe_speech
from .sniff import MEDIA_TYPES, sniff
from .sound import decode_sound, iterate_sound
from .writer import ClipWriter, EncodeSettings, encode_clip

__all__ = [
    "DEFAULT_LIMITS",
    "MEDIA_TYPES",
    "ClipWriter",
    "EncodeSettings",
    "MediaLimits",
    "decode_frames",
    "decode_sound",
    "encode_clip",
    "iterate_frames",
    "iterate_sound",
    "open_media",
    "probe_clip",
    "probe_speech",
    "sniff",
]
