"""What the command line prints: documents to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

from ..errors import VisemeError
from ..jobs.signals import Progress, Step
from ..secret import redact

REPEAT_SECONDS = 5.0


def print_json(document: Any) -> None:
    """The one document of ``--json``; what stdout cannot show stands there escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    if _shown(text, sys.stdout) != text:
        text = json.dumps(document, indent=2, default=str)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line of the answer."""
    sys.stdout.write(_shown(text, sys.stdout) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line beside the answer."""
    sys.stderr.write(_shown(text, sys.stderr) + "\n")
    sys.stderr.flush()


def _shown(text: str, stream: TextIO) -> str:
    """``text`` with what the encoding lacks as ``\\xe9``: names of files may be any bytes."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def error_document(problem: VisemeError) -> dict[str, Any]:
    """An error as ``--json`` prints it."""
    return {
        "error": {
            "kind": problem.kind,
            "message": redact(problem.message),
            "field": problem.field,
            "value": problem.value and redact(problem.value),
            "limit": problem.limit,
            "remedy": problem.remedy and redact(problem.remedy),
            "job_id": problem.job_id,
            "code": problem.code,
        }
    }


def table(rows: list[list[str]], *, gap: int = 2) -> str:
    """Columns aligned left, the last one as long as it likes."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width + gap) for cell, width in zip(row, widths, strict=False)]
        lines.append("".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


class ProgressLine:
    """Progress on stderr: one moving line on a terminal with rich, else a line per change."""

    def __init__(self) -> None:
        self._status = _rich_status()
        self._last: tuple[Step, int | None] | None = None
        self._last_time = 0.0

    def __enter__(self) -> ProgressLine:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, progress: Progress) -> None:
        text = f"{progress.text} ({progress.elapsed_seconds:.0f} s)"
        if self._status is not None:
            self._status.update(text)
            return
        key = (progress.step, progress.queue_position)
        now = time.monotonic()
        if key == self._last and now - self._last_time < REPEAT_SECONDS:
            return
        self._last, self._last_time = key, now
        note(text)


def _rich_status() -> Any:
    """rich's spinner where it is installed and stderr is a terminal; None otherwise."""
    if not sys.stderr.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(stderr=True).status("")
