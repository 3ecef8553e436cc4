"""The guarded fetch: what is never connected to, and what never becomes a file."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from blake3 import blake3

from tests.conftest import wait_for
from viseme import download
from viseme.addresses import origin_of
from viseme.download import (
    BASE64_CHUNK_CHARACTERS,
    FetchedFile,
    FetchRules,
    PartFile,
    fetch,
    store_data,
)
from viseme.errors import FetchRefused, LocalError, TransportError, VisemeError
from viseme.guard import checked_address
from viseme.media.source import file_state
from viseme.retry import RetryPolicy
from viseme.transport import AnswerLost, NotSent

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")
Serve = Callable[..., Any]
PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
QUICK = RetryPolicy(base_seconds=0.005)
# There a wait for a connection that is shut down may go on until its time is over.
cuts = pytest.mark.skipif(sys.platform == "win32", reason="Windows may end no wait at once")
FAL_HOSTS = (".fal.media", "storage.googleapis.com")


class Fence:
    """A network whose resolver knows only ``names``, and where nothing is connected to.

    It takes the place of the system's own, of which no test may ask for names of the world: what
    would be connected to is seen nowhere else.

    ``attempts`` are the addresses that a connection was asked for. A name with several lists of
    addresses answers each question with the next of them, as a rebinding resolver does.
    """

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.attempts: list[tuple[Any, Any]] = []
        self._names = names
        self._resolve = socket.getaddrinfo

    def getaddrinfo(self, host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        answers = self._names.get(name.rstrip(".").lower())
        if answers is None:
            kind = options.get("type") or (rest[1] if len(rest) > 1 else 0)
            return self._resolve(host, port, type=kind, flags=socket.AI_NUMERICHOST)
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in now
        ]

    def connect(self, address: tuple[Any, ...]) -> None:
        self.attempts.append(address[:2])
        raise ConnectionRefusedError("fenced")


def in_fence(
    work: Coroutine[Any, Any, T], names: dict[str, list[list[str]]] | None = None
) -> tuple[T | BaseException, list[tuple[Any, Any]]]:
    """What came of ``work`` behind the fence, and where it wanted to connect to."""
    fence = Fence(names or {})

    async def fenced() -> T:
        with pytest.MonkeyPatch.context() as patch:  # a loop may connect to itself before
            patch.setattr(socket, "getaddrinfo", fence.getaddrinfo)
            for connecting in ("connect", "connect_ex"):
                patch.setattr(socket.socket, connecting, lambda _, to: fence.connect(to))
            return await work

    try:
        return asyncio.run(fenced()), fence.attempts
    except VisemeError as problem:
        return problem, fence.attempts


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder / "incoming"


def rules_for(*urls: str, **values: Any) -> FetchRules:
    origins = frozenset(origin_of(url) for url in urls)
    return FetchRules(trusted_origins=origins, retries=QUICK, **values)


def get(url: str, target: Path, rules: FetchRules, **options: Any) -> FetchedFile:
    return asyncio.run(fetch(url, target, rules, **options))


def whole_file(target: Path, content: bytes) -> FetchedFile:
    """But for its state, which no comparison looks at."""
    return FetchedFile(target, blake3(content).hexdigest(), len(content), file_state(target))


def left_over(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


# Addresses that are refused, and that nobody connects to

REFUSED_URLS = [
    # loopback
    "https://127.0.0.1/v.mp4",
    "https://127.1.2.3/v.mp4",
    "https://127.0.0.1./v.mp4",
    "https://[::1]/v.mp4",
    "https://[0:0:0:0:0:0:0:1]/v.mp4",
    "https://0.0.0.0/v.mp4",
    "https://[::]/v.mp4",
    # decimal, octal, hexadecimal and short forms of it
    "https://2130706433/v.mp4",
    "https://0x7f000001/v.mp4",
    "https://0x7f.0.0.1/v.mp4",
    "https://017700000001/v.mp4",
    "https://0177.0.0.1/v.mp4",
    "https://127.1/v.mp4",
    "https://0/v.mp4",
    "https://①②⑦.0.0.1/v.mp4",
    "https://127。0。0。1/v.mp4",
    # RFC 1918
    "https://10.0.0.1/v.mp4",
    "https://10.255.255.255/v.mp4",
    "https://172.16.0.1/v.mp4",
    "https://172.31.255.255/v.mp4",
    "https://192.168.0.1/v.mp4",
    "https://3232235521/v.mp4",
    # link-local and the metadata of clouds
    "https://169.254.169.254/latest/meta-data",
    "https://169.254.0.1/v.mp4",
    "https://0xa9fea9fe/latest/meta-data",
    "https://[fe80::1]/v.mp4",
    "https://[fd00:ec2::254]/latest/meta-data",
    "https://100.100.100.200/latest/meta-data",
    # CGNAT, fake addresses of proxies, documentation, benchmarks, multicast, the rest
    "https://100.64.0.1/v.mp4",
    "https://100.127.255.255/v.mp4",
    "https://198.18.0.1/v.mp4",
    "https://192.0.2.1/v.mp4",
    "https://198.51.100.1/v.mp4",
    "https://203.0.113.1/v.mp4",
    "https://192.0.0.8/v.mp4",
    "https://192.88.99.1/v.mp4",
    "https://224.0.0.1/v.mp4",
    "https://240.0.0.1/v.mp4",
    "https://255.255.255.255/v.mp4",
    # ULA, site-local, multicast, documentation, never given out
    "https://[fc00::1]/v.mp4",
    "https://[fd12:3456:789a::1]/v.mp4",
    "https://[fec0::1]/v.mp4",
    "https://[ff02::1]/v.mp4",
    "https://[2001:db8::1]/v.mp4",
    "https://[3fff::1]/v.mp4",
    "https://[100::1]/v.mp4",
    "https://[4000::1]/v.mp4",
    "https://[8000::1]/v.mp4",
    # IPv4 inside of IPv6: mapped, compatible, 6to4, NAT64, its local prefix, Teredo
    "https://[::ffff:127.0.0.1]/v.mp4",
    "https://[::ffff:7f00:1]/v.mp4",
    "https://[::ffff:169.254.169.254]/v.mp4",
    "https://[::ffff:10.0.0.1]/v.mp4",
    "https://[::127.0.0.1]/v.mp4",
    "https://[2002:7f00:1::]/v.mp4",
    "https://[2002:a00:1::]/v.mp4",
    "https://[2002:c0a8:1::1]/v.mp4",
    "https://[64:ff9b::127.0.0.1]/v.mp4",
    "https://[64:ff9b::10.0.0.1]/v.mp4",
    "https://[64:ff9b::a9fe:a9fe]/v.mp4",
    "https://[64:ff9b:1::7f00:1]/v.mp4",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/v.mp4",
    "https://[2001:0:7f00:1::]/v.mp4",
    # names
    "https://private.test/v.mp4",
    "https://private.test./v.mp4",
    "https://PRIVATE.test/v.mp4",
    "https://mixed.test/v.mp4",
    "https://mapped.test/v.mp4",
    "https://metadata.test/v.mp4",
    "https://fake.test/v.mp4",
    # scheme, port, user, form
    "http://public.test/v.mp4",
    "http://x.fal.media/v.mp4",
    "ftp://public.test/v.mp4",
    "file:///etc/passwd",
    "gopher://public.test/v.mp4",
    "data:video/mp4;base64,AAAA",
    "javascript:alert(1)",
    "//public.test/v.mp4",
    "public.test/v.mp4",
    "/etc/passwd",
    "",
    "https://",
    "https:///v.mp4",
    "https://.",
    "https://public.test:80/v.mp4",
    "https://public.test:8443/v.mp4",
    "https://public.test:22/v.mp4",
    "https://public.test:0/v.mp4",
    "https://x.fal.media:8443/v.mp4",
    "https://public.test:99999/v.mp4",
    "https://public.test:-1/v.mp4",
    "https://public.test:abc/v.mp4",
    "https://[::1/v.mp4",
    "https://[public.test]/v.mp4",
    "https://user@public.test/v.mp4",
    "https://user:password@public.test/v.mp4",
    "https://:password@public.test/v.mp4",
    "https://@public.test/v.mp4",
    "https://public.test@127.0.0.1/v.mp4",
    "https://x.fal.media@127.0.0.1/v.mp4",
    "https://user@x.fal.media/v.mp4",
    "https://127.0.0.1\\@x.fal.media/v.mp4",
    "https://evil.test／.fal.media/v.mp4",
    "https://pub lic.test/v.mp4",
    "https://public.test\n/v\x00.mp4",
]
NAMES = {
    "public.test": [[PUBLIC]],
    "private.test": [["10.1.2.3"]],
    "mixed.test": [[PUBLIC, "127.0.0.1"]],
    "mapped.test": [["::ffff:192.168.1.1"]],
    "metadata.test": [["169.254.169.254"]],
    "fake.test": [["198.18.0.7"]],
    **{name: [["198.18.0.9"]] for name in ("v3.fal.media", "a.b.fal.media")},
    "storage.googleapis.com": [["198.18.0.9"]],
}


def test_there_are_enough_refused_urls() -> None:
    assert len(set(REFUSED_URLS)) == len(REFUSED_URLS) >= 60


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_an_address_that_is_not_allowed_is_never_connected_to(url: str, target: Path) -> None:
    rules = FetchRules(vendor_hosts=FAL_HOSTS, retries=QUICK)
    problem, attempts = in_fence(fetch(url, target, rules), NAMES)
    assert attempts == []
    assert isinstance(problem, (FetchRefused, NotSent)), problem
    assert isinstance(problem, FetchRefused) or "cannot be found" in problem.message
    assert problem.remedy
    assert left_over(target) == []
    assert "password" not in str(problem)
    assert len(str(problem)) < 500


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_this_machine_is_not_connected_to_by_any_of_its_names(
    wire_server: Serve, host: str, target: Path
) -> None:
    """With the system's own resolver and a listener that counts."""
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"secret"))
    for url in (f"https://{host}:{server.port}/", f"http://{host}:{server.port}/"):
        with pytest.raises(FetchRefused):
            get(url, target, FetchRules())
    with pytest.raises(FetchRefused, match="not a public address"):
        get(f"https://{host}/", target, FetchRules())
    assert server.connection_count == 0


