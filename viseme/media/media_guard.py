"""The guard in front of media that are not ours: none is read in this process unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from ..model import Clip, Recording
from .checking import STALL_SECONDS, read_apart
from .digest import digest_file
from .limits import DEFAULT_LIMITS, MediaLimits
from .opening import identify
from .verdicts import Verdicts, clip_from_json, clip_json, recording_from_json

Cancel: TypeAlias = "Callable[[], bool] | None"


class MediaGuard:
    """Reads files of others in a child process, with limits on memory and time, before we do.

    A file that was found good is remembered by its digest, in ``folder``, and is not read again;
    without a folder nothing is remembered. ``stall_seconds`` is how long reading may stand still.
    All methods block; all raise ``InputError`` (no such
    file), ``MediaDamaged`` (broken, crashes or hangs its reader), ``MediaTooLarge``,
    ``LocalError`` and ``Interrupted``.
    """

    def __init__(
        self,
        folder: Path | None = None,
        limits: MediaLimits = DEFAULT_LIMITS,
        *,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.limits = limits
        self._stall_seconds = stall_seconds
        self._verdicts = None if folder is None else Verdicts(folder, limits)

    def clip(self, path: Path, *, frames: bool = False, cancel: Cancel = None) -> Clip:
        """As ``probe_clip``. With ``frames`` every frame is decoded once too, to nothing.

        Give ``frames`` where they will be decoded here next.
        """
        path, digest = self._begin(path, cancel)
        found = self._find("clip", digest)
        if found is not None and (found["frames"] or not frames):
            return clip_from_json(found["medium"], path)
        known = None if found is None else found["medium"]
        return self._read_clip(path, digest, known, frames, cancel)

    def frames(self, clip: Clip, *, cancel: Cancel = None) -> None:
        """Decode every frame of a clip that ``clip`` has read before. Raises where one fails."""
        found = self._find("clip", clip.digest)
        if found is None or not found["frames"]:
            self._read_clip(clip.path, clip.digest, clip_json(clip), True, cancel)

    def recording(self, path: Path, *, cancel: Cancel = None) -> Recording:
        """As ``probe_speech``. Its sound has then been decoded whole."""
        path, digest = self._begin(path, cancel)
        found = self._find("recording", digest)
        if found is not None:
            return recording_from_json(found["medium"], path)
        medium = self._read("recording", path, digest, None, False, cancel)
        self._keep("recording", digest, medium, False)
        return recording_from_json(medium, path)

    def _begin(self, path: Path, cancel: Cancel) -> tuple[Path, str]:
        path = Path(path)
        identify(path, limits=self.limits)
        return path, digest_file(path, cancel=cancel)

    def _read_clip(
        self,
        path: Path,
        digest: str,
        known: Mapping[str, Any] | None,
        frames: bool,
        cancel: Cancel,
    ) -> Clip:
        medium = self._read("clip", path, digest, known, frames, cancel)
        self._keep("clip", digest, medium, frames)
        return clip_from_json(medium, path)

    def _read(
        self,
        kind: str,
        path: Path,
        digest: str,
        known: Mapping[str, Any] | None,
        frames: bool,
        cancel: Cancel,
    ) -> Mapping[str, Any]:
        request = {
            "kind": kind,
            "path": str(path.absolute()),
            "size_bytes": path.stat().st_size,
            "digest": digest,
            "limits": asdict(self.limits),
            "clip": known,
            "frames": frames,
        }
        return read_apart(path, request, self.limits, self._stall_seconds, cancel)

    def _find(self, kind: str, digest: str) -> dict[str, Any] | None:
        return None if self._verdicts is None else self._verdicts.find(kind, digest)

    def _keep(self, kind: str, digest: str, medium: Mapping[str, Any], frames: bool) -> None:
        if self._verdicts is not None:
            self._verdicts.keep(kind, digest, medium, frames=frames)
