"""Parts that were measured, kept beside the report as JSON.

Within a part all ways run side by side in one run. The report is made of the newest of each part,
so that a run which is stopped loses one part at most, and one part can be measured anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .plots import Series
from .report import Section

NAME = "benchmarks.json"


@dataclass(frozen=True)
class Measured:
    """One part. ``facts`` are of the machine and of what was measured on it, ``footage`` the names
    of the clips that were given, ``ended_at`` is when it was done (ISO 8601, UTC)."""

    section: Section
    facts: Mapping[str, str]
    footage: tuple[str, ...]
    minutes: float
    ended_at: str = ""


def load(folder: Path, *, is_quick: bool) -> dict[str, Measured]:
    """The parts that are kept in a folder; none of runs with other inputs, quick ones or whole."""
    try:
        kept = json.loads((folder / NAME).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    if kept["is_quick"] is not is_quick:
        return {}
    return {name: _read(part) for name, part in kept["parts"].items()}


def save(folder: Path, parts: Mapping[str, Measured], *, is_quick: bool) -> None:
    """Keep these parts, and no others, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"is_quick": is_quick, "parts": {name: asdict(part) for name, part in parts.items()}}
    path = folder / NAME
    part = path.with_name(f".{NAME}.part")
    part.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)


def _read(part: dict[str, Any]) -> Measured:
    section = Section(**part["section"])
    section.series = [
        Series(
            one["label"],
            tuple(one["lengths"]),
            tuple(one["seconds"]),
            tuple(one["extra_bytes"]),
        )
        for one in part["section"]["series"]
    ]
    footage, ended_at = tuple(part["footage"]), part.get("ended_at", "")
    return Measured(section, part["facts"], footage, part["minutes"], ended_at)
