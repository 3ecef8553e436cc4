"""One HTTP exchange at a time with named base URLs: its body streamed, its phases told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from ..addresses import Addresses
from ..answer import Answer, Unpacking
from ..bodies import Body
from .clients import (
    CONNECT_TIMEOUT_SECONDS,
    NEVER_LEFT,
    AnswerLost,
    NotSent,
    lent_trust,
    lowered,
    new_client,
    reason,
    told,
)

MAX_ANSWER_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer on its way: status and headers (lower case) are in, the bytes still to come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


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
        self._lent = ExitStack()

    async def __aenter__(self) -> Transport:
        uses_system = not self.addresses.are_all_on_this_machine
        has_tls = uses_system or self.addresses.have_tls
        trust = self._lent.enter_context(lent_trust(uses_system)) if has_tls else None
        self._client = new_client(httpx.AsyncClient, uses_system, trust)
        self._fresh_client = new_client(httpx.AsyncClient, uses_system, trust, idle_connections=0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self._client, self._fresh_client):
            if client is not None:
                await client.aclose()
        self._client = self._fresh_client = None
        self._lent.close()

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
        with told(where, f"The stream of {where} broke off"):
            async with self._client.stream(
                "GET",
                url,
                params=dict(query) if query else None,
                # Compressed, a few bytes could be any number of them.
                headers={**(headers or {}), "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(silence_seconds, connect=CONNECT_TIMEOUT_SECONDS),
            ) as response:
                yield Incoming(
                    response.status_code, lowered(response.headers), response.aiter_raw()
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
    except NEVER_LEFT as problem:
        raise NotSent(
            f"{where} could not be reached: {reason(problem)}.",
            remedy="Check the network and run the same command again.",
        ) from problem
    except (httpx.HTTPError, httpx.StreamError) as problem:
        raise AnswerLost(
            f"The answer of {where} was lost: {reason(problem)}.",
            remedy="Run the same command again.",
        ) from problem
    return Answer(response.status_code, lowered(response.headers), received)


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
