"""docs/proof.md: a section for each part, each replaced when its part is proved again."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import viseme

HEAD = """# Proof

What `make prove` has shown, part by part. Each part prints its seed before it begins, and
`make prove SEED=N` repeats it; any seed must pass. Nothing here is written by hand.
"""


def machine() -> str:
    """Processor, number of cores and system, in a few words."""
    model = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    except OSError:
        pass  # not Linux
    cores = os.cpu_count()
    system = f"{platform.system()} {platform.release()}"
    return f"{model.strip()}, {cores} cores, {system}"


def versions() -> str:
    """Of what the proof stands on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("SQLAlchemy", "httpx", "av"))
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    return f"Viseme {viseme.__version__}, Python {python}, SQLite {sqlite}, {packages}"


def write_section(path: Path, name: str, title: str, lines: Sequence[str]) -> None:
    """Put a part's section into the file, in place of what it had there."""
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    body = "\n".join([f"## {title}", "", f"{today}. {machine()}. {versions()}.", "", *lines])
    section = f"<!-- {name} -->\n{body}\n<!-- end of {name} -->\n"
    known = path.read_text(encoding="utf-8") if path.exists() else HEAD
    pattern = re.compile(
        rf"<!-- {re.escape(name)} -->.*?<!-- end of {re.escape(name)} -->\n", re.DOTALL
    )
    if pattern.search(known):
        known = pattern.sub(lambda _: section, known)
    else:
        known = f"{known}\n{section}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(known, encoding="utf-8")
