"""Caps are checked before anything leaves the machine, and a key goes nowhere but to its vendor."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from viseme.ledger import State, utc_milliseconds

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Wish = Callable[..., tuple[object, ...]]

ENDPOINT = {"fal": "fal-sync", "aimlapi": "aimlapi-pixverse", "runware": "runware-pixverse"}
VARIABLE = {"fal": "FAL_KEY", "aimlapi": "AIML_API_KEY", "runware": "RUNWARE_API_KEY"}


@pytest.fixture
def wish(clip: Path, speech: Path) -> Wish:
    def words(endpoint: str = "fal-sync", *more: object) -> tuple[object, ...]:
        return ("run", endpoint, "--video", clip, "--audio", speech, "--json", *more)

    return words


def assert_over_budget(ended: Any, box: Box, field: str) -> None:
    assert ended.code == 6, ended
    assert ended.error["kind"] == "over_budget"
    assert ended.error["field"] == field
    assert ended.error["value"]
    assert ended.error["limit"]
    assert ended.error["remedy"]
    assert box.calls() == []


@pytest.mark.parametrize("carry", ["auto", "upload"])
def test_a_job_over_its_cap_ends_before_a_byte_was_sent(
    quick: Command, sandbox: Box, wish: Wish, carry: str
) -> None:
    quick.live(sandbox, max_usd_per_job="0.01")
    ended = quick(*wish("fal-sync", "--carry", carry))
    assert_over_budget(ended, sandbox, "max_usd_per_job")
    assert quick.states() == []


def test_caps_in_the_settings_do_not_hold_in_a_sandbox(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.settings(max_usd_per_job="0.00", max_usd_per_vendor_day={"fal": "0.00"})
    assert quick(*wish("fal-sync", "--sandbox", sandbox.control)).code == 0


@pytest.mark.parametrize("where", ["live", "sandbox"])
def test_max_usd_holds_everywhere(quick: Command, sandbox: Box, wish: Wish, where: str) -> None:
    quick.live(sandbox)
    named = ("--sandbox", sandbox.control) if where == "sandbox" else ()
    over = quick(*wish("fal-sync", *named, "--max-usd", "0.0333"))
    assert_over_budget(over, sandbox, "--max-usd")
    assert quick(*wish("fal-sync", *named, "--max-usd", "0.0334")).code == 0


def test_what_was_bought_already_is_returned_whatever_the_cap(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    named = ("--sandbox", sandbox.control)
    assert quick(*wish("fal-sync", *named)).code == 0
    again = quick(*wish("fal-sync", *named, "--max-usd", "0"))
    assert again.document["reused"] is True


def test_the_day_so_far_counts_towards_the_days_cap(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.live(sandbox, max_usd_per_vendor_day={"fal": "0.05"})
    assert quick(*wish()).code == 0
    calls = len(sandbox.calls())
    second = quick(*wish("fal-sync", "--take", 2))
    assert second.code == 6, second
    assert second.error["field"] == "max_usd_per_vendor_day"
    assert "today (UTC)" in second.error["message"]
    assert "00:00 UTC" in second.error["remedy"]
    assert len(sandbox.calls()) == calls
    # Another vendor's day is its own.
    assert quick(*wish("runware-pixverse")).code == 0


def test_the_days_cap_is_the_vendors_and_not_a_keys(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.live(sandbox, max_usd_per_vendor_day={"fal": "0.05"})
    assert quick(*wish()).code == 0
    quick.environment["FAL_KEY"] = "another-id:another-secret"
    calls = len(sandbox.calls())
    second = quick(*wish())
    assert second.code == 6, second
    assert second.error["field"] == "max_usd_per_vendor_day"
    assert len(sandbox.calls()) == calls


def test_two_commands_at_once_cannot_share_one_place_under_the_days_cap(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.live(sandbox, max_usd_per_vendor_day={"fal": "0.05"})
    running = [quick.start(*wish("fal-sync", "--take", take)) for take in (1, 2)]
    codes = sorted(process.ended().code for process in running)
    assert codes in ([0, 6], [6, 6])
    assert len(sandbox.charges()) == codes.count(0)


def test_a_job_in_doubt_counts_towards_the_days_cap_when_it_is_sent_anew(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.live(sandbox, max_usd_per_vendor_day={"fal": "0.05"})
    sandbox.fault("drop-after-accept", count=1)
    sandbox.fault("lookup-hidden")
    assert quick(*wish()).code == 5
    again = quick("resubmit", quick.job_id(), "--json")
    assert again.code == 6, again
    assert "after $0.0334 today (UTC)" in again.error["message"]
    assert quick.states() == ["UNKNOWN"]
    assert len(sandbox.calls("submit")) == 1
    quick.live(sandbox, max_usd_per_vendor_day={"fal": "0.07"})
    assert quick("resubmit", quick.job_id(), "--json").code == 0
    assert len(sandbox.charges()) == 2


def await_lapse(command: Command, job_id: str) -> None:
    """Until nobody holds the job, as far as its lease tells."""

    def has_lapsed() -> bool:
        with command.ledger() as ledger:
            return not ledger.get(job_id).is_leased(utc_milliseconds())

    wait_for(has_lapsed)


def begin_waiting(command: Command, box: Box, wish: Wish, **settings: Any) -> tuple[Any, Any]:
    """One job that keeps the only place at fal, and one in INTENT that waits for it."""
    command.live(box, concurrency={"fal": 1}, lease_seconds=5, **settings)
    box.fault("slow-queue", seconds=600, count=1)
    first = command.start(*wish())
    box.await_call("status")
    waiting = command.start(*wish("fal-sync", "--take", 2))
    waiting.await_line("waiting: 1 job of this account is at fal")
    assert command.states() == ["INTENT", "ACCEPTED"]
    return first, waiting


def test_a_job_left_before_it_was_sent_takes_nothing_of_the_days_cap(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    first, waiting = begin_waiting(quick, sandbox, wish, max_usd_per_vendor_day={"fal": "0.07"})
    waiting.kill()
    left = quick.job_id()
    first.signal(signal.SIGINT)
    assert first.ended().code == 130
    await_lapse(quick, left)
    assert quick(*wish("fal-sync", "--take", 3)).code == 0
    # Whoever comes back to it is held to the cap as anybody else.
    again = quick("resume", left, "--json")
    assert again.code == 6, again
    assert len(sandbox.calls("submit")) == 2


def test_a_process_that_stood_still_buys_nothing_over_the_days_cap(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    first, waiting = begin_waiting(quick, sandbox, wish, max_usd_per_vendor_day={"fal": "0.07"})
    still = quick.job_id()
    waiting.signal(signal.SIGSTOP)
    await_lapse(quick, still)
    other = quick.start(*wish("fal-sync", "--take", 3))
    other.await_line("waiting: 1 job of this account is at fal")
    first.signal(signal.SIGINT)
    assert first.ended().code == 130
    assert other.ended().code == 0
    waiting.signal(signal.SIGCONT)
    ended = waiting.ended()
    assert ended.code == 6, ended
    assert ended.error["field"] == "max_usd_per_vendor_day"
    with quick.ledger() as ledger:
        assert ledger.get(still).state is State.FAILED
    assert len(sandbox.calls("submit")) == 2


@pytest.mark.parametrize("cap", ["--max-usd", "max_usd_per_job", "max_usd_per_vendor_day"])
def test_an_unknown_price_is_over_every_cap(
    quick: Command, sandbox: Box, wish: Wish, cap: str
) -> None:
    values: dict[str, Any] = {}
    if cap == "max_usd_per_job":
        values[cap] = "99"
    elif cap == "max_usd_per_vendor_day":
        values[cap] = {"aimlapi": "99"}
    quick.live(sandbox, **values)
    more = ("--max-usd", "99") if cap == "--max-usd" else ()
    ended = quick(*wish("aimlapi-pixverse", *more))
    assert_over_budget(ended, sandbox, cap)
    assert "allow_unknown_price" in ended.error["remedy"]


def test_an_unknown_price_can_be_allowed(quick: Command, sandbox: Box, wish: Wish) -> None:
    quick.settings(allow_unknown_price=True)
    named = ("--sandbox", sandbox.control)
    assert quick(*wish("aimlapi-pixverse", *named, "--max-usd", "0.01")).code == 0


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "", "1,50"])
def test_a_cap_that_is_no_amount_is_refused(
    quick: Command, sandbox: Box, wish: Wish, text: str
) -> None:
    named = ("--sandbox", sandbox.control)
    ended = quick(*wish("fal-sync", *named, f"--max-usd={text}"))
    assert ended.code == 2, ended
    assert ended.error["field"] == "--max-usd"
    assert sandbox.calls() == []


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_without_a_key_the_remedy_is_a_complete_command_line(
    quick: Command, sandbox: Box, wish: Wish, vendor: str
) -> None:
    quick.live(sandbox)
    quick.environment.clear()
    ended = quick(*wish(ENDPOINT[vendor]))
    assert ended.code == 3, ended
    assert ended.error["kind"] == "credentials"
    assert f"login {vendor} --home {quick.home}" in ended.error["remedy"]
    assert VARIABLE[vendor] in ended.error["message"] + ended.error["remedy"]
    assert sandbox.calls() == []
    assert quick.states() == []


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_wrong_key_ends_as_one(quick: Command, sandbox: Box, wish: Wish, vendor: str) -> None:
    quick.live(sandbox)
    quick.environment[VARIABLE[vendor]] = "wrong-id:wrong-secret"
    ended = quick(*wish(ENDPOINT[vendor]))
    assert ended.code == 3, ended
    assert ended.error["kind"] == "credentials"
    assert VARIABLE[vendor] in ended.error["remedy"]
    assert sandbox.charges() == []
    assert quick.states() in ([], ["FAILED"])


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_wrong_key_that_is_kept_is_mended_by_a_whole_command(
    quick: Command, sandbox: Box, wish: Wish, vendor: str
) -> None:
    quick.live(sandbox)
    for name in VARIABLE.values():
        del quick.environment[name]
    kept = quick.start("login", vendor, stdin="wrong-id:wrong-secret\n").ended()
    assert kept.code == 0, kept
    ended = quick(*wish(ENDPOINT[vendor]))
    assert ended.code == 3, ended
    assert f"login {vendor} --home {quick.home}" in ended.error["remedy"]


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_an_account_without_credit_ends_as_one_and_is_not_asked_twice(
    quick: Command, sandbox: Box, wish: Wish, vendor: str
) -> None:
    sandbox.fault("no-credit")
    ended = quick(*wish(ENDPOINT[vendor], "--sandbox", sandbox.control))
    assert ended.code == 4, ended
    assert ended.error["kind"] == "out_of_credit"
    assert ended.error["remedy"]
    assert len(sandbox.calls("submit")) == 1
    assert sandbox.charges() == []
    assert quick.states() == ["FAILED"]


def test_in_a_sandbox_the_users_key_is_never_sent(quick: Command, sandbox: Box, wish: Wish) -> None:
    # The sandbox refuses a key with "wrong" in it.
    quick.environment |= dict.fromkeys(VARIABLE.values(), "wrong-id:wrong-secret")
    for endpoint in ENDPOINT.values():
        assert quick(*wish(endpoint, "--sandbox", sandbox.control)).code == 0


CANARY = "CanarySecret7f3a9"


def traces(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("vendor", ["fal", "runware"])
def test_a_key_is_in_no_output_and_in_no_file(
    quick: Command, sandbox: Box, wish: Wish, vendor: str
) -> None:
    quick.live(sandbox)
    quick.environment[VARIABLE[vendor]] = f"{CANARY}-id:{CANARY}"
    said = [quick(*wish(ENDPOINT[vendor]))]
    assert said[0].code == 0
    sandbox.fault("job-fails", count=1)
    said.append(quick(*wish(ENDPOINT[vendor], "--take", 2)))
    sandbox.fault("bad-key", operation="submit", count=1)
    said.append(quick(*wish(ENDPOINT[vendor], "--take", 3)))
    sandbox.fault("drop-after-accept", count=1)
    said.append(quick(*wish(ENDPOINT[vendor], "--take", 4)))
    said += [quick(verb) for verb in ("jobs", "spend", "doctor")]
    said += [quick("show", quick.job_id()), quick("show", quick.job_id(), "--json")]
    assert [ended.code for ended in said[1:3]] == [4, 3]
    for ended in said:
        assert CANARY not in ended.out + ended.err
    assert traces(quick.home) == []


def test_a_key_that_was_logged_in_is_in_the_one_private_file_only(
    viseme: Command, quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.live(sandbox)
    quick.environment.clear()
    stored = viseme("login", "fal", "--json", stdin=f"{CANARY}-id:{CANARY}\n")
    assert stored.code == 0, stored
    assert stored.document["is_set"] is True
    assert CANARY not in stored.out + stored.err
    assert quick(*wish()).code == 0
    assert traces(quick.home) == [quick.home / "credentials.json"]
    assert (quick.home / "credentials.json").stat().st_mode & 0o077 == 0
    gone = quick("logout", "fal", "--json")
    assert gone.document["is_set"] is False
    assert traces(quick.home) == []
    assert quick(*wish("fal-sync", "--take", 2)).code == 3


def test_no_more_jobs_of_an_account_are_at_a_vendor_than_settings_allow(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.settings(concurrency={"fal": 1})
    where = ("--sandbox", sandbox.control)
    sandbox.fault("slow-queue", seconds=600, count=1)
    first = quick.start(*wish("fal-sync", *where))
    sandbox.await_call("status")
    second = quick.start(*wish("fal-sync", *where, "--take", 2))
    second.await_line("waiting: 1 job of this account is at fal")
    assert len(sandbox.calls("submit")) == 1
    first.signal(signal.SIGINT)
    assert first.ended().code == 130
    assert second.ended().code == 0
    assert len(sandbox.calls("submit")) == 2


LEASES = {
    "its process has ended": "UPDATE jobs SET fence = fence",
    "a clock that was ahead gave it": "UPDATE jobs SET lease_owner = 'elsewhere/1', "
    "lease_until = lease_until + 86400000",
}


@pytest.mark.parametrize("lease", LEASES)
def test_a_lease_of_nobody_holds_up_neither_its_job_nor_another(
    quick: Command, sandbox: Box, wish: Wish, lease: str
) -> None:
    quick.settings(concurrency={"fal": 1})
    where = ("--sandbox", sandbox.control)
    sandbox.fault("slow-queue", seconds=600, count=1)
    first = quick.start(*wish("fal-sync", *where))
    sandbox.await_call("status")
    first.kill()
    job_id = quick.job_id()
    with contextlib.closing(sqlite3.connect(quick.home / "ledger.sqlite3")) as connection:
        connection.execute(LEASES[lease])
        connection.commit()
    second = quick.start(*wish("fal-sync", *where, "--take", 2)).ended()
    assert second.code == 0, second
    assert "waiting" not in second.err
    checked = quick("cancel", job_id, "--json")
    assert checked.code == 0, checked
    assert "another process" not in checked.err
