"""Server-sent events out of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.services.server_events import EventReader, EventTooLong

STREAM = (
    b'data: {"a": 1}\n\n: ping\n\nid: 7\r\nevent: status\r\ndata:two\r\ndata: lines\r\n\r\ndata\r\r'
)
EVENTS = [b'{"a": 1}', b"two\nlines", b""]
WORDS = st.sampled_from([b"data", b": ", b":", b"x", b"\n", b"\r", b"\r\n", b"\n\n", b"event: e"])


def read(*chunks: bytes, limit: int = 1000) -> list[bytes]:
    reader = EventReader(limit)
    return [data for chunk in chunks for data in reader.feed(chunk)]


def test_events_are_read_with_every_line_end_and_nothing_but_data() -> None:
    assert read(STREAM + b": the end\n") == EVENTS


@given(st.lists(WORDS).map(b"".join), st.data())
def test_events_are_the_same_however_the_bytes_come(words: bytes, data: st.DataObject) -> None:
    stream = STREAM + words + b"\n"
    cuts = data.draw(st.lists(st.integers(0, len(stream))).map(sorted))
    pieces = [
        stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
    assert read(*pieces) == read(stream) == read(*(bytes([byte]) for byte in stream))


def test_half_an_event_is_none() -> None:
    assert read(b"data: x\n") == read(b"data: x") == []


@pytest.mark.parametrize("piece", [b"x", b"data: x\n", b"data: "])
def test_an_event_without_end_is_given_up_at_its_limit(piece: bytes) -> None:
    reader = EventReader(1000)
    with pytest.raises(EventTooLong):
        for _ in range(1001):
            list(reader.feed(piece))


def test_many_events_within_the_limit_may_be_longer_than_it_together() -> None:
    assert read(*[b"data: 123456789\n\n"] * 500, limit=50) == [b"123456789"] * 500
