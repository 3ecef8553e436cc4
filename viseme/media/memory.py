"""How much memory is left, so that a tensor is refused before it is built."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import MediaTooLarge

_RESERVE_BYTES = 256 << 20


def free_memory_bytes() -> int | None:
    """Memory that can be taken without swapping, or ``None`` where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, container_bytes())
    except OSError:
        pass
    if sys.platform != "win32" and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def container_bytes(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """What the container's limit leaves; a very large number where there is none."""
    try:
        most = (folder / "memory.max").read_text("ascii").strip()
        used = (folder / "memory.current").read_text("ascii").strip()
        counts = dict(
            line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines()
        )
        # Files that were read are counted as used, and are dropped when the room is needed.
        return int(most) - int(used) + int(counts.get("inactive_file", 0))
    except (OSError, ValueError):
        return sys.maxsize


def check_memory(needed_bytes: int, what: str, remedy: str, *, field: str | None = None) -> None:
    """Raises ``MediaTooLarge`` where ``needed_bytes`` more do not fit into free memory."""
    free = free_memory_bytes()
    if free is None or needed_bytes + _RESERVE_BYTES <= free:
        return
    raise MediaTooLarge(
        f"{what} needs {needed_bytes / 2**30:.1f} GiB; {free / 2**30:.1f} GiB of memory are free.",
        field=field,
        value=needed_bytes,
        limit=free,
        remedy=remedy,
    )
