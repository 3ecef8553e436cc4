"""The wire: what a failure says of whether a request arrived, and bodies sent as they go."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from viseme.addresses import Addresses
from viseme.answer import Answer
from viseme.aside import Line, aside
from viseme.bodies import CHUNK_BYTES, Body, FileBody, JsonBody
from viseme.errors import InputError, LocalError, VisemeError
from viseme.model import InlineMedia
from viseme.transport import AnswerLost, NotSent, Transport, open_url
from viseme.transport.clients import lent_trust

ROOT = Path(__file__).resolve().parents[1]
MOST_EXTRA_MEMORY_BYTES = 4 * 2**20
T = TypeVar("T")
Serve = Callable[..., Any]


def with_transport(base_urls: Mapping[str, str], use: Callable[[Transport], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Transport(Addresses(base_urls)) as transport:
            return await use(transport)

    return asyncio.run(run())


def ask(url: str, method: str = "GET", path: str = "/x", **options: Any) -> Answer:
    return with_transport({"v": url}, lambda t: t.exchange(method, "v", path, **options))


def post(url: str, body: Body | None = None, **options: Any) -> Answer:
    return ask(url, "POST", body=body or JsonBody({"a": 1}), on_new_connection=True, **options)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


# What provably did not arrive


def test_a_refused_connection_is_not_sent() -> None:
    with pytest.raises(NotSent) as caught:
        post(f"http://127.0.0.1:{free_port()}")
    assert caught.value.remedy
    assert caught.value.exit_code == 4


def test_an_unknown_name_is_not_sent(no_proxies: None) -> None:
    with pytest.raises(NotSent, match=r"nowhere\.invalid could not be reached"):
        post("http://nowhere.invalid")


def test_tls_to_a_plain_port_is_not_sent(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.answer(400))
    with pytest.raises(NotSent):
        post(f"https://127.0.0.1:{server.port}")
    assert server.heads == []


def test_a_server_that_hangs_up_in_the_handshake_is_not_sent(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.sock.recv(10) and wire.reset())
    with pytest.raises(NotSent):
        post(f"https://127.0.0.1:{server.port}")


def test_a_certificate_that_nobody_vouches_for_is_not_sent(
    wire_server: Serve, certificate: ssl.SSLContext
) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(), certificate)
    with pytest.raises(NotSent, match="certificate"):
        post(server.url)
    assert server.heads == []


def test_an_address_that_no_client_can_write_is_not_sent(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.answer())
    with pytest.raises(NotSent):
        ask(server.url, path="/a\x00b")
    assert server.connection_count == 0


# What may have arrived


def test_dropped_before_the_request_is_read_is_answer_lost(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.sock.recv(1) and wire.reset())
    with pytest.raises(AnswerLost):
        post(server.url)


@pytest.mark.parametrize("with_reset", [False, True])
def test_dropped_after_the_request_is_read_is_answer_lost(
    wire_server: Serve, with_reset: bool
) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        if with_reset:
            wire.reset()

    server = wire_server(script)
    with pytest.raises(AnswerLost) as caught:
        post(server.url)
    assert server.bodies == [b'{"a":1}']
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x16\x03\x01",
    ],
)
def test_half_an_answer_and_none_at_all_are_answer_lost(wire_server: Serve, said: bytes) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.send(said))
    with pytest.raises(AnswerLost):
        post(server.url)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"])
def test_a_stalled_answer_is_answer_lost(wire_server: Serve, said: bytes) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(said)
        wire.stall()

    server = wire_server(script)
    start = time.monotonic()
    with pytest.raises(AnswerLost, match="Timeout"):
        post(server.url, timeout_seconds=0.3)
    assert time.monotonic() - start < 3


def test_an_answer_too_long_is_answer_lost_and_not_read_on(wire_server: Serve) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            wire.send(bytes(65_536))

    server = wire_server(script)
    with pytest.raises(AnswerLost, match="longer than 100000 bytes") as caught:
        post(server.url, max_answer_bytes=100_000)
    assert caught.value.limit == "100000 bytes"


def test_an_answer_of_just_the_longest_length_is_read(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"x" * 1000))
    assert post(server.url, max_answer_bytes=1000).body == b"x" * 1000
    with pytest.raises(AnswerLost):
        post(server.url, max_answer_bytes=999)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_small_answer_that_stands_for_a_huge_one_takes_no_memory(
    wire_server: Serve, layers: int
) -> None:
    packed = bytes(512 * 2**20)
    for _ in range(layers):
        packed = gzip.compress(packed)
    encoding = ", ".join(["gzip"] * layers)
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(200, packed, Content_Encoding=encoding)
    )
    tracemalloc.start()
    try:
        with pytest.raises(AnswerLost) as caught:
            post(server.url, max_answer_bytes=2**20)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.remedy
    assert peak_bytes < 8 * 2**20
    assert "accept-encoding: identity" in server.heads[0].lower()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("Deflate", zlib.compress)],
)
def test_an_answer_that_is_packed_unasked_is_read_to_the_last_byte_or_lost(
    wire_server: Serve, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    whole = json.dumps({"request_id": "7" * 5000}).encode()
    packed = pack(whole)
    sent = [packed, packed, packed[:-9], whole, b""]
    server = wire_server(
        lambda wire: (
            wire.read_request()
            and wire.answer(200, sent[wire.number - 1], Content_Encoding=encoding)
        )
    )
    assert post(server.url, max_answer_bytes=len(whole)).body == whole
    with pytest.raises(AnswerLost, match="longer than"):
        post(server.url, max_answer_bytes=len(whole) - 1)
    for _ in ("without its end", "not packed at all"):
        with pytest.raises(AnswerLost, match="was lost"):
            post(server.url)
    assert post(server.url).body == b""


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_an_answer_packed_in_a_way_that_is_not_known_is_lost(
    wire_server: Serve, encoding: str
) -> None:
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(200, b"{}", Content_Encoding=encoding)
    )
    with pytest.raises(AnswerLost, match="packed as"):
        post(server.url)


def test_an_early_refusal_is_read_though_the_body_is_still_being_sent(
    wire_server: Serve, tmp_path: Path
) -> None:
    """As nginx does it: answer, close for writing, and read on for a while."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(3_000_000))

    def script(wire: Any) -> None:
        wire.read_head()
        wire.answer(413, {"detail": "too large"}, Connection="close")
        wire.sock.shutdown(socket.SHUT_WR)
        while wire.sock.recv(1_000_000):
            pass

    server = wire_server(script)
    answer = post(server.url, JsonBody({"v": InlineMedia(path, "video/mp4", 3_000_000)}))
    assert answer.status == 413
    assert answer.json() == {"detail": "too large"}


