"""Where vendors are: named base URLs, and the parts of URLs. Pure but for asking anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote, urlsplit

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


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
        return all(is_on_this_machine(url) for url in self._base_urls.values())

    @property
    def have_tls(self) -> bool:
        """Whether any of them is spoken to over TLS."""
        return any(urlsplit(url).scheme == "https" for url in self._base_urls.values())

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


def is_on_this_machine(url: str) -> bool:
    """Whether a URL names this machine itself."""
    return urlsplit(url).hostname in _LOOPBACK_HOSTS


def path_segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")
