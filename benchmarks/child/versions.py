"""What the measured Python has installed."""

from __future__ import annotations

import importlib.metadata
import platform

import av

from .work import Facts, Job

_PACKAGES = ("torch", "av", "numpy", "httpx", "pybase64", "Pillow", "opencv-python")


class Versions:
    def run(self) -> None:
        """Nothing to measure."""

    def facts(self) -> Facts:
        found: Facts = {"Python": platform.python_version()}
        for name in _PACKAGES:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                found[name] = None
        for name, version in av.library_versions.items():
            found[name] = ".".join(map(str, version))
        return found


def prepare(_job: Job) -> Versions:
    return Versions()
