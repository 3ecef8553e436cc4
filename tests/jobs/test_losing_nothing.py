"""What was paid for is never lost: it stays at the vendor, in the ledger, or here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Wish = Callable[..., tuple[object, ...]]
Mount = Callable[[Path, int], Path]


@pytest.fixture
def wish(sandbox: Box, clip: Path, speech: Path) -> Wish:
    def words(endpoint: str = "fal-sync", *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", endpoint, *media, "--sandbox", sandbox.control, "--json", *more)

    return words


@pytest.fixture
def mount() -> Iterator[Mount]:
    """``mount(folder, size_bytes)`` puts a disk of that size there; skips where that is refused."""
    mounted: list[Path] = []

    def put(folder: Path, size_bytes: int) -> Path:
        program = shutil.which("mount")
        folder.mkdir(parents=True, exist_ok=True)
        size = f"size={size_bytes}"
        command = [program or "mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
        if program is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk cannot be mounted here")
        mounted.append(folder)
        return folder

    yield put
    for folder in mounted:
        subprocess.run(["umount", str(folder)], capture_output=True)


def fill(folder: Path) -> Path:
    """Leave no room on the disk of ``folder``; the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler


def assert_kept(ended: Any, command: Command, box: Box, code: int = 4) -> str:
    """Paid for, SUCCEEDED, and ``resume ID`` named."""
    assert ended.code == code, ended
    job_id = str(ended.error["job_id"])
    assert f"resume {job_id} --home {command.home}" in ended.error["remedy"]
    assert "paid" not in ended.error["remedy"], "a sandbox is free"
    assert command.states() == ["SUCCEEDED"]
    assert len(box.charges()) == 1
    assert "Traceback" not in ended.err
    return job_id


@pytest.mark.parametrize(
    ("endpoint", "fault", "downloads"),
    [
        ("fal-sync", "truncate", 3),
        ("fal-sync", "lie-length", 1),
        ("fal-sync", "expire-url", 2),
        ("fal-sync", "html-200", 1),
        ("fal-sync", "wrong-type", 1),
        ("fal-sync", "500", 3),
        ("fal-sync", "endless-body", 1),
        ("aimlapi-pixverse", "expire-url", 2),
        ("aimlapi-pixverse", "html-200", 1),
        ("runware-pixverse", "expire-url", 2),
        ("runware-pixverse", "html-200", 1),
    ],
)
def test_a_result_that_did_not_come_whole_is_fetched_later_for_nothing(
    quick: Command, sandbox: Box, wish: Wish, endpoint: str, fault: str, downloads: int
) -> None:
    quick.settings(max_download_bytes=2_000_000)
    sandbox.fault(fault, operation="download", count=downloads)
    job_id = assert_kept(quick(*wish(endpoint)), quick, sandbox)
    assert sandbox.ask("faults")["faults"] == []
    assert [path for path in (quick.home / "results").rglob("*") if path.is_file()] == []
    came = quick("resume", job_id, "--json")
    assert came.code == 0, came
    assert Path(came.document["files"][0]).stat().st_size > 0
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


def test_a_result_of_a_vendors_that_did_not_come_is_said_to_be_paid_for(
    quick: Command, sandbox: Box, clip: Path, speech: Path
) -> None:
    quick.live(sandbox)
    sandbox.fault("html-200", operation="download", count=1)
    ended = quick("run", "fal-sync", "--video", clip, "--audio", speech, "--json")
    assert ended.code == 4, ended
    assert ended.error["remedy"].count("It is paid for; ") == 1


def test_the_same_command_fetches_what_did_not_come(
    quick: Command, sandbox: Box, wish: Wish, tmp_path: Path
) -> None:
    sandbox.fault("html-200", count=1)
    assert_kept(quick(*wish()), quick, sandbox)
    again = quick(*wish("fal-sync", "-o", tmp_path / "out.mp4"))
    assert again.code == 0
    assert again.document["reused"] is True
    assert (tmp_path / "out.mp4").exists()
    assert len(sandbox.charges()) == 1


