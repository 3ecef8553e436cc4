"""Errors as a graph shows them: in the words of the node's inputs, not of the command line."""

from __future__ import annotations

import re

from ..viseme.errors import CredentialError, VisemeError
from ..viseme.secret import redact
from . import _host

# Longer ones go first. What the command line calls an option is an input here, or a variable.
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
    "--home or VISEME_HOME": "VISEME_HOME",
    "--home": "VISEME_HOME",
    "give --sandbox without an address": "unset VISEME_SANDBOX",
    "--sandbox URL": "VISEME_SANDBOX",
    "--sandbox": "VISEME_SANDBOX",
    "inputs.referenceVideos[0]": "video_url",
    "inputs.referenceVideos": "video_url",
    "inputs.audio": "audio_url",
    "lip_sync_tts_content": "speech.text",
    "lip_sync_tts_speaker": "speech.voice",
    "voice_id": "speech.voice",
    "fal-pipio": "Pipio Lip Sync",
    "fal-sync": "Sync Lip Sync 2 Pro",
    "fal-pixverse": "PixVerse Lip Sync",
    "aimlapi-pixverse": "PixVerse Lip Sync",
    "runware-pixverse": "PixVerse Lip Sync",
    "run the same command": "run the graph",
    "Run the same command": "Run the graph",
    "run the command": "run the graph",
    "give the same command": "run the graph",
    "Give the same command": "Run the graph",
    "give the command": "run the graph",
    "the same command": "the same graph",
    "the original command with --take": "the graph with another take",
}
_PATTERN = re.compile("|".join(re.escape(word) for word in sorted(_WORDS, key=len, reverse=True)))
# What is not said word by word: nobody gives a node a file, and pipio's own fields are named as the
# sockets are.
_PHRASES = (
    (r"Give --video FILE, or \S+ with an https URL", "Connect media, or give video_url"),
    (r"Give --audio FILE, or \S+ with an https URL", "Connect audio, or give audio_url"),
    (r"or --text \(the argument \S+\)", "or set speech to text"),
    (r"\b(video|audio) is (?=\S+; fal-pipio takes)", r"\1_url is "),
)


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
    """``--video`` becomes ``media``, and so on; a command in backticks one that works here."""
    parts = text.split("`")
    parts[::2] = [_said(part) for part in parts[::2]]
    return _host.home().completed("`".join(parts))


def _said(text: str) -> str:
    for phrase, ours in _PHRASES:
        text = re.sub(phrase, ours, text)
    return _PATTERN.sub(lambda found: _WORDS[found.group()], text)
