"""Opens what a request named, and answers for it in the model's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..source import Footage, RecordedSpeech
from .base import ContentProblem, Problem
from .schema import shown

Loc = tuple[str | int, ...]


@contextmanager
def refusing(path: Path, loc: Loc, sent: Any) -> Iterator[None]:
    """A file that cannot be used is the request's fault, at ``loc``; ours is where it lies."""
    try:
        yield
    except InputError as error:
        message = error.message.replace(str(path), "the file")
        raise ContentProblem(Problem(loc, message, "unsupported_media", shown(sent))) from error


def open_footage(path: Path, loc: Loc, sent: Any, *, still_allowed: bool = False) -> Footage:
    """Raises ``ContentProblem`` for a file without pictures, or a still where none is taken."""
    with refusing(path, loc, sent):
        footage = Footage(path)
    if footage.is_still and not still_allowed:
        message = "The file is a still image; this model needs a video."
        raise ContentProblem(Problem(loc, message, "unsupported_media", shown(sent)))
    return footage


def open_speech(path: Path, loc: Loc, sent: Any) -> RecordedSpeech:
    """Raises ``ContentProblem`` for a file without sound."""
    with refusing(path, loc, sent):
        speech = RecordedSpeech.open(path)
    if speech.sample_count == 0:
        raise ContentProblem(Problem(loc, "The sound is empty.", "unsupported_media", shown(sent)))
    return speech
