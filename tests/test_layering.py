"""Who may know whom, read from the source itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "viseme"
FILES = sorted(PACKAGE.rglob("*.py"))

_VALUES = {"model", "edits", "money", "errors"}
_KEPT = {"home", "secret", "account", "settings_source"}
_BELOW_TRANSPORT = {*_VALUES, "endpoints", "retry", "secret"}
_BELOW_WIRE = {"addresses", "answer", "aside", "bodies"}
_BELOW_SERVICES = {*_BELOW_TRANSPORT, *_BELOW_WIRE, *_KEPT}
_BELOW_SERVICES |= {"transport", "credentials", "settings"}
_BELOW_JOBS = {*_BELOW_SERVICES, "media", "ledger", "download", "services", "parts"}

# For each module or folder directly in viseme/: what else in viseme/ it may import.
MAY_KNOW: dict[str, set[str]] = {
    **dict.fromkeys(_VALUES, _VALUES),
    "retry": _VALUES,
    "parts": set(),
    "secret": _VALUES,
    "home": _VALUES,
    "settings_source": {*_VALUES, "secret"},
    "account": {*_VALUES, "home", "secret"},
    "endpoints": _VALUES,
    "media": {*_VALUES, "endpoints", "parts"},
    "ledger": {*_VALUES, "endpoints"},
    "settings": {*_VALUES, "endpoints", "settings_source"},
    "credentials": {*_VALUES, "endpoints", "home", "secret"},
    **dict.fromkeys(_BELOW_WIRE, _BELOW_TRANSPORT),
    "transport": {*_BELOW_TRANSPORT, *_BELOW_WIRE},
    "guard": {*_BELOW_TRANSPORT, *_BELOW_WIRE, "transport"},
    "download": {*_BELOW_SERVICES, "guard", "parts"},
    "services": _BELOW_SERVICES,
    "jobs": {*_BELOW_JOBS, "samples"},
    "cli": {*_BELOW_JOBS, "jobs", "samples"} - {"services", "transport"},
    # It writes the vendors' rules a second time, so that a mistake on one side shows.
    "sandbox": {"media", "samples", "errors"},
    "samples": set(),
    "__init__": set(),
    "__main__": {"cli"},
}
SANDBOX_VERB = ("cli", "sandbox_verb")
OF_COMFYUI = {"comfy", "comfy_api", "comfy_api_nodes", "comfy_execution", "comfy_extras"}
OF_COMFYUI |= {"execution", "folder_paths", "nodes", "server"}


@dataclass(frozen=True)
class Import:
    """One imported name. ``module`` is absolute; ``function`` is the innermost one around it."""

    module: str
    line: int
    is_relative: bool
    function: str | None
    is_for_types: bool

    @property
    def is_lazy(self) -> bool:
        return self.function is not None

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    return ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def imports_of(source: str, package: str) -> Iterator[Import]:
    """All imports of a module that lies in ``package`` (dotted), wherever they stand in it."""

    def visit(node: ast.AST, function: str | None, is_for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, False, function, is_for_types)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                # A name may be a module itself: ``from . import rows``.
                yield Import(
                    f"{base}.{alias.name}", node.lineno, node.level > 0, function, is_for_types
                )
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function, is_for_types or is_type_checking(node))

    yield from visit(ast.parse(source), function=None, is_for_types=False)


@cache
def imports_in(path: Path) -> list[Import]:
    package = ".".join(path.relative_to(REPOSITORY).parent.parts)
    return list(imports_of(path.read_text(encoding="utf-8"), package))


def room_of(path: Path) -> str:
    """The module or folder directly in viseme/ that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def calls_of(source: str, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def writes(call: ast.Call) -> bool:
    mode = next((word.value for word in call.keywords if word.arg == "mode"), None)
    if mode is None and len(call.args) > 1:
        mode = call.args[1]
    return isinstance(mode, ast.Constant) and str(mode.value).startswith("w")


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def everything() -> Iterator[tuple[Path, Import]]:
    """Every import of every file."""
    for path in FILES:
        for one in imports_in(path):
            yield path, one


def test_every_room_has_its_place_in_the_table() -> None:
    # A new module belongs into MAY_KNOW, as low as it can stand.
    assert {room_of(path) for path in FILES} <= set(MAY_KNOW)


def test_the_table_has_no_circles() -> None:
    seen: set[str] = set()
    waiting = {room: known - {room} for room, known in MAY_KNOW.items() if room not in _VALUES}
    seen |= _VALUES
    while waiting:
        ready = {room for room, known in waiting.items() if known <= seen}
        assert ready, f"these know each other in a circle: {sorted(waiting)}"
        seen |= ready
        waiting = {room: known for room, known in waiting.items() if room not in ready}


def test_a_module_knows_only_those_below_it() -> None:
    wrong = []
    for path, one in everything():
        room, parts = room_of(path), one.module.split(".")
        if parts[0] != "viseme" or len(parts) < 2 or parts[1] == room:
            continue
        known = parts[1]
        if not (PACKAGE / known).is_dir() and not (PACKAGE / f"{known}.py").is_file():
            continue  # a name of the package itself: ``from .. import __version__``
        if known == "sandbox" and (room, one.function) == SANDBOX_VERB:
            continue  # everybody else starts it as a process
        if known not in MAY_KNOW.get(room, set()):
            wrong.append(f"{named(path)}:{one.line}: {room} may not know {known}")
    assert not wrong, "\n".join(wrong)


def test_imports_of_our_own_are_relative() -> None:
    ours = {"viseme", *(room_of(path) for path in FILES)}
    wrong = [
        f"{named(path)}:{one.line}"
        for path, one in everything()
        # When a folder or a file is run, it has no parent package.
        if one.top in ours and not one.is_relative and path != PACKAGE / "__main__.py"
    ]
    assert not wrong


def test_nothing_here_imports_comfyui() -> None:
    assert not [(named(path), one.line) for path, one in everything() if one.top in OF_COMFYUI]


def test_torch_and_the_keyring_are_imported_only_where_they_are_used() -> None:
    wrong = [
        f"{named(path)}:{one.line}: {one.top}"
        for path, one in everything()
        if one.top in {"torch", "keyring"} and not one.is_lazy and not one.is_for_types
    ]
    assert not wrong


def test_only_the_transport_imports_httpx_and_nothing_another_client() -> None:
    transport = PACKAGE / "transport"
    others = ("requests", "urllib3", "httpcore", "urllib.request", "http.client")
    importers = {path for path, one in everything() if one.top == "httpx"}
    assert {path.parent for path in importers} == {transport}
    wrong = [
        f"{named(path)}:{one.line}: {one.module}"
        for path, one in everything()
        if any(f"{one.module}.".startswith(f"{other}.") for other in others)
        # What the system says of proxies; it asks nobody.
        and (path, one.module) != (transport / "clients.py", "urllib.request.getproxies")
    ]
    assert not wrong


def test_only_the_ledgers_engine_knows_sqlite() -> None:
    # The sandbox keeps a state of its own, as a vendor would.
    others = [path for path in FILES if room_of(path) != "sandbox"]
    others.remove(PACKAGE / "ledger" / "engine.py")
    assert not [path for path in others if "PRAGMA" in path.read_text(encoding="utf-8")]
    assert not [path for path, one in everything() if one.top == "sqlite3" and path in others]


def test_media_files_are_opened_for_reading_in_one_place() -> None:
    readers = []
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        readers += [
            f"{named(path)}:{call.lineno}"
            for name in ("av.open", "av.container.open")
            for call in calls_of(source, name)
            if not writes(call)
        ]
        from_av = [one for one in imports_in(path) if one.module.startswith("av.")]
        assert not [one for one in from_av if one.module.endswith(".open")], named(path)
    assert len(readers) == 1, readers
    assert readers[0].startswith("viseme/media/")


def test_no_module_has_a_name_of_the_standard_library() -> None:
    # ``python viseme`` puts the folder on the path for a moment: ``logging`` must not be ours.
    names = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    assert not names & (set(sys.stdlib_module_names) - {"__main__"})


def test_the_sandbox_brings_none_of_the_rules_that_it_checks() -> None:
    text = (
        "import sys, viseme.sandbox\n"
        "names = {name.split('.')[1] for name in sys.modules if name.startswith('viseme.')}\n"
        "print(' '.join(sorted(names)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=REPOSITORY, timeout=60
    )
    assert done.returncode == 0, done.stderr
    forbidden = {"endpoints", "services", "jobs", "ledger", "edits", "money", "credentials"}
    assert not set(done.stdout.split()) & forbidden


def imported_by(*arguments: str) -> set[str]:
    """The packages that a command imports, the parts of ours by their full names."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "viseme", *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines}
    assert "viseme.cli.parser" in names  # the reading finds what there is
    return {name if name.startswith("viseme.") else name.partition(".")[0] for name in names}


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("endpoints", "--json")])
def test_help_and_the_endpoints_wait_for_no_media_library_database_or_client(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    home = ("--home", str(tmp_path)) if words[0] == "endpoints" else ()
    found = imported_by(*words, *home)
    assert not found & {"av", "numpy", "sqlalchemy", "httpx", "aiohttp", "keyring"}
    assert not [name for name in found if name.startswith(("viseme.media", "viseme.ledger"))]


def test_media_has_all_that_it_names() -> None:
    from viseme import media

    assert not [name for name in media.__all__ if not hasattr(media, name)]
    assert callable(media.sniff)  # and not the module of that name
    assert not hasattr(media, "no_such_name")


# The ComfyUI side

NODE_FILES = sorted((REPOSITORY / "nodes").glob("*.py"))


def module_files(one: Import) -> list[Path]:
    """The files of this repository that an import runs, the packages above them included."""
    found, folder = [], REPOSITORY
    for part in one.module.split("."):
        found.append(folder / "__init__.py")
        if (folder / f"{part}.py").is_file():
            return [*found, folder / f"{part}.py"]
        folder = folder / part
    return [path for path in [*found, folder / "__init__.py"] if path.is_file()]


def run_at_import(start: Path) -> dict[Path, Path]:
    """Every file that importing ``start`` runs, with the one that imports it."""
    reached, waiting = {start: start}, [start]
    while waiting:
        path = waiting.pop()
        for one in imports_in(path):
            if one.is_lazy or one.is_for_types or one.top not in {"nodes", "viseme"}:
                continue
            new = [file for file in module_files(one) if file.is_file() and file not in reached]
            reached.update(dict.fromkeys(new, path))
            waiting += new
    return reached


def test_nodes_leave_vendors_and_the_wire_to_the_jobs() -> None:
    wrong = [
        f"{named(path)}:{one.line}: {one.module}"
        for path in NODE_FILES
        for one in imports_in(path)
        if one.module.startswith(("viseme.services", "viseme.transport", "viseme.sandbox"))
        or (one.top in {"nodes", "viseme"} and not one.is_relative)
    ]
    assert not wrong


def test_starting_comfyui_imports_no_http_client_no_database_and_no_media_library() -> None:
    reached = run_at_import(REPOSITORY / "nodes" / "extension.py")
    assert PACKAGE / "endpoints" / "base.py" in reached  # the reading follows imports
    heavy = {"httpx", "sqlalchemy", "av", "pybase64", "platformdirs", "keyring", "rich"}
    wrong = [
        f"{named(path)}:{one.line}: {one.top}"
        for path in reached
        for one in imports_in(path)
        if one.top in heavy and not one.is_lazy and not one.is_for_types
    ]
    assert not wrong


# The reading itself


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import httpx\n"
        "from ..ledger import Ledger\n"
        "from . import rows\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "class A:\n    async def f(self):\n        from viseme.jobs import run\n"
        "try:\n    import keyring as k\nexcept ImportError:\n    pass\n"
    )
    found = {one.module: one for one in imports_of(source, "viseme.cli")}
    assert set(found) == {
        "httpx",
        "viseme.ledger.Ledger",
        "viseme.cli.rows",
        "torch",
        "viseme.jobs.run",
        "keyring",
    }
    assert found["viseme.ledger.Ledger"].is_relative
    assert not found["viseme.jobs.run"].is_relative
    assert found["viseme.jobs.run"].function == "f"
    assert found["torch"].is_for_types
    assert not found["keyring"].is_lazy


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("av.open(path)", False),
        ("av.open(path, 'r')", False),
        ("av.open(path, mode)", False),
        ("av.open(path, 'w', format='mp4')", True),
        ("av.open(path, mode='w')", True),
    ],
)
def test_a_call_that_does_not_say_that_it_writes_reads(call: str, expected: bool) -> None:
    assert writes(calls_of(call, "av.open")[0]) is expected
