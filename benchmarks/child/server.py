"""A server that answers any POST with how many bytes came, and ``GET /N`` with N zeros.

It prints its port. As lean as can be, so that it is the other side that is measured.
"""

from __future__ import annotations

import asyncio
import sys

_BUFFER_BYTES = 1 << 20
_ZEROS = bytes(_BUFFER_BYTES)


class Counting(asyncio.BufferedProtocol):
    """One connection; requests one behind the other."""

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER_BYTES)
        self._head = b""
        self._left: int | None = None
        self._length = 0
        self._to_send = 0
        self._is_paused = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left is None:
            self._head += bytes(self._buffer[:nbytes])
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if head.startswith(b"GET "):
                self._head, self._to_send = b"", int(head.split()[1].lstrip(b"/"))
                self._begin_answer(self._to_send)
                self._send()
                return
            self._length = _content_length(head)
            self._head, self._left = b"", self._length - len(body)
        else:
            self._left -= nbytes
        if self._left == 0:
            self._left = None
            self._answer(str(self._length).encode())

    def _answer(self, body: bytes) -> None:
        self._begin_answer(len(body))
        if self._transport is not None:
            self._transport.write(body)

    def _begin_answer(self, length: int) -> None:
        if self._transport is not None:
            self._transport.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._send()

    def _send(self) -> None:
        while self._to_send and not self._is_paused and self._transport is not None:
            piece = _ZEROS[: self._to_send]
            self._to_send -= len(piece)
            self._transport.write(piece)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
