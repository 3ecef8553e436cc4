"""Which addresses a result may be fetched from.

A result's URL comes from a vendor's answer, so it is not trusted: https only, no user name, port
443, a public address that is checked and then connected to. Two exceptions, both exact: origins
named in ``base_urls`` or by a sandbox may be http and on this machine, and a vendor's own result
hosts are trusted by their certificate, since some networks resolve every name to an address of a
proxy.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from itertools import zip_longest
from urllib.parse import urlsplit

from .addresses import origin_of
from .errors import FetchRefused
from .transport import NotSent

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


async def checked_address(
    url: str,
    trusted_origins: frozenset[str] = frozenset(),
    vendor_hosts: tuple[str, ...] = (),
    *,
    attempt: int = 1,
) -> str | None:
    """The address to connect to for ``url``; None where the name itself is trusted.

    Of several addresses each ``attempt`` (from 1) takes the next, IPv4 and IPv6 by turns: a machine
    may have a way to one of them only. Raises FetchRefused for anything that is not allowed,
    NotSent for a name that does not resolve.
    """
    host = host_to_check(url, trusted_origins, vendor_hosts)
    if host is None:
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


def host_to_check(
    url: str, trusted_origins: frozenset[str], vendor_hosts: tuple[str, ...]
) -> str | None:
    """The name whose addresses decide about ``url``; None where the name itself is trusted. Pure.

    ``vendor_hosts`` are names, or suffixes that begin with a dot. Raises FetchRefused for a URL
    that is not allowed wherever its name leads.
    """
    try:
        parts = urlsplit(url)
        origin = origin_of(url)
    except ValueError as problem:
        raise unreadable(url) from problem
    if origin in trusted_origins and parts.username is None:
        return None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or parts.username is not None or not host:
        raise _refused(url, "it is not a plain https address")
    if parts.port not in (None, 443):
        raise _refused(url, f"it names port {parts.port}")
    return None if is_vendor_host(host, vendor_hosts) else host


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


def _refused(url: str, reason: str, remedy: str = "Ask the vendor for the file.") -> FetchRefused:
    return FetchRefused(
        f"The result is not fetched from {shown(url)}: {reason}.",
        value=shown(url),
        limit="https, port 443, a public address",
        remedy=remedy,
    )


def unreadable(url: str) -> FetchRefused:
    """The error for what is no URL at all."""
    return _refused(url, "it is no URL")
