"""Which requests come from ComfyUI's own page, on whatever host name the user has opened it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

# What the page sends with each request of ours. A page elsewhere cannot add it without asking
# first (CORS preflight), and ComfyUI, even with --enable-cors-header, does not allow it then.
OWN_HEADER = "X-Viseme"

_DEFAULT_PORTS = {"http": 80, "https": 443}


def why_not_ours(headers: Mapping[str, str], *, changes: bool) -> str | None:
    """Why a request may not be answered, or ``None`` where it may.

    A browser's own ``Sec-Fetch-Site`` decides where there is one: no page can forge it, and it
    holds behind any proxy. Browsers send it to https and loopback only; elsewhere ``Origin``, which
    they send with every POST, has to be the host that was asked, as ``Host`` or a proxy's
    ``X-Forwarded-Host`` has it. A request with neither is no browser's, or not a POST; one that
    ``changes`` something needs our own header then.

    That the two agree says nothing where a stranger's name was made to point here (DNS rebinding).
    Such a page can do everything else in ComfyUI already, and the user's own name for a machine
    looks no different, so it is taken.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return None if site in ("same-origin", "none") else "It comes from another site's page."
    origin = headers.get("Origin")
    hosts = [headers.get("Host", ""), headers.get("X-Forwarded-Host", "").split(",")[0].strip()]
    if origin is not None:
        here = _place(origin)
        if here is None or not any(_same(here, host) for host in hosts if host):
            return "It comes from another site's page, or a proxy does not pass on the host's name."
    elif changes and OWN_HEADER not in headers:
        return f"It has neither Origin nor {OWN_HEADER}."
    return None


def _place(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host name and port of an ``Origin``; ``None`` for the origin of nothing."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.hostname is None or port is None:
        return None
    return parts.scheme, parts.hostname, port


def _same(here: tuple[str, str, int], host: str) -> bool:
    scheme, _, _ = here
    return _place(f"{scheme}://{host}") == here
