"""The guard in front of media that are not ours: none is read in this process unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from ..model import Clip, Recording, SourceFile
from .checking import STALL_SECONDS, read_apart
from .digest import digest_file
from .identify import identify
from .limits import DEFAULT_LIMITS, MediaLimits
from .source import check_unchanged, file_state
from .verdicts import Verdicts, clip_from_json, recording_from_json

Cancel: TypeAlias = "Callable[[], bool] | None"


def let_pass(_clip: Clip) -> None:
    """For a clip that may be decoded as it is."""


@dataclass(frozen=True, slots=True)
class BeforeDecoding:
    """What is told of a clip before ``frames`` and sound, or its ``sound`` alone, are decoded here.

    Either may raise.
    """

    frames: Callable[[Clip], None] = let_pass
    sound: Callable[[Clip], None] = let_pass


LET_PASS = BeforeDecoding()


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
        """As ``probe_clip``. With ``frames`` all frames and sound are decoded once, to nothing.

        Give ``frames`` where they will be decoded here next. ``known`` is the file as it was when
        its digest was taken: where nothing has touched it since, it is not read again for that.
        """
        source = self._begin(path, cancel, known)
        found = self._find("clip", source.digest)
        if found is not None and (found["frames"] or not frames):
            check_unchanged(source, cancel=cancel)
            medium = found["medium"]
        else:
            medium = self._read_clip(source, found, cancel, frames=frames, sound=frames)
        return replace(clip_from_json(medium, source.path), source=source)

    def frames(self, clip: Clip, *, cancel: Cancel = None) -> None:
        """Decode all frames and sound of a clip that ``clip`` has read. Raises where that fails."""
        found = self._find("clip", clip.digest)
        if found is None or not found["frames"]:
            self._read_clip(_source_of(clip), found, cancel, frames=True, sound=True)

    def sound(self, clip: Clip, *, cancel: Cancel = None) -> None:
        """Decode the sound of a clip that ``clip`` has read before. Raises where that fails."""
        found = self._find("clip", clip.digest)
        if clip.sound is not None and (found is None or not found["sound"]):
            self._read_clip(_source_of(clip), found, cancel, frames=False, sound=True)

    def before_decoding(self, cancel: Cancel) -> BeforeDecoding:
        """To be given to what may have to decode a clip that ``clip`` has read before."""
        return BeforeDecoding(
            partial(self.frames, cancel=cancel), partial(self.sound, cancel=cancel)
        )

    def recording(self, path: Path, *, cancel: Cancel = None) -> Recording:
        """As ``probe_speech``. Its sound has then been decoded whole."""
        source = self._begin(path, cancel)
        found = self._find("recording", source.digest)
        if found is None:
            medium = self._read("recording", source, cancel, sound=True)
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

    def _read_clip(
        self,
        source: SourceFile,
        found: Mapping[str, Any] | None,
        cancel: Cancel,
        *,
        frames: bool,
        sound: bool,
    ) -> Mapping[str, Any]:
        """``found`` is what was found before; what of it holds is not looked for again."""
        known = found["medium"] if found is not None and found["sound"] >= sound else None
        return self._read("clip", source, cancel, known=known, frames=frames, sound=sound)

    def _read(
        self,
        kind: str,
        source: SourceFile,
        cancel: Cancel,
        *,
        known: Mapping[str, Any] | None = None,
        frames: bool = False,
        sound: bool,
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
            "sound": sound,
        }
        try:
            medium = read_apart(source.path, request, self.limits, self._stall_seconds, cancel)
        except InputError:
            check_unchanged(source, cancel=cancel)  # half a file is not damaged
            raise
        check_unchanged(source, cancel=cancel)
        if self._verdicts is not None:
            self._verdicts.keep(kind, source.digest, medium, frames=frames, sound=sound)
        return medium

    def _find(self, kind: str, digest: str) -> dict[str, Any] | None:
        return None if self._verdicts is None else self._verdicts.find(kind, digest)


def _source_of(clip: Clip) -> SourceFile:
    source = clip.source
    if source is not None and source.path == clip.path:
        return source
    return SourceFile(clip.path, clip.digest, file_state(clip.path))
