"""What is decided of an address before anybody connects to it.

That nobody does, whatever a result's URL says, is tried in test_download.py.
"""

from __future__ import annotations

import pytest

from viseme.errors import FetchRefused
from viseme.guard import host_to_check, is_public, is_vendor_host, shown

FAL_HOSTS = (".fal.media", "storage.googleapis.com")
TRUSTED = frozenset({"http://127.0.0.1:8000"})


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://public.test/v.mp4", "public.test"),
        ("https://PUBLIC.test.:443/v.mp4", "public.test"),
        ("https://127.0.0.1/v.mp4", "127.0.0.1"),
        ("https://[::1]/v.mp4", "::1"),
        # These names themselves are trusted, wherever they lead.
        ("https://v3.fal.media/v.mp4", None),
        ("http://127.0.0.1:8000/v.mp4?s=1", None),
    ],
)
def test_the_name_decides_or_its_addresses_do(url: str, host: str | None) -> None:
    assert host_to_check(url, TRUSTED, FAL_HOSTS) == host


@pytest.mark.parametrize(
    "url",
    [
        *("http://public.test/v", "https://public.test:0/v", "https://public.test:8000/v"),
        *("http://127.0.0.1:8001/v", "http://user@127.0.0.1:8000/v", "https://u@v3.fal.media/v"),
        *("https://", "https://[::1/v", "file:///etc/passwd"),
    ],
)
def test_a_url_may_be_refused_wherever_its_name_leads(url: str) -> None:
    with pytest.raises(FetchRefused) as caught:
        host_to_check(url, TRUSTED, FAL_HOSTS)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("host", "is_vendors"),
    [
        ("v3.fal.media", True),
        ("V3.FAL.MEDIA", True),
        ("a.b.fal.media", True),
        ("storage.googleapis.com", True),
        ("fal.media", False),
        ("evilfal.media", False),
        ("fal.media.evil.com", False),
        ("x.fal.media.evil.com", False),
        ("v3.fal.media-evil.com", False),
        ("v3-fal.media", False),
        ("evil.com", False),
        ("storage.googleapis.com.evil.com", False),
        ("x.storage.googleapis.com", False),
        ("xstorage.googleapis.com", False),
        ("", False),
    ],
)
def test_look_alikes_are_not_the_vendors_hosts(host: str, is_vendors: bool) -> None:
    assert is_vendor_host(host, FAL_HOSTS) is is_vendors


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"),
        *("192.169.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450::1", "2002:808:808::1"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808"),
    ],
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["", "x", "fe80::1%eth0", "1.2.3", "::ffff:127.0.0.1%1"])
def test_what_is_no_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://h/p?X-Signature=1#f", "https://h/p"),
        ("https://u:p@h:8/p", "https://h/p"),
        ("https://[::1", "(no URL)"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, text: str) -> None:
    assert shown(url) == text


def test_a_long_url_is_not_shown_whole() -> None:
    assert len(shown("data:video/mp4;base64," + "A" * 10_000)) <= 200
