from __future__ import annotations

import dataclasses
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.errors import InputError
from viseme.ledger import canonical_json, fingerprint
from viseme.model import Clip, Recording, RemoteMedia, Sound, SpokenText

CLIP = Clip(
    path=Path("/a/clip.mp4"),
    digest="c" * 64,
    size_bytes=1000,
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    width=320,
    height=180,
    frame_rate=Fraction(25),
    frame_count=100,
)
SPEECH = Recording(Path("/a/s.wav"), "d" * 64, 10, "wav", Sound("pcm_s16le", 16000, 1, 16000))
BASE: dict[str, Any] = {
    "destination": "live",
    "account": "0123",
    "endpoint": "fal-sync",
    "arguments": {"sync_mode": "loop", "scale": 1.5},
    "footage": CLIP,
    "speech": SPEECH,
    "take": 1,
}


def test_it_is_the_same_in_every_version() -> None:
    # A change here makes every finished purchase unknown: it would be bought again.
    assert fingerprint(**BASE) == "abcc58ab99f419c1d85b2071b6a574a0484b2ecb5e60f09b959dbbdeb12f8592"


@pytest.mark.parametrize(
    "change",
    [
        {"destination": "7f7db46e-7cc7-4c67-88ad-2c6e87380ae2"},
        {"account": "0124"},
        {"endpoint": "fal-pipio"},
        {"arguments": {"sync_mode": "loop", "scale": 1.6}},
        {"arguments": {"sync_mode": "loop"}},
        {"footage": dataclasses.replace(CLIP, digest="e" * 64)},
        {"footage": RemoteMedia("c" * 64)},
        {"speech": dataclasses.replace(SPEECH, digest="e" * 64)},
        {"speech": SpokenText("Hello", "Emily")},
        {"speech": RemoteMedia("https://example.com/a.wav")},
        {"take": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_the_result_or_the_payer_changes_it(change: dict[str, Any]) -> None:
    assert fingerprint(**(BASE | change)) != fingerprint(**BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"footage": dataclasses.replace(CLIP, path=Path("/b/other name.mov"), size_bytes=5)},
        {"speech": dataclasses.replace(SPEECH, path=Path("/b/t.wav"))},
        {"arguments": {"scale": Decimal("1.50"), "sync_mode": "loop"}} | {},
    ],
    ids=["clip moved", "speech moved", "arguments in another order"],
)
def test_paths_and_order_do_not_matter(change: dict[str, Any]) -> None:
    if "arguments" in change:
        change = {"arguments": {"scale": 1.5, "sync_mode": "loop"}}
    assert fingerprint(**(BASE | change)) == fingerprint(**BASE)


def test_voices_and_texts_are_told_apart() -> None:
    speeches = [
        SpokenText("Hello"),
        SpokenText("Hello", "Emily"),
        SpokenText("Hello", "James"),
        SpokenText("hello"),
        RemoteMedia("Hello"),
    ]
    assert len({fingerprint(**(BASE | {"speech": speech})) for speech in speeches}) == 5


@pytest.mark.parametrize("take", [0, -1])
def test_takes_count_from_one(take: int) -> None:
    with pytest.raises(InputError, match="takes count from 1") as raised:
        fingerprint(**(BASE | {"take": take}))
    assert raised.value.field == "--take"


class Colour(str, Enum):
    RED = "red"


def test_equal_values_have_one_text() -> None:
    assert canonical_json({"b": (1, 2), "a": Colour.RED}) == b'{"a":"red","b":[1,2]}'
    assert canonical_json([1.0, 1, Decimal("1.0")]) == b'[1,1,"1"]'
    assert canonical_json(Decimal("1E+2")) == b'"100"'
    assert canonical_json(Decimal("-0.0")) == canonical_json(Decimal(0))
    assert canonical_json(Fraction(30000, 1001)) == b'"30000/1001"'
    assert canonical_json("Käse") == '"Käse"'.encode()
    assert canonical_json({3, 1, 2}) == b"[1,2,3]"
    assert canonical_json(True) != canonical_json(1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", Path("/x")])
def test_what_has_no_exact_text_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        canonical_json({"a": [value]})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, _JSON)
def test_different_documents_have_different_texts(first: Any, second: Any) -> None:
    if repr(first) == repr(second):
        assert canonical_json(first) == canonical_json(second)
    if canonical_json(first) == canonical_json(second):
        assert first == second
