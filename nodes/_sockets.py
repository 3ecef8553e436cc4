"""What the free nodes ask of their sockets before a graph runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..viseme.errors import InputError


def check_connected(values: Mapping[str, Any], socket: str, what: str) -> None:
    """Raise InputError where nothing is connected; a linked socket is there, without a value."""
    if socket in values:
        return
    raise InputError(
        f"{socket} is not connected.",
        field=socket,
        value="nothing",
        limit=what,
        remedy=f"Connect {what}.",
    )
