"""A real ComfyUI for the tests of this folder, and the sandbox that its nodes buy from.

Where there is no ComfyUI, they are skipped and say why.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.client import SampleGraph
from tests.host.hosting import (
    Host,
    Installation,
    ModalSandbox,
    NoHost,
    find_installation,
)

LOG_LINES = 60
# What asyncio and Python say of work that somebody started and nobody ended.
LEFT_BEHIND = (
    "was never retrieved",
    "was never awaited",
    "Task was destroyed",
    "Event loop is closed",
    "ResourceWarning",
    "Exception ignored in",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a ComfyUI, skip what is here, and say why once for each file.

    Tests of one file that want the sandbox in the same mode come one after the other: another mode
    is another start of it.
    """
    folder = Path(__file__).parent
    ours = [item for item in items if folder in item.path.parents]
    if not ours:
        return
    files = list(dict.fromkeys(item.path for item in items))
    items.sort(key=lambda item: (files.index(item.path), item in ours and _box_of(item)))
    try:
        find_installation(None)
    except NoHost as reason:
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=str(reason)))


def _box_of(item: pytest.Item) -> int:
    """The mode that a test wants the sandbox in, as a number; those that want none come first."""
    wanted = getattr(item, "fixturenames", ())
    boxes = ("box", "canned_box", "slow_box", "endless_box")
    return max((number for number, name in enumerate(boxes, 1) if name in wanted), default=0)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The ComfyUI of this machine."""
    return find_installation(tmp_path_factory.getbasetemp() / "host-libraries")


@pytest.fixture(scope="session")
def _box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModalSandbox]:
    box = ModalSandbox(tmp_path_factory.mktemp("host-sandbox"))
    yield box
    box.close()


@pytest.fixture
def box(_box: ModalSandbox) -> Iterator[ModalSandbox]:
    """The sandbox of the host, empty and brisk: a job takes about 0.2 s, and the video is made."""
    _box.become("brisk")
    yield _box
    assert _box.process.poll() is None, "the sandbox died"


@pytest.fixture
def canned_box(_box: ModalSandbox) -> Iterator[ModalSandbox]:
    """The same, answering with a ready clip."""
    _box.become("canned")
    yield _box
    assert _box.process.poll() is None, "the sandbox died"


@pytest.fixture
def slow_box(_box: ModalSandbox) -> Iterator[ModalSandbox]:
    """The same with 0.4 s in the queue and 1.6 s running."""
    _box.become("slow")
    yield _box
    assert _box.process.poll() is None, "the sandbox died"


@pytest.fixture
def endless_box(_box: ModalSandbox) -> Iterator[ModalSandbox]:
    """The same with jobs that begin at once and run for longer than anybody waits."""
    _box.become("endless")
    _box.fault("slow-queue", seconds=0)
    yield _box
    assert _box.process.poll() is None, "the sandbox died"


@pytest.fixture(scope="session")
def _hosts() -> Iterator[list[Host]]:
    started: list[Host] = []
    yield started
    for host in started:
        host.stop()


@pytest.fixture(scope="session")
def _comfy(
    installation: Installation,
    _box: ModalSandbox,
    _hosts: list[Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Host:
    base = tmp_path_factory.mktemp("comfyui")
    host = Host(installation, base, "--disable-api-nodes", sandbox=_box, home=base / "home")
    _hosts.append(host)
    return host


@pytest.fixture
def comfy(_comfy: Host, request: pytest.FixtureRequest) -> Iterator[Host]:
    """The ComfyUI of this session. Use ``box`` or ``slow_box`` beside it."""
    _log_on_failure(request, _comfy)
    begin = len(_comfy.log())
    yield _comfy
    assert _comfy.process.poll() is None, "ComfyUI died"
    said = _comfy.log()[begin:]
    assert not [words for words in LEFT_BEHIND if words in said], said


@pytest.fixture
def start_comfy(
    installation: Installation,
    _box: ModalSandbox,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Host]]:
    """Starts further ones; ``start_comfy("--cache-none", environment={...})``.

    Each has a base folder and a home of its own; the same ``base`` again is a restart.
    """
    started: list[Host] = []

    def start(*options: str, base: Path | None = None, **more: Any) -> Host:
        base = base or tmp_path / f"comfyui-{len(started)}"
        more.setdefault("sandbox", _box)
        more.setdefault("home", base / "home")
        host = Host(installation, base, *options, **more)
        started.append(host)
        _log_on_failure(request, host)
        return host

    yield start
    for host in started:
        host.stop()


def _log_on_failure(request: pytest.FixtureRequest, host: Host) -> None:
    """Let a failure show the last lines that ComfyUI has said during this test."""
    request.node.hosts = [*getattr(request.node, "hosts", []), (host, len(host.log(whole=True)))]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for host, begin in getattr(item, "hosts", []):
            lines = host.log(whole=True)[begin:].splitlines()[-LOG_LINES:]
            report.sections.append((f"ComfyUI at {host.base}", "\n".join(lines)))
    return report


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Has seconds that were measured in the report, and in the summary with ``-rA``."""

    def tell(what: str, seconds: float) -> None:
        request.node.user_properties.append((what, round(seconds, 3)))
        request.node.add_report_section("call", "measured", f"{what}: {seconds:.3f} s\n")

    return tell


_takes = itertools.count(2)


@pytest.fixture
def take() -> int:
    """A take that no test has bought: another purchase, whatever was bought before."""
    return next(_takes)


@pytest.fixture
def graph(take: int) -> SampleGraph:
    """A new graph whose lip-syncs nobody has bought yet."""
    return SampleGraph(take)
