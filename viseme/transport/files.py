"""A file fetched from anywhere, by a thread that waits for each of its pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx

from ..addresses import is_on_this_machine
from ..aside import Line
from ..errors import FetchRefused
from .clients import CONNECT_TIMEOUT_SECONDS, NotSent, lent_trust, lowered, new_client, told


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """As ``Incoming``, for a thread that waits for each of the chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@contextmanager
def open_url(
    url: str,
    line: Line,
    *,
    address: str | None = None,
    timeout_seconds: float = 60.0,
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
) -> Iterator[IncomingFile]:
    """GET ``url`` without any credential and without following redirects.

    It waits for the network, and is for work ``aside``, whose ``line`` can be cut meanwhile: an
    event loop computes a fifth more for a file, or twice as much where its buffers, which are
    larger, are memory that the system has to clear first.

    With ``address`` the connection goes to that IP address, whatever the name resolves to by
    then, and the certificate is checked against the name. Without it the addresses of the name are
    tried one after another; ``connect_timeout_seconds`` is for each, and for TLS once more. Each
    call has a client of its own: connections are pooled by address, and one that was checked for
    another name must not serve this one. Chunks come as they arrive, at most 64 KiB each. Raises
    NotSent and AnswerLost, also while the chunks are read, and FetchRefused for what is no URL.
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
    _check_name(target)
    if address is not None:
        extensions["sni_hostname"] = target.host
        headers["Host"] = target.netloc.decode("ascii")
        target = target.copy_with(host=address)
    uses_system = address is None and not is_on_this_machine(url)
    has_tls = uses_system or target.scheme == "https"
    with (
        told(where, f"The file from {where} did not arrive whole"),
        lent_trust(uses_system) if has_tls else nullcontext() as trust,
        new_client(httpx.Client, uses_system, trust) as client,
        client.stream(
            "GET",
            target,
            headers=headers,
            extensions=extensions,
            timeout=httpx.Timeout(timeout_seconds, connect=connect_timeout_seconds),
        ) as response,
    ):
        yield IncomingFile(
            response.status_code, lowered(response.headers), _uncut(response.iter_raw(), line)
        )


def _check_name(target: httpx.URL) -> None:
    """Raises NotSent for a name that sockets and TLS do not take, with no error of their own."""
    try:
        target.raw_host.decode("ascii").encode("idna")
    except UnicodeError as problem:
        raise NotSent(
            f"{target.host} cannot be found: {problem}.", remedy="Check the network."
        ) from problem


def _holding(line: Line) -> Callable[[str, Mapping[str, Any]], None]:
    """Have ``line`` hold each connection that httpx opens, to a proxy or to the host itself."""

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(".connect_tcp.complete"):
            stream = info["return_value"]
            try:
                line.hold(stream.get_extra_info("socket"))
            except OSError as problem:
                stream.close()
                raise httpx.ConnectError(str(problem)) from problem

    return trace


def _uncut(chunks: Iterator[bytes], line: Line) -> Iterator[bytes]:
    """The chunks of an answer, none once its line was cut: that end is not the answer's."""
    for chunk in chunks:
        if line.is_cut:
            break
        yield chunk
    if line.is_cut:
        raise httpx.ReadError("the connection was cut")
