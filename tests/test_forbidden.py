"""What the registry forbids, and what nobody should find in a pack: read from the source itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [ROOT / "__init__.py", *sorted((ROOT / "nodes").rglob("*.py"))]
FILES += sorted((ROOT / "viseme").rglob("*.py"))
SCRIPTS = sorted((ROOT / "web").rglob("*.js"))

RUN_TEXT = {"eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"}
UNPACK_CODE = {"pickle", "marshal", "dill", "shelve", "cloudpickle"}
INSTALL = {"pip", "ensurepip", "setuptools", "pkg_resources"}
# Who starts a process, and that it is this Python with a program of ours.
STARTERS = {"viseme/jobs/destination.py", "viseme/media/check_process.py"}
START = re.compile(
    r"^(subprocess\.(?!list2cmdline)[A-Za-z_]+|os\.(system|popen|exec\w+|spawn\w+))$"
)


def nodes_of(source: str) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(source))


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    for node in nodes_of(source):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imported(source: str) -> set[str]:
    """The first word of every import, wherever it stands."""
    found = set()
    for node in nodes_of(source):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def forbidden_in(source: str) -> list[str]:
    """What of all this a file does, except that it may start processes."""
    found = [name for name, _ in calls(source) if name in RUN_TEXT]
    found += sorted(imported(source) & (UNPACK_CODE | INSTALL))
    for name, call in calls(source):
        if START.match(name) and not name.startswith("subprocess."):
            found.append(name)
        shell = [word for word in call.keywords if word.arg == "shell"]
        if shell and not (isinstance(shell[0].value, ast.Constant) and not shell[0].value.value):
            found.append(f"{name} with a shell")
    texts = [node.value for node in nodes_of(source) if isinstance(node, ast.Constant)]
    words = [word for text in texts if isinstance(text, str) for word in text.split()]
    if any(len(word) > 400 for word in words):  # data, or code that nobody is to read
        found.append("an unreadable text")
    return found


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_text_is_run_as_code_and_nothing_is_installed_or_hidden(path: Path) -> None:
    assert forbidden_in(path.read_text("utf-8")) == []


def test_processes_are_started_in_two_places_and_are_our_own_programs() -> None:
    starters = set()
    for path in FILES:
        source = path.read_text("utf-8")
        for name, call in calls(source):
            if START.match(name):
                starters.add(named(path))
                assert name == "subprocess.Popen", (named(path), name)
                command = ast.unparse(call.args[0])
                if isinstance(call.args[0], ast.Name):
                    command = re.findall(rf"\b{command} = (.+)", source)[0]
                assert command.startswith("[sys.executable"), (named(path), command)
    assert starters == STARTERS


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_the_page_runs_no_text_as_code_and_loads_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(
        r"\beval\(|new Function\(|\.innerHTML|document\.write|insertAdjacentHTML", text
    )
    assert not re.search(r"""(from|import\()\s*["']https?:""", text)
    assert max(map(len, text.splitlines())) <= 200


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("eval('1')", ["eval"]),
        ("def f():\n    exec(text, {})", ["exec"]),
        ("import builtins\nbuiltins.exec('x')", ["builtins.exec"]),
        ("import os\nos.system('x')", ["os.system"]),
        ("os.execv('a', [])", ["os.execv"]),
        ("def f():\n    import pip", ["pip"]),
        ("from pickle import loads", ["pickle"]),
        ("import subprocess\nsubprocess.run('x', shell=True)", ["subprocess.run with a shell"]),
        (f"x = '{'A' * 500}'", ["an unreadable text"]),
        ("import re\nre.compile('x'); model.eval(); subprocess.Popen(['a'], shell=False)", []),
    ],
)
def test_what_is_forbidden_is_found(source: str, expected: list[str]) -> None:
    assert forbidden_in(source) == expected
