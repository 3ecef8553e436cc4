"""Files on their way: names that no other writer has, and the rename that puts them in place."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def part_path(path: Path) -> Path:
    """A new hidden name in the folder of ``path``."""
    return path.with_name(f".{path.name[:80]}.{chance()}.part")


def chance() -> str:
    """Twelve hexadecimal digits that no other name has.

    Two may write one file though only one should: a process that stood still goes on after its
    work was taken over.
    """
    return secrets.token_hex(6)


def remove_part(part: Path) -> None:
    """Remove what is left of an unfinished file, where anything is."""
    # Where even this fails, the reason is already on its way up.
    with suppress(OSError):
        part.unlink(missing_ok=True)


def put_in_place(part: Path, target: Path) -> None:
    """Rename a file that is on disk, so that it has its new name after a power cut too.

    Raises ``OSError`` where it cannot be renamed.
    """
    part.replace(target)
    for folder in {part.parent, target.parent}:
        _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    """Windows opens no folder, and some file systems flush none: the file is in place then too."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
