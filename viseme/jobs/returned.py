"""Which results living processes have handed out: those are not cleaned up meanwhile.

Each process keeps one small file of its own; that of a process that has ended counts no more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from ..home import Home
from .workplace import lease_owner, owner_is_gone

# Whether a process of another machine still runs cannot be seen from here.
_ELSEWHERE_SECONDS = 7 * 24 * 3600
_FRESH_SECONDS = 3600


def mark_returned(home: Home, paths: Iterable[str]) -> None:
    """Note that this process gives out results (paths as in the ledger), and that they are used.

    A disk that takes no note is no reason to keep a result from whoever has paid for it: what was
    used a moment ago is spared without one.
    """
    with suppress(OSError):
        home.returned.mkdir(mode=0o700, exist_ok=True)
        with _own_file(home).open("a", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(f"{lease_owner()}\n")
            file.writelines(f"{path}\n" for path in paths)
    for path in paths:
        mark_used(home.results / path)


def mark_used(file: Path) -> None:
    """A file's time says when it was last used; whoever reads it just now must see no change."""
    with suppress(OSError):
        if time.time() - file.stat().st_mtime > _FRESH_SECONDS:
            os.utime(file)


def forget_returned(home: Home) -> None:
    """This process uses nothing any more that it has given out."""
    with suppress(OSError):
        _own_file(home).unlink(missing_ok=True)


def returned_paths(home: Home) -> frozenset[str]:
    """What living processes have given out. Notes of processes that have ended are removed.

    Raises OSError.
    """
    found: set[str] = set()
    for file in sorted(home.returned.iterdir()) if home.returned.is_dir() else ():
        with suppress(FileNotFoundError):
            owner, *paths = file.read_text("utf-8").splitlines() or [""]
            if _counts(owner, file.stat().st_mtime):
                found.update(paths)
            else:
                file.unlink()
    return frozenset(found)


def _counts(owner: str, written_at: float) -> bool:
    if owner_is_gone(owner):
        return False
    is_here = owner.rpartition("/")[0] == lease_owner().rpartition("/")[0]
    return is_here or time.time() - written_at < _ELSEWHERE_SECONDS


def _own_file(home: Home) -> Path:
    # A machine's name may hold what a file's must not.
    return home.returned / blake2b(lease_owner().encode(), digest_size=12).hexdigest()
