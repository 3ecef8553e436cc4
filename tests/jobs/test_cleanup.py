"""Home is cleaned up by size and age, and nothing that is used or still to come is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viseme.home import Home

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Buy = Callable[..., Path]

ROOT = Path(__file__).resolve().parents[2]
DAY = 24 * 3600
# A program that has been given a result and goes on, as a ComfyUI does.
HOLDER = """
import asyncio, sys, time
from pathlib import Path
from viseme.home import Home
from viseme.jobs.verbs import resume
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger
from viseme.settings import Settings

home = Home(Path(sys.argv[1]))
place = Workplace(home, Settings.load(home.settings), Ledger.open(home.ledger))
found = asyncio.run(resume(sys.argv[2], place, Watch()))
sys.stdout.write(f"{found.files[0]}\\n")
sys.stdout.flush()
time.sleep(120)
"""


@pytest.fixture
def buy(quick: Command, studio: Box, media: Any, speech: Path) -> Buy:
    """Buys a result that is like no other; its file, which is unused for ``days``."""
    count = 0

    def result(days: float = 3, *more: object) -> Path:
        nonlocal count
        count += 1
        clip = media.clip(f"clip-{count}.mp4", size=(64 + 16 * count, 64))
        where = () if "--live" in more else ("--sandbox", studio.control)
        words = [word for word in more if word != "--live"]
        ended = quick(
            "run", "fal-sync", "--video", clip, "--audio", speech, "--json", *where, *words
        )
        assert ended.code == 0, ended
        file = Path(ended.document["items"][0]["file"])
        unused_for(file, days)
        return file

    return result


def unused_for(file: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(file, (then, then))


def megabytes(*files: Path) -> float:
    """What ``--results-gb`` takes to keep just these."""
    return sum(file.stat().st_size for file in files) / 1e9


@pytest.fixture
def hold(home: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(job_id: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(home), job_id],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(process)
        assert process.stdout is not None
        assert Path(process.stdout.readline().strip()).is_file()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_longest_unused_results_go_until_the_rest_fits(quick: Command, buy: Buy) -> None:
    older, oldest, newer = buy(3), buy(9), buy(2)
    everything = megabytes(older, oldest, newer)
    assert quick("clean", "--results-gb", everything).code == 0
    assert oldest.exists()
    done = quick("clean", "--results-gb", megabytes(older, newer), "--json").document
    assert [file.exists() for file in (oldest, older, newer)] == [False, True, True]
    assert done["removed_results"] == 1
    assert done["kept_bytes"] == older.stat().st_size + newer.stat().st_size
    assert done["removed_bytes"] == round(everything * 1e9) - done["kept_bytes"]


def test_a_result_of_less_than_a_day_stays_however_full_it_is(quick: Command, buy: Buy) -> None:
    young, old = buy(0.9), buy(1.1)
    assert quick("clean", "--results-gb", 0, "--json").document["removed_results"] == 1
    assert young.exists()
    assert not old.exists()


def test_what_is_used_again_is_young_again(quick: Command, buy: Buy) -> None:
    file = buy(5)
    assert quick("resume", quick.job_id()).code == 0
    assert quick("clean", "--results-gb", 0).code == 0
    assert file.exists()


def test_results_of_a_sandbox_go_before_those_that_cost_money(
    quick: Command, studio: Box, buy: Buy
) -> None:
    quick.live(studio)
    paid, free = buy(9, "--live"), buy(2)
    assert quick("clean", "--results-gb", megabytes(paid)).code == 0
    assert paid.exists()
    assert not free.exists()


def test_a_result_that_went_is_said_to_be_gone_and_fetched_again_unpaid(
    quick: Command, studio: Box, buy: Buy, home: Path
) -> None:
    file, job_id = buy(2), quick.job_id()
    assert quick("clean", "--results-gb", 0).code == 0
    (item,) = quick("show", job_id, "--json").document["items"]
    assert item["file"] is None
    assert f"`{Home(home).command('resume', job_id)}`" in item["problem"]
    with quick.ledger() as ledger:
        notes = [event for event in ledger.events(job_id) if event.kind == "cleanup"]
    assert len(notes) == 1
    again = quick("resume", job_id, "--json")
    assert again.code == 0, again
    assert file.exists()
    assert len(studio.charges()) == len(studio.calls("submit")) == 1


def test_what_a_living_process_was_given_stays_until_that_has_ended(
    quick: Command, buy: Buy, hold: Callable[[str], subprocess.Popen[str]], home: Path
) -> None:
    file, job_id = buy(4), quick.job_id()
    holders = [hold(job_id), hold(job_id)]
    unused_for(file, 4)
    for holder in holders:
        assert quick("clean", "--results-gb", 0, "--json").document["removed_results"] == 0
        holder.kill()
        holder.wait()
    assert quick("clean", "--results-gb", 0, "--json").document["removed_results"] == 1
    assert not file.exists()
    assert list((home / "returned").iterdir()) == []


def test_a_command_leaves_no_note_of_what_it_was_given(buy: Buy, home: Path) -> None:
    buy()
    assert list((home / "returned").iterdir()) == []


def test_a_job_that_still_lacks_a_result_keeps_the_others(
    quick: Command, sandbox: Box, clip: Path, speech: Path, home: Path
) -> None:
    ended = quick(
        *("run", "runware-pixverse", "--video", clip, "--audio", speech, "--json"),
        *("--sandbox", sandbox.control, "--set", "numberResults=2"),
    )
    assert ended.code == 0, ended
    first, second = (Path(item["file"]) for item in ended.document["items"])
    if first == second:  # the ready clip twice is one file
        second = first.with_name(f"{'0' * 64}.mp4")
        second.write_bytes(b"another")
        with quick.ledger() as ledger:
            path = second.relative_to(home / "results").as_posix()
            ledger.update_item(quick.job_id(), 2, path=path)
    second.unlink()
    sandbox.fault("html-200", operation="download")
    assert quick("resume", quick.job_id()).code == 4
    assert quick.states() == ["SUCCEEDED"]
    unused_for(first, 9)
    assert quick("clean", "--results-gb", 0, "--json").document["removed_results"] == 0
    assert first.exists()


def test_a_purchase_cleans_up_once_in_an_hour_and_coming_back_never(
    quick: Command, studio: Box, buy: Buy, home: Path, clip: Path, speech: Path
) -> None:
    quick.settings(max_results_bytes=0)
    words = ("run", "fal-sync", "--video", clip, "--audio", speech, "--sandbox", studio.control)
    first = buy(2)
    stamp = home / "cleaned"
    assert stamp.exists()
    buy(0)
    assert first.exists(), "within the hour"
    assert quick(*words).code == 0
    unused_for(stamp, 0.1)
    assert quick(*words).code == 0
    assert first.exists(), "nothing was bought"
    buy(0)
    assert not first.exists()


def test_what_a_killed_purchase_left_goes_and_what_a_living_one_has_stays(
    quick: Command, sandbox: Box, clip: Path, speech: Path, home: Path
) -> None:
    sandbox.fault("stall", operation="upload", seconds=60, count=2)
    words = ("run", "fal-sync", "--video", clip, "--audio", speech, "--carry", "upload")
    killed = quick.start(*words, "--sandbox", sandbox.control)
    sandbox.await_call("upload")
    alive = quick.start(*words, "--sandbox", sandbox.control, "--take", 2)
    while len(list((home / "work").iterdir())) < 2 or len(sandbox.calls("upload")) < 2:
        time.sleep(0.02)
    killed_job, alive_job = (
        next(job.id for job in _jobs(quick) if job.take == take) for take in (1, 2)
    )
    for job_id in (killed_job, alive_job):
        (home / "results" / f"incoming-{job_id}-1.0123456789ab").write_bytes(b"a result")
        part = f".incoming-{job_id}-1.0123456789ab.cdef01234567.part"
        (home / "results" / part).write_bytes(b"half a result")
    for name in (f"incoming-{killed_job}-1", f".incoming-{killed_job}-1.part"):  # as they were
        (home / "results" / name).write_bytes(b"of an earlier version")
    assert quick("clean", "--json").document["removed_leftovers"] == 0
    killed.kill()
    assert quick("clean", "--json").document["removed_leftovers"] == 5
    assert [entry.name.partition(".")[0] for entry in (home / "work").iterdir()] == [alive_job]
    assert sorted(entry.name for entry in (home / "results").glob("*incoming-*")) == [
        f".incoming-{alive_job}-1.0123456789ab.cdef01234567.part",
        f"incoming-{alive_job}-1.0123456789ab",
    ]
    alive.signal(signal.SIGTERM)
    alive.ended()


def test_each_process_prepares_a_job_in_a_folder_of_its_own(
    quick: Command, sandbox: Box, clip: Path, speech: Path, home: Path
) -> None:
    """One that stood still while another took its job over removes nothing of that one's, which
    removes what was left."""
    sandbox.fault("stall", operation="upload", seconds=60, count=2)
    words = ("run", "fal-sync", "--video", clip, "--audio", speech, "--carry", "upload")
    seen: set[str] = set()
    for number in (1, 2):
        running = quick.start(*words, "--sandbox", sandbox.control)
        while len(sandbox.calls("upload")) < number:
            time.sleep(0.02)
        seen |= {entry.name for entry in (home / "work").iterdir()}
        running.kill()
    assert len(_jobs(quick)) == 1
    assert len(seen) == 2
    assert len(list((home / "work").iterdir())) == 1
    assert quick(*words, "--sandbox", sandbox.control).code == 0
    assert list((home / "work").iterdir()) == []


def test_half_a_result_of_a_killed_download_goes_and_counts_until_then(
    quick: Command, sandbox: Box, wire_server: Any, clip: Path, speech: Path, home: Path
) -> None:
    def half(wire: Any) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000))
        wire.stall()

    elsewhere = wire_server(half)
    quick.live(sandbox, base_urls={**sandbox.base_urls, "fal.results": elsewhere.url})
    assert quick("run", "fal-sync", "--video", clip, "--audio", speech).code == 4
    assert quick.states() == ["SUCCEEDED"], "what the sandbox names is no host of results here"
    with quick.ledger() as ledger:
        ledger.update_item(quick.job_id(), 1, url=f"{elsewhere.url}/result.mp4")
    downloading = quick.start("resume", quick.job_id())
    results = home / "results"
    while not any(entry.is_file() and entry.stat().st_size for entry in results.iterdir()):
        assert downloading.runs
        time.sleep(0.01)
    (part,) = (entry for entry in results.iterdir() if entry.is_file())
    assert part.name.endswith(".part"), "it is not whole"
    done = quick("clean", "--json").document
    assert done["removed_leftovers"] == 0
    assert 0 < done["kept_bytes"] <= 500_000
    downloading.kill()
    done = quick("clean", "--json").document
    assert done["removed_leftovers"] == 1
    assert done["kept_bytes"] == 0
    assert list(results.iterdir()) == []


def _jobs(command: Command) -> list[Any]:
    with command.ledger() as ledger:
        return list(ledger.list())


def test_files_of_no_job_go_after_a_day_without_a_change(quick: Command, home: Path) -> None:
    assert quick("jobs").code == 0
    old, used, young = (home / "work" / f"graph-{name}" for name in ("old", "used", "young"))
    for folder in (old, used, young):
        folder.mkdir()
        (folder / "video").write_bytes(b"x")
        for entry in (folder / "video", folder):
            unused_for(entry, 2)
    unused_for(used / "video", 0.1)
    unused_for(young, 0.1)
    verdicts = home / "checked"
    verdicts.mkdir()
    for name, days in (("stale", 40), ("fresh", 3)):
        (verdicts / name).write_text("{}")
        unused_for(verdicts / name, days)
    assert quick("clean", "--json").document["removed_leftovers"] == 2
    assert {entry.name for entry in (home / "work").iterdir()} == {"graph-used", "graph-young"}
    assert {entry.name for entry in verdicts.iterdir()} == {"fresh"}


def test_a_link_in_the_work_folder_is_removed_and_not_followed(
    quick: Command, home: Path, tmp_path: Path
) -> None:
    assert quick("jobs").code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("keep")
    for entry in (elsewhere / "mine", elsewhere):
        unused_for(entry, 5)
    (home / "work" / "link").symlink_to(elsewhere)
    assert quick("clean", "--json").document["removed_leftovers"] == 1
    assert (elsewhere / "mine").read_text() == "keep"


@pytest.mark.parametrize("size", ["-1", "nan", "inf", "much"])
def test_a_size_that_is_none_is_refused(quick: Command, size: str) -> None:
    ended = quick("clean", f"--results-gb={size}", "--json")
    assert ended.code == 2
    assert ended.error["field"] == "--results-gb"
