"""What comes as a result is read apart first, and kept only where it is a whole video."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from viseme.addresses import origin_of
from viseme.download import FetchRules
from viseme.errors import FetchRefused
from viseme.jobs.results import KeptResult, keep_result
from viseme.media import MediaGuard, MediaLimits
from viseme.media.source import file_state
from viseme.model import Clip, ResultItem, SourceFile

ROOT = Path(__file__).resolve().parents[2]


def keep(file: Path, folder: Path, guard: MediaGuard) -> KeptResult:
    """Keep a result that stands in the vendor's answer."""
    folder.mkdir(exist_ok=True)
    item = ResultItem(data=base64.b64encode(file.read_bytes()).decode())
    return asyncio.run(keep_result(item, "job-1", folder, FetchRules(), guard))


def test_a_whole_video_is_kept_by_its_content(media: Any, tmp_path: Path) -> None:
    clip = media.clip()
    kept = keep(clip, tmp_path / "results", MediaGuard(tmp_path / "checked"))
    assert kept.path == f"{kept.digest[:2]}/{kept.digest}.mp4"
    assert (tmp_path / "results" / kept.path).read_bytes() == clip.read_bytes()
    assert (kept.clip.frame_count, kept.clip.digest) == (12, kept.digest)


def test_the_same_result_of_another_job_leaves_the_file_as_it_is_for_whoever_reads_it(
    media: Any, tmp_path: Path
) -> None:
    folder, guard = tmp_path / "results", MediaGuard()
    kept = keep(media.clip(), folder, guard)
    seen = file_state(folder / kept.path)
    assert keep(media.clip(), folder, guard).path == kept.path
    assert file_state(folder / kept.path) == seen
    assert [path.name for path in folder.iterdir()] == [kept.digest[:2]]


class Waiting(MediaGuard):
    """A guard who begins only once he may."""

    def __init__(self, may_begin: threading.Event) -> None:
        super().__init__()
        self._may_begin = may_begin

    def clip(self, path: Path, **options: Any) -> Clip:
        self._may_begin.wait(60)
        return super().clip(path, **options)


@pytest.mark.parametrize("where", ["half way", "before it is looked at"])
def test_two_that_fetch_one_result_each_keep_the_whole_of_what_came_to_them(
    media: Any, tmp_path: Path, wire_server: Callable[..., Any], where: str
) -> None:
    """The first stands still, and goes on after its job was taken over."""
    slow = media.clip("slow.mp4", frames=50, noise=True).read_bytes()
    fast = media.clip("fast.mp4", frames=12).read_bytes()
    assert len(slow) > 2 * len(fast)
    goes_on = threading.Event()
    half = len(slow) // 2

    def script(wire: Any) -> None:
        head = wire.read_request()
        if "/fast" in head:
            wire.answer(200, fast)
            return
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(slow)}\r\n\r\n".encode())
        wire.send(slow[:half])
        if where == "half way":
            goes_on.wait(60)
        wire.send(slow[half:])

    server, folder = wire_server(script), tmp_path / "results"
    folder.mkdir()
    rules = FetchRules(frozenset({origin_of(server.url)}))
    kept: list[KeptResult] = []

    def bring(name: str, guard: MediaGuard) -> None:
        item = ResultItem(url=f"{server.url}/{name}.mp4")
        kept.append(asyncio.run(keep_result(item, "job-1", folder, rules, guard)))

    standing = threading.Thread(target=bring, args=("slow", Waiting(goes_on)))
    standing.start()
    there = ".incoming-*.part" if where == "half way" else "incoming-*"
    wait_for(lambda: list(folder.glob(there)))
    bring("fast", MediaGuard())
    goes_on.set()
    standing.join(60)
    assert [(folder / one.path).read_bytes() for one in kept] == [fast, slow]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        {one.digest[:2] for one in kept}
    )


class Attentive(MediaGuard):
    """A guard that says what it was told of the file."""

    known: SourceFile | None = None

    def clip(self, path: Path, *, known: SourceFile | None = None, **options: Any) -> Clip:
        self.known = known
        return super().clip(path, known=known, **options)


