"""What most tests stand on: a running sandbox, tiny media, and the ``viseme`` command.

Fixtures are named for what they are; the classes here are what they give.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.cli import main
from viseme.ledger import Ledger

# A machine under load is no failure of what is tested.
hypothesis.settings.register_profile("viseme", deadline=None)
hypothesis.settings.load_profile("viseme")

ROOT = Path(__file__).resolve().parents[1]
KEY_VARIABLES = ("FAL_KEY", "AIML_API_KEY", "RUNWARE_API_KEY")
START_SECONDS = 60.0


@pytest.hookimpl(optionalhook=True)  # where the tests run in one process there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are processors: most tests wait, for servers and for processes."""
    return 2 * (os.cpu_count() or 1)


def wait_for(happened: Callable[[], Any], seconds: float = 120.0) -> Any:
    """Ask again and again until the answer is true; that answer."""
    end = time.monotonic() + seconds
    while not (answer := happened()):
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        time.sleep(0.02)
    return answer


def bare_environment() -> dict[str, str]:
    """This environment without anything that could lead a command to a real home or key."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VISEME_") and name not in KEY_VARIABLES
    }
    return kept | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


class SandboxProcess:
    """One sandbox as a process of its own. ``urls`` is what ``/_sandbox/addresses`` says."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.options = options
        self._http = httpx.Client(timeout=30, trust_env=False)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "viseme", "sandbox", "--json"),
                *("--home", str(self.home), *self.options),
            ],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=bare_environment(),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the sandbox ended before it answered"
        if line == b"{\n":  # the document of an error has several lines
            raise AssertionError((line + self.process.stdout.read()).decode())
        self.urls: dict[str, Any] = json.loads(line)
        self.control: str = self.urls["control"]

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self._ended()

    def close(self) -> None:
        self.stop()
        self._http.close()

    def _ended(self) -> int:
        code = self.process.wait(timeout=START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @property
    def base_urls(self) -> dict[str, str]:
        """What ``base_urls`` of settings.json takes."""
        return {
            name: str(url)
            for name, url in self.urls.items()
            if str(url).startswith("http://") and name != "control"
        }

    def ask(self, name: str) -> Any:
        answer = self._http.get(f"{self.control}/_sandbox/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, name: str, **values: Any) -> None:
        answer = self._http.post(f"{self.control}/_sandbox/faults", json={"name": name, **values})
        assert answer.status_code == 200, answer.text

    def end_faults(self) -> None:
        assert self._http.delete(f"{self.control}/_sandbox/faults").status_code == 200

    def reset(self) -> None:
        assert self._http.post(f"{self.control}/_sandbox/reset").status_code == 200

    def charges(self) -> list[dict[str, Any]]:
        return list(self.ask("charges")["charges"])

    def calls(self, operation: str | None = None) -> list[dict[str, Any]]:
        """The calls to its vendors, oldest first; those of one operation, where it is named."""
        found = self.ask("requests")["requests"]
        return [call for call in found if operation in (None, call["operation"])]

    def await_call(self, operation: str) -> None:
        wait_for(lambda: self.calls(operation))

    def await_charge(self, count: int = 1) -> None:
        """Wait until so many were charged in all."""
        wait_for(lambda: len(self.charges()) >= count)


class Ended:
    """A command that has ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"<exit {self.code}>\n{self.out}\n{self.err}"

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document that stdout is."""
        return dict(json.loads(self.out))

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.document["error"])

    @property
    def complaint(self) -> str:
        """The last line of stderr."""
        return self.err.splitlines()[-1]


class Running:
    """A command that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def await_line(self, text: str) -> None:
        """Wait for a line on stderr; what was read on the way is not in ``ended``."""
        stderr = self.process.stderr
        assert stderr is not None
        assert any(text in line for line in stderr), f"it ended without {text!r}"

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.communicate()

    def ended(self, timeout: float = 180.0) -> Ended:
        out, err = self.process.communicate(timeout=timeout)
        return Ended(self.process.returncode, out, err)


class Command:
    """The ``viseme`` command on one home, each time in a fresh process.

    ``--home`` is added unless it is given. ``environment`` comes on top of a bare one.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment: dict[str, str] = {}
        self._started: list[subprocess.Popen[str]] = []

    def words(self, arguments: tuple[object, ...]) -> list[str]:
        given = [str(argument) for argument in arguments]
        return given if "--home" in given else [*given, "--home", str(self.home)]

    def start(self, *arguments: object, stdin: str | None = None, **options: Any) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "viseme", *self.words(arguments)],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=bare_environment() | {"PYTHONPATH": str(ROOT)} | self.environment,
            **options,
        )
        if stdin is not None and process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.flush()
        self._started.append(process)
        return Running(process)

    def __call__(self, *arguments: object, **options: Any) -> Ended:
        return self.start(*arguments, **options).ended()

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        running = self.own_sandbox()
        if running is not None:
            os.kill(running["pid"], signal.SIGKILL)

    def own_sandbox(self) -> dict[str, Any] | None:
        """Process id and control address of the sandbox of this home, while one runs."""
        try:
            said = json.loads((self.home / "sandbox" / "sandbox.lock").read_text())
            os.kill(said["pid"], 0)
        except (OSError, ValueError):
            return None
        return dict(said)

    # What its home knows

    def settings(self, **values: Any) -> None:
        """Write settings.json."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "settings.json").write_text(json.dumps(values))

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with Ledger.open(self.home / "ledger.sqlite3") as opened:
            yield opened

    def live(self, box: SandboxProcess, **values: Any) -> None:
        """Let ``box`` stand for the vendors themselves: settings.json, keys, short waits."""
        polls = {"first_seconds": 0.05, "most_seconds": 0.1}
        self.settings(
            **{
                "base_urls": box.base_urls,
                "poll": {"fal": polls, "runware": polls},
                "listing_visibility": {"fal": 0, "aimlapi": 0, "runware": 0},
                **values,
            }
        )
        self.environment |= {"FAL_KEY": "live-id:live-secret"}
        self.environment |= {"AIML_API_KEY": "live-aiml", "RUNWARE_API_KEY": "live-runware"}

    def states(self) -> list[str]:
        """The states of all jobs, newest first."""
        if not (self.home / "ledger.sqlite3").exists():
            return []
        with self.ledger() as ledger:
            return [job.state.value for job in ledger.list()]

    def job_id(self) -> str:
        """The id of the newest job."""
        with self.ledger() as ledger:
            return ledger.list(limit=1)[0].id


class QuickCommand(Command):
    """The same in this process: nothing is left out but the start of Python."""

    def __call__(self, *arguments: object, **options: Any) -> Ended:
        assert not options, "only a process has these"
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _main(self.words(arguments), self.environment)
        return Ended(code, out.getvalue(), err.getvalue())


def _main(words: list[str], environment: Mapping[str, str]) -> int:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({**bare_environment(), **environment})
    try:
        return main(words)
    finally:
        os.environ.clear()
        os.environ.update(before)


class TinyMedia:
    """Writes small files into one folder; every method returns the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clip(
        self,
        name: str = "clip.mp4",
        *,
        frames: int = 12,
        rate: int | Fraction = 25,
        size: tuple[int, int] = (96, 64),
        sound_seconds: float | None = None,
        codec: str = "libx264",
        noise: bool = False,
    ) -> Path:
        """Frame n is a grey of ``20 + 16 * (n % 14)``, or noise, which no codec makes small."""
        path = self.folder / name
        random = np.random.default_rng(1)
        width, height = size
        with av.open(str(path), "w") as out:
            options = {"crf": "12", "preset": "ultrafast"} if codec == "libx264" else {}
            video = out.add_stream(codec, rate=rate, options=options)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            sound = out.add_stream("aac", rate=16_000, layout="mono") if sound_seconds else None
            for number in range(frames):
                pixels = (
                    random.integers(0, 255, (height, width, 3), np.uint8)
                    if noise
                    else np.full((height, width, 3), 20 + 16 * (number % 14), np.uint8)
                )
                out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(video.encode(None))
            if sound is not None and sound_seconds is not None:
                frame = av.AudioFrame.from_ndarray(
                    tone(sound_seconds, 16_000)[np.newaxis], format="fltp", layout="mono"
                )
                frame.sample_rate = 16_000
                out.mux(sound.encode(frame))
                out.mux(sound.encode(None))
        return path

    def speech(self, name: str = "speech.wav", *, seconds: float = 0.4, rate: int = 16_000) -> Path:
        path = self.folder / name
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((tone(seconds, rate) * 32767).astype("<i2").tobytes())
        return path

    def still(self, name: str = "face.png", *, size: tuple[int, int] = (96, 64)) -> Path:
        path = self.folder / name
        width, height = size
        with av.open(str(path), "w", format="image2pipe") as out:
            video = out.add_stream("png", rate=1)
            video.width, video.height, video.pix_fmt = width, height, "rgb24"
            pixels = np.full((height, width, 3), 120, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(video.encode(None))
        return path


def break_sound(path: Path) -> Path:
    """The file with one packet in the middle of its sound overwritten: it cannot be decoded."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    broken = packets[len(packets) // 2]
    if broken.pos is None:
        raise AssertionError("nothing tells where that packet is")
    data[broken.pos : broken.pos + broken.size] = b"\xff" * broken.size
    path.write_bytes(data)
    return path


def tone(seconds: float, rate: int) -> NDArray[np.float32]:
    """A sine of 220 Hz that grows from silence to half of full scale, so that any cut shows."""
    time_axis = np.arange(round(seconds * rate)) / rate
    swell = np.linspace(0, 0.5, len(time_axis))
    return (swell * np.sin(2 * np.pi * 220 * time_axis)).astype(np.float32)


@pytest.fixture(scope="session")
def start_shared() -> Iterator[Callable[..., SandboxProcess]]:
    """Starts sandboxes that live as long as this session."""
    started: list[SandboxProcess] = []

    def start(home: Path, *options: str) -> SandboxProcess:
        started.append(SandboxProcess(home, *options))
        return started[-1]

    yield start
    for box in started:
        box.close()


@pytest.fixture(scope="session")
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    box = SandboxProcess(tmp_path_factory.mktemp("sandbox"), "--time-scale", "0", "--no-render")
    yield box
    box.close()


@pytest.fixture
def sandbox(_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox of this session, empty: it waits for nothing and answers with a ready clip."""
    _sandbox.reset()
    yield _sandbox
    assert _sandbox.process.poll() is None, "the sandbox died"


@pytest.fixture(scope="session")
def _studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    box = SandboxProcess(tmp_path_factory.mktemp("studio"), "--time-scale", "0")
    yield box
    box.close()


@pytest.fixture
def studio(_studio: SandboxProcess) -> Iterator[SandboxProcess]:
    """One that waits for nothing and really makes the videos."""
    _studio.reset()
    yield _studio
    assert _studio.process.poll() is None, "the sandbox died"


@pytest.fixture(scope="session")
def _slow_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    home = tmp_path_factory.mktemp("slow-sandbox")
    box = SandboxProcess(home, "--time-scale", "0.05", "--no-render")
    yield box
    box.close()


@pytest.fixture
def slow_sandbox(_slow_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """One with a 20th of the vendors' waits: fal 0.1 s in the queue, 0.4 s running; no renders."""
    _slow_sandbox.reset()
    yield _slow_sandbox
    assert _slow_sandbox.process.poll() is None, "the sandbox died"


@pytest.fixture(scope="session")
def _unhurried_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    home = tmp_path_factory.mktemp("unhurried-sandbox")
    box = SandboxProcess(home, "--time-scale", "0.1", "--no-render")
    yield box
    box.close()


@pytest.fixture
def unhurried_sandbox(_unhurried_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """One with a tenth of the vendors' waits, in which jobs can be met while they run."""
    _unhurried_sandbox.reset()
    yield _unhurried_sandbox
    assert _unhurried_sandbox.process.poll() is None, "the sandbox died"


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[Callable[..., SandboxProcess]]:
    """Starts further sandboxes, each on a home of its own unless one is named."""
    started: list[SandboxProcess] = []

    def start(*options: str, home: Path | None = None) -> SandboxProcess:
        box = SandboxProcess(home or tmp_path / f"box-{len(started)}", *options)
        started.append(box)
        return box

    yield start
    for box in started:
        box.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def viseme(home: Path) -> Iterator[Command]:
    """The command as a process."""
    command = Command(home)
    yield command
    command.close()


@pytest.fixture
def quick(home: Path) -> Iterator[QuickCommand]:
    """The command in this process, on the same home; ``quick.start`` still starts a process."""
    command = QuickCommand(home)
    yield command
    command.close()


@pytest.fixture
def media(tmp_path: Path) -> TinyMedia:
    """Makes tiny media in this test's own folder."""
    return TinyMedia(tmp_path)


@pytest.fixture(scope="session")
def _media(tmp_path_factory: pytest.TempPathFactory) -> TinyMedia:
    return TinyMedia(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def clip(_media: TinyMedia) -> Path:
    """12 frames at 25 fps, 96x64, without sound."""
    return _media.clip()


@pytest.fixture(scope="session")
def speech(_media: TinyMedia) -> Path:
    """0.4 s, mono, 16 kHz, WAV."""
    return _media.speech()


class Wire:
    """One connection that a ``WireServer`` has accepted; ``number`` counts from 1."""

    def __init__(self, server: WireServer, sock: socket.socket, number: int) -> None:
        self._server = server
        self.sock = sock
        self.number = number
        self._unread = b""

    def read_head(self) -> str:
        """The next request's line and headers, without reading its body; empty at the end."""
        while b"\r\n\r\n" not in self._unread:
            data = self.sock.recv(65_536)
            if not data:
                return ""
            self._unread += data
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        self._server.heads.append(head.decode("latin-1"))
        return self._server.heads[-1]

    def read_body(self, head: str) -> bytes:
        """As much as Content-Length says, or until the other side closes."""
        found = re.search(r"(?im)^content-length: (\d+)", head)
        length = int(found[1]) if found else 0
        body, self._unread = self._unread[:length], self._unread[length:]
        while len(body) < length and (data := self.sock.recv(65_536)):
            body += data
        self._server.bodies.append(body)
        return body

    def discard_unread(self) -> int:
        """Forget what was read beyond the head; how many bytes that was."""
        count = len(self._unread)
        self._unread = b""
        return count

    def read_request(self) -> str:
        """A whole request; its head, empty at the end."""
        head = self.read_head()
        if head:
            self.read_body(head)
        return head

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(
        self, status: int = 200, body: bytes | str | dict[str, Any] = b"", **headers: str
    ) -> None:
        """A whole answer; ``Retry_After="1"`` is a header."""
        if isinstance(body, dict):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + data)

    def reset(self) -> None:
        """Close the connection as a crash does, with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def stall(self) -> None:
        """Do nothing until the server ends."""
        self._server.ended.wait()


class WireServer:
    """A server on loopback of which every byte is written by ``script``; each connection is given
    to it in a thread of its own and closed after it.

    ``heads`` and ``bodies`` are what was read, ``connection_count`` counts also who said nothing.
    """

    def __init__(
        self, script: Callable[[Wire], None], context: ssl.SSLContext | None = None
    ) -> None:
        self._script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connection_count = 0
        self.ended = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connection_count += 1
            self._open.append(sock)
            thread = threading.Thread(
                target=self._serve, args=(sock, self.connection_count), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):  # the other side may leave whenever it likes
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with sock:
                self._script(Wire(self, sock, number))

    def close(self) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):  # wakes the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for sock in self._open:
            sock.close()


@pytest.fixture
def wire_server() -> Iterator[Callable[..., WireServer]]:
    """Starts servers that do what a script says, down to the byte."""
    started: list[WireServer] = []

    def start(script: Callable[[Wire], None], context: ssl.SSLContext | None = None) -> WireServer:
        started.append(WireServer(script, context))
        return started[-1]

    yield start
    for server in started:
        server.close()
