"""Whether a file is as long as it says it is: what a broken copy or download lacks."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .identify import damaged

if TYPE_CHECKING:
    from av.container import InputContainer

_MOST_BOXES = 1_000_000
_LEAST_MISSING_SECONDS = Fraction(1, 4)


def check_whole(path: Path, container: str) -> None:
    """Raises ``MediaDamaged`` where the container declares more bytes than the file has."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        if container in ("mp4", "mov"):
            declared = _declared_by_boxes(file, size_bytes)
        elif container in ("wav", "avi", "webp"):
            declared = _declared_by_riff(file)
        elif container in ("matroska", "webm"):
            declared = _declared_by_segment(file)
        elif container == "mp3":
            tag = _read_xing(file)
            declared = None if tag is None else tag.end
        else:
            declared = None
    if declared is not None and declared > size_bytes:
        raise damaged(path, f"it is cut off after {size_bytes} of {declared} bytes")


def check_packets(path: Path, container: str, packet_count: int) -> None:
    """Raises ``MediaDamaged`` where a sound file declares more packets than could be decoded."""
    if container != "mp3":
        return
    with path.open("rb") as file:
        tag = _read_xing(file)
    # Some encoders count the frame that the tag itself stands in.
    if tag is not None and tag.frame_count is not None and packet_count < tag.frame_count - 1:
        missing = tag.frame_count - packet_count
        raise damaged(path, f"{missing} of its {tag.frame_count} pieces of sound cannot be decoded")


def check_seconds(path: Path, container: str, opened: InputContainer, end: Fraction) -> None:
    """Raises ``MediaDamaged`` where a Matroska file declares far more seconds than it has.

    Its demuxer leaves out whatever it cannot make sense of, without a word. Where there are more
    than two tracks, one that is not read here may be the one that is longer.
    """
    if container not in ("matroska", "webm") or len(opened.streams) > 2 or not opened.duration:
        return
    declared = Fraction(opened.duration, 1_000_000)
    if end < declared - max(_LEAST_MISSING_SECONDS, declared / 50):
        raise damaged(
            path, f"of the {float(declared):.2f} s that it should have, {float(end):.2f} s are left"
        )


@dataclass(frozen=True, slots=True)
class _Xing:
    """What the first frame of an MPEG sound file says of all; None where it does not say it."""

    frame_count: int | None
    end: int | None


def _read_xing(file: BinaryIO) -> _Xing | None:
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum((head[6 + i] & 0x7F) << (7 * (3 - i)) for i in range(4))
    file.seek(start)
    frame = file.read(200)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if frame[:1] != b"\xff" or at < 0 or at + 16 > len(frame):
        return None
    flags, first, second = struct.unpack(">III", frame[at + 4 : at + 16])
    frame_count = first if flags & 1 else None
    size_bytes = (second if flags & 1 else first) if flags & 2 else None
    return _Xing(frame_count, None if size_bytes is None else start + size_bytes)


def _declared_by_boxes(file: BinaryIO, size_bytes: int) -> int | None:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > size_bytes:
            break
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if not all(32 <= byte < 127 or byte == 0xA9 for byte in head[4:8]):
            break  # trailing bytes that are no box, as some cameras write
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0:
            return None  # to the end of the file, however long
        if size < 8:
            break
        at += size
    return at


def _declared_by_riff(file: BinaryIO) -> int | None:
    head = file.read(8)
    if len(head) < 8 or head[:4] != b"RIFF":
        return None
    (size,) = struct.unpack("<I", head[4:])
    # A program that writes to a pipe cannot know the size and puts 0 or the largest number.
    return None if size == 0 or size >= 0x7FFFFF00 else size + 8


def _declared_by_segment(file: BinaryIO) -> int | None:
    head = file.read(4096)
    at = head.find(b"\x18\x53\x80\x67")
    if at < 0 or at + 5 > len(head):
        return None
    first = head[at + 4]
    if first == 0:
        return None
    length = 9 - first.bit_length()
    raw = head[at + 4 : at + 4 + length]
    value = int.from_bytes(raw, "big") & ((1 << (7 * length)) - 1)
    if value == (1 << (7 * length)) - 1:
        return None  # of unknown size: a live recording
    return at + 4 + length + value