def test_a_result_that_was_hashed_as_it_came_is_not_hashed_again(
    media: Any, tmp_path: Path
) -> None:
    guard = Attentive()
    kept = keep(media.clip(), tmp_path / "results", guard)
    assert guard.known is not None
    assert guard.known.digest == kept.digest
    assert kept.clip.source is guard.known  # and not one that was made of reading it


def test_a_kept_result_is_known_as_it_was_put_in_place(media: Any, tmp_path: Path) -> None:
    folder, guard = tmp_path / "results", MediaGuard()
    kept = keep(media.clip(), folder, guard)
    path = folder / kept.path
    assert kept.source == SourceFile(path, kept.digest, file_state(path))
    assert guard.clip(path, known=kept.source).source is kept.source  # and it is not read for that
    assert keep(media.clip(), folder, guard).source is None  # who put it there is not known


class Disturbed(MediaGuard):
    """A guard before whom somebody else writes into the file."""

    def clip(self, path: Path, **options: Any) -> Clip:
        with path.open("ab") as file:
            file.write(b"\0\0\0\x08free")
        return super().clip(path, **options)


def test_a_file_that_is_not_what_was_fetched_is_never_kept_under_its_digest(
    media: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    with pytest.raises(FetchRefused, match="something else has changed it"):
        keep(media.clip(), folder, Disturbed())
    assert list(folder.iterdir()) == []


WATCHED_PROGRAM = """
import sys
from pathlib import Path
from viseme.parts import put_in_place

def note(event, arguments):
    if event in ("os.rename", "open"):
        sys.stdout.write(f"{event} {arguments[0]}\\n")

folder = Path(sys.argv[1])
sys.addaudithook(note)
put_in_place(folder / "part", folder / "ab" / "whole")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no folder is opened there")
def test_the_name_of_a_result_is_flushed_to_the_disk_after_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "part").write_bytes(b"whole")
    command = [sys.executable, "-c", WATCHED_PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == f"os.rename {tmp_path / 'part'}"
    assert {f"open {tmp_path}", f"open {tmp_path / 'ab'}"} <= set(others)
    assert (tmp_path / "ab" / "whole").read_bytes() == b"whole"


@pytest.mark.parametrize("size_changes", [False, True])
def test_a_kept_file_that_is_no_longer_its_content_is_replaced(
    media: Any, tmp_path: Path, size_changes: bool
) -> None:
    clip, folder = media.clip(), tmp_path / "results"
    kept = keep(clip, folder, MediaGuard())
    with (folder / kept.path).open("ab" if size_changes else "r+b") as file:
        file.write(b"spoilt")
    keep(clip, folder, MediaGuard())
    assert (folder / kept.path).read_bytes() == clip.read_bytes()


@pytest.mark.parametrize("spoil", ["cut off", "only sound", "a still", "text"])
def test_what_is_no_whole_video_is_refused_and_leaves_nothing(
    media: Any, tmp_path: Path, spoil: str
) -> None:
    if spoil == "cut off":
        file = media.clip(frames=50)
        file.write_bytes(file.read_bytes()[:-600])
    elif spoil == "only sound":
        file = media.clip(sound_seconds=0.4)
        # A picture track that nobody can decode is as good as none.
        file.write_bytes(file.read_bytes().replace(b"avc1", b"zzzz"))
    elif spoil == "a still":
        file = media.still()
    else:
        file = tmp_path / "page.html"
        file.write_text("<html>Service unavailable</html>")
    folder = tmp_path / "results"
    with pytest.raises(FetchRefused):
        keep(file, folder, MediaGuard())
    assert list(folder.iterdir()) == []


def test_a_result_over_a_limit_of_settings_names_them(media: Any, tmp_path: Path) -> None:
    limits = MediaLimits(max_frames=5)
    with pytest.raises(FetchRefused, match="media_limits in settings"):
        keep(media.clip(), tmp_path / "results", MediaGuard(limits=limits))
