"""Answers, and what cannot be read."""

from __future__ import annotations

import json

import pytest

from viseme.answer import Answer
from viseme.errors import UnreadableAnswer


def test_an_answer_that_is_no_json_is_shown_from_its_start() -> None:
    answer = Answer(502, {}, b"<html>\n  <h1>Bad   Gateway</h1>" + b"x" * 1000)
    with pytest.raises(UnreadableAnswer, match="HTTP 502") as caught:
        answer.json()
    assert "<h1>Bad Gateway</h1>" in str(caught.value)
    assert len(str(caught.value)) < 300
    assert caught.value.http_status == 502


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\xfa", b"[" * 200_000, b"{'a': 1}", b'{"a": ' + b"9" * 5000 + b"}", b"nul"],
)
def test_bodies_that_cannot_be_read_are_unreadable_answers(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        Answer(200, {}, body).json_object()


def test_a_secret_is_taken_out_of_headers_and_body() -> None:
    answer = Answer(401, {"x-echo": "Key abc:def"}, b'{"detail": "no abc:def, abc:def"}')
    assert answer.without("abc:def") == Answer(
        401, {"x-echo": "Key ***"}, b'{"detail": "no ***, ***"}'
    )


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"'])
def test_json_that_is_no_object_is_an_unreadable_answer(body: bytes) -> None:
    assert Answer(200, {}, body).json() == json.loads(body)
    with pytest.raises(UnreadableAnswer, match="not an object"):
        Answer(200, {}, body).json_object()
