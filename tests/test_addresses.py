"""Named base URLs, and the parts of URLs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from viseme.addresses import Addresses, origin_of, path_segment

BASES = {
    "fal.queue": "https://queue.fal.run",
    "fal.cdn": "https://v3.fal.media",
    "runware": "https://api.runware.ai/v1",
    "runware.deep": "https://api.runware.ai/v1/deep/",
    "box": "http://127.0.0.1:8000",
}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://queue.fal.run/a/b/requests/1", ("fal.queue", "/a/b/requests/1")),
        ("https://queue.fal.run", ("fal.queue", "")),
        ("https://queue.fal.run/", ("fal.queue", "/")),
        ("https://queue.fal.run?x=1", ("fal.queue", "?x=1")),
        ("https://queue.fal.run.evil.com/a", None),
        ("https://queue.fal.runevil/a", None),
        ("https://queue.fal.run@evil.com/a", None),
        ("https://queue.fal.run:443/a", None),
        ("https://queue.fal.run:8443/a", None),
        ("https://queue.fal.run#/a", None),
        ("https://queue.fal.run\\evil.com/a", None),
        ("http://queue.fal.run/a", None),
        ("//queue.fal.run/a", None),
        ("https://evil.com/https://queue.fal.run/a", None),
        ("https://api.runware.ai/v1", ("runware", "")),
        ("https://api.runware.ai/v1/x", ("runware", "/x")),
        ("https://api.runware.ai/v1evil", None),
        ("https://api.runware.ai/v1.evil.com", None),
        ("https://api.runware.ai/", None),
        ("https://api.runware.ai/v1/deep", ("runware.deep", "")),
        ("https://api.runware.ai/v1/deep/x", ("runware.deep", "/x")),
        ("https://api.runware.ai/v1/deeper", ("runware", "/deeper")),
        ("http://127.0.0.1:8000/x", ("box", "/x")),
        ("http://127.0.0.1:80001/x", None),
        ("http://127.0.0.1:800/x", None),
        ("", None),
        ("None", None),
    ],
)
def test_a_url_lies_under_a_base_or_it_does_not(url: str, found: tuple[str, str] | None) -> None:
    addresses = Addresses(BASES)
    assert addresses.locate(url) == found
    if found is not None:
        assert addresses.url(*found) == url


def test_where_two_bases_are_one_the_first_is_meant() -> None:
    same = {"fal.cdn": "https://v3.fal.media", "fal.results": "https://v3.fal.media"}
    assert Addresses(same).locate("https://v3.fal.media/f") == ("fal.cdn", "/f")


def test_addresses_are_asked_for_again() -> None:
    now = {"v": "http://127.0.0.1:1/"}

    async def reload() -> Mapping[str, str]:
        return now

    addresses = Addresses(now, reload)
    assert asyncio.run(addresses.refresh()) is False
    now["v"] = "http://127.0.0.1:2/"
    assert asyncio.run(addresses.refresh()) is True
    assert addresses.url("v", "/x") == "http://127.0.0.1:2/x"
    assert addresses.locate("http://127.0.0.1:1/x") is None
    assert asyncio.run(addresses.refresh()) is False
    assert asyncio.run(Addresses(now).refresh()) is False


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Queue.FAL.run/a?b", "https://queue.fal.run:443"),
        ("http://127.0.0.1:81/a", "http://127.0.0.1:81"),
        ("http://127.0.0.1/a", "http://127.0.0.1:80"),
        ("https://[::1]:9/a", "https://::1:9"),
        ("ftp://h/", "ftp://h:0"),
    ],
)
def test_an_origin_always_names_its_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("text", ["a/b", "../x", "a?b", "a#b", "a b", "ü", "%2F", "uuid:m/n"])
def test_a_path_segment_stays_one(text: str) -> None:
    segment = path_segment(text)
    assert not set(segment) & set("/?# ")
    assert segment.isascii()
