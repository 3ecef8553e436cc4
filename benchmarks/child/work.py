"""What a child process is asked for, and what all of its kinds have in common."""

from __future__ import annotations

import importlib
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Job: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = dict[str, Any]


class Work(Protocol):
    """Something to be measured. What it needs is made before; ``facts`` are asked for after."""

    def run(self) -> None: ...
    def facts(self) -> Facts: ...


_KINDS = {
    "encode": "encoders",
    "decode": "decoders",
    "pass": "passing",
    "conform": "conforming",
    "convert": "converting",
    "tensor": "tensors",
    "build": "building",
    "post": "posting",
    "fetch": "fetching",
    "sound": "sounds",
    "stream": "streaming",
    "gaps": "ticking",
    "stop": "stopping",
    "exact": "exactness",
    "versions": "versions",
}


def prepare(job: Job) -> Work:
    """The work that ``job["kind"]`` names, ready to run."""
    module = importlib.import_module(f".{_KINDS[job['kind']]}", __package__)
    work: Work = module.prepare(job)
    return work


def run_program(command: Sequence[str]) -> None:
    """Run to its end. Raises ``RuntimeError`` with what it said where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace')[-2000:]}")


def finish_program(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program that was fed through its stdin."""
    code = process.wait()
    if code:
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise RuntimeError(f"{process.args!r} ended with {why}")
