"""What stands behind a media string: an upload, a result, a data URI, or the shipped sample.

Nothing is ever fetched. A URL of the sandbox itself is known by its path alone, since the ports
differ after a restart while the names cannot be guessed. Another https or http URL stands for
the sample; one that points to this machine or a private network is what a vendor could not reach.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
import secrets
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import pybase64

from ..samples import sample_clip_path, sample_speech_path
from . import bodies
from .models.base import Problem
from .records import StoredFile
from .state import State

SAMPLE_FILES = {"video": sample_clip_path(), "audio": sample_speech_path()}
AUDIO_SUFFIXES = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus")
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class MediaMissing(Exception):
    """There is nothing behind a media string; the text says why."""

    def problem(self, loc: tuple[str | int, ...], text: str) -> Problem:
        return Problem(loc, str(self), "file_download_error", text[:200])


class MediaStore:
    """Finds the file for a media string, and takes in new ones."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._folder = state.folder

    def resolve(self, text: str, role: str, *, knows_uuids: bool = False) -> Path:
        """The file behind ``text`` for the role ``video`` or ``audio``; raises ``MediaMissing``.

        May decode a data URI to disk, so it belongs into a worker thread only for long ones;
        those have been decoded while the body was read.
        """
        marked = bodies.marked_file(text, self._folder)
        if marked is not None:
            if not marked.exists():
                raise MediaMissing("The base64 data could not be decoded.")
            return marked
        if text.startswith("data:"):
            return self.decode(text)
        if knows_uuids and UUID_TEXT.fullmatch(text):
            stored = self._state.media(text.lower())
            if stored is None:
                raise MediaMissing(f"No stored media has the UUID {text}.")
            if stored.source_url is not None:
                return SAMPLE_FILES[role]
            return self.on_disk(stored)
        return self._behind_url(text, role)

    def decode(self, text: str) -> Path:
        """Write a data URI, or bare base64, into a file; raises ``MediaMissing``."""
        header, comma, data = text.rpartition(",") if text.startswith("data:") else ("", "", text)
        try:
            if header and not header.endswith(";base64"):
                content = unquote_to_bytes(data)
            else:
                content = pybase64.b64decode(data.encode("ascii"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise MediaMissing("The base64 data could not be decoded.") from error
        if not content or (text.startswith("data:") and not comma):
            raise MediaMissing("The data is empty.")
        target = self._folder / "media" / secrets.token_hex(16)
        target.write_bytes(content)
        return target

    def on_disk(self, stored: StoredFile) -> Path:
        return self._folder / stored.disk

    def _behind_url(self, text: str, role: str) -> Path:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MediaMissing("This is neither an http(s) URL nor a data URI.")
        if not is_private_host(parts.hostname):
            return SAMPLE_FILES[role]
        stored = self._state.file(unquote(parts.path))
        if stored is None:
            text = f"{parts.hostname} is not reachable from outside, and no such file was uploaded."
            raise MediaMissing(text)
        if stored.is_expired:
            raise MediaMissing("The file has expired.")
        if stored.source_url is not None:
            return SAMPLE_FILES[role]
        return self.on_disk(stored)


def is_private_host(host: str) -> bool:
    """Whether a host name or literal address is this machine or a network of its own."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return False


def role_by_name(url: str) -> str:
    """``audio`` where a URL's path ends like a sound file, else ``video``."""
    return "audio" if urlsplit(url).path.lower().endswith(AUDIO_SUFFIXES) else "video"


def sniff_media_type(path: Path) -> str:
    """A media type from a file's first bytes; ``application/octet-stream`` when unknown."""
    with path.open("rb") as handle:
        head = handle.read(16)
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    table = {
        b"\x1aE\xdf\xa3": "video/webm",
        b"RIFF": "audio/wav",
        b"ID3": "audio/mpeg",
        b"\xff\xfb": "audio/mpeg",
        b"fLaC": "audio/flac",
        b"OggS": "audio/ogg",
        b"\x89PNG": "image/png",
        b"\xff\xd8\xff": "image/jpeg",
    }
    for magic, media_type in table.items():
        if head.startswith(magic):
            return media_type
    return "application/octet-stream"
