"""The wire: one HTTP exchange at a time, its body streamed, its phases told apart.

This is the only module that imports httpx. It knows no vendor. What it must say exactly, because
money depends on it, is whether a request that failed can have reached the other side:
``NotSent`` (it provably did not) or ``AnswerLost`` (it may have).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from .addresses import Addresses, is_on_this_machine
from .answer import Answer, Unpacking
from .aside import Line
from .bodies import Body
from .errors import FetchRefused, LocalError, TransportError

MAX_ANSWER_BYTES = 64 * 2**20
CONNECT_TIMEOUT_SECONDS = 15.0
# For each address of a file's host, which are tried one after another: a machine may have a way to
# IPv4 only, and not know it.
FILE_CONNECT_TIMEOUT_SECONDS = 5.0

# The system's proxy settings hold for vendors; a sandbox on this machine is never behind one.
_NO_PROXY_ON_LOOPBACK = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
# Of these, httpx raises each before the first byte of a request is written.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


C = TypeVar("C", httpx.AsyncClient, httpx.Client)


class NotSent(TransportError):
    """The request did not reach the vendor: refused, name not found, no TLS."""

    kind = "not_sent"


class AnswerLost(TransportError):
    """The request may have reached the vendor, and its answer did not reach us."""

    kind = "answer_lost"


class Transport:
    """HTTP exchanges with named base URLs. Belongs to one event loop; close it there.

    No redirect is ever followed: a vendor's API has no use for one, and a key must not travel.
    Paid submissions use connections of their own that were not used before, so that a connection
    which died in the pool cannot make a submission's outcome doubtful.
    """

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self._client: httpx.AsyncClient | None = None
        self._fresh_client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Transport:
        uses_system = not self.addresses.are_all_on_this_machine
        has_tls = uses_system or self.addresses.have_tls
        self._client = _new_client(httpx.AsyncClient, uses_system, has_tls=has_tls)
        self._fresh_client = _new_client(
            httpx.AsyncClient, uses_system, has_tls=has_tls, idle_connections=0
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self._client, self._fresh_client):
            if client is not None:
                await client.aclose()
        self._client = self._fresh_client = None

    async def exchange(
        self,
        method: str,
        base: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        authorization: Callable[[], str] | None = None,
        body: Body | None = None,
        timeout_seconds: float = 60.0,
        on_new_connection: bool = False,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_bytes_sent: Callable[[int], None] | None = None,
    ) -> Answer:
        """Send one request and read the whole answer.

        ``authorization`` gives that header, which no variable here shows: some tools write those
        of a traceback down. ``timeout_seconds`` bounds each wait on the network, not the whole.
        Raises NotSent or AnswerLost; an HTTP error status is an answer like any other. What
        ``body`` raises passes through: a body that was not sent whole was not accepted.
        """
        client = self._fresh_client if on_new_connection else self._client
        if client is None:
            raise RuntimeError("a Transport is used inside `async with`")
        sent_headers = httpx.Headers({"Accept-Encoding": "identity", **(headers or {})})
        if authorization is not None:
            sent_headers["Authorization"] = authorization()
        content: AsyncIterator[bytes] | None = None
        if body is not None:
            sent_headers["Content-Length"] = str(body.length)
            content = _async_chunks(body, on_bytes_sent)
        url = self.addresses.url(base, path)
        where = urlsplit(url).hostname or base
        try:
            request = client.build_request(
                method,
                url,
                params=dict(query) if query else None,
                headers=sent_headers,
                content=content,
                timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS),
            )
        except httpx.InvalidURL as problem:
            raise NotSent(
                f"{where} has no such address: {problem}.", remedy="Ask the vendor."
            ) from problem
        return await _send(client, request, where, max_answer_bytes)

    @asynccontextmanager
    async def stream(
        self,
        base: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        silence_seconds: float = 60.0,
    ) -> AsyncIterator[Incoming]:
        """GET an answer that comes piece by piece, and read it while it comes.

        It may take any time in all; a silence of ``silence_seconds`` ends it. Raises NotSent and
        AnswerLost, also while the chunks are read.
        """
        if self._client is None:
            raise RuntimeError("a Transport is used inside `async with`")
        url = self.addresses.url(base, path)
        where = urlsplit(url).hostname or base
        with _told(where, f"The stream of {where} broke off"):
            async with self._client.stream(
                "GET",
                url,
                params=dict(query) if query else None,
                # Compressed, a few bytes could be any number of them.
                headers={**(headers or {}), "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(silence_seconds, connect=CONNECT_TIMEOUT_SECONDS),
            ) as response:
                yield Incoming(
                    response.status_code, _lowered(response.headers), response.aiter_raw()
                )


async def _send(
    client: httpx.AsyncClient, request: httpx.Request, where: str, max_answer_bytes: int
) -> Answer:
    try:
        response = await client.send(request, stream=True)
        try:
            received = await _read(response, max_answer_bytes)
        finally:
            await response.aclose()
    except _NEVER_LEFT as problem:
        raise NotSent(
            f"{where} could not be reached: {_reason(problem)}.",
            remedy="Check the network and run the same command again.",
        ) from problem
    except (httpx.HTTPError, httpx.StreamError) as problem:
        raise AnswerLost(
            f"The answer of {where} was lost: {_reason(problem)}.",
            remedy="Run the same command again.",
        ) from problem
    return Answer(response.status_code, _lowered(response.headers), received)


def has_system_proxy() -> bool:
    """Whether the environment or the system names a proxy for https, as httpx reads them."""
    found = getproxies()
    exempt = [host.strip() for host in found.get("no", "").split(",")]
    return "*" not in exempt and any(found.get(scheme) for scheme in ("https", "all"))


def _lowered(headers: httpx.Headers) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def _new_client(
    kind: type[C], uses_system: bool, *, has_tls: bool, idle_connections: int = 20
) -> C:
    """A client that follows no redirect; ``uses_system``: with the system's proxies and trust.

    Without ``has_tls`` it trusts no certificate at all, and reads none.
    """
    try:
        return kind(
            follow_redirects=False,
            mounts=_NO_PROXY_ON_LOOPBACK,
            trust_env=uses_system,
            verify=_trust(
                uses_system, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
            )
            if has_tls
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=idle_connections),
        )
    except ImportError as problem:
        raise LocalError(
            "The environment names a SOCKS proxy, for which a package is missing.",
            field="ALL_PROXY",
            remedy="Install it with `pip install socksio`, or unset ALL_PROXY.",
        ) from problem
    except (OSError, ValueError, httpx.InvalidURL) as problem:
        raise LocalError(
            "A proxy or a certificate file that the environment names cannot be used: "
            f"{_reason(problem)}.",
            field="HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE",
            remedy="Correct these variables, or unset them.",
        ) from problem


@lru_cache(maxsize=4)  # reading the certificates takes longer than many a request
def _trust(uses_system: bool, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=uses_system)


async def _async_chunks(
    body: Body, on_bytes_sent: Callable[[int], None] | None
) -> AsyncIterator[bytes]:
    total = 0
    for chunk in body.chunks():
        yield chunk
        total += len(chunk)
        if on_bytes_sent is not None:
            on_bytes_sent(total)


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    where = response.request.url.host
    try:
        body = Unpacking(response.headers.get("content-encoding", ""), max_bytes)
        async for chunk in response.aiter_raw():
            if not body.add(chunk):
                raise AnswerLost(
                    f"The answer of {where} is longer than {max_bytes} bytes.",
                    limit=f"{max_bytes} bytes",
                    remedy="Ask the vendor; no documented answer is that long.",
                )
        return body.whole()
    except ValueError as problem:
        raise AnswerLost(
            f"The answer of {where} was lost: {problem}.", remedy="Run the same command again."
        ) from problem


def _reason(problem: Exception) -> str:
    """A short reason; some of httpx's errors have no text."""
    return str(problem) or type(problem).__name__


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer on its way: status and headers (lower case) are in, the bytes still to come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """As ``Incoming``, for a thread that waits for each of the chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@contextmanager
def open_url(
    url: str, line: Line, *, address: str | None = None, timeout_seconds: float = 60.0
) -> Iterator[IncomingFile]:
    """GET ``url`` without any credential and without following redirects.

    It waits for the network, and is for work ``aside``, whose ``line`` can be cut meanwhile: for
    whole files that is a fraction of what an event loop computes for as many bytes.

    With ``address`` the connection goes to that IP address, whatever the name resolves to by
    then, and the certificate is checked against the name. Each call has a client of its own:
    connections are pooled by address, and one that was checked for another name must not serve
    this one. Chunks come as they arrive, at most 64 KiB each. Raises NotSent and AnswerLost, also
    while the chunks are read, and FetchRefused for what is no URL.
    """
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as problem:
        raise FetchRefused(
            f"The result's address cannot be read: {problem}.",
            remedy="Ask the vendor for the file.",
        ) from problem
    where = target.host
    headers = {"Accept-Encoding": "identity"}
    extensions: dict[str, Any] = {"trace": _holding(line)}
    if address is not None:
        extensions["sni_hostname"] = target.host
        headers["Host"] = target.netloc.decode("ascii")
        target = target.copy_with(host=address)
    uses_system = address is None and not is_on_this_machine(url)
    has_tls = uses_system or target.scheme == "https"
    with (
        _told(where, f"The file from {where} did not arrive whole"),
        _new_client(httpx.Client, uses_system, has_tls=has_tls) as client,
        client.stream(
            "GET",
            target,
            headers=headers,
            extensions=extensions,
            timeout=httpx.Timeout(timeout_seconds, connect=FILE_CONNECT_TIMEOUT_SECONDS),
        ) as response,
    ):
        yield IncomingFile(
            response.status_code, _lowered(response.headers), _uncut(response.iter_raw(), line)
        )


def _holding(line: Line) -> Callable[[str, Mapping[str, Any]], None]:
    """Have ``line`` hold each connection that httpx opens, to a proxy or to the host itself."""

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(".connect_tcp.complete"):
            line.hold(info["return_value"].get_extra_info("socket"))

    return trace


def _uncut(chunks: Iterator[bytes], line: Line) -> Iterator[bytes]:
    """The chunks of a whole answer: the end of one whose line was cut is no end."""
    yield from chunks
    if line.is_cut:
        raise httpx.ReadError("the connection was cut")


@contextmanager
def _told(where: str, lost: str) -> Iterator[None]:
    """Tell of what fails whether it was sent; ``lost`` says that it was, and did not arrive."""
    try:
        yield
    except _NEVER_LEFT as problem:
        raise NotSent(
            f"{where} could not be reached: {_reason(problem)}.",
            remedy="Check the network.",
        ) from problem
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as problem:
        raise AnswerLost(f"{lost}: {_reason(problem)}.", remedy="Try again.") from problem
