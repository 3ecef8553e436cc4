"""Request bodies that may be far larger than memory should hold.

A raw upload goes to disk as it comes. A JSON body over ``MEMORY_LIMIT_BYTES`` goes to disk too;
every long media string in it (a data URI, or bare base64) is decoded from there into a file of
its own, and stands in the parsed value as a short mark that is itself a sound data URI or
base64. So a 700 MB string costs a buffer of a few MiB.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import io
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pybase64
from aiohttp import web

MEMORY_LIMIT_BYTES = 1024 * 1024
LONG_STRING_BYTES = 64 * 1024
STEP_BYTES = 4 * 1024 * 1024  # a multiple of 4: whole base64 groups
MARK = "SandboxKept+"  # with 32 hex digits it is 44 characters of sound base64
UNREADABLE = "0" * 32
DATA_HEADER = re.compile(rb"data:[^,\"]{0,200},")
BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/\\]{256}")


class BodyTooLarge(Exception):
    """The body is over the vendor's limit."""


class BodyNotJson(Exception):
    """The body is not JSON; the text says where."""


@dataclass
class JsonBody:
    """A parsed body. ``raw`` or ``disk`` is the body as it came; ``spilled`` its media files."""

    value: Any
    raw: bytes | None
    disk: Path | None
    spilled: list[Path] = field(default_factory=list)

    def keep(self, target: Path) -> None:
        """Save the body as it came."""
        if self.disk is not None:
            self.disk.replace(target)
            self.disk = None
        elif self.raw is not None:
            target.write_bytes(self.raw)

    def discard(self, *, with_media: bool) -> None:
        """Delete what is left of it on disk."""
        for path in ([self.disk] if self.disk else []) + (self.spilled if with_media else []):
            path.unlink(missing_ok=True)


async def read_json(
    request: web.Request, folder: Path, *, max_bytes: int | None = None
) -> JsonBody:
    """Read and parse a JSON body of any size; ``folder`` is the state folder.

    No body at all counts as ``null``.

    Raises ``BodyTooLarge`` as soon as ``max_bytes`` is passed, and ``BodyNotJson``.
    """
    _check_size(request.content_length or 0, max_bytes)
    kept = bytearray()
    disk: Path | None = None
    spool: IO[bytes] | None = None
    size_bytes = 0
    try:
        async for chunk in request.content.iter_any():
            size_bytes += len(chunk)
            _check_size(size_bytes, max_bytes)
            if spool is not None:
                spool.write(chunk)
                continue
            kept += chunk
            if len(kept) > MEMORY_LIMIT_BYTES:
                disk = folder / "incoming" / secrets.token_hex(16)
                spool = open_new(disk)
                spool.write(kept)
                kept.clear()
    except BaseException:
        if disk is not None:
            disk.unlink(missing_ok=True)
        raise
    finally:
        if spool is not None:
            spool.close()
    if disk is None:
        raw = bytes(kept)
        if not raw:
            return JsonBody(None, None, None)
        return _parse(io.BytesIO(raw), JsonBody(None, raw, None), folder)
    return await asyncio.to_thread(_parse_file, disk, folder)


