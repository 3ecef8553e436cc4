"""Request bodies, read from disk while they are sent, and the digests of what stands in them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pybase64
from blake3 import blake3

from .errors import InputError, LocalError
from .model import InlineMedia

CHUNK_BYTES = 768 * 1024  # a multiple of 3, so that base64 of each chunk joins without padding


class Body(Protocol):
    """A request body of known length that can be read again for another try."""

    @property
    def length(self) -> int: ...
    def chunks(self) -> Iterator[bytes]: ...


class JsonBody:
    """A JSON document in which files stand as data URIs, read from disk while it is sent."""

    def __init__(self, document: Any) -> None:
        media: list[InlineMedia] = []
        marker = uuid.uuid4().hex

        def place(value: object) -> str:
            if not isinstance(value, InlineMedia):
                raise TypeError(f"{type(value).__name__} has no place in a request body")
            media.append(value)
            return marker

        text = json.dumps(document, default=place, ensure_ascii=False, separators=(",", ":"))
        try:
            skeleton = [piece.encode() for piece in text.split(marker)]
        except UnicodeEncodeError as problem:  # half a surrogate pair, from a garbled command line
            raise InputError(
                "A text in the request has a character that is not Unicode.",
                value=repr(problem.object[problem.start : problem.end]),
                remedy="Type the text anew, in UTF-8.",
            ) from None
        self._parts: list[bytes | InlineMedia] = [skeleton[0]]
        for medium, piece in zip(media, skeleton[1:], strict=True):
            self._parts += [medium, piece]

    @property
    def length(self) -> int:
        return sum(
            part.uri_bytes if isinstance(part, InlineMedia) else len(part) for part in self._parts
        )

    def chunks(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, InlineMedia):
                yield from data_uri_chunks(part)
            else:
                yield part

    def digest(self) -> str:
        """BLAKE3 of the whole body, in hex."""
        return digest_of(self.chunks())


class FileBody:
    """``length`` bytes of a file from ``offset`` on.

    Raises InputError where the file became shorter, and LocalError where it cannot be read. With
    ``digest``, BLAKE3 in hex, other bytes are never sent whole: it is taken of what is sent
    and compared before the last piece goes out.
    """

    def __init__(self, path: Path, offset: int, length: int, digest: str | None = None) -> None:
        self._path = path
        self._offset = offset
        self._length = length
        self._digest = digest

    @property
    def length(self) -> int:
        return self._length

    def chunks(self) -> Iterator[bytes]:
        left, hasher = self._length, blake3()
        with _reading(self._path) as file:
            file.seek(self._offset)
            while left:
                try:
                    chunk = file.read(min(CHUNK_BYTES, left))
                except OSError as problem:
                    raise _unreadable(self._path, problem) from problem
                if not chunk:
                    raise changed_file(self._path)
                left -= len(chunk)
                if self._digest is not None:
                    hasher.update(chunk)
                    if not left and hasher.hexdigest() != self._digest:
                        raise changed_file(self._path)
                yield chunk


def data_uri_chunks(medium: InlineMedia) -> Iterator[bytes]:
    """``data:<type>;base64,<data>`` in pieces. Raises as ``FileBody`` does."""
    yield f"data:{medium.media_type};base64,".encode()
    body = FileBody(medium.path, 0, medium.size_bytes, medium.digest)
    kept = b""
    for chunk in body.chunks():
        whole = kept + chunk
        end = len(whole) - len(whole) % 3
        kept = whole[end:]
        yield pybase64.b64encode(whole[:end])
    if kept:
        yield pybase64.b64encode(kept)


def media_string_digest(carried: str | InlineMedia) -> str:
    """BLAKE3 of the media string as it stands in the body: a URL, a UUID or a data URI."""
    if isinstance(carried, str):
        return digest_of([carried.encode()])
    return digest_of(data_uri_chunks(carried))


def digest_of(chunks: Iterator[bytes] | list[bytes]) -> str:
    hasher = blake3()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()


def _reading(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as problem:
        raise _unreadable(path, problem) from problem


def _unreadable(path: Path, problem: OSError) -> LocalError:
    return LocalError(
        f"{path.name} cannot be read any more: {problem.strerror}.",
        field=str(path),
        remedy="Run the same command again.",
    )


def changed_file(path: Path, field: str | None = None) -> InputError:
    """The error for a file that is not what it was any more; ``field`` is how the user gave it."""
    return InputError(
        f"{path.name} was changed while it was being sent, so nothing was submitted.",
        field=field,
        value=path,
        remedy="Run the same command again once nothing writes to the file.",
    )
