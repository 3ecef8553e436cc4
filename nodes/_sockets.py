"""What nodes ask of their sockets, and of a text in place of one, before a graph runs."""

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


def check_text(text: str) -> None:
    """Raise InputError where there is nothing to be spoken."""
    if text.strip():
        return
    raise InputError(
        "speech is text, and there is none.",
        field="speech.text",
        value=repr(text[:20]),
        limit="some words",
        remedy="Write what is to be spoken, or choose connected audio.",
    )
