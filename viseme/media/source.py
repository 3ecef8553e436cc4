"""The file that a medium was read from, and whether its bytes are still the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from ..errors import InputError
from ..model import FileState, SourceFile
from .digest import digest_file
from .identify import unreadable

Cancel: TypeAlias = "Callable[[], bool] | None"


def file_state(path: Path) -> FileState:
    """What the system says of a file now. Raises InputError where it cannot be asked."""
    try:
        return FileState.of(Path(path).stat())
    except OSError as error:
        raise unreadable(path, error) from error


def has_changed(source: SourceFile, *, cancel: Cancel = None) -> bool:
    """Whether the file was written to, replaced or removed since it was read.

    A large file is not read again for this. Whoever writes to a file moves its time, and whoever
    sets that back leaves other traces. Those alone are no proof: a link or other rights leave them
    too, and some network drives number their files anew; only then do the bytes decide.
    """
    try:
        now, then = file_state(source.path), source.state
        if now == then:
            return False
        if (now.size_bytes, now.modified_ns) != (then.size_bytes, then.modified_ns):
            return True
        return digest_file(source.path, cancel=cancel) != source.digest
    except InputError:
        return True


def check_unchanged(source: SourceFile, *, cancel: Cancel = None) -> None:
    """Raise InputError where a file has changed since its reading began."""
    if has_changed(source, cancel=cancel):
        raise InputError(
            f"{source.path} was changed while it was being read.",
            value=source.path,
            remedy="Try again once nothing writes to the file.",
        )