@pytest.mark.parametrize(
    ("url", "connected_to"),
    [
        ("https://public.test/v.mp4", PUBLIC),
        ("https://public.test:443/v.mp4", PUBLIC),
        ("https://PUBLIC.test./v.mp4", PUBLIC),
        ("HTTPS://public.test/v.mp4?X-Sig=1", PUBLIC),
        (f"https://{PUBLIC}/v.mp4", PUBLIC),
        (f"https://[{PUBLIC_6}]/v.mp4", PUBLIC_6),
        ("https://[64:ff9b::8.8.8.8]/v.mp4", "64:ff9b::808:808"),
        # A vendor's own hosts are trusted by their certificate, whatever they resolve to here.
        ("https://v3.fal.media/v.mp4", "198.18.0.9"),
        ("https://a.b.FAL.media/v.mp4", "198.18.0.9"),
        ("https://storage.googleapis.com/b/v.mp4", "198.18.0.9"),
    ],
)
def test_what_is_allowed_is_connected_to_where_it_was_checked(
    url: str, connected_to: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    problem, attempts = in_fence(
        fetch(url, target, FetchRules(vendor_hosts=FAL_HOSTS, retries=QUICK)), NAMES
    )
    assert isinstance(problem, NotSent)
    assert attempts
    assert {(str(host), port) for host, port in attempts} == {(connected_to, 443)}


def test_a_resolver_that_changes_its_mind_changes_nothing(target: Path) -> None:
    """Public when it is checked, private when it would be connected to: the checked one is used."""
    names = {"rebind.test": [[PUBLIC], ["127.0.0.1"]]}
    problem, attempts = in_fence(
        fetch("https://rebind.test/v.mp4", target, FetchRules(retries=QUICK)), names
    )
    assert attempts == [(PUBLIC, 443)]
    assert isinstance(problem, FetchRefused), "the second try is checked anew"


def test_a_machine_without_ipv6_gets_its_file_by_ipv4() -> None:
    names = {"both.test": [[PUBLIC_6, "2606:4700::1", PUBLIC]]}

    async def seen() -> list[str | None]:
        return [
            await checked_address("https://both.test/", attempt=attempt) for attempt in (1, 2, 3, 4)
        ]

    addresses, _ = in_fence(seen(), names)
    assert addresses == [PUBLIC_6, PUBLIC, "2606:4700::1", PUBLIC_6]


def test_a_name_that_nobody_knows_is_not_sent(target: Path) -> None:
    problem, attempts = in_fence(fetch("https://nowhere.test/v", target, FetchRules(retries=QUICK)))
    assert isinstance(problem, NotSent)
    assert "nowhere.test cannot be found" in problem.message
    assert attempts == []


@pytest.mark.parametrize("host", ["a..fal.media", f"{'a' * 64}.fal.media", ".fal.media"])
def test_a_trusted_name_that_no_resolver_takes_is_not_sent(target: Path, host: str) -> None:
    rules = FetchRules(vendor_hosts=FAL_HOSTS, retries=QUICK)
    problem, attempts = in_fence(fetch(f"https://{host}/v.mp4", target, rules))
    assert isinstance(problem, NotSent)
    assert attempts == []


def test_a_name_that_tls_does_not_take_is_not_sent(target: Path) -> None:
    names = {"public.test": [[PUBLIC]]}
    problem, attempts = in_fence(
        fetch("https://public.test../v.mp4", target, FetchRules(retries=QUICK)), names
    )
    assert isinstance(problem, NotSent)
    assert attempts == []


def test_an_address_that_does_not_answer_is_waited_for_longer_with_every_try(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without a way to IPv6 is not kept for long; a slow network has time in the end."""
    waits: list[float | None] = []

    def create_connection(_address: Any, timeout: float | None = None, **_: Any) -> Any:
        waits.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    problem, _ = in_fence(fetch("https://public.test/v", target, FetchRules(retries=QUICK)), NAMES)
    assert isinstance(problem, NotSent)
    assert waits == [5.0, 10.0, 15.0]


PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("host", ["nowhere.test", "public.test"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_behind_a_proxy_a_host_that_is_barred_comes_with_the_setting_that_lets_it_through(
    wire_server: Serve,
    target: Path,
    no_proxy: None,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    name: str,
) -> None:
    """A name that only the proxy can resolve, and an address that only the proxy can reach."""
    proxy = wire_server(lambda wire: wire.read_request() and wire.answer(502))
    monkeypatch.setenv(name, proxy.url)
    problem, attempts = in_fence(
        fetch(f"https://{host}/v.mp4", target, FetchRules(retries=QUICK)), NAMES
    )
    assert set(attempts) == ({(PUBLIC, 443)} if host == "public.test" else set())
    assert isinstance(problem, NotSent)
    assert f"{host} is none of the vendor's own hosts" in str(problem.remedy)
    assert "trusted_result_hosts in settings.json" in str(problem.remedy)
    assert proxy.connection_count == 0
    with pytest.raises(NotSent) as caught:  # as it is once the host is named there
        get(f"https://{host}/v.mp4", target, FetchRules(vendor_hosts=(host,), retries=QUICK))
    assert "trusted_result_hosts" not in str(caught.value)
    assert {head.split("\r\n")[0] for head in proxy.heads} == {f"CONNECT {host}:443 HTTP/1.1"}


@pytest.mark.parametrize("variables", [{}, {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"}])
def test_without_a_proxy_no_setting_is_named(
    target: Path, no_proxy: None, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    problem, _ = in_fence(fetch("https://nowhere.test/v", target, FetchRules(retries=QUICK)))
    assert isinstance(problem, NotSent)
    assert problem.remedy == "Check the network."


# Trusted origins are exact


def test_a_trusted_origin_is_fetched_from_and_nothing_beside_it(
    wire_server: Serve, target: Path
) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"video"))
    other = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"other"))
    rules = rules_for(server.url)
    fetched = get(server.url + "/v.mp4?sig=1", target, rules)
    assert fetched == whole_file(target, b"video")
    assert fetched.state == file_state(target)
    assert target.read_bytes() == b"video"
    assert left_over(target) == ["incoming"]
    for url in (
        other.url + "/v.mp4",
        f"http://localhost:{server.port}/v.mp4",
        f"https://127.0.0.1:{server.port}/v.mp4",
        f"http://127.0.0.1:{server.port}0/v.mp4",
        f"http://user@127.0.0.1:{server.port}/v.mp4",
        f"http://127.0.0.1:{server.port}@127.0.0.1:{other.port}/v.mp4",
        f"http://127.0.0.1:{server.port}\\@127.0.0.1:{other.port}/v.mp4",
    ):
        with pytest.raises(FetchRefused):
            get(url, target, rules)
    assert (server.connection_count, other.connection_count) == (1, 0)


def test_a_fetch_asks_for_the_bytes_as_they_are_and_brings_no_key(
    wire_server: Serve, target: Path
) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"v"))
    get(server.url + "/a%20b.mp4?x=%2F", target, rules_for(server.url))
    head = server.heads[0].lower()
    assert "accept-encoding: identity" in head
    assert "gzip" not in head
    for word in ("authorization", "cookie", "key ", "bearer", "referer"):
        assert word not in head
    assert server.heads[0].startswith("GET /a%20b.mp4?x=%2F HTTP/1.1")


# Redirects


def redirecting(wire_server: Serve, times: int, status: int = 302) -> Any:
    def script(wire: Any) -> None:
        head = wire.read_request()
        step = int(head.split(" ")[1].strip("/") or 0)
        if step < times:
            wire.answer(status, Location=f"/{step + 1}")
        else:
            wire.answer(200, b"video")

    return wire_server(script)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_three_redirects_pass(wire_server: Serve, target: Path, status: int) -> None:
    server = redirecting(wire_server, 3, status)
    assert get(server.url + "/0", target, rules_for(server.url)).size_bytes == 5
    assert server.connection_count == 4


def test_a_fourth_redirect_is_one_too_many(wire_server: Serve, target: Path) -> None:
    server = redirecting(wire_server, 4)
    with pytest.raises(FetchRefused, match="more than 3 times") as caught:
        get(server.url + "/0", target, rules_for(server.url))
    assert caught.value.limit == "3 redirects"
    assert server.connection_count == 4, "and not tried again"
    assert left_over(target) == []


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/v.mp4",
        "//127.0.0.1:{other}/v.mp4",
        "https://127.0.0.1:{other}/v.mp4",
        "https://127.0.0.1/v.mp4",
        "https://localhost/v.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/v.mp4",
        "https://2130706433/",
        "http://example.com/v.mp4",
        "file:///etc/passwd",
        "https://user@example.com/",
        "https://host:99999/",
        "http://127.0.0.1:{own}@127.0.0.1:{other}/v.mp4",
    ],
)
def test_every_hop_is_checked_anew(wire_server: Serve, target: Path, location: str) -> None:
    other = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"secret"))
    ports: dict[str, int] = {"other": other.port}

    def script(wire: Any) -> None:
        wire.read_request()
        wire.answer(302, Location=location.format(**ports))

    server = wire_server(script)
    ports["own"] = server.port
    with pytest.raises(FetchRefused):
        get(server.url + "/v.mp4", target, rules_for(server.url))
    assert (server.connection_count, other.connection_count) == (1, 0)
    assert left_over(target) == []


def test_a_redirect_to_nowhere_is_an_error_of_ours(wire_server: Serve, target: Path) -> None:
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(302, Location="https://[::1")
    )
    with pytest.raises(VisemeError):
        get(server.url, target, rules_for(server.url))
    assert left_over(target) == []


def test_a_redirect_to_another_trusted_origin_is_followed(wire_server: Serve, target: Path) -> None:
    other = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"video"))
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(302, Location=other.url + "/v")
    )
    get(server.url, target, rules_for(server.url, other.url))
    assert target.read_bytes() == b"video"


# Answers that are not the file


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_gone_is_said_to_be_gone(
    wire_server: Serve, target: Path, status: int
) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(status, b"no"))
    with pytest.raises(FetchRefused) as caught:
        get(server.url + "/v.mp4?signature=s3cret", target, rules_for(server.url))
    assert caught.value.code == "gone"
    assert f"HTTP {status}" in caught.value.message
    assert "s3cret" not in str(caught.value)
    assert server.connection_count == 1
    assert left_over(target) == []


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 402, 405, 416, 451, 501])
def test_any_other_answer_is_refused_at_once(wire_server: Serve, target: Path, status: int) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(status))
    with pytest.raises(FetchRefused) as caught:
        get(server.url, target, rules_for(server.url))
    assert caught.value.http_status == status
    assert caught.value.code is None
    assert server.connection_count == 1
    assert left_over(target) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes_is_waited_out(wire_server: Serve, target: Path, status: int) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        if wire.number < 3:
            wire.answer(status, Retry_After="0")
        else:
            wire.answer(200, b"video")

    server = wire_server(script)
    assert get(server.url, target, rules_for(server.url)).size_bytes == 5
    assert server.connection_count == 3


def test_a_wait_that_the_server_names_is_kept(wire_server: Serve, target: Path) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.answer(503, Retry_After="60")

    server = wire_server(script)
    rules = rules_for(server.url, whole_timeout_seconds=5)
    with pytest.raises(FetchRefused, match="HTTP 503"):
        get(server.url, target, rules)
    assert server.connection_count == 1, "a minute is more than there is, so it is not tried again"


def test_trouble_that_stays_is_told_after_three_tries(wire_server: Serve, target: Path) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(503, Retry_After="0"))
    with pytest.raises(FetchRefused, match="HTTP 503") as caught:
        get(server.url, target, rules_for(server.url))
    assert caught.value.http_status == 503
    assert server.connection_count == 3
    assert left_over(target) == []


def test_a_page_of_html_is_kept_for_others_to_judge(wire_server: Serve, target: Path) -> None:
    page = b"<html>Sign in</html>"
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(200, page, Content_Type="text/html")
    )
    assert get(server.url, target, rules_for(server.url)).size_bytes == len(page)
    assert target.read_bytes() == page


def test_what_is_packed_though_nobody_asked_is_kept_as_it_came(
    wire_server: Serve, target: Path
) -> None:
    packed = gzip.compress(bytes(100_000))
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(200, packed, Content_Encoding="gzip")
    )
    rules = rules_for(server.url, max_bytes=1000)
    assert get(server.url, target, rules).size_bytes == len(packed)
    assert target.read_bytes() == packed


# Transfers that lie

BODY = os.urandom(300_000)


def saying(wire_server: Serve, said: bytes, *, stalls: bool = False) -> Any:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(said)
        if stalls:
            wire.stall()

    return wire_server(script)


def http(*headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    "said",
    [
        http(f"Content-Length: {len(BODY)}") + BODY,
        http() + BODY,  # until the connection closes
        http("Transfer-Encoding: chunked") + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n",
    ],
)
def test_a_whole_file_is_kept_however_its_end_is_told(
    wire_server: Serve, target: Path, said: bytes
) -> None:
    server = saying(wire_server, said)
    seen: list[tuple[int, int | None]] = []
    fetched = get(
        server.url, target, rules_for(server.url), on_bytes=lambda *count: seen.append(count)
    )
    assert target.read_bytes() == BODY
    assert fetched.digest == blake3(BODY).hexdigest()
    assert fetched.size_bytes == len(BODY)
    assert seen[-1][0] == len(BODY)
    assert {total for _, total in seen} <= {len(BODY), None}


def test_of_a_fast_download_its_beginning_and_its_end_are_told(
    wire_server: Serve, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TOLD_SECONDS", 1000.0)
    server = saying(wire_server, http(f"Content-Length: {len(BODY)}") + BODY)
    seen: list[int] = []
    get(server.url, target, rules_for(server.url), on_bytes=lambda count, _: seen.append(count))
    assert len(seen) == 2
    assert 0 < seen[0] < seen[1] == len(BODY)


def test_more_than_was_announced_is_cut_at_what_was_announced(
    wire_server: Serve, target: Path
) -> None:
    """HTTP has no way to notice; a half video is refused where it is looked at."""
    server = saying(wire_server, http("Content-Length: 1000") + BODY)
    assert get(server.url, target, rules_for(server.url)).size_bytes == 1000


@pytest.mark.parametrize(
    "said",
    [
        http("Content-Length: 400000") + BODY,
        http("Content-Length: -300000") + BODY,
        http("Content-Length: 1e5") + BODY,
        http("Content-Length: 300000", "Content-Length: 3") + BODY,
        http("Transfer-Encoding: chunked") + b"%x\r\n" % len(BODY) + BODY + b"\r\n",
        http("Transfer-Encoding: chunked") + b"zz\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-",
        b"",
        b"\x00\x01\x02",
    ],
)
def test_a_transfer_that_breaks_is_tried_three_times_and_leaves_nothing(
    wire_server: Serve, target: Path, said: bytes
) -> None:
    server = saying(wire_server, said)
    with pytest.raises(TransportError):
        get(server.url, target, rules_for(server.url))
    assert server.connection_count == 3
    assert left_over(target) == []


def test_a_transfer_that_breaks_once_is_whole_the_second_time(
    wire_server: Serve, target: Path
) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(http(f"Content-Length: {len(BODY)}") + BODY[: 1000 if wire.number < 2 else None])

    server = wire_server(script)
    get(server.url, target, rules_for(server.url))
    assert target.read_bytes() == BODY
    assert left_over(target) == ["incoming"]


def test_an_announced_length_over_the_limit_is_refused_unread(
    wire_server: Serve, target: Path
) -> None:
    server = saying(wire_server, http("Content-Length: 99999999999"), stalls=True)
    with pytest.raises(FetchRefused, match="longer than 1000 bytes") as caught:
        get(server.url, target, rules_for(server.url, max_bytes=1000))
    assert caught.value.limit == "1000 bytes"
    assert caught.value.remedy is not None
    assert "max_download_bytes" in caught.value.remedy
    assert server.connection_count == 1
    assert left_over(target) == []


def test_an_endless_body_ends_at_the_limit(wire_server: Serve, target: Path) -> None:
    most: list[int] = []

    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(http("Transfer-Encoding: chunked"))
        while True:
            wire.send(b"10000\r\n" + bytes(65_536) + b"\r\n")
            most.append(sum(path.stat().st_size for path in target.parent.iterdir()))

    server = wire_server(script)
    with pytest.raises(FetchRefused, match="longer than 500000 bytes"):
        get(server.url, target, rules_for(server.url, max_bytes=500_000))
    assert server.connection_count == 1
    assert max(most, default=0) <= 500_000
    assert left_over(target) == []


@pytest.mark.parametrize(("limit", "passes"), [(1000, True), (999, False)])
def test_the_limit_counts_the_bytes_that_really_came(
    wire_server: Serve, target: Path, limit: int, passes: bool
) -> None:
    server = saying(wire_server, http() + bytes(1000))
    rules = rules_for(server.url, max_bytes=limit)
    if passes:
        assert get(server.url, target, rules).size_bytes == 1000
    else:
        with pytest.raises(FetchRefused):
            get(server.url, target, rules)


def test_a_body_that_stalls_is_given_up(wire_server: Serve, target: Path) -> None:
    server = saying(wire_server, http("Content-Length: 9") + b"abc", stalls=True)
    rules = rules_for(server.url, stall_timeout_seconds=0.1)
    with pytest.raises(AnswerLost):
        get(server.url, target, rules)
    assert server.connection_count == 3
    assert left_over(target) == []


@pytest.mark.parametrize("start", [http("Content-Length: 1000000"), b"HTTP/1.1 200 OK\r\nX-A: "])
def test_a_drip_is_given_up_when_its_time_is_over(
    wire_server: Serve, target: Path, start: bytes
) -> None:
    """Each byte comes in time; the whole would take for ever."""
    pause = threading.Event()

    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(start)
        while not pause.wait(0.02):
            wire.send(b"a")

    server = wire_server(script)
    rules = rules_for(server.url, stall_timeout_seconds=5, whole_timeout_seconds=0.5)
    with pytest.raises(AnswerLost, match=r"did not arrive in 0 s|did not arrive in 1 s"):
        get(server.url, target, rules)
    pause.set()
    assert server.connection_count == 1, "there is no time left for another try"
    wait_for(lambda: left_over(target) == [])


@cuts
def test_a_fetch_that_is_stopped_leaves_nothing(wire_server: Serve, target: Path) -> None:
    server = saying(wire_server, http("Content-Length: 9") + b"abc", stalls=True)

    async def run() -> None:
        task = asyncio.ensure_future(fetch(server.url, target, rules_for(server.url)))
        while not any(path.name.endswith(".part") for path in target.parent.iterdir()):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    wait_for(lambda: left_over(target) == [])


@cuts
def test_a_file_that_lasts_until_its_connection_ends_is_not_whole_when_it_is_stopped(
    wire_server: Serve, target: Path
) -> None:
    server = saying(wire_server, http() + b"abc", stalls=True)
    rules = rules_for(server.url, whole_timeout_seconds=0.3)
    with pytest.raises(AnswerLost, match="did not arrive in"):
        get(server.url, target, rules)
    wait_for(lambda: left_over(target) == [])


def test_a_file_that_was_given_up_never_appears(
    wire_server: Serve, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes had all come, and were on their way to a slow disk."""
    target.write_bytes(b"before")
    server = saying(wire_server, http(f"Content-Length: {len(BODY)}") + BODY)
    is_syncing, goes_on = threading.Event(), threading.Event()

    def slow_disk(_: int) -> None:
        is_syncing.set()
        goes_on.wait(60)

    async def run() -> None:
        monkeypatch.setattr(os, "fsync", slow_disk)
        task = asyncio.ensure_future(fetch(server.url, target, rules_for(server.url)))
        await asyncio.to_thread(is_syncing.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        goes_on.set()
        while left_over(target) != ["incoming"]:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert target.read_bytes() == b"before"


def test_what_is_told_runs_where_the_fetch_was_asked_for_and_what_it_raises_ends_it(
    wire_server: Serve, target: Path
) -> None:
    server = saying(wire_server, http(f"Content-Length: {len(BODY)}") + BODY)
    threads: list[int] = []

    def on_bytes(_received: int, _total: int | None) -> None:
        threads.append(threading.get_ident())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        get(server.url, target, rules_for(server.url), on_bytes=on_bytes)
    assert threads == [threading.get_ident()]
    assert left_over(target) == []


def test_a_file_that_was_there_stays_when_a_fetch_fails(wire_server: Serve, target: Path) -> None:
    target.write_bytes(b"before")
    server = saying(wire_server, http("Content-Length: 9") + b"abc")
    with pytest.raises(AnswerLost):
        get(server.url, target, rules_for(server.url))
    assert target.read_bytes() == b"before"
    assert left_over(target) == ["incoming"]


# The disk

DISK_PROGRAM = """
import asyncio, resource, sys
from pathlib import Path
from viseme.download import FetchRules, fetch, store_data
from viseme.errors import LocalError
from viseme.addresses import origin_of

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
url, target = sys.argv[1], Path(sys.argv[2])
rules = FetchRules(trusted_origins=frozenset({origin_of(url)}))
for attempt in (lambda: asyncio.run(fetch(url, target, rules)),
                lambda: store_data("QUJD" * 100_000, target, 10**9)):
    try:
        attempt()
    except LocalError as problem:
        print(problem.exit_code, problem)
    print(sorted(path.name for path in target.parent.iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_is_a_local_error_and_leaves_nothing(wire_server: Serve, target: Path) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, BODY))
    done = subprocess.run(
        [sys.executable, "-c", DISK_PROGRAM, server.url, target],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [lines[1], lines[3]] == ["[]", "[]"]
    for line in (lines[0], lines[2]):
        assert line.startswith("1 ")
        assert "cannot be written: File too large" in line
        assert "Make room" in line
    assert server.connection_count == 1, "a full disk is not tried again"


def test_a_folder_that_is_gone_is_a_local_error(wire_server: Serve, tmp_path: Path) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, BODY))
    with pytest.raises(LocalError, match="cannot be written"):
        get(server.url, tmp_path / "none" / "x", rules_for(server.url))


KILLED_PROGRAM = """
import asyncio, sys
from pathlib import Path
from viseme.addresses import origin_of
from viseme.download import FetchRules, fetch

url, target = sys.argv[1], Path(sys.argv[2])
asyncio.run(fetch(url, target, FetchRules(trusted_origins=frozenset({origin_of(url)}))))
"""


def test_what_a_killed_fetch_left_behind_is_not_in_the_way_of_the_next(
    wire_server: Serve, target: Path
) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        if wire.number == 1:
            wire.send(http(f"Content-Length: {len(BODY)}") + BODY[:-1])
            wire.stall()
        wire.answer(200, BODY[:1000])

    server = wire_server(script)
    command = [sys.executable, "-c", KILLED_PROGRAM, server.url, str(target)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None and not left_over(target):
            time.sleep(0.02)
        process.kill()
    (part,) = left_over(target)
    assert part.endswith(".part")
    get(server.url, target, rules_for(server.url))
    assert target.read_bytes() == BODY[:1000]
    assert left_over(target) == [part, "incoming"]


class Standing:
    """Two files of one server, the first of which stops half way until ``goes_on`` is set."""

    first, second = b"1" * 300_000, b"2" * 200_000

    def __init__(self, wire_server: Serve, target: Path) -> None:
        self.target = target
        self.goes_on = threading.Event()
        self.has_ended = threading.Event()
        self.breaks = False
        self.ends: list[FetchedFile | VisemeError] = []
        self.server = wire_server(self._serve)
        self.rules = FetchRules(
            frozenset({origin_of(self.server.url)}), retries=RetryPolicy(attempts=1)
        )
        self.thread = threading.Thread(target=self._fetch_first)

    def _serve(self, wire: Any) -> None:
        body = self.second if "/second" in wire.read_request() else self.first
        half = len(body) // 2
        wire.send(http(f"Content-Length: {len(body)}") + body[:half])
        if body is self.first:
            self.goes_on.wait(60)
        elif self.breaks:
            self._await_bytes(len(self.first) // 2 + 1)
            self.goes_on.set()
            self.has_ended.wait(60)
        if body is self.second or not self.breaks:
            wire.send(body[half:])

    def _await_bytes(self, least: int) -> None:
        """Until that many bytes are in the folder, though not necessarily of one file."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if sum(path.stat().st_size for path in self.target.parent.iterdir()) >= least:
                return
            time.sleep(0.01)

    def _fetch_first(self) -> None:
        try:
            self.ends.append(get(self.server.url + "/first", self.target, self.rules))
        except VisemeError as problem:
            self.ends.append(problem)
        self.has_ended.set()

    def begin(self) -> None:
        self.thread.start()
        self._await_bytes(1)

    def fetch_second(self) -> FetchedFile:
        return get(self.server.url + "/second", self.target, self.rules)


def test_a_fetch_that_stood_still_writes_nothing_into_the_file_of_the_one_after_it(
    wire_server: Serve, target: Path
) -> None:
    """As a process does that was stopped, and goes on after its job was taken over."""
    both = Standing(wire_server, target)
    both.begin()
    fetched = both.fetch_second()
    assert fetched == whole_file(target, both.second)
    assert target.read_bytes() == both.second
    with target.open("rb") as reader:  # whoever has it open keeps it, whatever takes its name
        both.goes_on.set()
        both.thread.join(60)
        assert reader.read() == both.second
    whole = whole_file(target, both.first)
    assert both.ends == [whole]
    assert target.read_bytes() == both.first
    assert left_over(target) == ["incoming"]


def test_a_fetch_that_breaks_takes_nothing_from_another_of_the_same_file(
    wire_server: Serve, target: Path
) -> None:
    both = Standing(wire_server, target)
    both.breaks = True
    both.begin()
    fetched = both.fetch_second()
    both.thread.join(60)
    assert isinstance(both.ends[0], AnswerLost)
    assert fetched == whole_file(target, both.second)
    assert target.read_bytes() == both.second
    assert left_over(target) == ["incoming"]


def test_a_file_that_another_replaced_right_after_is_not_taken_for_ours(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace

    def overtaken(part: Path, name: Path) -> Path:
        rename(part, name)
        other = name.with_name("other")
        other.write_bytes(b"abd")
        return rename(other, name)

    with PartFile(target) as part:
        part.write(b"abc")
        monkeypatch.setattr(Path, "replace", overtaken)
        whole = part.finish()
    assert whole.digest == blake3(b"abc").hexdigest()
    assert whole.state != file_state(target)


def test_a_part_file_that_nobody_finished_is_removed(target: Path) -> None:
    with PartFile(target) as part:
        part.write(b"abc")
        assert len(left_over(target)) == 1
        assert left_over(target) != ["incoming"]
    assert left_over(target) == []


# Results that stand in the answer itself


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 4, 1000, BASE64_CHUNK_CHARACTERS * 3 // 4, BASE64_CHUNK_CHARACTERS + 5]
)
@pytest.mark.parametrize("prefix", ["", "data:video/mp4;base64,", "data:;base64,"])
def test_base64_and_data_uris_become_files(target: Path, size: int, prefix: str) -> None:
    content = os.urandom(size)
    data = prefix + base64.b64encode(content).decode()
    fetched = store_data(data, target, max_bytes=size)
    assert target.read_bytes() == content
    assert fetched == whole_file(target, content)
    assert left_over(target) == ["incoming"]


@pytest.mark.parametrize(
    "data", ["QUJ", "QU=D", "====", "Q Q=", "QUJD!", "üü==", "data:video/mp4,x"]
)
def test_what_is_no_base64_is_refused_and_leaves_nothing(target: Path, data: str) -> None:
    with pytest.raises(FetchRefused, match="not base64"):
        store_data(data, target, 1000)
    assert left_over(target) == []


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_data_over_the_limit_is_refused_unwritten(target: Path, size: int) -> None:
    data = base64.b64encode(bytes(size)).decode()
    with pytest.raises(FetchRefused, match="too long"):
        store_data(data, target, size - 1)
    assert left_over(target) == []
