"""Whatever a vendor, a user or a file calls something, what is written stays in the home."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

# What the fixtures give; their classes are in tests/conftest.py and conftest.py.
Box = Any
Command = Any
Fal = Any

# Names that lead elsewhere, that a system keeps for itself, or that it cannot hold.
NAMES = (
    *("../../escaped", "..", ".", "/escaped", "//escaped/x", "~/escaped", "$HOME/escaped"),
    *("..\\..\\escaped", "C:\\escaped", "\\\\host\\escaped", "C:escaped"),
    *("%2e%2e%2fescaped", "..%2f..%2fescaped", "%252e%252e/escaped", "a/../../../../escaped"),
    *("CON", "nul.mp4", "aux", "x.mp4:stream", "-rf", "a b", "two\nlines", "x\0y", "ü\u202egpm.4"),
    *("x" * 300, "x" * 5000),
)
VERBS = ("show", "check", "resume", "cancel", "resubmit", "discard")
# By what the interpreter tells of: how many of the first details are places.
PLACES_NAMED = {
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"), 1),
    "sqlite3.connect": 1,
}
WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Ear:
    """Hears of every place that this process makes, changes or removes while it listens."""

    def __init__(self) -> None:
        self._heard: list[Path] | None = None
        sys.addaudithook(self._hear)  # stays as long as the process

    @contextmanager
    def listening(self) -> Iterator[list[Path]]:
        heard: list[Path] = []
        self._heard = heard
        try:
            yield heard
        finally:
            self._heard = None

    def _hear(self, event: str, details: tuple[Any, ...]) -> None:
        if self._heard is None:
            return
        named = details[: PLACES_NAMED.get(event, 0)]
        if event == "open":
            path, mode, flags = details
            named = (path,) if set(mode or "") & set("wax+") or flags & WRITING_FLAGS else ()
        for path in named:
            if isinstance(path, str | bytes | os.PathLike):
                self._heard.append(Path(os.path.realpath(os.fsdecode(path))))


@pytest.fixture(scope="session")
def ear() -> Ear:
    return Ear()


def outside(places: list[Path], *folders: Path) -> list[Path]:
    allowed = [folder.resolve() for folder in folders] + [Path(os.devnull)]
    return [place for place in places if not any(map(place.is_relative_to, allowed))]


def test_what_is_written_elsewhere_is_noticed(ear: Ear, home: Path, tmp_path: Path) -> None:
    home.mkdir()
    with ear.listening() as heard:
        (home / "inside").write_text("x")
        (home / ".." / "escaped").write_text("x")
        (home / "inside").rename(tmp_path / "moved")
        os.close(os.open(tmp_path / "opened", os.O_WRONLY | os.O_CREAT))
    (tmp_path / "later").write_text("x")
    assert {place.name for place in outside(heard, home)} == {"escaped", "moved", "opened"}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_result_has_its_name_from_its_content_whatever_the_vendor_calls_it(
    fal: Fal, run_at_fal: Callable[[], Any], ear: Ear, home: Path, name: str
) -> None:
    url = f"{fal.server.url}/{quote(name, safe='/%')}"
    fal.answers["result"] = (200, {"video": {"url": url, "file_name": name}})
    shown = name.replace("\n", "").replace("\0", "")
    fal.file_headers = {"Content_Disposition": f'attachment; filename="{shown}"'}
    with ear.listening() as heard:
        ended = run_at_fal()
    assert ended.code == 0, ended
    assert outside(heard, home) == []
    (kept,) = [path for path in (home / "results").rglob("*") if path.is_file()]
    assert len(kept.stem) == 64
    assert set(kept.stem) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_vendors_name_for_a_job_is_no_place(
    quick: Command, fal: Fal, run_at_fal: Callable[[], Any], ear: Ear, home: Path, name: str
) -> None:
    fal.answers["submit"] = (200, {"request_id": name})
    fal.answers["result"] = (200, {"video": {"url": f"{fal.server.url}/a.mp4"}})
    with ear.listening() as heard:
        ended = run_at_fal()
        later = quick("resume", quick.job_id())
    assert "A mistake in Viseme" not in ended.err + later.err
    assert {ended.code, later.code} <= {0, 4, 5}, (ended, later)
    assert outside(heard, home) == []
    assert fal.calls.count("submit") == 1


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_job_that_a_user_names_is_looked_up_and_is_no_place(
    quick: Command, ear: Ear, home: Path, name: str
) -> None:
    with ear.listening() as heard:
        for verb in VERBS:
            ended = quick(verb, "--json", "--", name)
            assert ended.code == 2, ended
            assert ended.error["remedy"]
    assert outside(heard, home) == []


@pytest.mark.parametrize("carry", ["inline", "upload"])
@pytest.mark.parametrize(
    "name",
    [
        *("-rf.mp4", ".mp4", "CON.mp4", "two\nlines.mp4", 'a"b;c.mp4', "x" * 251 + ".mp4"),
        *("face.mp4\nX-Evil: 1", "face.v2 (final) ü", "face.%2e%2e%2fescaped", "..\\escaped"),
        *("face.MP4", "face", "face.", "https:", "$(touch escaped).mp4", "%s%n.mp4"),
    ],
    ids=ascii,
)
def test_a_clip_may_have_any_name_and_none_of_it_reaches_the_vendor(
    quick: Command,
    sandbox: Box,
    clip: Path,
    speech: Path,
    ear: Ear,
    home: Path,
    tmp_path: Path,
    name: str,
    carry: str,
) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    home.mkdir()
    given = Path(shutil.copyfile(clip, folder / name))
    media = (f"--video={given}", "--audio", speech, "--carry", carry)
    with ear.listening() as heard:
        ended = quick("run", "fal-sync", *media, "--sandbox", sandbox.control, "--json")
    assert ended.code == 0, ended
    assert outside(heard, home) == []
    assert [path.name for path in folder.iterdir()] == [name]
    with quick.ledger() as ledger:
        uploads = ledger.uploads(quick.job_id())
    names = {upload.reference.rpartition("_")[2] for upload in uploads}
    assert names == ({"video.mp4", "audio.wav"} if carry == "upload" else set())
