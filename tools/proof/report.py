"""docs/proof.md: a section for each part, each replaced when its part is proved again."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

HEAD = """# Proof

What `make prove` has shown, part by part. Each part prints its seed before it begins, and
`make prove SEED=N` repeats it; any seed must pass. Nothing here is written by hand.
"""


def machine() -> str:
    """Processor, number of cores, system and Python, in a few words."""
    model = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    except OSError:
        pass  # not Linux
    cores = os.cpu_count()
    system = f"{platform.system()} {platform.release()}"
    return f"{model.strip()}, {cores} cores, {system}, Python {platform.python_version()}"


def write_section(path: Path, name: str, title: str, lines: Sequence[str]) -> None:
    """Put a part's section into the file, in place of what it had there."""
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    body = "\n".join([f"## {title}", "", f"{today}, {machine()}", "", *lines])
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
