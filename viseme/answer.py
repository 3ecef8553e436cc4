"""What a vendor answered, and how it is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .errors import UnreadableAnswer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def without(self, secret: str) -> Answer:
        """The same with ``***`` for ``secret``: as it is, as in JSON and as in a URL."""
        headers, body = self.headers, self.body
        for form in {secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, safe="")}:
            headers = {name: value.replace(form, "***") for name, value in headers.items()}
            body = body.replace(form.encode(), b"***")
        return Answer(self.status, headers, body)

    def json(self) -> Any:
        """The body as JSON. Raises UnreadableAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as problem:
            start = " ".join(self.text.split())[:120]
            raise UnreadableAnswer(
                f"The vendor answered HTTP {self.status} with what is no JSON: {start!r}.",
                http_status=self.status,
                remedy="Try again later; if it stays so, ask the vendor.",
            ) from problem

    def json_object(self) -> Mapping[str, Any]:
        document = self.json()
        if not isinstance(document, dict):
            raise UnreadableAnswer(
                f"The vendor answered HTTP {self.status} with JSON that is not an object.",
                http_status=self.status,
                remedy="Try again later; if it stays so, ask the vendor.",
            )
        return document


class Unpacking:
    """The body of an answer as it arrives, of which never much more than ``max_bytes`` is held.

    We ask for bodies that are not packed. One that is packed all the same, as some proxies do, is
    unpacked while it is counted: a few bytes can stand for any number of them.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """``encoding`` is the header Content-Encoding. Raises ValueError for one not known."""
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise ValueError(f"it is packed as {encoding!r}")
        is_packed = name not in ("", "identity")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if is_packed else None
        self._max_bytes = max_bytes
        self._received = bytearray()
        self._has_begun = False

    def add(self, chunk: bytes) -> bool:
        """Take what arrived; False once the body is too long. Raises ValueError for garbage."""
        self._has_begun = self._has_begun or bool(chunk)
        if self._unpacker is not None:
            try:
                left = self._max_bytes - len(self._received)
                chunk = self._unpacker.decompress(chunk, left + 1)
            except zlib.error as problem:
                raise ValueError(f"it cannot be unpacked: {problem}") from problem
        self._received += chunk
        return len(self._received) <= self._max_bytes

    def whole(self) -> bytes:
        """The body. Raises ValueError where its packed form has no end."""
        if self._unpacker is not None and self._has_begun and not self._unpacker.eof:
            raise ValueError("it is packed and not whole")
        return bytes(self._received)
