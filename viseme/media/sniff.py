"""What a file is, from its first bytes and never from its suffix."""

from __future__ import annotations

from pathlib import Path

STILLS = frozenset({"png", "jpeg", "webp"})
VIDEO_CONTAINERS = frozenset({"mp4", "mov", "matroska", "webm", "avi"})
# In these, each packet says to the tick how long it lasts.
TIMED_CONTAINERS = frozenset({"mp4", "mov"})
SOUND_CONTAINERS = frozenset({"wav", "mp3", "flac", "ogg", "aac"})

MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "matroska": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
}
# How a file of a type is called where its own name is nobody's business.
SUFFIXES_BY_TYPE = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "video/webm": ".webm",
    "video/x-msvideo": ".avi",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/aac": ".aac",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
}

_HEAD_BYTES = 4096
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"crx ")
_FIRST_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def sniff(path: Path) -> str | None:
    """The container: mp4 mov matroska webm avi wav mp3 flac ogg aac png jpeg webp, else ``None``.

    An MPEG-4 sound file (m4a) is ``mp4``. Raises ``OSError`` where the file cannot be read.
    """
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[:3] == b"ID3" and len(head) >= 10:
            # An ID3 tag may hold a cover picture of megabytes; its size has 7 bits a byte.
            size = sum((head[6 + i] & 0x7F) << (7 * (3 - i)) for i in range(4))
            file.seek(10 + size)
            return _sniff_frames(file.read(16)) or "mp3"
    return sniff_bytes(head)


def sniff_bytes(head: bytes) -> str | None:
    """As ``sniff``, for the first bytes of a file (4096 are enough)."""
    if head[4:8] == b"ftyp":
        if head[8:12] in _STILL_BRANDS:
            return None
        return "mov" if head[8:12] == b"qt  " else "mp4"
    if head[4:8] in _FIRST_BOXES:
        return "mov"
    if head[4:8] in (b"styp", b"sidx"):
        return "mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _sniff_matroska(head)
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return {b"AVI ": "avi", b"WAVE": "wav", b"WEBP": "webp"}.get(head[8:12])
    if head[:4] == b"OggS":
        return "ogg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    return _sniff_frames(head)


def _sniff_matroska(head: bytes) -> str | None:
    # DocType is element 0x4282; its one-byte length follows.
    at = head.find(b"\x42\x82")
    if at < 0 or at + 3 > len(head):
        return None
    length = head[at + 2] & 0x7F
    kind = head[at + 3 : at + 3 + length].rstrip(b"\0")
    return {b"webm": "webm", b"matroska": "matroska"}.get(kind)


def _sniff_frames(head: bytes) -> str | None:
    if head[:4] == b"fLaC":
        return "flac"
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    is_layered = head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0 and head[1] & 0x18 != 0x08
    has_rates = head[2] & 0xF0 not in (0xF0, 0x00) and head[2] & 0x0C != 0x0C
    return "mp3" if is_layered and has_rates else None
