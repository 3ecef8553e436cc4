"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import av.error

from ..errors import LocalError, VisemeError

if TYPE_CHECKING:
    from av.container import OutputContainer

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; at the end of the block it is flushed and renamed.

    On any error nothing is left behind, and a file that was there before stays as it was. What
    the system or FFmpeg raise while writing becomes ``LocalError``.
    """
    part = part_path(path)
    try:
        with translated_writes(path):
            part.parent.mkdir(parents=True, exist_ok=True)
            yield part
            commit_part(part, path)
    finally:
        remove_part(part)


def remove_part(part: Path) -> None:
    """Remove what is left of an unfinished file, where anything is."""
    # Where even this fails, the reason is already on its way up.
    with suppress(OSError):
        part.unlink(missing_ok=True)


def discard_part(container: OutputContainer | None, part: Path) -> None:
    """Close and remove a file that is being written and not wanted any more."""
    # Before it is closed: FFmpeg, which then puts the index in front of all that was written and
    # for that reads and writes the whole file again, finds none to read.
    remove_part(part)
    if container is not None:
        # The reason is already on its way up; this file is thrown away.
        with suppress(OSError, av.error.FFmpegError, ValueError):
            container.close()
    remove_part(part)  # Windows removes no file that is open


def part_path(path: Path) -> Path:
    """A new hidden name in the folder of ``path``."""
    return path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}.part")


def commit_part(part: Path, path: Path) -> None:
    """Flush ``part`` to the disk and give it its name."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def translated_writes(path: Path) -> Iterator[None]:
    """Turn what the system and FFmpeg raise while writing ``path`` into ``LocalError``."""
    try:
        yield
    except VisemeError:
        raise
    except OSError as error:
        raise write_error(path, error) from error
    except (av.error.FFmpegError, MemoryError) as error:
        raise LocalError(
            f"{path} cannot be encoded: {error}.",
            value=path,
            remedy="Run `viseme doctor` to see which codecs this machine has.",
        ) from error


def write_error(path: Path, error: OSError) -> LocalError:
    """The error for a file that could not be written."""
    if error.errno in _FULL:
        return LocalError(
            f"The disk is full: {path} could not be written.",
            value=path,
            remedy=f"Free space on the disk of {path.parent}, or name another place.",
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return LocalError(
        f"{path} could not be written: {reason}.",
        value=path,
        remedy="Check that the folder exists and may be written to.",
    )