def test_an_early_refusal_with_a_closed_door_is_read_or_lost_but_never_not_sent(
    wire_server: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(20_000_000))

    def script(wire: Any) -> None:
        wire.read_head()
        wire.answer(413, Connection="close")

    server = wire_server(script)
    with suppress(AnswerLost):
        assert post(server.url, FileBody(path, 0, 20_000_000), timeout_seconds=5).status == 413


def test_a_server_that_stops_reading_is_answer_lost(wire_server: Serve, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(20_000_000))
    server = wire_server(lambda wire: wire.read_head() and wire.stall())
    with pytest.raises(AnswerLost):
        post(server.url, FileBody(path, 0, 20_000_000), timeout_seconds=0.3)


def test_every_failure_is_an_error_of_ours(wire_server: Serve) -> None:
    """Garbage of all sorts in the place of an answer."""
    for garbage in (b"\x00" * 300, b"HTTP/1.1 abc\r\n\r\n", b"\r\n" * 99):
        server = wire_server(lambda wire, said=garbage: wire.read_request() and wire.send(said))
        with pytest.raises(VisemeError):
            post(server.url, timeout_seconds=1)


# What is never done


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(wire_server: Serve, status: int) -> None:
    elsewhere = wire_server(lambda wire: wire.read_request() and wire.answer())
    server = wire_server(
        lambda wire: wire.read_request() and wire.answer(status, Location=elsewhere.url + "/x")
    )
    answer = post(server.url, headers={"Authorization": "Key abc"})
    assert answer.status == status
    assert elsewhere.connection_count == 0
    assert server.connection_count == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
