"""What this machine is, as far as a figure depends on it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from viseme import __version__

from .children import ROOT, Runtime

_THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_LIBRARIES = ("libavcodec", "libavformat", "libswscale")


def machine_facts(runtime: Runtime, versions: dict[str, Any]) -> dict[str, str]:
    """A line for each thing. ``versions`` are those of the Python that was measured in."""
    facts = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "Viseme": viseme_told(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{_memory_bytes() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "transparent huge pages": _chosen(_THP),
        "Python": str(versions.get("Python", "")),
    }
    for name in ("torch", "numpy", "httpx", "pybase64"):
        facts[name] = versions.get(name) or "not there"
    libraries = ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)
    facts["PyAV"] = f"{versions.get('av')} ({libraries})"
    facts["ffmpeg command"] = _ffmpeg() or "not there"
    facts["ComfyUI"] = runtime.comfyui_version or "not there"
    return facts


def viseme_told(root: Path = ROOT) -> str:
    """Its version, and where ``root`` is a clone its commit, and whether code differs from it."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "viseme", "nodes", "benchmarks")
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}, commit {commit}{' with changes' if changed else ''}"


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory_bytes() -> int:
    names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    if "SC_PHYS_PAGES" not in names:
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _chosen(path: Path) -> str:
    """The bracketed word of a file like ``always [madvise] never``."""
    try:
        found = re.search(r"\[(\w+)\]", path.read_text())
    except OSError:
        found = None
    return found[1] if found else "none"


def _ffmpeg() -> str | None:
    if shutil.which("ffmpeg") is None:
        return None
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True, text=True)
    return said.stdout.split(" ")[2]


def has_ffmpeg() -> bool:
    return shutil.which("ffmpeg") is not None
