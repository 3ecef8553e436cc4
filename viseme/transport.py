"""The wire: one HTTP exchange at a time, its body streamed, its phases told apart.

This is the only module that imports httpx. It knows no vendor. What it must say exactly, because
money depends on it, is whether a request that failed can have reached the other side:
``NotSent`` (it provably did not) or ``AnswerLost`` (it may have).
"""

from __future__ import annotations

import json
import os
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpx
import pybase64
from blake3 import blake3

from .errors import FetchRefused, InputError, LocalError, TransportError, UnreadableAnswer
from .model import InlineMedia

CHUNK_BYTES = 768 * 1024  # a multiple of 3, so that base64 of each chunk joins without padding
MAX_ANSWER_BYTES = 64 * 2**20
CONNECT_TIMEOUT_SECONDS = 15.0

# The system's proxy settings hold for vendors; a sandbox on this machine is never behind one.
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_NO_PROXY_ON_LOOPBACK: dict[str, httpx.AsyncBaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
    "all://[::1]": None,
}


class NotSent(TransportError):
    """The request did not reach the vendor: refused, name not found, no TLS."""

    kind = "not_sent"


class AnswerLost(TransportError):
    """The request may have reached the vendor, and its answer did not reach us."""

    kind = "answer_lost"


class Addresses:
    """Where each named base URL (``fal.queue``, ``aimlapi`` ...) is just now.

    Everything durable names a base and a path, never a host and port, so that a sandbox that
    comes back on other ports loses nothing. ``reload`` asks for the current addresses again.
    """

    def __init__(
        self,
        base_urls: Mapping[str, str],
        reload: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> None:
        self._base_urls = {name: url.rstrip("/") for name, url in base_urls.items()}
        self._reload = reload

    def url(self, base: str, path: str) -> str:
        return self._base_urls[base] + path

    def origins(self) -> frozenset[str]:
        return frozenset(origin_of(url) for url in self._base_urls.values())

    @property
    def are_all_on_this_machine(self) -> bool:
        return all(_is_on_this_machine(url) for url in self._base_urls.values())

    def locate(self, url: str) -> tuple[str, str] | None:
        """The named base that ``url`` lies under, and the rest of it; None when under none."""
        matches = [
            (name, url[len(base) :])
            for name, base in self._base_urls.items()
            if url.startswith(base) and url[len(base) :][:1] in ("", "/", "?")
        ]
        return max(matches, key=lambda match: -len(match[1]), default=None)

    async def refresh(self) -> bool:
        """Ask where everything is now; whether anything moved."""
        if self._reload is None:
            return False
        fresh = {name: url.rstrip("/") for name, url in (await self._reload()).items()}
        moved = fresh != self._base_urls
        self._base_urls = fresh
        return moved


def origin_of(url: str) -> str:
    """``scheme://host:port`` in lower case, the port always written."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _is_on_this_machine(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK_HOSTS


def path_segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")


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
    """``length`` bytes of a file from ``offset`` on."""

    def __init__(self, path: Path, offset: int, length: int) -> None:
        self._path = path
        self._offset = offset
        self._length = length

    @property
    def length(self) -> int:
        return self._length

    def chunks(self) -> Iterator[bytes]:
        left = self._length
        with _reading(self._path) as file:
            file.seek(self._offset)
            while left:
                try:
                    chunk = file.read(min(CHUNK_BYTES, left))
                except OSError as problem:
                    raise _unreadable(self._path, problem) from problem
                if not chunk:
                    raise _changed(self._path)
                left -= len(chunk)
                yield chunk


def data_uri_chunks(medium: InlineMedia) -> Iterator[bytes]:
    """``data:<type>;base64,<data>`` in pieces. Raises LocalError when the file changed."""
    yield f"data:{medium.media_type};base64,".encode()
    body = FileBody(medium.path, 0, medium.size_bytes)
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


def _changed(path: Path) -> LocalError:
    return LocalError(
        f"{path.name} became shorter while it was being sent.",
        field=str(path),
        remedy="Run the same command again once nothing writes to the file.",
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises UnreadableAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as problem:
            start = " ".join(self.text.split())[:120]
            raise UnreadableAnswer(
                f"The vendor answered HTTP {self.status} with what is no JSON: {start!r}.",
                http_status=self.status,
                remedy="Try again later; if it stays so, ask the vendor.",
            ) from problem

    def json_object(self) -> Mapping[str, Any]:
        document = self.json()
        if not isinstance(document, dict):
            raise UnreadableAnswer(
                f"The vendor answered HTTP {self.status} with JSON that is not an object.",
                http_status=self.status,
                remedy="Try again later; if it stays so, ask the vendor.",
            )
        return document


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
        self._client = _new_client(uses_system)
        self._fresh_client = _new_client(uses_system, idle_connections=0)
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
        body: Body | None = None,
        timeout_seconds: float = 60.0,
        on_new_connection: bool = False,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_bytes_sent: Callable[[int], None] | None = None,
    ) -> Answer:
        """Send one request and read the whole answer.

        ``timeout_seconds`` bounds each wait on the network, not the whole. Raises NotSent or
        AnswerLost; an HTTP error status is an answer like any other. What ``body`` raises passes
        through: a body that was not sent whole was not accepted.
        """
        client = self._fresh_client if on_new_connection else self._client
        if client is None:
            raise RuntimeError("a Transport is used inside `async with`")
        sent_headers = dict(headers or {})
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
        try:
            response = await client.send(request, stream=True)
            try:
                received = await _read(response, max_answer_bytes)
            finally:
                await response.aclose()
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as problem:
            raise NotSent(
                f"{where} could not be reached: {_reason(problem)}.",
                remedy="Check the network and run the same command again.",
            ) from problem
        except (httpx.HTTPError, httpx.StreamError) as problem:
            raise AnswerLost(
                f"The answer of {where} was lost: {_reason(problem)}.",
                remedy="Run the same command again.",
            ) from problem
        return Answer(
            response.status_code,
            {key.lower(): value for key, value in response.headers.items()},
            received,
        )


def _new_client(uses_system: bool, *, idle_connections: int = 20) -> httpx.AsyncClient:
    """A client that follows no redirect; ``uses_system``: with the system's proxies and trust."""
    try:
        return httpx.AsyncClient(
            follow_redirects=False,
            mounts=_NO_PROXY_ON_LOOPBACK,
            trust_env=uses_system,
            verify=_trust(
                uses_system, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
            ),
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
    received = bytearray()
    async for chunk in response.aiter_bytes():
        received += chunk
        if len(received) > max_bytes:
            raise AnswerLost(
                f"The answer of {response.request.url.host} is longer than {max_bytes} bytes.",
                limit=f"{max_bytes} bytes",
                remedy="Ask the vendor; no documented answer is that long.",
            )
    return bytes(received)


def _reason(problem: Exception) -> str:
    """A short reason; some of httpx's errors have no text."""
    return str(problem) or type(problem).__name__


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file on its way: status and headers (lower case) are in, the bytes are still to come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def open_url(
    url: str, *, address: str | None = None, timeout_seconds: float = 60.0
) -> AsyncIterator[Incoming]:
    """GET ``url`` without any credential and without following redirects.

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
    extensions: dict[str, Any] = {}
    if address is not None:
        extensions["sni_hostname"] = target.host
        headers["Host"] = target.netloc.decode("ascii")
        target = target.copy_with(host=address)
    try:
        async with (
            _new_client(address is None and not _is_on_this_machine(url)) as client,
            client.stream(
                "GET",
                target,
                headers=headers,
                extensions=extensions,
                timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS),
            ) as response,
        ):
            yield Incoming(
                response.status_code,
                {key.lower(): value for key, value in response.headers.items()},
                response.aiter_raw(),
            )
    except (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
    ) as problem:
        raise NotSent(
            f"{where} could not be reached: {_reason(problem)}.",
            remedy="Check the network.",
        ) from problem
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as problem:
        raise AnswerLost(
            f"The file from {where} did not arrive whole: {_reason(problem)}.",
            remedy="Try again.",
        ) from problem
