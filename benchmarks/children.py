"""Processes in which something is measured, in the Python that everyone is measured in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from .child.core import FOLDER_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
_END_SECONDS = 10.0


class ChildFailed(Exception):
    """A job could not be done; the text is what it died of, ``short`` its last line."""

    @property
    def short(self) -> str:
        return str(self).strip().splitlines()[-1]


@dataclass(frozen=True)
class Runtime:
    """The Python of the ComfyUI that was found, else ours. ``missing`` says why there is none."""

    python: Path
    comfyui: Path | None = None
    comfyui_version: str = ""
    libraries: Path | None = None
    missing: str = ""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("VISEME_")}
        kept.pop("PYTHONPATH", None)
        if self.libraries is not None:
            kept["PYTHONPATH"] = str(self.libraries)
        if self.comfyui is not None:
            kept[FOLDER_VARIABLE] = str(self.comfyui)
        return kept


class Child:
    """One fresh process that takes jobs one by one, until the block ends."""

    def __init__(self, runtime: Runtime) -> None:
        # In a file, since nobody reads a pipe while a job runs.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [str(runtime.python), "-m", "benchmarks.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            cwd=ROOT,
            env=runtime.environment,
        )

    def __enter__(self) -> Child:
        return self

    def run(self, kind: str, **job: Any) -> dict[str, Any]:
        """What was measured of one job. Raises ``ChildFailed``."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ChildFailed("the process has no pipes")
        try:
            stdin.write(json.dumps({"kind": kind, **job}).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise ChildFailed(self._last_words()) from None
        line = stdout.readline()
        if not line:
            raise ChildFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildFailed(answer["error"])
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        return f"{self._said.read().decode(errors='replace')}\nits process ended with {code}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_END_SECONDS if kind is None else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


class LeanServer:
    """The server that bodies go to and files come from, while the block runs; ``url`` is where."""

    def __enter__(self) -> LeanServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child.server"], stdout=subprocess.PIPE, cwd=ROOT
        )
        line = b"" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            raise ChildFailed("the server did not start")
        self.url = f"http://127.0.0.1:{int(line)}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(_END_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
