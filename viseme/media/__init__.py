"""Media on this machine: probe, decode, encode, conform. Exact time, constant memory.

Everything here works on local files alone; nothing is ever fetched.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .coding import EncodeSettings
from .conform import Conformed, conform_clip
from .conform_sound import conform_speech
from .limits import DEFAULT_LIMITS, MediaLimits
from .media_guard import MediaGuard
from .sniff import MEDIA_TYPES, SOUND_CONTAINERS, STILLS, VIDEO_CONTAINERS, sniff
from .source import has_changed

if TYPE_CHECKING:
    from .encode import encode_clip
    from .frames import decode_frames, iterate_frames
    from .opening import open_media
    from .probe import probe_clip, probe_speech
    from .remux import replace_sound, trim_clip
    from .sound import decode_sound, iterate_sound
    from .sound_writer import SoundWriter, write_sound
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

# What reads and writes media itself brings PyAV and numpy, which take a third of a command's start
# and are not needed for files that pass as they are: imported when it is first asked for.
_WITH_CODECS = {
    "ClipWriter": "writer",
    "SoundWriter": "sound_writer",
    "decode_frames": "frames",
    "decode_sound": "sound",
    "encode_clip": "encode",
    "iterate_frames": "frames",
    "iterate_sound": "sound",
    "open_media": "opening",
    "probe_clip": "probe",
    "probe_speech": "probe",
    "replace_sound": "remux",
    "trim_clip": "remux",
    "write_sound": "sound_writer",
}

if not TYPE_CHECKING:  # for a type checker it would stand for any name at all

    def __getattr__(name: str) -> Any:
        if name not in _WITH_CODECS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_WITH_CODECS[name]}", __name__), name)
