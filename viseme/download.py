"""The guarded fetch of result files.

A result's URL comes from a vendor's answer, so it is not trusted: https only, no user name, port
443, a public address that is checked and then connected to, three redirects at most and each
checked anew, no credential, a byte limit counted on what really arrives. Two exceptions, both
exact: origins named in ``base_urls`` or by a sandbox may be http and on this machine, and a
vendor's own result hosts are trusted by their certificate, since some networks resolve every
name to an address of a proxy.
"""

from __future__ import annotations

import asyncio
import binascii
import ipaddress
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pybase64
from blake3 import blake3

from .addresses import origin_of
from .errors import FetchRefused, LocalError
from .retry import RetryPolicy, next_wait
from .transport import AnswerLost, Incoming, NotSent, open_url

MAX_REDIRECTS = 3
RETRIES = RetryPolicy()
GONE_STATUSES = frozenset({401, 403, 404, 410})
BASE64_CHUNK_CHARACTERS = 1024 * 1024  # a multiple of 4
SHOWN_CHARACTERS = 200

# What counts as public is narrower than ``ipaddress.is_global``, which lets pass every range that
# was never given out and differs between versions of Python.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_NEVER_PUBLIC = (
    ipaddress.ip_network("192.0.0.0/24"),  # RFC 6890, protocol assignments
    ipaddress.ip_network("192.88.99.0/24"),  # RFC 7526, the former 6to4 relays
    ipaddress.ip_network("3fff::/20"),  # RFC 9637, documentation
)


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. ``vendor_hosts`` are names, or suffixes that begin with a dot."""

    trusted_origins: frozenset[str] = frozenset()
    vendor_hosts: tuple[str, ...] = ()
    max_bytes: int = 4 * 2**30
    stall_timeout_seconds: float = 60.0
    whole_timeout_seconds: float = 3600.0
    retries: RetryPolicy = RETRIES


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that arrived whole. ``digest`` is BLAKE3 of its bytes, in hex."""

    path: Path
    digest: str
    size_bytes: int


async def fetch(
    url: str,
    target: Path,
    rules: FetchRules,
    on_bytes: Callable[[int, int | None], None] | None = None,
) -> FetchedFile:
    """Fetch ``url`` into ``target``, which is complete and on disk when this returns.

    ``on_bytes`` is told the bytes so far and, where the server says, of how many. Whatever goes
    wrong, no file is left behind. Raises FetchRefused (``code`` is ``gone`` where the file is not
    there any more), TransportError, LocalError.
    """
    deadline = time.monotonic() + rules.whole_timeout_seconds
    for attempt in range(1, rules.retries.attempts + 1):
        try:
            return await asyncio.wait_for(
                _fetch_once(url, target, rules, attempt, on_bytes), deadline - time.monotonic()
            )
        except asyncio.TimeoutError:
            raise AnswerLost(
                f"{shown(url)} did not arrive in {rules.whole_timeout_seconds:.0f} s.",
                limit=f"{rules.whole_timeout_seconds:.0f} s",
                remedy="Try again, or raise download_timeout_seconds in settings.json.",
            ) from None
        except (NotSent, AnswerLost):
            wait = next_wait(rules.retries, attempt, status=None)
            if wait is None or time.monotonic() + wait >= deadline:
                raise
        except _NotNow as answer:
            wait = next_wait(rules.retries, attempt, status=answer.status, headers=answer.headers)
            if wait is None or time.monotonic() + wait >= deadline:
                raise answer.refusal from None
        await asyncio.sleep(wait)
    raise FetchRefused("The result was not fetched.")  # not reached: the last try has no wait


class _NotNow(Exception):
    """An answer that is not the file; by its status and headers the call may be made again."""

    def __init__(self, incoming: Incoming, refusal: FetchRefused) -> None:
        super().__init__(incoming.status)
        self.status = incoming.status
        self.headers = incoming.headers
        self.refusal = refusal


