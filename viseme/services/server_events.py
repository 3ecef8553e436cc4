"""Server-sent events, read from bytes as they come. Pure.

Source: html.spec.whatwg.org, server-sent events, "interpreting an event stream".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A carriage return at the end may be half of a line end.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_DATA = re.compile(rb"data(?:: ?|\Z)")


class EventTooLong(Exception):
    """An event that has not ended within the bytes that it may have."""


class EventReader:
    """Gives the data of each event. Holds at most ``max_event_bytes`` and the chunk just fed."""

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()  # of a line that has not ended
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of the events that end in ``chunk``. Raises EventTooLong."""
        may_end = b"\n" in chunk or b"\r" in chunk or self._rest.endswith(b"\r")
        self._rest += chunk
        if may_end:
            *lines, rest = _LINE_END.split(bytes(self._rest))
            self._rest = bytearray(rest)
            for line in lines:
                if not line and self._data:
                    yield b"\n".join(self._data)
                    self._data.clear()
                    self._data_bytes = 0
                elif field := _DATA.match(line):
                    self._data.append(line[field.end() :])
                    self._data_bytes += len(line)
        if self._data_bytes + len(self._rest) > self._max_event_bytes:
            raise EventTooLong
