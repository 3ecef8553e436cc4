"""What a check found, as JSON, and remembered by the digest of the file's bytes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import blake3

from ..model import Clip, Recording, Sound
from .limits import MediaLimits

# To be raised with every change of what a check finds or refuses.
_REVISION = 3


def clip_json(clip: Clip) -> dict[str, Any]:
    """Everything but where the file is."""
    found = asdict(clip)
    del found["path"], found["source"]
    for name in ("frame_rate", "start_seconds", "pixel_aspect"):
        found[name] = str(found[name])
    return found | {"sound": _sound_json(clip.sound)}


def clip_from_json(found: Mapping[str, Any], path: Path) -> Clip:
    """Raises TypeError, KeyError, ValueError where it is no such JSON."""
    exact = {name: Fraction(found[name]) for name in ("frame_rate", "start_seconds")}
    aspect = Fraction(found["pixel_aspect"])
    sound = _sound_from_json(found["sound"])
    return Clip(**{**found, **exact, "pixel_aspect": aspect, "sound": sound, "path": path})


def recording_json(recording: Recording) -> dict[str, Any]:
    """Everything but where the file is."""
    found = asdict(recording)
    del found["path"], found["source"]
    return found | {"sound": _sound_json(recording.sound)}


def recording_from_json(found: Mapping[str, Any], path: Path) -> Recording:
    """Raises TypeError, KeyError, ValueError where it is no such JSON."""
    sound = _sound_from_json(found["sound"])
    if sound is None:
        raise ValueError("a recording has sound")
    return Recording(**{**found, "sound": sound, "path": path})


def _sound_json(sound: Sound | None) -> dict[str, Any] | None:
    if sound is None:
        return None
    return asdict(sound) | {"start_seconds": str(sound.start_seconds)}


def _sound_from_json(found: Mapping[str, Any] | None) -> Sound | None:
    if found is None:
        return None
    return Sound(**{**found, "start_seconds": Fraction(found["start_seconds"])})


def _reader_version() -> str:
    """PyAV's, without the wait for its import: it is not needed where all was found before."""
    try:
        return metadata.version("av")
    except metadata.PackageNotFoundError:  # put there by something that is no installer
        import av

        return av.__version__


class Verdicts:
    """Good verdicts in a folder, one small file each. Only a memory: losing it costs a check."""

    def __init__(self, folder: Path, limits: MediaLimits) -> None:
        self._folder = folder
        # What was found under other limits or by another FFmpeg does not hold here.
        terms = json.dumps([_REVISION, _reader_version(), asdict(limits)])
        self._terms = blake3.blake3(terms.encode()).hexdigest(8)

    def find(self, kind: str, digest: str) -> dict[str, Any] | None:
        """The medium; under ``frames`` and ``sound`` whether all of those were decoded."""
        try:
            kept = json.loads(self._path(kind, digest).read_text("utf-8"))
            was_decoded = {what: bool(kept[what]) for what in ("frames", "sound")}
            return {"medium": dict(kept["medium"]), **was_decoded}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(
        self, kind: str, digest: str, medium: Mapping[str, Any], *, frames: bool, sound: bool
    ) -> None:
        path = self._path(kind, digest)
        part = path.with_suffix(f".{secrets.token_hex(4)}.part")
        document = {"medium": medium, "frames": frames, "sound": sound}
        # A disk that is full or may not be written to only makes the next check take its time.
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                part.write_text(json.dumps(document), "utf-8")
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _path(self, kind: str, digest: str) -> Path:
        return self._folder / f"{digest}-{kind}-{self._terms}.json"
