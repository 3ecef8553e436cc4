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
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pybase64
from blake3 import blake3

from .errors import FetchRefused, LocalError
from .retry import RetryPolicy, next_wait
from .transport import AnswerLost, Incoming, NotSent, open_url, origin_of

MAX_REDIRECTS = 3
RETRIES = RetryPolicy()
GONE_STATUSES = frozenset({401, 403, 404, 410})
BASE64_CHUNK_CHARACTERS = 1024 * 1024  # a multiple of 4


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. ``vendor_hosts`` are names, or suffixes that begin with a dot."""

    trusted_origins: frozenset[str] = frozenset()
    vendor_hosts: tuple[str, ...] = ()
    max_bytes: int = 4 * 2**30
    stall_timeout_seconds: float = 60.0
    whole_timeout_seconds: float = 3600.0


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
    for attempt in range(1, RETRIES.attempts + 1):
        try:
            return await _fetch_once(url, target, rules, deadline, on_bytes)
        except (NotSent, AnswerLost):
            wait = next_wait(RETRIES, attempt, status=None)
            if wait is None:
                raise
        except FetchRefused as problem:
            wait = (
                next_wait(RETRIES, attempt, status=problem.http_status)
                if problem.http_status is not None
                else None
            )
            if wait is None:
                raise
        await asyncio.sleep(wait)
    raise FetchRefused("The result was not fetched.")  # not reached: the last try has no wait


async def _fetch_once(
    url: str,
    target: Path,
    rules: FetchRules,
    deadline: float,
    on_bytes: Callable[[int, int | None], None] | None,
) -> FetchedFile:
    for _ in range(MAX_REDIRECTS + 1):
        address = await checked_address(url, rules)
        async with open_url(
            url, address=address, timeout_seconds=rules.stall_timeout_seconds
        ) as incoming:
            if 300 <= incoming.status < 400 and "location" in incoming.headers:
                url = urljoin(url, incoming.headers["location"])
                continue
            _check_status(incoming, url)
            return await _write(incoming, url, target, rules, deadline, on_bytes)
    raise FetchRefused(
        f"The result's address redirects more than {MAX_REDIRECTS} times.",
        value=shown(url),
        limit=f"{MAX_REDIRECTS} redirects",
        remedy="Ask the vendor for the file.",
    )


def _check_status(incoming: Incoming, url: str) -> None:
    if incoming.status == 200:
        return
    if incoming.status in GONE_STATUSES:
        raise FetchRefused(
            f"The result is no longer at {shown(url)} (HTTP {incoming.status}).",
            code="gone",
            remedy="Ask the vendor for it again.",
        )
    raise FetchRefused(
        f"{shown(url)} answered HTTP {incoming.status} instead of the result.",
        http_status=incoming.status,
        remedy="Try again later.",
    )


async def _write(
    incoming: Incoming,
    url: str,
    target: Path,
    rules: FetchRules,
    deadline: float,
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
            if time.monotonic() > deadline:
                raise AnswerLost(
                    f"{shown(url)} did not arrive in {rules.whole_timeout_seconds:.0f} s.",
                    limit=f"{rules.whole_timeout_seconds:.0f} s",
                    remedy="Try again; if it stays so, raise download_timeout_seconds.",
                )
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
    if (len(data) - start) * 3 // 4 > max_bytes:
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


async def checked_address(url: str, rules: FetchRules) -> str | None:
    """The address to connect to for ``url``; None where the name itself is trusted.

    Raises FetchRefused for anything that is not allowed, NotSent for a name that does not resolve.
    """
    parts = urlsplit(url)
    if origin_of(url) in rules.trusted_origins and parts.username is None:
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
            raise _refused(url, f"its name leads to {address}, which is not a public address")
    return addresses[0]


async def _resolve(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise NotSent(
            f"{host} cannot be found: {problem}.", remedy="Check the network."
        ) from problem
    return [str(entry[4][0]) for entry in found]


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
    return all(part.is_global and not part.is_multicast for part in _with_hidden(ip))


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
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    yield ip


def shown(url: str) -> str:
    """A URL for a text: origin and path, since a query may be a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _announced_bytes(incoming: Incoming) -> int | None:
    text = incoming.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _refused(url: str, reason: str) -> FetchRefused:
    return FetchRefused(
        f"The result is not fetched from {shown(url)}: {reason}.",
        value=shown(url),
        limit="https, port 443, a public address",
        remedy="If you trust this host, name it in trusted_result_hosts in settings.json.",
    )


def _too_long(url: str, rules: FetchRules) -> FetchRefused:
    return FetchRefused(
        f"The result at {shown(url)} is longer than {rules.max_bytes} bytes.",
        limit=f"{rules.max_bytes} bytes",
        remedy="Raise max_download_bytes in settings.json.",
    )
