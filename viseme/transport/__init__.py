"""The wire: HTTP exchanges with vendors, and files fetched from anywhere.

This is the only place that imports httpx. It knows no vendor. What it must say exactly, because
money depends on it, is whether a request that failed can have reached the other side:
``NotSent`` (it provably did not) or ``AnswerLost`` (it may have).
"""

from __future__ import annotations

from .clients import AnswerLost, NotSent, has_system_proxy
from .exchange import MAX_ANSWER_BYTES, Incoming, Transport
from .files import IncomingFile, open_url

__all__ = [
    "MAX_ANSWER_BYTES",
    "AnswerLost",
    "Incoming",
    "IncomingFile",
    "NotSent",
    "Transport",
    "has_system_proxy",
    "open_url",
]
