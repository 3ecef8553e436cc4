"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import av.error

from ..errors import LocalError, VisemeError
from ..parts import part_path, remove_part
from .beside import run_beside

Cancel: TypeAlias = "Callable[[], bool] | None"

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


@contextmanager
def part_file(path: Path, cancel: Cancel = None) -> Iterator[Path]:
    """A name beside ``path`` to write to; at the end of the block it is flushed and renamed.

    On any error nothing is left behind, and a file that was there before stays as it was. What
    the system or FFmpeg raise while writing becomes ``LocalError``. Flushing raises
    ``Interrupted`` as ``flush_part`` does.
    """
    part = part_path(path)
    try:
        with translated_writes(path):
            part.parent.mkdir(parents=True, exist_ok=True)
            yield part
            flush_part(part, cancel)
            part.replace(path)
    finally:
        remove_part(part)


def flush_part(part: Path, cancel: Cancel = None) -> None:
    """Flush ``part`` to the disk. Raises ``OSError``, and ``Interrupted`` without waiting for it.

    A large file may take seconds, in a call that nothing ends.
    """
    # No file that is open can be removed on Windows.
    run_beside(lambda: _flush(part), cancel, is_left_behind=sys.platform != "win32")


def _flush(part: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())


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
