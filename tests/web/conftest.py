"""A real Chromium that opens the page of a real ComfyUI.

Where one of the two is missing, the tests are skipped and say why.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.host.hosting import (
    Host,
    Installation,
    ModalSandbox,
    NoHost,
    find_installation,
)
from tests.web.page import Page
from viseme.samples import sample_clip_path, sample_speech_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MODES = ("classic", "vue")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Pages of ComfyUI name hosts of others; nothing but this machine is reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The ComfyUI of this machine."""
    try:
        return find_installation(tmp_path_factory.getbasetemp() / "host-libraries")
    except NoHost as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip("There is no Chromium here: apt-get install chromium.")
    return found


@pytest.fixture(scope="session")
def _box(
    installation: Installation, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModalSandbox]:
    box = ModalSandbox(tmp_path_factory.mktemp("web-sandbox"))
    yield box
    box.close()


@pytest.fixture
def box(_box: ModalSandbox) -> ModalSandbox:
    """The sandbox that the nodes buy from, empty: it waits for little and makes the videos."""
    _box.become("brisk")
    return _box


def put_files(folder: Path) -> None:
    """Fill ComfyUI's input folder with files of a user's: a clip for each mode, and speech.

    Those of a mode are bought in that mode only, and the page would choose another by itself.
    """
    folder.mkdir()
    clip, speech = sample_clip_path().read_bytes(), sample_speech_path().read_bytes()
    (folder / "another clip.mp4").write_bytes(clip)
    (folder / "another speech.wav").write_bytes(speech)
    (folder / "my speech.wav").write_bytes(speech)
    for mode in MODES:
        (folder / f"my {mode} clip.mp4").write_bytes(clip + _empty_box(mode))


def _empty_box(text: str) -> bytes:
    """A box that players skip."""
    return struct.pack(">I4s", 8 + len(text), b"free") + text.encode()


@pytest.fixture(scope="session")
def comfy(
    installation: Installation, _box: ModalSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """The ComfyUI of these tests, with its own page or the one at COMFYUI_FRONT_END."""
    base = tmp_path_factory.mktemp("web-comfyui")
    page = os.environ.get("COMFYUI_FRONT_END")
    put_files(base / "input")
    options = ["--disable-api-nodes", *(["--front-end-root", page] if page else [])]
    host = Host(installation, base, *options, sandbox=_box, home=base / "home")
    yield host
    host.stop()


@pytest.fixture(scope="session")
def _browser(chromium: str) -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here.")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pictures that are taken at the end of each test."""
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="session", params=MODES)
def open_page(
    request: pytest.FixtureRequest, _browser: Browser, comfy: Host, shots: Path
) -> Iterator[Page]:
    """ComfyUI's page, once on the classic canvas and once with Vue nodes."""
    page = Page(_browser, comfy, request.param, shots)
    yield page
    page.close()


@pytest.fixture
def page(request: pytest.FixtureRequest, open_page: Page, box: ModalSandbox) -> Iterator[Page]:
    """That page in one test. Nothing of ours may complain in it."""
    open_page.complaints.clear()
    yield open_page
    open_page.shoot(request.node.name)
    assert open_page.complaints == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests come last: an open browser has an event loop, and nobody else can run one."""
    items.sort(key=lambda item: Path(__file__).parent in item.path.parents)