def test_an_address_that_has_expired_is_asked_for_anew(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("expire-url", count=1)
    assert quick(*wish()).code == 0
    assert len(sandbox.calls("result")) == 2
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("endpoint", ["fal-sync", "aimlapi-pixverse", "runware-pixverse"])
def test_a_result_that_moved_before_it_was_fetched_is_found_where_the_vendor_has_it_now(
    quick: Command, start_sandbox: Any, clip: Path, speech: Path, endpoint: str
) -> None:
    box = start_sandbox("--time-scale", "0", "--no-render")
    box.fault("stall", operation="download", seconds=5, count=1)
    media = ("--video", clip, "--audio", speech)
    running = quick.start("run", endpoint, *media, "--sandbox", box.control, "--json")
    box.await_call("download")
    running.kill()
    box.kill()
    box.start()  # at other ports: what the vendor said where the result is holds no more
    again = quick("resume", quick.job_id(), "--sandbox", box.control, "--json")
    assert again.code == 0, again
    assert again.document["state"] == "FETCHED"
    assert len(box.charges()) == 1


def test_a_redirect_to_another_host_of_the_vendor_is_followed_without_a_key(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("redirect", count=1)
    assert quick(*wish()).code == 0
    assert [call["status"] for call in sandbox.calls("download")] == [302, 200]
    assert not any(call["has_key"] for call in sandbox.calls("download"))


def test_a_command_killed_while_downloading_leaves_a_result_to_fetch(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("stall", operation="download", seconds=3, count=1)
    running = quick.start(*wish())
    sandbox.await_call("download")
    running.kill()
    assert quick.states() == ["SUCCEEDED"]
    assert quick(*wish()).code == 0
    assert len(sandbox.charges()) == 1


def test_check_brings_a_result_that_an_earlier_check_could_not_fetch(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("html-200", operation="download")
    assert quick(*wish()).code == 4
    assert quick.states() == ["SUCCEEDED"]
    assert quick("check", quick.job_id(), "--json").code == 4
    sandbox.end_faults()
    assert quick("check", quick.job_id(), "--json").code == 0
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


def test_check_brings_a_result_that_the_vendor_has(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    """Its address does not hold for ever."""
    sandbox.fault("slow-queue", seconds=0.5, count=1)
    running = quick.start(*wish())
    sandbox.await_call("status")
    running.kill()
    job_id = quick.job_id()
    wait_for(lambda: quick("check", job_id, "--json").document["state"] == "FETCHED")
    shown = quick("show", job_id, "--json")
    assert Path(shown.document["items"][0]["file"]).is_file()
    asked = len(sandbox.calls())
    assert quick("resume", job_id).code == 0
    assert len(sandbox.calls()) == asked


def test_a_job_that_ran_on_though_it_was_to_be_cancelled_is_brought_here(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=0.5, count=1)
    sandbox.fault("cancel-ignored")
    running = quick.start(*wish())
    sandbox.await_call("status")
    running.kill()
    ended = quick("cancel", quick.job_id(), "--json")
    assert ended.code == 0, ended
    assert ended.document["state"] == "FETCHED"
    assert len(sandbox.charges()) == len(sandbox.calls("download")) == 1


@pytest.mark.parametrize("by", ["resume", "the same command"])
def test_a_result_deleted_by_hand_is_fetched_again_for_nothing(
    quick: Command, sandbox: Box, wish: Wish, by: str
) -> None:
    first = quick(*wish()).document
    file = Path(first["items"][0]["file"])
    content = file.read_bytes()
    file.unlink()
    again = quick("resume", first["id"], "--json") if by == "resume" else quick(*wish())
    assert again.code == 0, again
    assert file.read_bytes() == content
    assert len(sandbox.calls("submit")) == len(sandbox.charges()) == 1


def test_a_result_that_is_here_needs_neither_its_sandbox_nor_a_key(
    quick: Command, start_sandbox: Any, clip: Path, speech: Path, tmp_path: Path
) -> None:
    box = start_sandbox("--time-scale", "0", "--no-render")
    quick.live(box)
    media = ("--video", clip, "--audio", speech)
    ids = [
        quick("run", "fal-sync", *media, "--json", *more).document["id"]
        for more in ((), ("--sandbox", box.control))
    ]
    box.stop()
    quick.environment.clear()
    for number, job_id in enumerate(ids):
        out = tmp_path / f"{number}.mp4"
        assert quick("resume", job_id, "-o", out).code == 0
        assert out.stat().st_size > 0


def test_a_result_that_is_gone_everywhere_is_not_bought_by_itself(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    first = quick(*wish()).document
    Path(first["items"][0]["file"]).unlink()
    sandbox.fault("expire-url")
    gone = quick(*wish())
    assert gone.code == 4, gone
    assert "--take" in gone.error["remedy"]
    assert "paid" not in gone.error["remedy"]
    assert len(sandbox.calls("submit")) == len(sandbox.charges()) == 1


def test_of_several_results_the_missing_one_is_named_and_the_others_are_kept(
    quick: Command, sandbox: Box, wish: Wish, tmp_path: Path
) -> None:
    sandbox.fault("partial-results", count=1)
    out = tmp_path / "out.mp4"
    ended = quick(*wish("runware-pixverse", "--set", "numberResults=3", "-o", out))
    assert ended.code == 0, ended
    said = ended.document
    assert said["state"] == "FETCHED"
    assert [item["state"] for item in said["items"]] == ["FETCHED", "FETCHED", "MISSING"]
    assert said["items"][2]["problem"]
    assert any("1 of 3 results did not come" in warning for warning in said["warnings"])
    assert said["files"] == [str(out), str(tmp_path / "out-2.mp4")]
    assert quick(*wish("runware-pixverse", "--set", "numberResults=3")).document["reused"] is True
    assert len(sandbox.charges()) == 1


FOUR = ("runware-pixverse", "--set", "numberResults=4")


def told_gone(document: dict[str, Any]) -> list[str]:
    return [warning for warning in document["warnings"] if " is gone." in warning]


def test_one_result_that_does_not_come_keeps_none_of_the_others_from_being_tried(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("html-200", operation="download", count=2)
    assert_kept(quick(*wish(*FOUR)), quick, sandbox)
    files = [path for path in (quick.home / "results").rglob("*.mp4") if path.is_file()]
    assert len(files) == 2
    assert quick(*wish(*FOUR)).code == 0
    assert len(sandbox.charges()) == 1


def lose_one_of_four(command: Command, box: Box, wish: Wish) -> dict[str, Any]:
    """All four are gone at first, and the first one from the new addresses as well."""
    box.fault("expire-url", operation="download", count=5)
    ended = command(*wish(*FOUR))
    assert ended.code == 0, ended
    assert box.ask("faults")["faults"] == []
    return dict(ended.document)


def test_a_result_that_is_gone_is_named_and_the_others_are_kept(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    said = lose_one_of_four(quick, sandbox, wish)
    assert said["state"] == "FETCHED"
    assert [item["state"] for item in said["items"]] == ["MISSING", *["FETCHED"] * 3]
    assert "HTTP 404" in said["items"][0]["problem"]
    (warning,) = told_gone(said)
    assert warning.startswith("Result 1 is gone.")
    assert f"resume {said['id']} --home {quick.home}" in warning
    assert "--take 2" in warning
    calls = len(sandbox.calls())
    again = quick(*wish(*FOUR)).document
    assert (again["reused"], len(again["files"])) == (True, 3)
    assert len(sandbox.calls()) == calls
    assert len(sandbox.charges()) == 1


def test_a_result_that_was_gone_is_asked_for_again_by_resume(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    job_id = lose_one_of_four(quick, sandbox, wish)["id"]
    sandbox.fault("expire-url", operation="download")
    still = quick("resume", job_id, "--json")
    assert still.code == 0, still
    assert [item["state"] for item in still.document["items"]] == ["MISSING", *["FETCHED"] * 3]
    assert len(told_gone(still.document)) == 1
    sandbox.end_faults()
    sandbox.fault("500", operation="download")
    out_of_reach = quick("resume", job_id, "--json")
    assert out_of_reach.code == 4, out_of_reach
    assert f"resume {job_id} --home {quick.home}" in out_of_reach.error["remedy"]
    # What is here can be had meanwhile.
    assert len(quick(*wish(*FOUR)).document["files"]) == 3
    sandbox.end_faults()
    came = quick("resume", job_id, "--json")
    assert came.code == 0, came
    assert [item["state"] for item in came.document["items"]] == ["FETCHED"] * 4
    assert len(came.document["files"]) == 4
    assert told_gone(came.document) == []
    assert len(sandbox.calls("submit")) == len(sandbox.charges()) == 1


def test_results_that_are_all_gone_leave_the_job_to_be_fetched(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("expire-url", operation="download", count=8)
    job_id = assert_kept(quick(*wish(*FOUR)), quick, sandbox)
    came = quick("resume", job_id, "--json")
    assert [item["state"] for item in came.document["items"]] == ["FETCHED"] * 4


def test_a_file_deleted_by_hand_that_is_gone_at_the_vendor_leaves_the_others_to_be_had(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    first = quick(*wish(*FOUR)).document
    Path(first["items"][1]["file"]).unlink()
    sandbox.fault("expire-url", operation="download")
    again = quick(*wish(*FOUR))
    assert again.code == 0, again
    assert [item["state"] for item in again.document["items"]][1] == "MISSING"
    assert len(again.document["files"]) == 3
    assert told_gone(again.document)[0].startswith("Result 2 is gone.")


def test_on_a_full_disk_nothing_is_submitted(
    quick: Command, sandbox: Box, wish: Wish, mount: Mount
) -> None:
    fill(mount(quick.home, 1_000_000))
    ended = quick(*wish())
    assert ended.code == 1, ended
    assert str(quick.home) in ended.error["message"]
    assert ended.error["remedy"]
    assert "Traceback" not in ended.err
    assert sandbox.calls() == []


def test_a_disk_that_fills_up_before_the_submission_costs_nothing(
    quick: Command, sandbox: Box, wish: Wish, mount: Mount
) -> None:
    assert quick(*wish()).code == 0
    paid = len(sandbox.calls())
    fill(mount(quick.home / "work", 8192))
    edits = quick.home / "edits.json"
    edits.write_text('{"unit": "frames", "removals": [{"from": 2, "to": 4}]}')
    ended = quick(*wish("fal-pipio", "--edits", edits))
    assert ended.code == 1, ended
    assert "disk is full" in ended.error["message"]
    assert ended.error["remedy"]
    assert len(sandbox.calls()) == paid
    assert quick.states()[0] == "FAILED"
    (quick.home / "work" / "filler").unlink()
    subprocess.run(["umount", str(quick.home / "work")], check=True)
    assert quick(*wish("fal-pipio", "--edits", edits)).code == 0


def test_a_disk_that_is_full_while_fetching_keeps_the_result_at_the_vendor(
    quick: Command, sandbox: Box, wish: Wish, mount: Mount
) -> None:
    results = mount(quick.home / "results", 4096)
    ended = quick(*wish())
    job_id = assert_kept(ended, quick, sandbox, code=1)
    assert "No space left" in ended.error["message"]
    subprocess.run(["umount", str(results)], check=True)
    assert quick("resume", job_id, "--json").code == 0
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


def test_a_home_that_the_result_would_fill_keeps_its_ledger(
    quick: Command, sandbox: Box, wish: Wish, mount: Mount
) -> None:
    quick.home.mkdir()
    mount(quick.home, 2_000_000)
    assert quick("jobs").code == 0  # the ledger has its room
    filler = fill(quick.home)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 300_000)
    sandbox.fault("endless-body", operation="download", count=1)
    job_id = assert_kept(quick(*wish()), quick, sandbox, code=1)
    filler.unlink()
    assert quick("resume", job_id, "--json").code == 0
    assert len(sandbox.charges()) == 1


def test_a_full_place_for_the_copy_leaves_the_result_kept_and_names_the_command(
    quick: Command, sandbox: Box, wish: Wish, mount: Mount, tmp_path: Path
) -> None:
    full = mount(tmp_path / "full", 4096)
    out = full / "out.mp4"
    ended = quick(*wish("fal-sync", "-o", out))
    assert ended.code == 1, ended
    job_id = quick.job_id()
    assert ended.error["job_id"] == job_id
    assert f"resume {job_id} -o {out} --home {quick.home}" in ended.error["remedy"]
    assert list(full.iterdir()) == []
    assert quick.states() == ["FETCHED"]
    other = tmp_path / "other.mp4"
    assert quick("resume", job_id, "-o", other).code == 0
    assert other.stat().st_size > 4096
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize(
    ("name", "makes"),
    [
        ("missing/out.mp4", None),
        ("folder.mp4", "folder"),
        ("out.mov", None),
        ("out", None),
    ],
)
def test_a_bad_place_for_the_copy_is_refused_before_anything_is_spent(
    quick: Command, sandbox: Box, wish: Wish, tmp_path: Path, name: str, makes: str | None
) -> None:
    out = tmp_path / name
    if makes:
        out.mkdir()
    ended = quick(*wish("fal-sync", "-o", out))
    assert ended.code == 2, ended
    assert ended.error["field"] == "--out"
    assert ended.error["value"] == str(out)
    assert ended.error["remedy"]
    assert sandbox.calls() == []


def test_an_input_is_never_overwritten(
    quick: Command, sandbox: Box, wish: Wish, clip: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    before = clip.read_bytes()
    assert quick(*wish("fal-sync", "-o", link)).code == 2
    assert quick(*wish("fal-sync", "-o", clip)).code == 2
    assert clip.read_bytes() == before
    assert sandbox.calls() == []


@pytest.mark.parametrize("fault", ["html-200", "wrong-type", "500", "redirect"])
@pytest.mark.parametrize("operation", ["status", "result"])
def test_a_poll_that_failed_is_not_the_end_of_the_wait(
    quick: Command, sandbox: Box, wish: Wish, fault: str, operation: str
) -> None:
    sandbox.fault(fault, operation=operation, count=2)
    ended = quick(*wish())
    assert ended.code == 0, ended
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("endpoint", ["fal-sync", "runware-pixverse"])
def test_a_vendor_that_stays_away_ends_the_wait_and_the_job_goes_on(
    quick: Command, sandbox: Box, wish: Wish, endpoint: str
) -> None:
    quick.settings(poll_outage_seconds=0.2)
    sandbox.fault("html-200", operation="status")
    ended = quick(*wish(endpoint))
    assert ended.code == 4, ended
    assert f"resume {quick.job_id()} --home {quick.home}" in ended.error["remedy"]
    assert ended.error["job_id"] == quick.job_id()
    assert quick.states() == ["ACCEPTED"]


def test_a_key_that_was_taken_back_while_the_job_runs_names_both_commands(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("bad-key", operation="status", count=1)
    ended = quick(*wish())
    assert ended.code == 3, ended
    for command in (f"login fal --home {quick.home}", f"resume {quick.job_id()}"):
        assert command in ended.error["remedy"]
    assert quick("resume", quick.job_id()).code == 0
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("fault", ["no-credit", "bad-key", "job-fails", "500"])
def test_every_error_after_the_start_of_a_job_names_it(
    quick: Command, sandbox: Box, wish: Wish, fault: str
) -> None:
    quick.settings(listing_visibility={"fal": 0})
    sandbox.fault(fault, operation="submit", count=1)
    ended = quick(*wish())
    assert ended.code in (3, 4, 5)
    assert ended.error["job_id"] == quick.job_id()