async def _fetch_once(
    url: str,
    target: Path,
    rules: FetchRules,
    attempt: int,
    on_bytes: Callable[[int, int | None], None] | None,
) -> FetchedFile:
    for _ in range(MAX_REDIRECTS + 1):
        address = await checked_address(url, rules, attempt)
        async with open_url(
            url, address=address, timeout_seconds=rules.stall_timeout_seconds
        ) as incoming:
            if 300 <= incoming.status < 400 and "location" in incoming.headers:
                url = _redirected(url, incoming.headers["location"])
                continue
            _check_status(incoming, url)
            return await _write(incoming, url, target, rules, on_bytes)
    raise FetchRefused(
        f"The result's address redirects more than {MAX_REDIRECTS} times.",
        value=shown(url),
        limit=f"{MAX_REDIRECTS} redirects",
        remedy="Ask the vendor for the file.",
    )


def _redirected(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as problem:
        raise _unreadable(location) from problem


def _check_status(incoming: Incoming, url: str) -> None:
    if incoming.status == 200:
        return
    if incoming.status in GONE_STATUSES:
        raise FetchRefused(
            f"The result is no longer at {shown(url)} (HTTP {incoming.status}).",
            code="gone",
            remedy="Ask the vendor for it again.",
        )
    refusal = FetchRefused(
        f"{shown(url)} answered HTTP {incoming.status} instead of the result.",
        http_status=incoming.status,
        remedy="Try again later.",
    )
    raise _NotNow(incoming, refusal)


async def _write(
    incoming: Incoming,
    url: str,
    target: Path,
    rules: FetchRules,
    on_bytes: Callable[[int, int | None], None] | None,
) -> FetchedFile:
    announced = _announced_bytes(incoming)
    if announced is not None and announced > rules.max_bytes:
        raise _too_long(url, rules)

    async def counted() -> AsyncIterator[bytes]:
        received = 0
        async for chunk in incoming.chunks:
            received += len(chunk)
            if received > rules.max_bytes:
                raise _too_long(url, rules)
            if on_bytes is not None:
                on_bytes(received, announced)
            yield chunk
        if announced is not None and received != announced:
            raise AnswerLost(
                f"{shown(url)} gave {received} bytes of {announced}.", remedy="Try again."
            )

    with PartFile(target) as part:
        async for chunk in counted():
            part.write(chunk)
        return part.finish()


def store_data(data: str, target: Path, max_bytes: int) -> FetchedFile:
    """Write a result that came as base64 text or as a data URI. Raises FetchRefused, LocalError."""
    start = data.index(",") + 1 if data[:5] == "data:" and "," in data[:200] else 0
    if (len(data) - start) * 3 // 4 - data[-2:].count("=") > max_bytes:
        raise FetchRefused(
            "The result in the vendor's answer is too long.",
            limit=f"{max_bytes} bytes",
            remedy="Raise max_download_bytes in settings.json.",
        )
    with PartFile(target) as part:
        for offset in range(start, len(data), BASE64_CHUNK_CHARACTERS):
            try:
                part.write(
                    pybase64.b64decode(
                        data[offset : offset + BASE64_CHUNK_CHARACTERS], validate=True
                    )
                )
            except (binascii.Error, ValueError) as problem:
                raise FetchRefused(
                    "The result in the vendor's answer is not base64.", remedy="Ask the vendor."
                ) from problem
        return part.finish()


class PartFile:
    """A file that appears under its name only when it is whole and on disk."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(f".{target.name}.{os.getpid()}.part")
        self._hasher = blake3()
        self._size_bytes = 0
        self._is_finished = False

    def __enter__(self) -> PartFile:
        try:
            self._file = self._part.open("wb")
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        return self

    def write(self, chunk: bytes) -> None:
        try:
            self._file.write(chunk)
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        self._hasher.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> FetchedFile:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._target)
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        self._is_finished = True
        return FetchedFile(self._target, self._hasher.hexdigest(), self._size_bytes)

    def __exit__(self, *_: object) -> None:
        if not self._is_finished:
            with suppress(OSError):  # closing flushes, which fails again on a full disk
                self._file.close()
            self._part.unlink(missing_ok=True)


def disk_error(path: Path, problem: OSError) -> LocalError:
    """The error for a file that cannot be written."""
    return LocalError(
        f"{path} cannot be written: {problem.strerror or problem}.",
        field=str(path),
        remedy="Make room on that disk, or make the folder writable.",
    )


async def checked_address(url: str, rules: FetchRules, attempt: int = 1) -> str | None:
    """The address to connect to for ``url``; None where the name itself is trusted.

    Of several addresses each ``attempt`` (from 1) takes the next, IPv4 and IPv6 by turns: a machine
    may have a way to one of them only. Raises FetchRefused for anything that is not allowed,
    NotSent for a name that does not resolve.
    """
    try:
        parts = urlsplit(url)
        origin = origin_of(url)
    except ValueError as problem:
        raise _unreadable(url) from problem
    if origin in rules.trusted_origins and parts.username is None:
        return None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or parts.username is not None or not host:
        raise _refused(url, "it is not a plain https address")
    if (parts.port or 443) != 443:
        raise _refused(url, f"it names port {parts.port}")
    if is_vendor_host(host, rules.vendor_hosts):
        return None
    addresses = await _resolve(host)
    for address in addresses:
        if not is_public(address):
            raise _refused(
                url,
                f"its name leads to {address}, which is not a public address",
                "If you trust this host, name it in trusted_result_hosts in settings.json.",
            )
    return addresses[(attempt - 1) % len(addresses)]


async def _resolve(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise NotSent(
            f"{host} cannot be found: {problem}.", remedy="Check the network."
        ) from problem
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    preferred = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    others = [address for address in addresses if address not in preferred]
    return [a for pair in zip_longest(preferred, others) for a in pair if a is not None]


def is_vendor_host(host: str, vendor_hosts: tuple[str, ...]) -> bool:
    """Whether ``host`` is one of a vendor's own; an entry with a leading dot is a suffix."""
    host = host.lower()
    return any(
        host.endswith(entry) if entry.startswith(".") else host == entry for entry in vendor_hosts
    )


def is_public(address: str) -> bool:
    """Whether an IP address is globally routable, also by every IPv4 address it may hide."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    return all(_is_routable(part) for part in _with_hidden(ip))


def _is_routable(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if any(ip in network for network in _NEVER_PUBLIC if network.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST and ip not in _NAT64:
        return False
    return ip.is_global and not ip.is_multicast


def _with_hidden(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address and what it maps to (RFC 4291 mapped, 6to4, Teredo, NAT64)."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            yield ip.ipv4_mapped
            return
        if ip.sixtofour is not None:
            yield ip.sixtofour
        if ip.teredo is not None:
            yield from ip.teredo
        if ip in _NAT64:
            yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    yield ip


def shown(url: str) -> str:
    """A URL for a text: origin and path, since a query may be a signature."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:SHOWN_CHARACTERS]


def _announced_bytes(incoming: Incoming) -> int | None:
    text = incoming.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _refused(url: str, reason: str, remedy: str = "Ask the vendor for the file.") -> FetchRefused:
    return FetchRefused(
        f"The result is not fetched from {shown(url)}: {reason}.",
        value=shown(url),
        limit="https, port 443, a public address",
        remedy=remedy,
    )


def _unreadable(url: str) -> FetchRefused:
    return _refused(url, "it is no URL")


def _too_long(url: str, rules: FetchRules) -> FetchRefused:
    return FetchRefused(
        f"The result at {shown(url)} is longer than {rules.max_bytes} bytes.",
        limit=f"{rules.max_bytes} bytes",
        remedy="Raise max_download_bytes in settings.json.",
    )
