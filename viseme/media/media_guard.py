"""The guard in front of media that are not ours: none is read in this process unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ..errors import InputError
from ..model import Clip, Recording, SourceFile
from .checking import STALL_SECONDS, read_apart
from .digest import digest_file
from .identify import identify
from .limits import DEFAULT_LIMITS, MediaLimits
from .sniff import TIMED_CONTAINERS
from .source import check_unchanged, file_state
from .verdicts import Verdicts, clip_from_json, clip_json, recording_from_json

Cancel: TypeAlias = "Callable[[], bool] | None"


class BeforeDecoding(Protocol):
    """Is told of a clip whose frames, or sound, are going to be decoded here, and may raise."""

    def __call__(self, clip: Clip, *, frames: bool = False, sound: bool = False) -> None: ...


def let_pass(clip: Clip, *, frames: bool = False, sound: bool = False) -> None:
    """For a clip that may be decoded as it is."""


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
            medium = found["medium"]
        else:
            known_clip = None if found is None else found["medium"]
            medium = self._read("clip", source, cancel, known=known_clip, frames=frames)
        return replace(clip_from_json(medium, source.path), source=source)

    def check(
        self, clip: Clip, *, frames: bool = False, sound: bool = False, cancel: Cancel = None
    ) -> None:
        """Decode every frame, or all sound, of a clip that ``clip`` has read before, to nothing.

        To be called before they are decoded here. What was decoded before is not again. Raises
        where one fails.
        """
        found = self._find("clip", clip.digest)
        frames = frames and (found is None or not found["frames"])
        was_heard = _is_decoded_to_count(clip) or (found is not None and found["sound"])
        sound = sound and not was_heard
        if frames or sound:
            # Sound is decoded while a clip is counted; what was counted before stays known else.
            known = None if sound else clip_json(clip)
            self._read("clip", _source_of(clip), cancel, known=known, frames=frames, sound=sound)

    def recording(self, path: Path, *, cancel: Cancel = None) -> Recording:
        """As ``probe_speech``. Its sound has then been decoded whole."""
        source = self._begin(path, cancel)
        found = self._find("recording", source.digest)
        if found is None:
            medium = self._read("recording", source, cancel)
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
        cancel: Cancel,
        *,
        known: Mapping[str, Any] | None = None,
        frames: bool = False,
        sound: bool = False,
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
            before = self._verdicts.find(kind, source.digest) or {"frames": False, "sound": False}
            frames, sound = frames or before["frames"], sound or before["sound"]
            self._verdicts.keep(kind, source.digest, medium, frames=frames, sound=sound)
        return medium

    def _find(self, kind: str, digest: str) -> dict[str, Any] | None:
        return None if self._verdicts is None else self._verdicts.find(kind, digest)


def _is_decoded_to_count(clip: Clip) -> bool:
    """Whether ``probe_clip`` has decoded all sound that a clip has: most AAC it has not."""
    sound = clip.sound
    return sound is None or sound.codec != "aac" or clip.container not in TIMED_CONTAINERS


def _source_of(clip: Clip) -> SourceFile:
    source = clip.source
    if source is not None and source.path == clip.path:
        return source
    return SourceFile(clip.path, clip.digest, file_state(clip.path))