def _check_size(size_bytes: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size_bytes > max_bytes:
        raise BodyTooLarge


def open_new(path: Path) -> IO[bytes]:
    return path.open("xb")


async def save_raw(request: web.Request, target: Path) -> int:
    """Stream a raw body into a new file; returns its size in bytes."""
    size_bytes = 0
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        handle = stack.enter_context(open_new(part))
        stack.callback(part.unlink, missing_ok=True)
        async for chunk in request.content.iter_any():
            size_bytes += len(chunk)
            handle.write(chunk)
        handle.close()
        part.replace(target)
    return size_bytes


async def drain(request: web.Request) -> None:
    """Read a body to nowhere, so that its sender is through with sending."""
    async for _ in request.content.iter_any():
        pass


class _Window:
    """Bytes of a file, seen through a buffer of a few MiB."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._start = 0
        self._block = b""

    def find_quote(self, position: int) -> int:
        """Where the next quotation mark is; -1 without one."""
        while True:
            block = self._block_at(position)
            found = block.find(b'"', position - self._start)
            if found >= 0:
                return self._start + found
            if not block:
                return -1
            position = self._start + len(block)

    def read(self, start: int, stop: int) -> bytes:
        parts = []
        while start < stop:
            block = self._block_at(start)
            part = block[start - self._start : stop - self._start]
            if not part:
                break
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def _block_at(self, position: int) -> bytes:
        """A block that holds the position; empty at the end of the file."""
        if not self._start <= position < self._start + len(self._block):
            self._start = position - position % STEP_BYTES
            self._handle.seek(self._start)
            self._block = self._handle.read(STEP_BYTES)
            if position >= self._start + len(self._block):
                self._start, self._block = position, b""
        return self._block


def _parse_file(disk: Path, folder: Path) -> JsonBody:
    with disk.open("rb") as handle:
        return _parse(handle, JsonBody(None, None, disk), folder)


def _parse(handle: IO[bytes], body: JsonBody, folder: Path) -> JsonBody:
    raw = _Window(handle)
    text = bytearray()
    position = 0
    try:
        while True:
            start = raw.find_quote(position)
            if start < 0:
                handle.seek(position)
                text += handle.read()
                break
            end = _closing_quote(raw, start)
            text += raw.read(position, start)
            mark = None
            if end - start > LONG_STRING_BYTES:
                mark = _spill(raw, start + 1, end, body, folder)
            text += raw.read(start, end + 1) if mark is None else json.dumps(mark).encode()
            position = end + 1
        body.value = json.loads(text)
    except (ValueError, RecursionError) as error:
        body.discard(with_media=True)
        raise BodyNotJson(str(error)) from error
    return body


def _closing_quote(raw: _Window, start: int) -> int:
    position = start + 1
    while True:
        end = raw.find_quote(position)
        if end < 0:
            raise ValueError(f"the string that starts at byte {start} does not end")
        # An odd number of backslashes before it makes it a part of the string.
        slashes = 0
        while raw.read(end - 1 - slashes, end - slashes) == b"\\":
            slashes += 1
        if slashes % 2 == 0:
            return end
        position = end + 1


def _spill(raw: _Window, start: int, end: int, body: JsonBody, folder: Path) -> str | None:
    """Decode a string's bytes into a file; the mark that stands for it, ``None`` for a text."""
    head = raw.read(start, start + 512)
    header = DATA_HEADER.match(head)
    if header is None and BASE64_TEXT.match(head) is None:
        return None
    written = header.group() if header else b""
    prefix = written.decode("utf-8", "replace").replace("\\/", "/")
    if header is not None and not prefix.endswith(";base64,"):
        return None
    target = folder / "media" / secrets.token_hex(16)
    try:
        with target.open("xb") as handle:
            for chunk in _base64_chunks(raw, start + len(written), end):
                handle.write(pybase64.b64decode(chunk, validate=True))
    except (binascii.Error, ValueError):
        target.unlink(missing_ok=True)
        return prefix + MARK + UNREADABLE
    body.spilled.append(target)
    return prefix + MARK + target.name


def _base64_chunks(raw: _Window, start: int, end: int) -> Iterator[bytes]:
    carry = b""
    for position in range(start, end, STEP_BYTES):
        chunk = carry + raw.read(position, min(position + STEP_BYTES, end))
        # JSON may write a slash as \/; the two may be torn apart at the end of a step.
        torn = b"\\" if chunk.endswith(b"\\") else b""
        chunk = chunk[: len(chunk) - len(torn)].replace(b"\\/", b"/")
        whole = len(chunk) - len(chunk) % 4
        yield chunk[:whole]
        carry = chunk[whole:] + torn
    if carry:
        yield carry


def marked_file(text: str, folder: Path) -> Path | None:
    """The file for which a mark stands; ``None`` where ``text`` is no mark.

    The file does not exist where what was sent could not be decoded.
    """
    found = re.fullmatch(r"(?:data:[^,]*,)?" + re.escape(MARK) + r"([0-9a-f]{32})", text)
    return None if found is None else folder / "media" / found.group(1)


def make_folders(folder: Path) -> None:
    """The folders that the sandbox keeps files in, without what a killed one had half done."""
    for name in ("incoming", "media", "bodies", "results", "work"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("incoming", "work"):
        for leftover in (folder / name).iterdir():
            _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