def test_a_proxy_of_the_environment_is_not_used_on_this_machine(
    wire_server: Serve, no_proxies: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    proxy = wire_server(lambda wire: wire.read_request() and wire.answer(502))
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"{}"))
    monkeypatch.setenv(name, proxy.url)
    assert ask(server.url).status == 200
    assert ask(f"http://localhost:{server.port}").status == 200
    # The same where another base lies behind the proxy.
    both = {"v": server.url, "far": "http://vendor.invalid"}
    assert with_transport(both, lambda t: t.exchange("GET", "v", "/x")).status == 200
    assert proxy.connection_count == 0
    assert with_transport(both, lambda t: t.exchange("GET", "far", "/x")).status == 502
    assert proxy.heads[0].startswith("GET http://vendor.invalid/x ")


def test_a_proxy_that_cannot_be_had_leaves_this_machine_alone_and_is_named_for_others(
    wire_server: Serve, no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"{}"))
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1080")
    assert ask(server.url).status == 200
    with pytest.raises(LocalError) as caught:
        ask("http://vendor.invalid")
    assert "ALL_PROXY" in str(caught.value.field)
    assert caught.value.remedy


def test_a_missing_file_of_certificates_is_named(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(LocalError, match="certificate file"):
        ask("https://vendor.invalid")


def test_a_paid_submission_is_on_a_connection_of_its_own(wire_server: Serve) -> None:
    def script(wire: Any) -> None:
        while wire.read_request():
            wire.answer(200, str(wire.number))

    server = wire_server(script)

    async def use(transport: Transport) -> list[str]:
        seen = []
        for fresh in (False, False, True, True, False):
            answer = await transport.exchange(
                "POST", "v", "/", body=JsonBody({}), on_new_connection=fresh
            )
            seen.append(answer.text)
        return seen

    assert with_transport({"v": server.url}, use) == ["1", "1", "2", "3", "1"]


def test_a_pooled_connection_that_died_meanwhile_costs_no_answer(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"{}"))

    async def use(transport: Transport) -> int:
        await transport.exchange("GET", "v", "/")
        await asyncio.sleep(0.1)  # the server has closed by now, without saying so before
        return (await transport.exchange("GET", "v", "/")).status

    assert with_transport({"v": server.url}, use) == 200


def test_query_headers_and_length_arrive_as_given(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(202, b"{}", X_Id="7"))
    answer = post(server.url, query={"a b": "ü&="}, headers={"X-Thing": "1"})
    head = server.heads[0]
    assert head.split(" ")[1] in ("/x?a%20b=%C3%BC%26%3D", "/x?a+b=%C3%BC%26%3D")
    assert "X-Thing: 1" in head
    assert "Content-Length: 7" in head
    assert "chunked" not in head.lower()
    assert answer.status == 202
    assert answer.headers["x-id"] == "7"
    assert answer.is_success


