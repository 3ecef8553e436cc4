"""The command as a real process, in each way that it can be started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from viseme import __version__

REPOSITORY = Path(__file__).resolve().parents[1]
EXPECTED = f"viseme {__version__}\n"


def run(arguments: list[str], folder: Path, search: Path | None = None) -> str:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environment["PWD"] = str(folder)
    if search is not None:
        environment["PYTHONPATH"] = str(search)
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """A ComfyUI whose pack is a link to this checkout, under a name that no import has."""
    packs = tmp_path / "ComfyUI" / "custom_nodes"
    packs.mkdir(parents=True)
    (packs / "Viseme pack-1.0").symlink_to(REPOSITORY, target_is_directory=True)
    return tmp_path / "ComfyUI"


@pytest.fixture
def decoy(tmp_path: Path) -> Path:
    """Another package of the same name, such as an older one that pip installed."""
    package = tmp_path / "decoy" / "viseme"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    return package.parent


def test_the_folder_in_a_pack_runs(comfyui: Path, decoy: Path) -> None:
    arguments = ["custom_nodes/Viseme pack-1.0/viseme", "--version"]
    assert run(arguments, comfyui, decoy) == EXPECTED
    assert run(["viseme", "--version"], comfyui / "custom_nodes" / "Viseme pack-1.0") == EXPECTED


def test_the_module_runs(comfyui: Path) -> None:
    assert run(["-m", "viseme", "--version"], REPOSITORY) == EXPECTED


@pytest.mark.parametrize("flags", [["-I"], []], ids=["isolated", "plain"])
@pytest.mark.parametrize("tail", ["viseme/__main__.py", "viseme"], ids=["file", "folder"])
def test_an_absolute_path_runs_isolated_or_not(
    comfyui: Path, tmp_path: Path, flags: list[str], tail: str
) -> None:
    target = comfyui / "custom_nodes" / "Viseme pack-1.0" / tail
    assert run([*flags, str(target), "--version"], tmp_path) == EXPECTED


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P is new in Python 3.11")
def test_a_safe_path_runs(comfyui: Path) -> None:
    arguments = ["-P", "custom_nodes/Viseme pack-1.0/viseme/__main__.py", "--version"]
    assert run(arguments, comfyui) == EXPECTED


def test_modules_of_the_package_are_not_importable_by_their_bare_names(tmp_path: Path) -> None:
    text = (
        "import importlib.util, runpy, sys\n"
        f"package = {str(REPOSITORY / 'viseme')!r}\n"
        "sys.argv = [package, '--version']\n"
        "sys.path.insert(0, package)\n"
        "try:\n"
        "    runpy.run_path(package + '/__main__.py', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert importlib.util.find_spec('ledger') is None\n"
        f"assert sys.path[0] == {str(REPOSITORY)!r}\n"
    )
    assert run(["-c", text], tmp_path) == EXPECTED
