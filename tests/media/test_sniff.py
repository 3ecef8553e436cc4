from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from viseme.media import sniff


@pytest.mark.parametrize(
    ("suffix", "container"),
    [(".mp4", "mp4"), (".mov", "mov"), (".mkv", "matroska"), (".webm", "webm"), (".avi", "avi")],
)
def test_a_video_is_known_by_its_content(make: Any, suffix: str, container: str) -> None:
    path = make.clip("clip" + suffix, frame_count=3)
    assert sniff(path.rename(path.with_suffix(".txt"))) == container


@pytest.mark.parametrize(
    ("suffix", "container"),
    [(".wav", "wav"), (".mp3", "mp3"), (".flac", "flac"), (".ogg", "ogg"), (".m4a", "mp4")],
)
def test_a_sound_is_known_by_its_content(make: Any, suffix: str, container: str) -> None:
    path = make.sound("sound" + suffix, seconds=0.2)
    assert sniff(path.rename(path.with_suffix(".txt"))) == container


@pytest.mark.parametrize(
    ("suffix", "container"), [(".png", "png"), (".jpg", "jpeg"), (".webp", "webp")]
)
def test_a_still_is_known_by_its_content(make: Any, suffix: str, container: str) -> None:
    assert sniff(make.still("still" + suffix)) == container


@pytest.mark.parametrize(
    "content", [b"hello", b"#EXTM3U\n", b"ffconcat version 1.0\n", b"", b"\xff", b"<html>"]
)
def test_text_and_playlists_are_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert sniff(path) is None


def test_a_large_cover_picture_does_not_hide_an_mp3(make: Any, tmp_path: Path) -> None:
    plain = make.sound("plain.mp3", seconds=0.2).read_bytes()
    size = 300_000
    tag = b"ID3\x04\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    path = tmp_path / "covered.mp3"
    path.write_bytes(tag + plain[plain.index(b"\xff") :])
    assert sniff(path) == "mp3"
