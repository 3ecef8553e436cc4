"""What users install is whole, and holds nothing else."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import viseme

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SYSTEMS = ("linux", "darwin", "win32")
BASE = {
    "aiohttp",
    "av",
    "blake3",
    "httpx",
    "numpy",
    "platformdirs",
    "pybase64",
    "pydantic",
    "sqlalchemy",
}


@dataclass(frozen=True)
class Built:
    """A source distribution, and the wheel that is made from what is in it."""

    sdist: Path
    wheel: Path

    def sdist_names(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.split("/", 1)[1] for name in archive.getnames()}

    def wheel_names(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def wheel_text(self, suffix: str) -> str:
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(suffix))
            return archive.read(name).decode("utf-8")

    def metadata(self) -> Message:
        return Parser().parsestr(self.wheel_text(".dist-info/METADATA"))

    def requirements(self) -> list[Requirement]:
        return [Requirement(text) for text in self.metadata().get_all("Requires-Dist") or []]


def _build(folder: Path, target: str, out: Path) -> Path:
    """Build with the hatchling that is installed: nothing is downloaded."""
    run = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("packages")
    sdist = _build(ROOT, "sdist", folder / "sdist")
    source = _unpack(sdist, folder / "unpacked")
    return Built(sdist, _build(source, "wheel", folder / "wheel"))


def _unpack(sdist: Path, folder: Path) -> Path:
    """By hand: early releases of Python 3.11 have no ``filter``, and late ones want it."""
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is not None:
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
    (source,) = folder.iterdir()
    return source


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files in a folder, as an installer would lay them."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(folder)
    return folder


def _package_files() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "viseme").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_the_wheel_has_every_file_of_the_package_and_no_other(built: Built) -> None:
    names = {name for name in built.wheel_names() if ".dist-info/" not in name}
    assert names == _package_files()


@pytest.mark.parametrize(
    "name",
    ["py.typed", "samples/talking_head.mp4", "samples/speech.wav", "samples/portrait.png"],
)
def test_the_wheel_has_what_is_no_code_unchanged(installed: Path, name: str) -> None:
    assert (installed / "viseme" / name).read_bytes() == (ROOT / "viseme" / name).read_bytes()


def test_the_source_distribution_has_the_package_and_its_papers_alone(built: Built) -> None:
    assert {name.split("/")[0] for name in built.sdist_names()} == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "viseme",
    }


def test_a_plain_install_brings_no_torch_and_nothing_unexpected(built: Built) -> None:
    always = {
        canonicalize_name(requirement.name)
        for requirement in built.requirements()
        if "extra" not in str(requirement.marker)
    }
    assert always == BASE


def test_the_extras_are_those_that_are_promised(built: Built) -> None:
    metadata = built.metadata()
    assert set(metadata.get_all("Provides-Extra") or []) == {
        "bench",
        "cli",
        "keyring",
        "postgres",
        "test",
        "torch",
    }


def test_the_metadata_say_python_licence_and_command(built: Built) -> None:
    metadata = built.metadata()
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert built.wheel_text(".dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_text("utf-8")
    entry_points = configparser.ConfigParser()
    entry_points.read_string(built.wheel_text(".dist-info/entry_points.txt"))
    assert dict(entry_points["console_scripts"]) == {"viseme": "viseme.cli:main"}


def test_one_version_everywhere_and_the_changelog_has_it(built: Built) -> None:
    assert built.metadata()["Version"] == viseme.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", viseme.__version__)
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] in ("Unreleased", viseme.__version__)


def test_the_installed_package_works_without_torch_and_from_its_own_files(
    installed: Path, tmp_path: Path
) -> None:
    program = """
import importlib, pkgutil, sys
sys.modules["torch"] = None  # importing it fails, as where it is not installed
import viseme
for module in pkgutil.walk_packages(viseme.__path__, "viseme."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from viseme.media import probe_clip
from viseme.samples import sample_clip_path
print(sample_clip_path())
print(probe_clip(sample_clip_path()).frame_count)
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    path, frame_count = run.stdout.splitlines()
    assert Path(path).is_relative_to(installed.resolve())
    assert int(frame_count) > 0


def _pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def _environments() -> Iterator[dict[str, str]]:
    for python in PYTHONS:
        for system in SYSTEMS:
            yield {
                "python_version": python,
                "python_full_version": f"{python}.1",
                "sys_platform": system,
            }


@pytest.mark.parametrize("environment", list(_environments()), ids=lambda e: "-".join(e.values()))
def test_one_version_of_each_requirement_is_pinned_and_allowed(
    built: Built, environment: dict[str, str]
) -> None:
    pinned = {}
    for pin in _pins():
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in pinned, f"{name} is pinned twice"
            pinned[name] = next(iter(pin.specifier)).version
    for extra in ("", "cli", "test", "bench"):
        for requirement in built.requirements():
            if requirement.marker is None or requirement.marker.evaluate(
                {**environment, "extra": extra}
            ):
                version = pinned[canonicalize_name(requirement.name)]
                assert requirement.specifier.contains(version), requirement


def test_every_pin_is_one_public_version() -> None:
    for pin in _pins():
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin
        assert "+" not in specifier.version, pin


def test_pytest_does_not_import_the_package_that_the_host_loads(tmp_path: Path) -> None:
    pack = tmp_path / "any-name"
    (pack / "tests" / "part").mkdir(parents=True)
    (pack / "viseme").mkdir()
    (pack / "viseme" / "__init__.py").write_text("", "utf-8")
    (pack / "__init__.py").write_text("raise RuntimeError('only ComfyUI may load this')", "utf-8")
    (pack / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    fixture = "import pytest\n@pytest.fixture\ndef number() -> int:\n    return 2\n"
    (pack / "tests" / "part" / "conftest.py").write_text(fixture, "utf-8")
    test = "import viseme\ndef test_it(number: int) -> None:\n    assert number == 2\n"
    (pack / "tests" / "part" / "test_it.py").write_text(test, "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=pack,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
