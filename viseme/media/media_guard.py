"""The guard in front of media that are not ours: none is read in this process unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from ..model import Clip, Recording, SourceFile
from .checking import STALL_SECONDS, read_apart
from .digest import digest_file
from .identify import identify
from .limits import DEFAULT_LIMITS, MediaLimits
from .source import check_unchanged, file_state
from .verdicts import Verdicts, clip_from_json, clip_json, recording_from_json

Cancel: TypeAlias = "Callable[[], bool] | None"
BeforeDecoding: TypeAlias = Callable[[Clip], None]


def let_pass(_clip: Clip) -> None:
    """For a clip whose frames may be decoded as it is."""


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

    def clip(
        self,
        path: Path,
        *,
        frames: bool = False,
        known: SourceFile | None = None,
        cancel: Cancel = None,
    ) -> Clip:
        """As ``probe_clip``. With ``frames`` every frame is decoded once too, to nothing.

        Give ``frames`` where they will be decoded here next. ``known`` is the file as it was when
        its digest was taken: where nothing has touched it since, it is not read again for that.
        """
        source = self._begin(path, cancel, known)
        found = self._find("clip", source.digest)
        if found is not None and (found["frames"] or not frames):
            check_unchanged(source, cancel=cancel)
            return replace(clip_from_json(found["medium"], source.path), source=source)
        counted = None if found is None else found["medium"]
        medium = self._read("clip", source, counted, frames, cancel)
        return replace(clip_from_json(medium, source.path), source=source)

    def frames(self, clip: Clip, *, cancel: Cancel = None) -> None:
        """Decode every frame of a clip that ``clip`` has read before. Raises where one fails."""
        found = self._find("clip", clip.digest)
        if found is None or not found["frames"]:
            source = clip.source
            if source is None or source.path != clip.path:
                source = SourceFile(clip.path, clip.digest, file_state(clip.path))
            self._read("clip", source, clip_json(clip), True, cancel)

    def recording(self, path: Path, *, cancel: Cancel = None) -> Recording:
        """As ``probe_speech``. Its sound has then been decoded whole."""
        source = self._begin(path, cancel)
        found = self._find("recording", source.digest)
        if found is None:
            medium = self._read("recording", source, None, False, cancel)
        else:
            check_unchanged(source, cancel=cancel)
            medium = found["medium"]
        return replace(recording_from_json(medium, source.path), source=source)

    def _begin(self, path: Path, cancel: Cancel, known: SourceFile | None = None) -> SourceFile:
        path = Path(path)
        identify(path, limits=self.limits)
        state = file_state(path)
        if known is not None and (known.path, known.state) == (path, state):
            return known
        return SourceFile(path, digest_file(path, cancel=cancel), state)

    def _read(
        self,
        kind: str,
        source: SourceFile,
        known: Mapping[str, Any] | None,
        frames: bool,
        cancel: Cancel,
    ) -> Mapping[str, Any]:
        """What a child process finds it to be, and remembered where it stayed the same file."""
        request = {
            "kind": kind,
            "path": str(source.path.absolute()),
            "size_bytes": source.state.size_bytes,
            "digest": source.digest,
            "limits": asdict(self.limits),
            "clip": known,
            "frames": frames,
        }
        try:
            medium = read_apart(source.path, request, self.limits, self._stall_seconds, cancel)
        except InputError:
            check_unchanged(source, cancel=cancel)  # half a file is not damaged
            raise
        check_unchanged(source, cancel=cancel)
        if self._verdicts is not None:
            self._verdicts.keep(kind, source.digest, medium, frames=frames)
        return medium

    def _find(self, kind: str, digest: str) -> dict[str, Any] | None:
        return None if self._verdicts is None else self._verdicts.find(kind, digest)
