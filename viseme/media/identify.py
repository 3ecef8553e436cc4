"""What a file is before FFmpeg sees it, and what is said of one that cannot be read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ..errors import InputError, MediaDamaged, MediaTooLarge
from .limits import DEFAULT_LIMITS, MediaLimits
from .sniff import sniff

OUT_OF_MEMORY = "out_of_memory"
_TAKEN = "mp4, mov, mkv, webm, avi, wav, mp3, flac, ogg, m4a, aac, png, jpeg or webp"


def identify(path: Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> str:
    """The container of a file that may be opened.

    Raises ``InputError`` (no such file, a folder, not readable), ``MediaDamaged`` (empty, not a
    medium) and ``MediaTooLarge``.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a file.", value=path, remedy="Name a file.")
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"{path} is not a regular file.", value=path, remedy="Name a file.")
        size_bytes = state.st_size
        container = sniff(path) if size_bytes else None
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not a path: {error}.", remedy="Name a file.") from error
    if size_bytes == 0:
        raise MediaDamaged(
            f"{path} is empty (0 bytes).", value=path, remedy="Copy or export it again."
        )
    if size_bytes > limits.max_bytes:
        raise MediaTooLarge(
            f"{path} is {size_bytes} bytes; at most {limits.max_bytes} are read.",
            value=size_bytes,
            limit=limits.max_bytes,
            remedy="Cut or compress it first.",
        )
    if container is None:
        raise MediaDamaged(
            f"{path} is not a video, sound or picture file, whatever its name says.",
            value=path,
            limit=_TAKEN,
            remedy=f"Give a file whose content is {_TAKEN}.",
        )
    return container


def damaged(path: Path, what: str) -> MediaDamaged:
    """The error for a file that is broken; ``what`` says how, without a full stop."""
    return MediaDamaged(
        f"{path} is damaged: {what}.",
        value=path,
        remedy="Copy it again from its source, or export it anew.",
    )


def takes_too_long(path: Path) -> MediaTooLarge:
    """The error for a file that keeps its reader busy beyond all measure."""
    return MediaTooLarge(
        f"{path} takes far longer to read than a file like it should.",
        value=path,
        remedy="Cut it shorter or scale it down, or encode it anew.",
    )


def out_of_memory(path: Path) -> MediaTooLarge:
    """The error for a file that this machine has no room for."""
    return MediaTooLarge(
        f"{path} needs more memory than there is.",
        value=path,
        remedy="Close other programs, or cut or scale the clip down.",
        code=OUT_OF_MEMORY,
    )


def unreadable(path: Path, error: OSError) -> InputError:
    """The error for what the system says of a file."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError(f"{path}: no such file.", value=path, remedy="Check the path.")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return InputError(
        f"{path} cannot be read: {reason}.",
        value=path,
        remedy="Check that the file may be read.",
    )
