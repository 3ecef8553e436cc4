"""Sending answers and files, whole or garbled as a fault says."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

CHUNK_BYTES = 256 * 1024
HTML_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>\n"


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


# One grey pixel.
PNG_IMAGE = (
    b"\x89PNG\r\n\x1a\n"
    + _png_chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]))
    + _png_chunk(b"IDAT", zlib.compress(b"\x00\x80"))
    + _png_chunk(b"IEND", b"")
)


class Hangup(web.Response):
    """Closes the connection instead of answering.

    ``body_bytes`` is what had been sent past aiohttp before.
    """

    body_bytes = 0

    async def prepare(self, request: web.BaseRequest) -> None:
        close_connection(request)
        raise ConnectionResetError("closed on purpose")


class Counted(web.StreamResponse):
    """A streamed answer that knows how many bytes of body it has sent."""

    body_bytes = 0

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        await super().write(data)
        self.body_bytes += len(data)


def sent_bytes(response: web.StreamResponse | None) -> int:
    """How many bytes of body an answer had."""
    if isinstance(response, (Counted, Hangup)):
        return response.body_bytes
    if isinstance(response, web.Response) and response.prepared:
        return len(response.body) if isinstance(response.body, bytes) else 0
    return 0


def close_connection(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


class Source:
    """The bytes of an answer: a file, or what is in memory."""

    def __init__(self, content: Path | bytes, media_type: str) -> None:
        self.media_type = media_type
        self._content = content
        self.size_bytes = content.stat().st_size if isinstance(content, Path) else len(content)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        if isinstance(self._content, bytes):
            yield self._content[start:stop]
            return
        with self._content.open("rb") as handle:
            handle.seek(start)
            left = stop - start
            while left > 0:
                chunk = handle.read(min(CHUNK_BYTES, left))
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk


@dataclass(frozen=True)
class Stream:
    """An answer that is written while things happen. ``beginning`` is what it opens with."""

    beginning: Source
    send: Callable[[], Awaitable[web.StreamResponse]]


async def send_file(request: web.Request, source: Source) -> web.StreamResponse:
    """Serve a file with its length; one ``bytes=`` range is honoured."""
    size = source.size_bytes
    start, stop, status = 0, size, 200
    headers = {"Content-Type": source.media_type, "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", "").strip())
    if wanted and wanted.group() != "bytes=-":
        first, last = wanted.groups()
        if first:
            start, stop = int(first), min(int(last) + 1, size) if last else size
        else:
            start = max(size - int(last), 0)
        if start >= stop:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response = Counted(status=status, headers=headers)
    response.content_length = stop - start
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # the reader has had enough
        if request.method != "HEAD":
            for chunk in source.chunks(start, stop):
                await response.write(chunk)
        await response.write_eof()
    return response


async def send_garbled(
    request: web.Request, source: Source, fault_name: str, *, status: int = 200
) -> web.StreamResponse:
    """Answer as the fault says; ``source`` is what a sound answer would have held."""
    if fault_name == "expire-url":
        return web.Response(status=404, text="Not Found")
    if fault_name == "html-200":
        return web.Response(body=HTML_PAGE, content_type="text/html", charset="utf-8")
    if fault_name == "wrong-type":
        return web.Response(body=PNG_IMAGE, content_type="image/png")
    if fault_name == "lie-length":
        return await _send_lie(request, source, status)
    response = Counted(status=status, headers={"Content-Type": source.media_type})
    if fault_name == "truncate":
        response.content_length = source.size_bytes
    else:
        response.enable_chunked_encoding()
    await response.prepare(request)
    endless = fault_name != "truncate"
    with contextlib.suppress(ConnectionError):  # the reader has had enough
        stop = source.size_bytes if endless else source.size_bytes // 2
        for chunk in source.chunks(0, stop):
            await response.write(chunk)
        nothing = bytes(CHUNK_BYTES)
        while endless:
            await response.write(nothing)
            await asyncio.sleep(0)
    close_connection(request)
    return response


async def _flushed(transport: asyncio.WriteTransport) -> None:
    limit = 4 * CHUNK_BYTES
    while not transport.is_closing() and transport.get_write_buffer_size() > limit:  # noqa: ASYNC110
        await asyncio.sleep(0.005)  # a transport tells nobody when it has room again


async def _send_lie(request: web.Request, source: Source, status: int) -> web.StreamResponse:
    """Half the length announced, all of it sent: past what aiohttp would allow."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the reader is gone")
    head = (
        f"HTTP/1.1 {status} OK\r\nContent-Type: {source.media_type}\r\n"
        f"Content-Length: {source.size_bytes // 2}\r\nConnection: close\r\n\r\n"
    )
    transport.write(head.encode("ascii"))
    response = Hangup(status=status)
    for chunk in source.chunks(0, source.size_bytes):
        transport.write(chunk)
        response.body_bytes += len(chunk)
        await _flushed(transport)
    close_connection(request)
    return response