def test_progress_counts_every_byte(wire_server: Serve, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(2_000_000))
    seen: list[int] = []
    server = wire_server(lambda wire: wire.read_request() and wire.answer())
    post(server.url, FileBody(path, 0, 2_000_000), on_bytes_sent=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 2_000_000
    assert len(seen) >= 2


def test_a_transport_is_used_inside_async_with() -> None:
    with pytest.raises(RuntimeError):
        asyncio.run(Transport(Addresses({"v": "http://127.0.0.1"})).exchange("GET", "v", "/"))


# Bodies on the wire


@pytest.mark.parametrize("size", [0, 1, 2, 3, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_the_length_on_the_wire_is_the_length_of_the_body(
    wire_server: Serve, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    path = tmp_path / "m"
    path.write_bytes(content)
    uri = "data:video/mp4;base64," + base64.b64encode(content).decode()

    def script(wire: Any) -> None:
        while wire.read_request():
            wire.answer(503)

    server = wire_server(script)
    body = JsonBody({"v": InlineMedia(path, "video/mp4", size)})
    assert post(server.url, body).status == 503
    assert post(server.url, body).status == 503, "the same body again, as for a retry"
    assert server.bodies == [json.dumps({"v": uri}, separators=(",", ":")).encode()] * 2
    assert f"Content-Length: {len(server.bodies[0])}" in server.heads[0]


def test_a_file_that_shrinks_meanwhile_is_named_and_never_a_whole_request(
    wire_server: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(3 * CHUNK_BYTES))
    server = wire_server(lambda wire: wire.read_request() and wire.answer())
    body = JsonBody({"v": InlineMedia(path, "video/mp4", 3 * CHUNK_BYTES)})

    def shrink(_: int) -> None:
        os.truncate(path, CHUNK_BYTES)

    with pytest.raises(InputError, match=r"clip\.mp4 was changed while it was being sent"):
        post(server.url, body, on_bytes_sent=shrink)
    server.close()
    # The server may see no body at all: what closes the connection may overtake it.
    assert all(len(got) < body.length for got in server.bodies), "never whole, so never accepted"


def test_a_file_that_is_gone_is_a_local_error(wire_server: Serve, tmp_path: Path) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer())
    with pytest.raises(LocalError, match="cannot be read any more"):
        post(server.url, FileBody(tmp_path / "none", 0, 3))


MEMORY_PROGRAM = """
import asyncio, sys, tracemalloc
from pathlib import Path
from viseme.addresses import Addresses
from viseme.bodies import JsonBody
from viseme.model import InlineMedia
from viseme.transport import Transport

def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024

async def main():
    async with Transport(Addresses({"v": sys.argv[1]})) as transport:
        peaks = []
        for path in sys.argv[2:]:
            size = Path(path).stat().st_size
            body = JsonBody({"v": InlineMedia(Path(path), "video/mp4", size)})
            answer = await transport.exchange("POST", "v", "/", body=body, timeout_seconds=60)
            assert answer.status == 200, answer
            peaks.append(peak())
    print(*peaks)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_the_memory_for_a_large_file_is_that_for_a_small_one(
    wire_server: Serve, tmp_path: Path
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    sizes = {small: 8 * 2**20, large: 200 * 2**20}
    for path, size in sizes.items():
        with path.open("wb") as file:
            file.truncate(size)
    received: list[int] = []

    def script(wire: Any) -> None:
        scratch = bytearray(1 << 20)
        while head := wire.read_head():
            left = length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
            left -= wire.discard_unread()
            while left:
                left -= wire.sock.recv_into(scratch)
            received.append(length)
            wire.answer()

    server = wire_server(script)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, server.url, small, large],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after - before <= MOST_EXTRA_MEMORY_BYTES
    overhead = len('{"v":"data:video/mp4;base64,"}')
    assert received == [4 * -(-size // 3) + overhead for size in sizes.values()]


# A file on its way


def read(url: str, **options: Any) -> tuple[int, bytes]:
    def work(line: Line) -> tuple[int, bytes]:
        with open_url(url, line, **options) as incoming:
            return incoming.status, b"".join(incoming.chunks)

    return asyncio.run(aside(work))


def test_a_pinned_address_is_connected_to_whatever_the_name_means(wire_server: Serve) -> None:
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"abc"))
    assert read(f"http://nowhere.invalid:{server.port}/f?s=1", address="127.0.0.1") == (200, b"abc")
    assert server.heads[0].startswith("GET /f?s=1 HTTP/1.1")
    assert f"host: nowhere.invalid:{server.port}" in server.heads[0].lower()
    assert "accept-encoding: identity" in server.heads[0].lower()
    assert "authorization" not in server.heads[0].lower()


def test_the_certificate_of_a_pinned_address_is_checked_against_the_name(
    wire_server: Serve, certificate: ssl.SSLContext
) -> None:
    names: list[str | None] = []
    certificate.sni_callback = lambda _socket, name, _context: names.append(name)
    server = wire_server(lambda wire: wire.read_request() and wire.answer(), certificate)
    with pytest.raises(NotSent, match=r"nowhere\.invalid .*certificate"):
        read(f"https://nowhere.invalid:{server.port}/f", address="127.0.0.1")
    assert names == ["nowhere.invalid"]
    assert server.heads == []


def test_a_pinned_address_is_never_behind_a_proxy(
    wire_server: Serve, no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = wire_server(lambda wire: wire.read_request() and wire.answer(502))
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, b"abc"))
    assert read(f"http://nowhere.invalid:{server.port}/f", address="127.0.0.1")[0] == 200
    assert proxy.connection_count == 0


def test_chunks_come_as_they_arrive(wire_server: Serve) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        wire.stall()

    server = wire_server(script)

    def first(line: Line) -> bytes:
        with open_url(server.url, line, timeout_seconds=5) as incoming:
            return next(incoming.chunks)

    assert asyncio.run(aside(first)) == b"ab"


def test_no_two_threads_write_to_the_same_trust() -> None:
    with lent_trust(False) as first, lent_trust(False) as second:
        assert first is not second
    with lent_trust(False) as again:
        assert again in (first, second), "what was read is not read anew"


def test_a_transport_that_is_open_lends_its_trust_to_nobody() -> None:
    def work(_: Line) -> ssl.SSLContext:
        with lent_trust(False) as trust:
            return trust

    async def run() -> None:
        before = await aside(work)
        async with Transport(Addresses({"v": "https://127.0.0.1:9"})):
            assert await aside(work) is not before
        assert await aside(work) is before

    asyncio.run(run())


@pytest.fixture(scope="session")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_text(CERTIFICATE)
    return path


@pytest.fixture
def certificate(_certificate: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS under a name that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate)
    return context


# Self-signed, for nowhere.invalid alone, made for these tests; it proves nothing to anybody.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghWBPuUuuCsgEDVLv
K5XsI1xJ5ZmzghL1wqGjIyErbr6hRANCAASPqkmHIGICU41e5/wKrDZHMhnwQGcL
3rn64hrlBf9RXB8fVNR2U8ajQPGr89NwxUyA8OwhPWeEQMFGBJRPHYrX
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBpzCCAU2gAwIBAgIUbMzi4dbZrqhFtiy2nwbmeFj1SMMwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPbm93aGVyZS5pbnZhbGlkMCAXDTI2MTEyMDExNTcyN1oYDzIx
MjYxMDI3MTE1NzI3WjAaMRgwFgYDVQQDDA9ub3doZXJlLmludmFsaWQwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAASPqkmHIGICU41e5/wKrDZHMhnwQGcL3rn64hrl
Bf9RXB8fVNR2U8ajQPGr89NwxUyA8OwhPWeEQMFGBJRPHYrXo28wbTAdBgNVHQ4E
FgQUhXw6b2oHGvMyd9cqUpVb6NYD/z4wHwYDVR0jBBgwFoAUhXw6b2oHGvMyd9cq
UpVb6NYD/z4wDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgg9ub3doZXJlLmlu
dmFsaWQwCgYIKoZIzj0EAwIDSAAwRQIgAfv5y4x0iWiPs2PtONt/068esuxrXmFd
j2b0yEdXC+MCIQCMlLKY7fWyuG5AbcW6eq4nqxSP94RwcM3jrGqa4tOvww==
-----END CERTIFICATE-----
"""
