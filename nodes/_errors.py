"""Errors as a graph shows them: in the words of the node's inputs, not of the command line."""

from __future__ import annotations

import re

from ..viseme.errors import CredentialError, VisemeError
from ..viseme.secret import redact

_WORDS = {
    "--video": "media",
    "--audio-is-edited": "audio_is_edited",
    "--audio": "audio",
    "--text": "speech.text",
    "--voice": "speech.voice",
    "--carry": "carry",
    "--take": "take",
    "--max-usd": "max_price_usd",
    "--edits": "edits",
    "--time-limit": "time_limit_seconds",
    "fal-pipio": "Pipio Lip Sync",
    "fal-sync": "Sync Lip Sync 2 Pro",
    "fal-pixverse": "PixVerse Lip Sync",
    "aimlapi-pixverse": "PixVerse Lip Sync",
    "runware-pixverse": "PixVerse Lip Sync",
    "run the same command": "run the graph",
    "Run the same command": "Run the graph",
    "run the command": "run the graph",
    "the same command": "the same graph",
}
_PATTERN = re.compile("|".join(re.escape(word) for word in sorted(_WORDS, key=len, reverse=True)))


class LipSyncError(Exception):
    """What a node failed with; its text is all that the page shows."""


def node_error(problem: VisemeError) -> LipSyncError:
    """The same problem for the page: one line with the remedy and the job's id.

    The host writes it into its log and its history, so what a vendor said loses its signatures.
    """
    text = redact(in_node_words(str(problem)))
    if isinstance(problem, CredentialError):
        # Before the command line: the page cuts long texts off.
        said = redact(in_node_words(" ".join(problem.message.split())))
        place = "In the page: the menu's Extensions > Viseme: keys."
        text = f"{said} {place}{text.removeprefix(said)}"
    return LipSyncError(text)


def in_node_words(text: str) -> str:
    """``--video`` becomes ``media``, and so on. Command lines in backticks stay as they are."""
    parts = text.split("`")
    parts[::2] = [_PATTERN.sub(lambda found: _WORDS[found.group()], part) for part in parts[::2]]
    return "`".join(parts)
