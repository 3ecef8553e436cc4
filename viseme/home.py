"""The private folder that holds everything of ours on this machine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, LocalError

ENVIRONMENT_VARIABLE = "VISEME_HOME"
# folder_paths.get_system_user_directory("viseme") of ComfyUI, relative to its base folder.
_IN_COMFYUI = Path("user", "__viseme")
_COMMAND = re.compile(r"`viseme ([^`]+)`")
_SETTINGS_ALONE = re.compile(r"(?<![\w./\\-])settings\.json\b")


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and what lies in it. ``origin`` says in a few words how it was found."""

    root: Path
    origin: str = "given"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite3"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def account_key(self) -> Path:
        return self.root / "account.key"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox"

    @property
    def verdicts(self) -> Path:
        """What media were found to be, by digest, so that none is checked twice."""
        return self.root / "checked"

    @property
    def returned(self) -> Path:
        """For notes of which results living processes have given out."""
        return self.root / "returned"

    @property
    def work(self) -> Path:
        """For files that are needed only while a job is prepared."""
        return self.root / "work"

    def create(self) -> Home:
        """Make the folder and those in it where they are missing, with mode 0700.

        A folder that exists keeps its mode: it may be one that others use too. Raises
        ``InputError`` where a file is in the way and ``LocalError`` where nothing can be written.
        """
        for folder in (self.root, self.results, self.sandbox, self.work):
            self._create_folder(folder)
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise self._unwritable(self.root, "this user may not write there")
        return self

    def command(self, *arguments: str) -> str:
        """A complete command line of ours that works on this machine, for this home.

        ``home.command("login", "fal")`` is ``viseme login fal --home /H`` where the command is
        installed beside this Python, else it names this Python and this package.
        """
        return _command_line([*_program(), *arguments, "--home", str(self.root)])

    def completed(self, text: str) -> str:
        """The text with what it says in short made whole for this home and this machine.

        A command in backticks, `` `viseme doctor` ``, becomes the line that ``command`` gives; one
        that names a home only gets the program's path. ``settings.json`` becomes that file's path.
        """
        text = _COMMAND.sub(lambda found: f"`{self._whole(found[1])}`", text)
        return _SETTINGS_ALONE.sub(lambda _: str(self.settings), text)

    def _whole(self, arguments: str) -> str:
        if "--home" not in arguments:
            return self.command(*arguments.split())
        return f"{_command_line(_program())} {arguments}"

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the folder's protection, each with what to do; usually nothing."""
        if os.name != "posix" or not self.root.is_dir():
            return ()
        mode = stat.S_IMODE(self.root.stat().st_mode)
        if not mode & 0o077:
            return ()
        return (
            f"Other users can look into {self.root} (mode {mode:04o}). "
            f"Give `chmod 700 {self.root}`, unless it is shared on purpose.",
        )

    def _create_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        except FileExistsError as error:
            if folder.is_dir():  # another process was quicker
                return
            raise InputError(
                f"{folder} should be a folder, but a file is there.",
                field="--home",
                value=folder,
                remedy="Name another folder with --home, or move the file away.",
            ) from error
        except NotADirectoryError as error:
            raise InputError(
                f"{folder} cannot be a folder: part of its path is a file.",
                field="--home",
                value=folder,
                remedy="Name another folder with --home.",
            ) from error
        except OSError as error:
            raise self._unwritable(folder, error.strerror or str(error)) from error

    def _unwritable(self, folder: Path, why: str) -> LocalError:
        return LocalError(
            f"The home folder {folder} cannot be written: {why}.",
            field="--home",
            value=self.root,
            remedy=f"Make it writable, or name another one with --home or {ENVIRONMENT_VARIABLE}.",
        )


def find_home(
    explicit: Path | None = None,
    *,
    host_folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] | None = None,
) -> Home:
    """Where home is; nothing is created or read (``Home.create`` does that).

    The first of these decides:

    1. ``explicit``, which is --home: what was typed just now is stronger than what was set once;
    2. the environment variable ``VISEME_HOME``, which so wins inside ComfyUI too;
    3. ``host_folder``, what ComfyUI's ``get_system_user_directory("viseme")`` says;
    4. ``user/__viseme`` of the ComfyUI whose ``custom_nodes`` is in the path of the command as it
       was typed, symbolic links left as they are, since packs are often linked into it;
    5. the user's data folder on this system.

    ``environment`` and ``arguments`` are those of this process unless given.
    """
    environment = os.environ if environment is None else environment
    if explicit is not None:
        return Home(_absolute(explicit, environment), "--home")
    from_environment = environment.get(ENVIRONMENT_VARIABLE, "").strip()
    if from_environment:
        return Home(_absolute(Path(from_environment), environment), ENVIRONMENT_VARIABLE)
    if host_folder is not None:
        return Home(_absolute(host_folder, environment), "ComfyUI")
    for typed in _typed_paths(sys.argv if arguments is None else arguments, environment):
        comfyui = comfyui_of(typed)
        if comfyui is not None:
            return Home(comfyui / _IN_COMFYUI, "the ComfyUI that this pack is in")
    import platformdirs  # a ComfyUI, which names its own folder, starts without it

    folder = platformdirs.user_data_path("viseme", appauthor=False)
    return Home(folder, "this user's data folder")


def _command_line(words: Sequence[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _program() -> list[str]:
    python = Path(sys.executable)
    installed = shutil.which("viseme")
    if installed is not None and Path(installed).parent == python.parent:
        return ["viseme"]
    return [str(python), str(Path(__file__).parent)]


def comfyui_of(path: Path) -> Path | None:
    """The folder above the last ``custom_nodes`` of a path into a pack; ``None`` for others. Pure.

    ``/C/custom_nodes/pack/viseme`` is in the ComfyUI ``/C``.
    """
    for folder in path.parents:
        if folder.parent.name == "custom_nodes":
            return folder.parent.parent
    return None


def _typed_paths(arguments: Sequence[str], environment: Mapping[str, str]) -> list[Path]:
    """Paths by which this very package may have been started, as typed."""
    package = Path(__file__).parent
    candidates = []
    if arguments and arguments[0]:
        typed = _absolute(Path(arguments[0]), environment)
        candidates.append(typed.parent if typed.name == "__main__.py" else typed)
    # ``python -m viseme`` puts the resolved path into its arguments.
    candidates.append(_working_folder(environment) / package.name)
    return [path for path in candidates if _is_same(path, package)]


def _is_same(path: Path, package: Path) -> bool:
    try:
        return path.samefile(package)
    except OSError:
        return False


def _absolute(path: Path, environment: Mapping[str, str]) -> Path:
    """Absolute and without ``..``, but with its symbolic links."""
    return Path(os.path.normpath(_working_folder(environment) / path.expanduser()))


def _working_folder(environment: Mapping[str, str]) -> Path:
    """The working folder as the shell shows it: ``Path.cwd`` has its links resolved."""
    physical = Path.cwd()
    shown = environment.get("PWD", "")
    if shown and Path(shown).is_absolute() and _is_same(Path(shown), physical):
        return Path(shown)
    return physical
