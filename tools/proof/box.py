"""A sandbox as a process of its own: the judge of what was bought."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
KEY_VARIABLES = ("FAL_KEY", "AIML_API_KEY", "RUNWARE_API_KEY")
CALM_SECONDS = 20.0


def bare_environment() -> dict[str, str]:
    """This environment without anything that could lead a command to a real home or key."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VISEME_") and name not in KEY_VARIABLES
    }
    return kept | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


class Box:
    """Starts at once. ``control`` is its address, another one after each start."""

    def __init__(self, home: Path, *, time_scale: float) -> None:
        self._command = [
            *(sys.executable, "-m", "viseme", "sandbox", "--json", "--no-render"),
            *("--home", str(home), "--time-scale", str(time_scale)),
            *("--idle-seconds", "60"),  # should nobody be left to end it
        ]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            self._command, stdout=subprocess.PIPE, cwd=ROOT, env=bare_environment()
        )
        if self._process.stdout is None or not (line := self._process.stdout.readline()):
            raise RuntimeError("the sandbox ended before it answered")
        self.control: str = json.loads(line)["control"]
        self._http = http.client.HTTPConnection(urlsplit(self.control).netloc, timeout=30)

    def kill(self) -> None:
        """``kill -9``."""
        self._http.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def restart(self) -> None:
        self.kill()
        self.start()

    def _ask(self, method: str, name: str, document: object = None) -> dict[str, Any]:
        # The plain client: it is asked several times after each command.
        body = None if document is None else json.dumps(document)
        self._http.request(method, f"/_sandbox/{name}", body)
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the sandbox says {answer.status} to {method} {name}: {said!r}")
        return dict(json.loads(said))

    def fault(self, document: Mapping[str, Any]) -> None:
        self._ask("POST", "faults", dict(document))

    def end_faults(self) -> None:
        self._ask("DELETE", "faults")

    def reset(self) -> None:
        self._ask("POST", "reset")

    def charges(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "charges")["charges"])

    def submits(self) -> list[dict[str, Any]]:
        """The submissions that reached it, oldest first, once it is calm."""
        return [call for call in self.calm() if call["operation"] == "submit"]

    def calm(self) -> list[dict[str, Any]]:
        """All calls to its vendors, once none is being dealt with: what a dead client sent too."""
        give_up = time.monotonic() + CALM_SECONDS
        quiet, known = 0, -1
        while True:
            said = self._ask("GET", "requests")
            calls = list(said["requests"])
            quiet = quiet + 1 if said["under_way"] == 0 and len(calls) == known else 0
            known = len(calls)
            if quiet >= 1:
                return calls
            if time.monotonic() > give_up:
                raise RuntimeError("a call to the sandbox does not end")
            time.sleep(0.002)
