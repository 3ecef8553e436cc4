"""The three hosts that serve finished videos, and Runware's stored media.

A result has a name that cannot be guessed, is public, and is served by each of the three, so
that a redirect from one to another leads to the same bytes.
"""

from __future__ import annotations

from aiohttp import web

from .transfers import Source
from .vendor import Refusal, Vendor
from .wire import Box, Call, Route


def routes(box: Box, vendor: Vendor) -> list[web.RouteDef]:
    route = Route(vendor, "download", _download, keyed=False)
    return [web.get("/{path:.+}", route.bound(box))]


async def _download(call: Call) -> Source:
    stored = call.box.state.file(call.request.path)
    if stored is None or stored.is_expired:
        raise Refusal(web.Response(status=404, text="Not Found"))
    return Source(call.box.media.on_disk(stored), stored.media_type)
