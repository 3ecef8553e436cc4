"""What the services are tried with: a sandbox that renders nothing, and vendors played by hand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from viseme.addresses import Addresses
from viseme.answer import Answer
from viseme.bodies import media_string_digest
from viseme.model import Vendor, WireRequest
from viseme.retry import RetryBudgets, RetryPolicy
from viseme.secret import Secret
from viseme.services import SERVICES, Service
from viseme.services.base import Trace
from viseme.settings import Settings
from viseme.transport import Transport

ROOT = Path(__file__).resolve().parents[2]
CANARY_KEYS = {
    Vendor.FAL: "0b1c2d3e-canary-id:c4n4ry5ecret0123456789",
    Vendor.AIMLAPI: "c4n4ry0123456789abcdef",
    Vendor.RUNWARE: "c4n4ryABCDEFGHIJ0123456789",
}
VIDEO_URL = "https://example.com/clip.mp4"
AUDIO_URL = "https://example.com/speech.mp3"
T = TypeVar("T")


class Box:
    """A sandbox without waits and renders, as a process of its own."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "viseme.sandbox", "--json", "--home", str(home)),
                *("--time-scale", "0", "--no-render"),
            ],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self._facts: dict[str, Any] = json.loads(self._process.stdout.readline())
        self._http = httpx.Client(timeout=30, trust_env=False)

    @property
    def base_urls(self) -> dict[str, str]:
        return {
            name: str(url)
            for name, url in self._facts.items()
            if str(url).startswith("http://") and name != "control"
        }

    def ask(self, name: str) -> Any:
        return self._http.get(f"{self._facts['control']}/_sandbox/{name}").json()

    def fault(self, name: str, **values: Any) -> None:
        answer = self._http.post(
            f"{self._facts['control']}/_sandbox/faults", json={"name": name, **values}
        )
        assert answer.status_code == 200, answer.text

    def end_faults(self) -> None:
        assert self._http.delete(f"{self._facts['control']}/_sandbox/faults").status_code == 200

    def reset(self) -> None:
        self._http.post(f"{self._facts['control']}/_sandbox/reset")

    def calls(self, operation: str | None = None) -> list[dict[str, Any]]:
        found = self.ask("requests")["requests"]
        return [call for call in found if operation in (None, call["operation"])]

    def charge_count(self) -> int:
        return len(self.ask("charges")["charges"])

    def download(self, url: str) -> bytes:
        return self._http.get(url).content

    def close(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Party:
    """Services against wherever ``base_urls`` leads; what they do is run to its end."""

    video_url = VIDEO_URL
    audio_url = AUDIO_URL

    def __init__(self, base_urls: Mapping[str, str]) -> None:
        self.base_urls = base_urls
        self.budgets = RetryBudgets()

    def run(
        self,
        vendor: Vendor,
        use: Callable[[Service], Awaitable[T]],
        *,
        key: str | None = None,
        settings: Settings | None = None,
    ) -> T:
        async def go() -> T:
            async with Transport(Addresses(self.base_urls)) as transport:
                secret = Secret(CANARY_KEYS[vendor] if key is None else key)
                service = SERVICES[vendor](transport, secret, settings or Settings())
                service.retries = RetryPolicy(base_seconds=0.005)
                service.budgets = self.budgets
                return await use(service)

        return asyncio.run(go())

    def request(self, vendor: Vendor, **body: Any) -> WireRequest:
        """A lip-sync of example.com's clip."""
        media = {"video_url": VIDEO_URL, "audio_url": AUDIO_URL}
        if vendor is Vendor.FAL:
            return WireRequest("/fal-ai/pixverse/lipsync", media | body)
        if vendor is Vendor.AIMLAPI:
            return WireRequest("", {"model": "pixverse/lip-sync"} | media | body)
        task = {
            "taskType": "videoInference",
            "model": "pixverse:lipsync@1",
            "inputs": {"referenceVideos": [VIDEO_URL], "audio": AUDIO_URL},
            "includeCost": True,
        }
        return WireRequest("", task | body)

    def submit(self, vendor: Vendor, token: str | None = None, **body: Any) -> dict[str, str]:
        """Submit one; the vendor's ids."""
        sent = token or str(uuid.uuid4())

        async def use(service: Service) -> dict[str, str]:
            submission = service.submission(self.request(vendor, **body), sent)
            return dict((await service.submit(submission)).vendor_ids)

        return self.run(vendor, use)

    def trace(self, vendor: Vendor, token: str, *media: str, **values: Any) -> Trace:
        """What is known of a submission of the last minute."""
        now = datetime.now(timezone.utc)
        model = {"fal": "fal-ai/pixverse/lipsync"}.get(vendor.value, "")
        known: dict[str, Any] = {
            "token": token,
            "vendor_model": model,
            "media_digests": frozenset(map(media_string_digest, media or (VIDEO_URL, AUDIO_URL))),
            "sent_from": now - timedelta(seconds=60),
            "sent_until": now,
        }
        return Trace(**(known | values))


@pytest.fixture(scope="session")
def _box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    box = Box(tmp_path_factory.mktemp("box"))
    yield box
    box.close()


@pytest.fixture
def box(_box: Box) -> Box:
    _box.reset()
    return _box


@pytest.fixture
def party(box: Box) -> Party:
    """The services against the sandbox."""
    return Party(box.base_urls)


@pytest.fixture
def played(wire_server: Callable[..., Any]) -> Callable[..., tuple[Party, Any]]:
    """The services against a vendor that says the given answers, one a request, the last for ever.

    An answer is ``(status, body)`` or ``(status, body, headers)``.
    """

    def play(*answers: tuple[Any, ...]) -> tuple[Party, Any]:
        def script(wire: Any) -> None:
            while wire.read_request():
                number = len(server.heads)
                status, body, *more = answers[min(number, len(answers)) - 1]
                wire.answer(status, body, **(more[0] if more else {}))

        server = wire_server(script)
        names = ("fal.queue", "fal.rest", "fal.cdn", "fal.platform", "aimlapi")
        urls = dict.fromkeys(names, server.url) | {"runware": server.url + "/v1"}
        return Party(urls), server

    return play


@pytest.fixture
def answer_of() -> Callable[..., Answer]:
    """An answer with JSON, or with bytes as they are."""

    def make(status: int, body: Any = b"", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        return Answer(status, named, raw)

    return make
