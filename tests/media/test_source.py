"""Whether a file is still what was read: told without reading it, but where only that can tell."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from viseme.errors import InputError
from viseme.media import MediaGuard, has_changed
from viseme.model import SourceFile

if TYPE_CHECKING:
    from .conftest import MediaMaker


def read(path: Path) -> SourceFile:
    source = MediaGuard().recording(path).source
    assert source is not None
    return source


@pytest.fixture
def source(make: MediaMaker) -> SourceFile:
    path = make.sound()
    # As a file is that was not written just now: a clock's step is longer than a test.
    os.utime(path, ns=(10**18, 10**18))
    return read(path)


def other_bytes(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    return bytes(content)


def put_back(path: Path) -> None:
    os.utime(path, ns=(10**18, 10**18))


def write_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(other_bytes(path))


def write_in_place_under_its_old_time(path: Path) -> None:
    write_in_place(path)
    put_back(path)


def replace_under_its_old_time(path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(other_bytes(path))
    put_back(part)
    part.replace(path)


def write_the_same_anew(path: Path) -> None:
    """Nobody knows what stood there in between."""
    path.write_bytes(path.read_bytes())


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


CHANGES: list[Callable[[Path], None]] = [
    write_in_place,
    write_in_place_under_its_old_time,
    replace_under_its_old_time,
    write_the_same_anew,
    cut_off,
    Path.unlink,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_was_written_to_replaced_or_removed_has_changed(
    change: Callable[[Path], None], source: SourceFile
) -> None:
    assert not has_changed(source)
    change(source.path)
    assert has_changed(source)


def link(path: Path) -> None:
    os.link(path, path.with_suffix(".link"))


def forbid_writing(path: Path) -> None:
    path.chmod(0o400)


def move_away_and_copy_back(path: Path) -> None:
    away = path.with_suffix(".away")
    path.rename(away)
    shutil.copy2(away, path)


def open_to_read(path: Path) -> None:
    path.read_bytes()


UNCHANGED: list[Callable[[Path], None]] = [
    link,
    forbid_writing,
    move_away_and_copy_back,
    open_to_read,
]


@pytest.mark.parametrize("do", UNCHANGED, ids=lambda do: do.__name__)
def test_what_leaves_the_bytes_as_they_are_is_no_change(
    do: Callable[[Path], None], source: SourceFile
) -> None:
    do(source.path)
    assert not has_changed(source)


@pytest.mark.parametrize("kind", ["clip", "recording"])
def test_what_was_changed_while_it_was_read_is_no_medium_and_not_remembered(
    kind: str, make: MediaMaker, tmp_path: Path
) -> None:
    if kind == "clip":
        first, later = make.clip("a.mp4", frame_count=10), make.clip("b.mp4", frame_count=20)
    else:
        first, later = make.sound("a.wav"), make.sound("b.wav", seconds=2.0)
    path, guard = tmp_path / "read.bin", MediaGuard(tmp_path / "verdicts")
    for known in (False, True):
        shutil.copy(first, path)
        if known:
            getattr(guard, kind)(path)

        def overwrite() -> bool:
            """Asked again and again while the file is read."""
            path.write_bytes(later.read_bytes())
            return False

        with pytest.raises(InputError, match="while it was being read") as caught:
            getattr(guard, kind)(path, cancel=overwrite)
        assert caught.value.value == str(path)
        assert getattr(guard, kind)(first) == getattr(MediaGuard(), kind)(first)
        assert getattr(guard, kind)(later) == getattr(MediaGuard(), kind)(later)
