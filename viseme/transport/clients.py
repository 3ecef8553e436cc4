"""HTTP clients, what they trust and pass through, and whether what failed can have been sent."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.request import getproxies

import httpx

from ..errors import LocalError, TransportError

C = TypeVar("C", httpx.AsyncClient, httpx.Client)

CONNECT_TIMEOUT_SECONDS = 15.0

# The system's proxy settings hold for vendors; a sandbox on this machine is never behind one.
_NO_PROXY_ON_LOOPBACK = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
# Of these, httpx raises each before the first byte of a request is written.
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# Certificates that were read and that no thread has now, by what named them: reading them takes
# longer than many a request.
_idle_trust: dict[tuple[bool, str | None, str | None], list[ssl.SSLContext]] = {}


class NotSent(TransportError):
    """The request did not reach the vendor: refused, name not found, no TLS."""

    kind = "not_sent"


class AnswerLost(TransportError):
    """The request may have reached the vendor, and its answer did not reach us."""

    kind = "answer_lost"


def new_client(
    kind: type[C], uses_system: bool, trust: ssl.SSLContext | None, *, idle_connections: int = 20
) -> C:
    """A client that follows no redirect; ``uses_system``: with the system's proxies.

    Without ``trust`` it trusts no certificate at all. Raises LocalError.
    """
    try:
        return kind(
            follow_redirects=False,
            mounts=_NO_PROXY_ON_LOOPBACK,
            trust_env=uses_system,
            verify=trust or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=idle_connections),
        )
    except ImportError as problem:
        raise LocalError(
            "The environment names a SOCKS proxy, for which a package is missing.",
            field="ALL_PROXY",
            remedy="Install it with `pip install socksio`, or unset ALL_PROXY.",
        ) from problem
    except (OSError, ValueError, httpx.InvalidURL) as problem:
        raise _unusable(problem) from problem


@contextmanager
def lent_trust(uses_system: bool) -> Iterator[ssl.SSLContext]:
    """Whom to trust, for one thread alone while the block lasts.

    With ``uses_system`` also those whom the environment names. httpx writes to it with every
    connection, which several threads may not do at once. Raises LocalError.
    """
    named = (uses_system, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    idle = _idle_trust.setdefault(named, [])
    try:
        trust = idle.pop()
    except IndexError:
        trust = _read_trust(uses_system)
    try:
        yield trust
    finally:
        idle.append(trust)


def _read_trust(uses_system: bool) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context(trust_env=uses_system)
    except (OSError, ValueError) as problem:
        raise _unusable(problem) from problem


def _unusable(problem: Exception) -> LocalError:
    return LocalError(
        "A proxy or a certificate file that the environment names cannot be used: "
        f"{reason(problem)}.",
        field="HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE",
        remedy="Correct these variables, or unset them.",
    )


def has_system_proxy() -> bool:
    """Whether the environment or the system names a proxy for https, as httpx reads them."""
    found = getproxies()
    exempt = [host.strip() for host in found.get("no", "").split(",")]
    return "*" not in exempt and any(found.get(scheme) for scheme in ("https", "all"))


@contextmanager
def told(where: str, lost: str) -> Iterator[None]:
    """Tell of what fails whether it was sent; ``lost`` says that it was, and did not arrive."""
    try:
        yield
    except NEVER_LEFT as problem:
        raise NotSent(
            f"{where} could not be reached: {reason(problem)}.",
            remedy="Check the network.",
        ) from problem
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as problem:
        raise AnswerLost(f"{lost}: {reason(problem)}.", remedy="Try again.") from problem


def lowered(headers: httpx.Headers) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def reason(problem: Exception) -> str:
    """A short reason; some of httpx's errors have no text."""
    return str(problem) or type(problem).__name__
