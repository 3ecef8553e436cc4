"""A key that is replaced strands no job, and another account's no says nothing of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Wish = Callable[..., tuple[object, ...]]

ENDPOINT = {"fal": "fal-sync", "aimlapi": "aimlapi-pixverse", "runware": "runware-pixverse"}
VARIABLE = {"fal": "FAL_KEY", "aimlapi": "AIML_API_KEY", "runware": "RUNWARE_API_KEY"}
PAGE = {"fal": "fal.ai/dashboard", "aimlapi": "aimlapi.com/app", "runware": "my.runware.ai"}
ALL = pytest.mark.parametrize("vendor", list(ENDPOINT))


@pytest.fixture
def box(unhurried_sandbox: Any) -> Any:
    return unhurried_sandbox


@pytest.fixture
def wish(clip: Path, speech: Path) -> Wish:
    def words(vendor: str = "fal", *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", ENDPOINT[vendor], *media, "--json", *more)

    return words


def replace_key(command: Command, vendor: str) -> None:
    """A new key of the same account."""
    command.environment[VARIABLE[vendor]] += "+new"


def change_account(command: Command, vendor: str) -> None:
    command.environment[VARIABLE[vendor]] = "other-id:other-secret"


def leave_at_vendor(command: Command, box: Box, words: tuple[object, ...], seconds: float) -> str:
    """The id of a job that its vendor has, and whose command was killed."""
    box.fault("slow-queue", seconds=seconds, count=1)
    running = command.start(*words)
    wait_for(lambda: command.states()[:1] in (["ACCEPTED"], ["RUNNING"]))
    running.kill()
    return str(command.job_id())


def leave_unfetched(command: Command, box: Box, words: tuple[object, ...]) -> str:
    """The id of a job that is SUCCEEDED, and whose result did not come."""
    box.fault("html-200", operation="download")
    assert command(*words).code == 4
    box.end_faults()
    assert command.states() == ["SUCCEEDED"]
    return str(command.job_id())


@ALL
def test_a_new_key_of_the_same_account_brings_home_what_the_old_one_bought(
    quick: Command, box: Box, wish: Wish, vendor: str
) -> None:
    quick.live(box)
    job_id = leave_at_vendor(quick, box, wish(vendor), seconds=0)
    replace_key(quick, vendor)
    came = quick("resume", job_id, "--json")
    assert came.code == 0, came
    assert came.document["state"] == "FETCHED"
    assert len(box.calls("submit")) == len(box.charges()) == 1


@ALL
@pytest.mark.parametrize("verb", ["resume", "check"])
def test_what_a_vendor_does_not_show_to_another_accounts_key_is_not_taken_for_absent(
    quick: Command, box: Box, wish: Wish, vendor: str, verb: str
) -> None:
    quick.live(box)
    job_id = leave_at_vendor(quick, box, wish(vendor), seconds=60)
    before, own = quick.states(), quick.environment[VARIABLE[vendor]]
    named = str(next(iter(quick("show", job_id, "--json").document["vendor_ids"].values())))
    change_account(quick, vendor)
    for _ in range(2):
        ended = quick(verb, job_id, "--json")
        assert ended.code == 3, ended
        assert (ended.error["job_id"], ended.error["field"]) == (job_id, VARIABLE[vendor])
        remedy = ended.error["remedy"]
        assert all(text in remedy for text in ("unset it", PAGE[vendor], named))
        assert "same command" not in remedy
        assert quick.states() == before
    assert len(box.calls("submit")) == 1
    quick.environment[VARIABLE[vendor]] = own
    assert quick("check", job_id, "--json").code == 0


@ALL
def test_a_key_that_was_revoked_ends_as_one_and_the_new_one_goes_on(
    quick: Command, box: Box, wish: Wish, vendor: str
) -> None:
    quick.live(box)
    job_id = leave_at_vendor(quick, box, wish(vendor), seconds=0)
    before = quick.states()
    box.fault("bad-key")
    for change in (None, replace_key):
        if change is not None:
            change(quick, vendor)
        ended = quick("resume", job_id, "--json")
        assert ended.code == 3, ended
        assert f"resume {job_id} --home {quick.home}" in ended.error["remedy"]
        # With the key that is to be set it would be another purchase.
        assert "same command" not in ended.error["remedy"]
        assert quick.states() == before
    box.end_faults()
    assert quick("resume", job_id, "--json").code == 0
    assert len(box.charges()) == 1


@pytest.mark.parametrize("change", [replace_key, change_account, None])
@pytest.mark.parametrize("vendor", ["fal", "runware"])
def test_a_result_whose_address_is_known_needs_no_key(
    quick: Command, box: Box, wish: Wish, vendor: str, change: Callable[..., None] | None
) -> None:
    quick.live(box)
    job_id = leave_unfetched(quick, box, wish(vendor))
    if change is None:
        quick.environment.clear()
    else:
        change(quick, vendor)
    asked = len(box.calls("status")) + len(box.calls("result"))
    came = quick("resume", job_id, "--json")
    assert came.code == 0, came
    # One that was deleted by hand comes again the same way.
    Path(came.document["files"][0]).unlink()
    again = quick("resume", job_id, "--json")
    assert again.code == 0, again
    assert len(box.calls("status")) + len(box.calls("result")) == asked
    assert len(box.charges()) == 1


@pytest.mark.parametrize("change", [change_account, None])
def test_a_result_that_moved_stays_to_be_fetched_by_a_key_that_sees_it(
    quick: Command, box: Box, wish: Wish, change: Callable[..., None] | None
) -> None:
    quick.live(box)
    job_id, own = leave_unfetched(quick, box, wish()), dict(quick.environment)
    if change is None:
        quick.environment.clear()
    else:
        change(quick, "fal")
    box.fault("expire-url", operation="download", count=1)
    ended = quick("resume", job_id, "--json")
    assert ended.code == 3, ended
    assert f"resume {job_id} --home {quick.home}" in ended.error["remedy"]
    assert "same command" not in ended.error["remedy"]
    assert quick.states() == ["SUCCEEDED"]
    quick.environment |= own
    replace_key(quick, "fal")
    box.fault("expire-url", operation="download", count=1)
    assert quick("resume", job_id, "--json").code == 0


@ALL
@pytest.mark.parametrize("change", [replace_key, change_account])
def test_a_job_in_doubt_is_left_to_its_own_key(
    quick: Command, box: Box, wish: Wish, vendor: str, change: Callable[..., None]
) -> None:
    quick.live(box)
    box.fault("drop-after-accept")
    box.fault("lookup-hidden")
    assert quick(*wish(vendor)).code == 5
    job_id, before = quick.job_id(), quick.states()
    box.end_faults()
    calls = len(box.calls())
    change(quick, vendor)
    for verb in ("resume", "check", "resubmit"):
        ended = quick(verb, job_id, "--json")
        assert ended.code == 3, ended
        assert f"discard {job_id} --home {quick.home}" in ended.error["remedy"]
        assert PAGE[vendor] in ended.error["remedy"]
        assert quick.states() == before
    assert len(box.calls()) == calls
    assert quick("discard", job_id, "--json").code == 0


def leave_withheld(command: Command, box: Box, wish: Wish) -> str:
    """The id of a job in doubt that its vendor once named."""
    command.live(box, poll_outage_seconds=0.2)
    box.fault("500", operation="result")
    assert command(*wish()).code == 5
    box.end_faults()
    assert command.states() == ["UNKNOWN"]
    return str(command.job_id())


def test_a_doubt_of_what_the_vendor_named_is_settled_by_a_new_key_of_the_account(
    quick: Command, box: Box, wish: Wish
) -> None:
    job_id = leave_withheld(quick, box, wish)
    replace_key(quick, "fal")
    # It sees the job, and what it sent would be its own purchase.
    refused = quick("resubmit", job_id, "--json")
    assert refused.code == 3, refused
    assert quick.states() == ["UNKNOWN"]
    assert quick("resume", job_id, "--json").code == 0
    assert len(box.calls("submit")) == len(box.charges()) == 1


def test_a_doubt_of_what_the_vendor_named_is_not_judged_by_another_accounts_key(
    quick: Command, box: Box, wish: Wish
) -> None:
    job_id = leave_withheld(quick, box, wish)
    change_account(quick, "fal")
    for verb in ("resume", "check", "resubmit"):
        assert quick(verb, job_id, "--json").code == 3
        assert quick.states() == ["UNKNOWN"]
    assert box.calls("list") == []


def test_a_job_is_cancelled_by_a_new_key_of_its_account_and_by_no_other(
    quick: Command, box: Box, wish: Wish
) -> None:
    quick.live(box)
    job_id = leave_at_vendor(quick, box, wish(), seconds=60)
    own, before = dict(quick.environment), quick.states()
    change_account(quick, "fal")
    assert quick("cancel", job_id, "--json").code == 3
    assert quick.states() == before
    assert box.calls("cancel") == []
    quick.environment |= own
    replace_key(quick, "fal")
    assert quick("cancel", job_id, "--json").code == 0
    assert quick.states() == ["CANCELLED"]


def test_a_job_that_was_never_sent_is_sent_by_its_own_key_or_given_up(
    quick: Command, box: Box, wish: Wish
) -> None:
    quick.live(box)
    box.fault("stall", operation="upload-token", seconds=600)
    running = quick.start(*wish("fal", "--carry", "upload"))
    box.await_call("upload-token")
    running.kill()
    box.end_faults()
    job_id = quick.job_id()
    assert quick.states() == ["PLANNED"]
    replace_key(quick, "fal")
    ended = quick("resume", job_id, "--json")
    assert ended.code == 3, ended
    assert f"cancel {job_id} --home {quick.home}" in ended.error["remedy"]
    assert quick("cancel", job_id, "--json").code == 0
    assert quick.states() == ["CANCELLED"]
    assert box.charges() == []
