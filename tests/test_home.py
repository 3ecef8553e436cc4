from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

import viseme
from viseme.errors import InputError, LocalError
from viseme.home import Home, comfyui_of, find_home

REPOSITORY = Path(viseme.__file__).parents[1]


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """A ComfyUI whose pack is a link to this checkout."""
    packs = tmp_path / "ComfyUI" / "custom_nodes"
    packs.mkdir(parents=True)
    (packs / "pack").symlink_to(REPOSITORY, target_is_directory=True)
    return tmp_path / "ComfyUI"


def test_what_was_typed_is_stronger_than_what_was_set_and_that_than_the_host(
    tmp_path: Path,
) -> None:
    environment = {"VISEME_HOME": str(tmp_path / "set")}
    host = tmp_path / "host"
    typed = find_home(tmp_path / "typed", host_folder=host, environment=environment)
    assert (typed.root, typed.origin) == (tmp_path / "typed", "--home")
    from_environment = find_home(host_folder=host, environment=environment)
    assert (from_environment.root, from_environment.origin) == (tmp_path / "set", "VISEME_HOME")
    assert find_home(host_folder=host, environment={}).root == host
    assert find_home(host_folder=host, environment={"VISEME_HOME": " "}).root == host


@pytest.mark.parametrize("tail", ["viseme", "viseme/", "viseme/__main__.py"])
def test_a_pack_finds_the_comfyui_that_it_is_linked_into(comfyui: Path, tail: str) -> None:
    expected = comfyui / "user" / "__viseme"
    typed = f"{comfyui}/custom_nodes/pack/{tail}"
    assert find_home(environment={}, arguments=[typed]).root == expected


def test_relative_paths_count_from_the_folder_that_the_shell_shows(comfyui: Path) -> None:
    script = (
        "import sys; from viseme.home import find_home; "
        "print(find_home(arguments=sys.argv[1:]).root)"
    )
    expected = str(comfyui / "user" / "__viseme")
    cases = [
        (comfyui, "custom_nodes/pack/viseme"),
        (comfyui / "custom_nodes" / "pack", "viseme"),
        (comfyui / "custom_nodes" / "pack", "./viseme/__main__.py"),
        (comfyui / "custom_nodes" / "pack" / "tests", "../viseme"),
        # python -m viseme: the argument has its links resolved, the folder has not
        (comfyui / "custom_nodes" / "pack", str(REPOSITORY / "viseme" / "__main__.py")),
    ]
    environment = {name: text for name, text in os.environ.items() if name != "VISEME_HOME"}
    for folder, typed in cases:
        done = subprocess.run(
            [sys.executable, "-c", script, typed],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**environment, "PWD": str(folder), "PYTHONPATH": str(REPOSITORY)},
            timeout=60,
            check=True,
        )
        assert done.stdout.strip() == expected, typed


def test_elsewhere_it_is_the_users_data_folder(tmp_path: Path) -> None:
    environment = {"PWD": str(tmp_path)}
    for arguments in ([str(tmp_path / "bin" / "viseme")], [""], []):
        found = find_home(environment=environment, arguments=arguments)
        assert found.root == platformdirs.user_data_path("viseme", appauthor=False)


def test_a_program_that_only_lies_in_some_custom_nodes_is_no_pack(comfyui: Path) -> None:
    other = comfyui / "custom_nodes" / "other"
    other.mkdir()
    (other / "viseme").mkdir()
    found = find_home(environment={}, arguments=[str(other / "viseme")])
    assert comfyui not in found.root.parents


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/C/custom_nodes/pack/viseme", "/C"),
        ("/custom_nodes/C/custom_nodes/pack/viseme", "/custom_nodes/C"),
        ("/C/custom_nodes/pack/deep/er/viseme", "/C"),
        ("/C/custom_nodes/viseme", None),
        ("/C/custom_nodes_old/pack/viseme", None),
        ("/C/pack/viseme", None),
    ],
)
def test_the_comfyui_is_above_the_last_custom_nodes(path: str, expected: str | None) -> None:
    assert comfyui_of(Path(path)) == (None if expected is None else Path(expected))


def test_a_relative_and_a_tilde_home_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_home(Path("a/../b"), environment={"PWD": str(tmp_path)}).root == tmp_path / "b"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find_home(Path("~/c"), environment={}).root == tmp_path / "c"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_everything_that_is_created_is_private(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        home = Home(tmp_path / "deep" / "home").create()
    finally:
        os.umask(old_mask)
    for folder in (home.root, home.results, home.sandbox, home.work):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert home.problems() == ()
    assert home.create() == home


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_folder_that_exists_keeps_its_mode_and_is_reported(tmp_path: Path) -> None:
    shared = tmp_path / "shared dir"
    shared.mkdir()
    shared.chmod(0o755)
    home = Home(shared).create()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    (problem,) = home.problems()
    assert "0755" in problem
    assert "chmod 700" in problem


def test_finding_home_creates_nothing(tmp_path: Path) -> None:
    home = find_home(tmp_path / "h", environment={})
    assert not home.root.exists()
    assert home.problems() == ()


@pytest.mark.parametrize("tail", ["file", "file/inside"])
def test_a_file_in_the_way_is_named(tmp_path: Path, tail: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError) as raised:
        Home(tmp_path / tail).create()
    assert raised.value.field == "--home"
    assert "file" in str(raised.value)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="/proc is Linux's")
def test_a_home_that_cannot_be_written_is_named() -> None:
    with pytest.raises(LocalError) as raised:
        Home(Path("/proc/viseme")).create()
    assert raised.value.exit_code == 1
    assert "--home" in str(raised.value)
    assert "/proc/viseme" in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="quoting is the shell's")
def test_a_remedy_is_a_command_line_that_runs(tmp_path: Path) -> None:
    home = Home(tmp_path / "a home")
    line = home.command("--version")
    assert shlex.split(line)[-2:] == ["--home", str(home.root)]
    without_home = line[: line.index(" --home")]
    done = subprocess.run(
        without_home, shell=True, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == f"viseme {viseme.__version__}\n"


@pytest.mark.parametrize("short", ["doctor", "sandbox --port N", "login fal"])
def test_a_command_in_short_becomes_one_that_names_the_home(tmp_path: Path, short: str) -> None:
    home = Home(tmp_path / "a home")
    whole = home.command(*short.split())
    assert home.completed(f"Run `viseme {short}` to see.") == f"Run `{whole}` to see."
    assert home.completed(f"Run `{whole}` to see.") == f"Run `{whole}` to see."


def test_a_command_of_another_home_keeps_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    program = home.command("x").partition(" x ")[0]
    text = "Give `viseme sandbox --home FOLDER --port N`."
    assert home.completed(text) == f"Give `{program} sandbox --home FOLDER --port N`."


def test_settings_alone_become_the_file_and_a_path_stays(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    said = home.completed("Set it in settings.json (settings.json: sandbox_url).")
    assert said == f"Set it in {home.settings} ({home.settings}: sandbox_url)."
    assert home.completed(said) == said
    assert home.completed("C:\\h\\settings.json is not JSON.") == (
        "C:\\h\\settings.json is not JSON."
    )
