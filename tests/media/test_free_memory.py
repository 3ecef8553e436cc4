"""How much memory is said to be free."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from viseme.errors import MediaTooLarge
from viseme.media.memory import check_memory, container_bytes, free_memory_bytes

GIB = 1 << 30


def container(folder: Path, most: str, used: int, files: int) -> Path:
    """The files of a container's memory, as Linux shows them in it."""
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used - files}\ninactive_file {files}\n")
    return folder


def test_files_that_were_read_take_nothing_from_what_a_container_has_left(tmp_path: Path) -> None:
    assert container_bytes(container(tmp_path, str(8 * GIB), 7 * GIB, 6 * GIB)) == 7 * GIB


def test_a_container_without_a_limit_limits_nothing(tmp_path: Path) -> None:
    assert container_bytes(container(tmp_path, "max", GIB, 0)) == sys.maxsize
    assert container_bytes(tmp_path / "nowhere") == sys.maxsize


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells")
def test_what_does_not_fit_is_refused_with_what_is_free() -> None:
    free = free_memory_bytes()
    assert free is not None
    check_memory(1, "a picture", "Take less.")
    with pytest.raises(MediaTooLarge) as caught:
        check_memory(1 << 50, "a film", "Take less.")
    assert caught.value.remedy == "Take less."
    assert caught.value.limit
