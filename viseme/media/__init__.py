"""Media on this machine: probe, decode, encode, conform. Exact time, constant memory.

Everything here works on local files alone; nothing is ever fetched.
"""

from __future__ import annotations

from .coding import EncodeSettings
from .conform import Conformed, conform_clip
from .conform_sound import conform_speech
from .encode import encode_clip
from .frames import decode_frames, iterate_frames
from .limits import DEFAULT_LIMITS, MediaLimits
from .media_guard import MediaGuard
from .opening import open_media
from .probe import probe_clip, probe_speech
from .remux import replace_sound, trim_clip
from .sniff import MEDIA_TYPES, SOUND_CONTAINERS, STILLS, VIDEO_CONTAINERS, sniff
from .sound import decode_sound, iterate_sound
from .sound_writer import SoundWriter, write_sound
from .source import has_changed
from .writer import ClipWriter

__all__ = [
    "DEFAULT_LIMITS",
    "MEDIA_TYPES",
    "SOUND_CONTAINERS",
    "STILLS",
    "VIDEO_CONTAINERS",
    "ClipWriter",
    "Conformed",
    "EncodeSettings",
    "MediaGuard",
    "MediaLimits",
    "SoundWriter",
    "conform_clip",
    "conform_speech",
    "decode_frames",
    "decode_sound",
    "encode_clip",
    "has_changed",
    "iterate_frames",
    "iterate_sound",
    "open_media",
    "probe_clip",
    "probe_speech",
    "replace_sound",
    "sniff",
    "trim_clip",
    "write_sound",
]
