"""A sandbox as a process of its own, and what tests ask of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Sandbox:
    """One running sandbox. ``urls`` is what ``/_sandbox/addresses`` says."""

    FAL_KEY = "sandbox-id:sandbox-secret"
    FAL: ClassVar = {"Authorization": f"Key {FAL_KEY}"}
    BEARER: ClassVar = {"Authorization": "Bearer sandbox"}
    MODEL = "fal-ai/pixverse/lipsync"
    VIDEO_URL = "https://example.com/clip.mp4"
    AUDIO_URL = "https://example.com/speech.mp3"
    FAL_BODY: ClassVar = {"video_url": VIDEO_URL, "audio_url": AUDIO_URL}
    AIML_BODY: ClassVar = {"model": "pixverse/lip-sync"} | FAL_BODY

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.options = options
        self.http = httpx.Client(timeout=30)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "viseme.sandbox", "--json", "--home", self.home, *self.options],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.process.stdout.close()
            raise RuntimeError(f"the sandbox ended with {self.process.returncode}")
        self.said: dict[str, Any] = json.loads(line)
        self.control: str = self.said["control"]
        self.urls: dict[str, str] = self.ask("addresses")

    def kill(self) -> None:
        self.process.kill()
        self._ended()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def close(self) -> None:
        """Whatever was done to it, it has written no complaint."""
        self.stop()
        self.http.close()
        self.errors.seek(0)
        text = self.errors.read().decode()
        self.errors.close()
        assert text == ""

    # The control address

    def ask(self, name: str) -> Any:
        answer = self.http.get(f"{self.control}/_sandbox/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, name: str, **values: Any) -> None:
        answer = self.http.post(f"{self.control}/_sandbox/faults", json={"name": name, **values})
        assert answer.status_code == 200, answer.text

    def reset(self) -> None:
        assert self.http.post(f"{self.control}/_sandbox/reset").status_code == 200

    def charges(self) -> list[dict[str, Any]]:
        return list(self.ask("charges")["charges"])

    def requests(self) -> list[dict[str, Any]]:
        return list(self.ask("requests")["requests"])

    # The vendors

    def fal_submit(
        self, body: Any = FAL_BODY, path: str = "/" + MODEL, **options: Any
    ) -> httpx.Response:
        headers = self.FAL | options.pop("headers", {})
        url = self.urls["fal.queue"] + path
        return self.http.post(url, json=body, headers=headers, **options)

    def fal_finish(self, submitted: dict[str, Any]) -> httpx.Response:
        """Wait for a job's end; its result."""
        wait_for(lambda: self.fal_status(submitted)["status"] == "COMPLETED")
        return self.http.get(submitted["response_url"], headers=self.FAL)

    def fal_status(self, submitted: dict[str, Any]) -> dict[str, Any]:
        return dict(self.http.get(submitted["status_url"] + "?logs=1", headers=self.FAL).json())

    def fal_result_url(self) -> str:
        result = self.fal_finish(self.fal_submit().json()).json()
        return str(result["video"]["url"])

    def fal_list(self, **query: Any) -> list[dict[str, Any]]:
        url = self.urls["fal.platform"] + "/v1/models/requests/by-endpoint"
        answer = self.http.get(url, params={"endpoint_id": self.MODEL} | query, headers=self.FAL)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def aiml_submit(self, body: Any = AIML_BODY, **options: Any) -> httpx.Response:
        headers = self.BEARER | options.pop("headers", {})
        url = self.urls["aimlapi"] + "/v2/video/generations"
        return self.http.post(url, json=body, headers=headers, **options)

    def aiml_fetch(self, job_id: str) -> httpx.Response:
        url = self.urls["aimlapi"] + "/v2/video/generations"
        return self.http.get(url, params={"generation_id": job_id}, headers=self.BEARER)

    def aiml_finish(self, job_id: str) -> dict[str, Any]:
        pending = ("queued", "generating")
        wait_for(lambda: self.aiml_fetch(job_id).json()["status"] not in pending)
        return dict(self.aiml_fetch(job_id).json())

    def aiml_logs(self, **query: Any) -> list[dict[str, Any]]:
        url = self.urls["aimlapi"] + "/v2/logs"
        answer = self.http.get(url, params={"period": "1h"} | query, headers=self.BEARER)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])

    def runware(self, *tasks: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        sent = self.BEARER if headers is None else headers
        return self.http.post(self.urls["runware"], json=list(tasks), headers=sent)

    def runware_finish(self, task_uuid: str) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            task = {"taskType": "getResponse", "taskUUID": task_uuid}
            return dict(self.runware(task).json())

        wait_for(lambda: not any(i["status"] == "processing" for i in answer().get("data", [])))
        return answer()

    def inference(self, **values: Any) -> dict[str, Any]:
        """A Runware task for one lip-sync."""
        return {
            "taskType": "videoInference",
            "taskUUID": str(uuid.uuid4()),
            "model": "pixverse:lipsync@1",
            "inputs": {"referenceVideos": [self.VIDEO_URL], "audio": self.AUDIO_URL},
        } | values

    @staticmethod
    def wait_for(happened: Callable[[], Any], seconds: float = 20.0) -> None:
        wait_for(happened, seconds)

    def memory_bytes(self) -> int:
        """The most memory that the process has held so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")


def wait_for(happened: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    box = Sandbox(home, "--time-scale", "0", "--no-render")
    yield box
    box.close()


@pytest.fixture
def box(_shared: Sandbox) -> Iterator[Sandbox]:
    """A sandbox without waits that answers with a ready-made clip; it is empty."""
    _shared.reset()
    yield _shared
    assert _shared.process.poll() is None, "the sandbox died"


@pytest.fixture(scope="session")
def _shared_slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("slow-sandbox")
    box = Sandbox(home, "--time-scale", "0.05", "--no-render")
    yield box
    box.close()


@pytest.fixture
def slow_box(_shared_slow: Sandbox) -> Sandbox:
    """The same with a twentieth of the vendors' waits: fal 0.1 s in the queue, 0.4 s running."""
    _shared_slow.reset()
    return _shared_slow


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Starts further sandboxes, in ``tmp_path`` unless a home is named."""
    started: list[Sandbox] = []

    def start_one(*options: str, home: Path = tmp_path) -> Sandbox:
        box = Sandbox(home, *options)
        started.append(box)
        return box

    yield start_one
    for box in started:
        box.close()


@pytest.fixture(autouse=True)
def _no_keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAL_KEY", "AIML_API_KEY", "RUNWARE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
