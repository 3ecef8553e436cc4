"""A real ComfyUI as a process: finding one, starting it on a folder of its own, reading its log."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import ROOT, SandboxProcess, bare_environment
from tests.host.client import Client, until
from viseme.home import Home
from viseme.ledger import JobRecord, Ledger
from viseme.media.digest import digest_file

START_SECONDS = 600.0  # a machine that does much else besides
STOP_SECONDS = 60.0
HELPER_PACK = Path(__file__).resolve().parent / "helper_pack"
FOLDERS = ("custom_nodes", "input", "output", "temp", "user", "models")
LACKING = ("httpx", "pybase64", "platformdirs")  # what requirements.txt has and ComfyUI lacks
# The vendors' waits by mode: fal queues for 2 s and runs for 8 s, times the scale.
MODES = {
    "brisk": ("--time-scale", "0.02"),  # really makes the videos
    "canned": ("--time-scale", "0.02", "--no-render"),
    "slow": ("--time-scale", "0.2", "--no-render"),
    "endless": ("--time-scale", "25", "--no-render"),  # a job runs for 200 s: nobody waits so long
}
ALWAYS = ("--cpu", "--listen", "127.0.0.1", "--database-url", "sqlite:///:memory:")


class NoHost(Exception):
    """There is no ComfyUI to test with; the text says why."""


@dataclass(frozen=True)
class Installation:
    """A ComfyUI on this machine. ``libraries`` is what its own Python lacks, as a folder."""

    folder: Path
    python: Path
    libraries: Path | None = None

    @property
    def version(self) -> tuple[int, ...]:
        namespace: dict[str, Any] = {}
        for line in (self.folder / "comfyui_version.py").read_text().splitlines():
            if line.startswith("__version__"):
                namespace["version"] = line.split('"')[1]
        return tuple(int(part) for part in namespace["version"].split("."))


def find_installation(libraries: Path | None, folder: Path | None = None) -> Installation:
    """The ComfyUI at ``folder``, at COMFYUI_PATH, or where comfy-cli puts one. Raises ``NoHost``.

    Its own environment is never changed: with CI=true, what it lacks goes to ``libraries``; None
    only looks.
    """
    if folder is None:
        folder = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "comfy" / "ComfyUI")
    if not (folder / "main.py").is_file():
        raise NoHost(f"There is no ComfyUI at {folder}; COMFYUI_PATH names another one.")
    names = (".venv/bin/python", "venv/bin/python", ".venv/Scripts/python.exe")
    python = next((folder / name for name in names if (folder / name).exists()), None)
    if python is None:
        raise NoHost(f"{folder} has no Python in .venv.")
    lacking = _lacking(python)
    if not lacking:
        return Installation(folder, python)
    if os.environ.get("CI") != "true":
        raise NoHost(
            f"{python} lacks {', '.join(lacking)}; install what requirements.txt names there."
        )
    if libraries is not None and not libraries.exists():
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
        subprocess.run([*pip, "--target", str(libraries), *lacking], check=True, timeout=300)
    return Installation(folder, python, libraries)


def _lacking(python: Path) -> list[str]:
    ask = "import importlib.util as u, json, sys; print(json.dumps([n for n in sys.argv[1:] "
    ask += "if u.find_spec(n) is None]))"
    said = subprocess.run(
        [str(python), "-c", ask, *LACKING], capture_output=True, check=True, timeout=60
    )
    found: list[str] = json.loads(said.stdout)
    return found


class ModalSandbox(SandboxProcess):
    """A sandbox that can become quicker or slower at the same control address."""

    def __init__(self, home: Path, mode: str = "brisk") -> None:
        self.mode = mode
        self.port = str(_settled_port())
        super().__init__(home, "--port", self.port, *MODES[mode])

    def become(self, mode: str) -> None:
        """Start anew with that mode's waits, without faults and jobs.

        It goes on as it is where it has that mode already and no call that an earlier test left.
        """
        if mode != self.mode or self.ask("requests")["under_way"]:
            self.stop()
            self.options = ("--port", self.port, *MODES[mode])
            self.mode = mode
            self.start()
        self.reset()

    def end_faults(self) -> None:
        """Let everything go well from now on; what the faults did to a job stays with it."""
        httpx.delete(f"{self.control}/_sandbox/faults", trust_env=False).raise_for_status()

    def await_strike(self) -> None:
        """Wait until every fault has struck as often as it was to; each needs a ``count``."""
        until(lambda: not self.ask("faults")["faults"], "the strike of the faults")

    def uploads(self) -> list[Path]:
        """The files that were uploaded to its vendors, byte by byte as they came, oldest first."""
        files = (self.home / "sandbox" / "media").iterdir()
        return sorted(files, key=lambda path: path.stat().st_mtime_ns)


class Host(Client):
    """A ComfyUI that runs on ``base``, with the checkout and the helper pack linked in.

    ``home`` is VISEME_HOME; None leaves it to ComfyUI's own user folder.
    """

    def __init__(
        self,
        installation: Installation,
        base: Path,
        *options: str,
        sandbox: SandboxProcess | None = None,
        home: Path | None = None,
        environment: dict[str, str] | None = None,
        pack_name: str = "viseme",
    ) -> None:
        self.installation = installation
        self.base = base
        self.home = home
        self.log_path = base / "comfyui.log"
        for name in FOLDERS:
            (base / name).mkdir(parents=True, exist_ok=True)
        _link(base / "custom_nodes" / pack_name, ROOT)
        _link(base / "custom_nodes" / "helper_pack", HELPER_PACK)
        self.environment = bare_environment() | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        if sandbox is not None:
            self.environment["VISEME_SANDBOX"] = sandbox.control
        if home is not None:
            self.environment["VISEME_HOME"] = str(home)
        if installation.libraries is not None:
            self.environment["PYTHONPATH"] = str(installation.libraries)
        self.environment |= environment or {}
        self.options = options
        self._start()

    def _start(self) -> None:
        port = _free_port()
        command = [str(self.installation.python), "main.py", *ALWAYS, "--port", str(port)]
        command += ["--base-directory", str(self.base), *self.options]
        started = time.monotonic()
        with self.log_path.open("ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                command,
                cwd=self.installation.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: self._answers(url), "the start of ComfyUI", START_SECONDS)
        except AssertionError as problem:
            self._end()
            raise AssertionError(f"{problem}\n{self.log()[-4000:]}") from None
        self.start_seconds = time.monotonic() - started
        super().__init__(url)

    def _answers(self, url: str) -> bool:
        assert self.process.poll() is None, f"ComfyUI ended with {self.process.returncode}"
        try:
            return httpx.get(f"{url}/system_stats", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        self.close()
        self._end()

    def restart(self, *options: str) -> None:
        """End it and start it anew on the same folder, with other options where any are given."""
        if self.process.poll() is None:
            self.stop()
        self.options = options or self.options
        self._start()

    def kill(self) -> None:
        """``kill -9``."""
        self.close()
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)

    # What it leaves behind

    def log(self, *, whole: bool = False) -> str:
        """What it has said since it was started; with ``whole``, since its first start."""
        data = self.log_path.read_bytes()
        return data[0 if whole else self.log_start :].decode(errors="replace")

    def jobs(self) -> tuple[JobRecord, ...]:
        """What its ledger knows, newest first."""
        assert self.home is not None
        with Ledger.open(self.home / "ledger.sqlite3") as ledger:
            return tuple(ledger.list())

    def verdicts(self, path: Path) -> list[Path]:
        """Where it keeps what its child process found a clip to be."""
        assert self.home is not None
        return list(Home(self.home).verdicts.glob(f"{digest_file(path)}-clip-*.json"))

    @contextmanager
    def settings(self, document: dict[str, Any]) -> Iterator[None]:
        """Run with these in settings.json, which there is not otherwise."""
        assert self.home is not None
        self.home.mkdir(mode=0o700, exist_ok=True)
        file = self.home / "settings.json"
        assert not file.exists()
        file.write_text(json.dumps(document))
        try:
            yield
        finally:
            file.unlink()

    @contextmanager
    def live(self, box: ModalSandbox, **settings: Any) -> Iterator[None]:
        """Run with that sandbox in the place of the vendors themselves, and with a key of fal's."""
        polls = {"fal": {"first_seconds": 0.05, "most_seconds": 0.1}}
        document = {"base_urls": box.base_urls, "poll": polls, **settings}
        with self.settings(document):
            self._enter_key("live-id:live-secret")
            try:
                yield
            finally:
                self._enter_key(None)

    def _enter_key(self, key: str | None) -> None:
        headers = {"X-Viseme": "test"}
        answer = self.http.post("/viseme/keys", json={"vendor": "fal", "key": key}, headers=headers)
        assert answer.status_code == 200, answer.text

    def saved(self, file: dict[str, Any]) -> Path:
        """A file that a node shows, on this disk."""
        return self.base / str(file["type"]) / str(file["subfolder"]) / str(file["filename"])

    def put(self, source: Path) -> str:
        """Copy a file to ComfyUI's input folder; its name there."""
        shutil.copy(source, self.base / "input" / source.name)
        return source.name

    # Memory, as Linux counts it

    def peak_bytes(self) -> int:
        """The most it has held since ``reset_peak``."""
        return self._status_bytes("VmHWM")

    def held_bytes(self) -> int:
        return self._status_bytes("VmRSS")

    def reset_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _status_bytes(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        [line] = [line for line in lines if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target, target_is_directory=True)


def _settled_port() -> int:
    """A port that stays free between two starts: systems give none of these away by themselves."""
    for port in random.sample(range(15_000, 30_000), 100):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are taken")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
