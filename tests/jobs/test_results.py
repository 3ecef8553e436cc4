"""What comes as a result is read apart first, and kept only where it is a whole video."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from viseme.download import FetchRules
from viseme.errors import FetchRefused
from viseme.jobs.results import KeptResult, keep_result
from viseme.media import MediaGuard, MediaLimits
from viseme.media.source import file_state
from viseme.model import ResultItem


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
