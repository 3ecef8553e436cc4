"""Request bodies: what they are byte for byte, however their files are read."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from viseme.bodies import (
    CHUNK_BYTES,
    Body,
    FileBody,
    JsonBody,
    data_uri_chunks,
    digest_of,
    media_string_digest,
)
from viseme.errors import InputError, LocalError
from viseme.model import InlineMedia

SIZES = (
    *(0, 1, 2, 3, 4, 5, 6, 100),
    *(CHUNK_BYTES - 2, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, CHUNK_BYTES + 2),
    *(2 * CHUNK_BYTES - 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1),
)


def file_of(folder: Path, size: int, name: str = "m") -> tuple[InlineMedia, str]:
    """A medium, and the data URI that it has to become."""
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    path = folder / f"{name}-{size}"
    path.write_bytes(content)
    uri = "data:video/mp4;base64," + base64.b64encode(content).decode()
    return InlineMedia(path, "video/mp4", size), uri


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_byte_for_byte_what_json_dumps_would_write(tmp_path: Path, size: int) -> None:
    medium, uri = file_of(tmp_path, size)
    other, other_uri = file_of(tmp_path, 7, "other")
    nothing: dict[str, Any] = {}

    def document(video: object, sound: object) -> dict[str, Any]:
        return {
            "video": video,
            "deep": [{"sound": sound, "ü": '"\\\n☃'}, 1.5, None, True, nothing],
            "again": video,
        }

    body = JsonBody(document(medium, other))
    expected = json.dumps(
        document(uri, other_uri), ensure_ascii=False, separators=(",", ":")
    ).encode()
    assert b"".join(body.chunks()) == expected
    assert body.length == len(expected)
    assert b"".join(body.chunks()) == expected, "it can be read again"
    assert body.digest() == digest_of([expected])
    assert media_string_digest(medium) == digest_of([uri.encode()])
    assert b"".join(data_uri_chunks(medium)) == uri.encode()
    assert medium.uri_bytes == len(uri)


@pytest.mark.parametrize(
    "document", [{}, [], "text", 0, None, {"a": "ü"}, [{"b": [1, "2", {"c": None}]}]]
)
def test_a_body_without_media_is_what_json_dumps_would_write(document: Any) -> None:
    body = JsonBody(document)
    expected = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    assert b"".join(body.chunks()) == expected
    assert body.length == len(expected)


def test_what_has_no_place_in_a_body_is_refused() -> None:
    with pytest.raises(TypeError, match="Path has no place"):
        JsonBody({"a": Path("x")})


def test_a_text_that_is_no_unicode_is_an_input_error() -> None:
    """A command line in another encoding comes with halves of surrogate pairs."""
    with pytest.raises(InputError, match="not Unicode"):
        JsonBody({"text": "caf\udce9"})


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 0), (0, 10), (3, 4), (9, 1), (CHUNK_BYTES - 1, 3)]
)
def test_a_part_of_a_file_is_sent_as_it_is(tmp_path: Path, offset: int, length: int) -> None:
    content = os.urandom(CHUNK_BYTES + 10)
    path = tmp_path / "f"
    path.write_bytes(content)
    body = FileBody(path, offset, length)
    assert b"".join(body.chunks()) == content[offset : offset + length]
    assert body.length == length


def test_a_file_that_grew_is_sent_as_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abcdef")
    assert b"".join(FileBody(path, 0, 3).chunks()) == b"abc"


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_file_of_known_digest_is_sent_again_and_again_and_with_other_bytes_never_whole(
    tmp_path: Path, size: int
) -> None:
    medium, uri = file_of(tmp_path, size)
    content = medium.path.read_bytes()
    known = replace(medium, digest=digest_of([content]))
    bodies: list[tuple[Body, bytes]] = [
        (FileBody(medium.path, 0, size, known.digest), content),
        (JsonBody({"v": known, "w": 1}), f'{{"v":"{uri}","w":1}}'.encode()),
    ]
    for body, expected in bodies * 2:
        assert b"".join(body.chunks()) == expected
    for place in {0, size // 2, size - 1}:
        other = bytes([content[place] ^ 1])
        medium.path.write_bytes(content[:place] + other + content[place + 1 :])
        for body, expected in bodies:
            assert sum(map(len, sent_of(body))) < len(expected)
    medium.path.write_bytes(content + b"more")
    assert b"".join(bodies[0][0].chunks()) == content


def sent_of(body: Body) -> list[bytes]:
    """What goes out before it is noticed that the file is another one."""
    sent = []
    with pytest.raises(InputError, match="was changed while it was being sent") as caught:
        for chunk in body.chunks():
            sent.append(chunk)  # noqa: PERF402  # what comes before the error counts
    assert caught.value.remedy
    return sent


def test_what_is_a_folder_by_now_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot be read any more"):
        list(FileBody(tmp_path, 0, 3).chunks())
