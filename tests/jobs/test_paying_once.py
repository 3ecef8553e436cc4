"""One purchase is paid for once, whatever is repeated, lost or killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from viseme.ledger import Outcome, State

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
StartSandbox = Callable[..., Any]

# Who does not wait for a vendor's list to show a job knows at once that nobody knows.
AT_ONCE = {"fal": 0, "aimlapi": 0, "runware": 0}
ENDPOINT = {"fal": "fal-sync", "aimlapi": "aimlapi-pixverse", "runware": "runware-pixverse"}


@pytest.fixture
def wish(clip: Path, speech: Path) -> Callable[..., tuple[object, ...]]:
    """``wish("fal")`` is the command line of one lip-sync at that vendor."""

    def words(vendor: str = "fal", *more: object) -> tuple[object, ...]:
        return ("run", ENDPOINT[vendor], "--video", clip, "--audio", speech, *more)

    return words


Wish = Callable[..., tuple[object, ...]]


def test_the_same_command_again_is_free_says_so_and_submits_nothing(
    quick: Command, sandbox: Box, wish: Wish, tmp_path: Path
) -> None:
    command = wish("fal", "--sandbox", sandbox.control, "-o", tmp_path / "out.mp4")
    first = quick(*command)
    (tmp_path / "out.mp4").unlink()
    calls = len(sandbox.calls())
    second = quick(*command)
    assert (first.code, second.code) == (0, 0)
    assert "already bought, nothing was spent now" not in first.out
    assert "already bought, nothing was spent now" in second.out
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert len(sandbox.calls()) == calls
    assert len(sandbox.charges()) == 1


def test_delivery_arguments_and_carry_make_no_new_purchase(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    command = wish("fal", "--sandbox", sandbox.control, "--json")
    first = quick(*command).document
    other = ("--set", "webhook=https://example.com/hook", "--set", "logs=false")
    again = quick(*command, *other, "--carry", "upload").document
    assert again["id"] == first["id"]
    assert again["reused"] is True
    assert len(sandbox.charges()) == 1


def test_another_take_argument_or_clip_buys_another(
    quick: Command, sandbox: Box, wish: Wish, media: Any
) -> None:
    command = wish("fal", "--sandbox", sandbox.control, "--json")
    ids = {quick(*command).document["id"]}
    ids.add(quick(*command, "--take", 2).document["id"])
    ids.add(quick(*command, "--set", "sync_mode=loop").document["id"])
    changed = list(command)
    changed[3] = media.clip(frames=13)
    ids.add(quick(*changed).document["id"])
    assert len(ids) == len(sandbox.charges()) == 4
    assert quick(*command, "--take", 2).document["reused"] is True
    assert len(sandbox.charges()) == 4


def test_the_same_bytes_under_another_name_are_the_same_purchase(
    quick: Command, sandbox: Box, wish: Wish, clip: Path, tmp_path: Path
) -> None:
    command = wish("fal", "--sandbox", sandbox.control, "--json")
    assert quick(*command).code == 0
    copy = tmp_path / "renamed.mp4"
    copy.write_bytes(clip.read_bytes())
    renamed = list(command)
    renamed[3] = copy
    assert quick(*renamed).document["reused"] is True
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("vendor", ["fal", "runware"])
def test_what_was_tried_in_the_sandbox_is_still_bought_live(
    quick: Command, sandbox: Box, slow_sandbox: Box, wish: Wish, vendor: str
) -> None:
    assert quick(*wish(vendor, "--sandbox", sandbox.control)).code == 0
    quick.live(slow_sandbox)
    live = quick(*wish(vendor, "--json"))
    assert live.code == 0, live
    assert live.document["reused"] is False
    assert live.document["destination"] == "live"
    assert quick(*wish(vendor, "--json")).document["reused"] is True
    assert len(sandbox.charges()) == len(slow_sandbox.charges()) == 1


def test_another_account_buys_its_own(quick: Command, sandbox: Box, wish: Wish) -> None:
    quick.live(sandbox)
    assert quick(*wish()).code == 0
    quick.environment["FAL_KEY"] = "another-id:another-secret"
    assert quick(*wish("fal", "--json")).document["reused"] is False
    assert len(sandbox.charges()) == 2


def test_a_home_that_lost_its_account_key_buys_nothing_a_second_time(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    command = wish("fal", "--sandbox", sandbox.control, "--json")
    assert quick(*command).code == 0
    key, backup = quick.home / "account.key", quick.home / "account.key.bak"
    key.rename(backup)
    refused = quick(*command)
    assert refused.code == 1, refused
    assert refused.error["value"] == str(key)
    assert not key.exists()
    assert len(sandbox.charges()) == 1
    key.write_text("5" * 64)
    assert quick("resume", quick.job_id(), "--json").code == 0
    backup.replace(key)
    assert quick(*command).document["reused"] is True
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_command_killed_once_accepted_is_attached_to(
    quick: Command, slow_sandbox: Box, wish: Wish, vendor: str
) -> None:
    command = wish(vendor, "--sandbox", slow_sandbox.control, "--json")
    running = quick.start(*command)
    slow_sandbox.await_call("status")
    running.kill()
    assert quick.states()[0] in ("ACCEPTED", "RUNNING")
    again = quick(*command)
    assert again.code == 0, again
    assert again.document["reused"] is True
    assert len(slow_sandbox.calls("submit")) == len(slow_sandbox.charges()) == 1


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_command_killed_while_its_answer_is_on_the_way_buys_nothing_twice(
    quick: Command, slow_sandbox: Box, wish: Wish, vendor: str
) -> None:
    slow_sandbox.fault("answer-late", operation="submit", seconds=2, count=1)
    command = wish(vendor, "--sandbox", slow_sandbox.control, "--json")
    running = quick.start(*command)
    slow_sandbox.await_charge()
    running.kill()
    assert quick.states() == ["SENT"]
    again = quick(*command)
    assert again.code == 0, again
    assert len(slow_sandbox.charges()) == 1


def test_a_command_killed_before_it_sent_anything_is_begun_again(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("stall", operation="upload", seconds=5, count=1)
    command = wish("fal", "--sandbox", sandbox.control, "--json", "--carry", "upload")
    running = quick.start(*command)
    sandbox.await_call("upload")
    running.kill()
    assert quick.states() == ["PLANNED"]
    again = quick(*command)
    assert again.code == 0, again
    assert len(quick.states()) == len(sandbox.charges()) == 1


def test_a_sandbox_killed_and_back_on_other_ports_loses_nothing(
    quick: Command, start_sandbox: StartSandbox, wish: Wish
) -> None:
    box = start_sandbox("--time-scale", "0.1", "--no-render", home=quick.home)
    running = quick.start(*wish("fal", "--sandbox", box.control, "--json"))
    box.await_call("status")
    before = dict(box.urls)
    box.kill()
    box.start()
    assert box.urls["fal.queue"] != before["fal.queue"]
    assert box.urls["control"] != before["control"]
    ended = running.ended()
    assert ended.code == 0, ended
    assert ended.document["destination"] == before["sandbox_id"]
    assert len(box.charges()) == 1


def test_the_homes_own_sandbox_killed_is_started_again_by_who_needs_it(
    quick: Command, start_sandbox: StartSandbox, wish: Wish
) -> None:
    box = start_sandbox("--time-scale", "0.1", "--no-render", home=quick.home)
    running = quick.start(*wish("fal", "--sandbox", "--json"))
    box.await_call("status")
    box.kill()
    ended = running.ended()
    assert ended.code == 0, ended
    own = quick.own_sandbox()
    assert own is not None
    charges = httpx.get(f"{own['control']}/_sandbox/charges", trust_env=False).json()["charges"]
    assert len(charges) == 1


def test_a_job_of_a_sandbox_that_moved_is_found_by_its_new_address(
    quick: Command, start_sandbox: StartSandbox, wish: Wish
) -> None:
    box = start_sandbox("--time-scale", "0.1", "--no-render")
    running = quick.start(*wish("fal", "--sandbox", box.control))
    box.await_call("status")
    running.kill()
    box.kill()
    lost = quick("resume", quick.job_id(), "--json")
    assert lost.code == 2
    assert lost.error["field"] == "--sandbox"
    assert box.urls["sandbox_id"] in lost.error["limit"]
    box.start()
    ended = quick("resume", quick.job_id(), "--sandbox", box.control, "--json")
    assert ended.code == 0, ended
    assert len(box.charges()) == 1


def test_two_commands_at_once_pay_once_and_both_get_the_file(
    quick: Command, slow_sandbox: Box, wish: Wish, tmp_path: Path
) -> None:
    command = wish("fal", "--sandbox", slow_sandbox.control, "--json")
    outs = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    running = [quick.start(*command, "-o", out) for out in outs]
    ended = [process.ended() for process in running]
    assert [end.code for end in ended] == [0, 0], ended
    assert sorted(end.document["reused"] for end in ended) == [False, True]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert len(slow_sandbox.calls("submit")) == len(slow_sandbox.charges()) == 1
    assert quick.states() == ["FETCHED"]


def assert_in_doubt(ended: Any, command: Command) -> str:
    """Exit 5, UNKNOWN in the ledger, and the three choices as complete command lines."""
    assert ended.code == 5, ended
    assert ended.error["kind"] == "outcome_unknown"
    job_id = str(ended.error["job_id"])
    for verb in ("check", "resubmit", "discard"):
        assert f"{verb} {job_id} --home {command.home}" in ended.error["remedy"]
    assert command.states() == ["UNKNOWN"]
    assert "Traceback" not in ended.err
    return job_id


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_a_lost_answer_is_looked_up_and_never_buys_twice(
    quick: Command, slow_sandbox: Box, wish: Wish, vendor: str
) -> None:
    slow_sandbox.fault("drop-after-accept", count=1)
    ended = quick(*wish(vendor, "--sandbox", slow_sandbox.control, "--json"))
    assert ended.code == 0, ended
    assert len(slow_sandbox.charges()) == 1
    charged = slow_sandbox.charges()[0]["vendor_id"]
    assert charged in ended.document["vendor_ids"].values()


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_an_answer_that_comes_after_the_time_limit_is_looked_up(
    quick: Command, slow_sandbox: Box, wish: Wish, vendor: str
) -> None:
    quick.settings(submit_timeout_seconds=0.3)
    slow_sandbox.fault("answer-late", operation="submit", seconds=3, count=1)
    ended = quick(*wish(vendor, "--sandbox", slow_sandbox.control, "--json"))
    assert ended.code == 0, ended
    assert len(slow_sandbox.charges()) == 1


@pytest.mark.parametrize(
    ("vendor", "fault"),
    [("fal", "html-200"), ("aimlapi", "truncate"), ("runware", "wrong-type")],
)
def test_an_answer_that_cannot_be_read_is_looked_up(
    quick: Command, slow_sandbox: Box, wish: Wish, vendor: str, fault: str
) -> None:
    slow_sandbox.fault(fault, operation="submit", count=1)
    ended = quick(*wish(vendor, "--sandbox", slow_sandbox.control, "--json"))
    assert ended.code == 0, ended
    assert len(slow_sandbox.charges()) == 1


@pytest.mark.parametrize("fault", ["500", "503", "drop-before-accept"])
@pytest.mark.parametrize("vendor", ["fal", "aimlapi"])
def test_a_submission_that_may_have_arrived_is_never_repeated_by_itself(
    quick: Command, sandbox: Box, wish: Wish, vendor: str, fault: str
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    sandbox.fault(fault, operation="submit", count=1)
    command = wish(vendor, "--sandbox", sandbox.control, "--json")
    assert_in_doubt(quick(*command), quick)
    assert len(sandbox.calls("submit")) == 1
    assert sandbox.charges() == []
    assert_in_doubt(quick(*command), quick)  # the same command again does not buy either
    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize("fault", ["500", "503", "drop-before-accept", "drop-after-accept"])
def test_runware_is_sent_the_same_task_again_since_it_takes_each_once(
    quick: Command, sandbox: Box, wish: Wish, fault: str
) -> None:
    sandbox.fault(fault, operation="submit", count=2)
    ended = quick(*wish("runware", "--sandbox", sandbox.control, "--json"))
    assert ended.code == 0, ended
    assert len(sandbox.charges()) == 1
    with quick.ledger() as ledger:
        submissions = ledger.submissions(ended.document["id"])
    assert [entry.outcome for entry in submissions][-1] is Outcome.ACCEPTED
    assert len({entry.token for entry in submissions}) == 1


@pytest.mark.parametrize("fault", ["503", "drop-before-accept"])
def test_a_runware_that_stays_down_ends_the_command_and_not_the_patience(
    quick: Command, sandbox: Box, wish: Wish, fault: str
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    sandbox.fault(fault, operation="submit")
    words = wish("runware", "--sandbox", sandbox.control, "--json")
    ended = quick.start(*words).ended()
    assert_in_doubt(ended, quick)
    assert "gave no answer and does not show the task" in ended.error["message"]
    assert sandbox.charges() == []
    assert len(sandbox.calls("submit")) <= 6
    assert len(sandbox.calls("upload")) <= 4
    sandbox.reset()
    assert quick(*words).code == 0
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("refusal", [None, "429", "no-credit"])
def test_a_task_that_runware_took_and_denied_stays_in_doubt_and_is_not_bought_again(
    quick: Command, sandbox: Box, wish: Wish, refusal: str | None
) -> None:
    """Its look-up may be wrong: nobody is told that nothing was bought, also where a later try was
    refused, and the next command sends the same task."""
    quick.settings(listing_visibility=AT_ONCE)
    words = wish("runware", "--sandbox", sandbox.control, "--json")
    sandbox.fault("answer-late", operation="submit", seconds=2, count=1)
    running = quick.start(*words)
    sandbox.await_charge()
    running.kill()
    sandbox.fault("lookup-hidden")
    if refusal == "429":
        sandbox.fault("429", operation="submit", seconds=0, count=1)
    sandbox.fault("no-credit" if refusal == "no-credit" else "503", operation="submit")
    denied = quick(*words)
    job_id = assert_in_doubt(denied, quick)
    assert "does not show" in denied.error["message"]
    assert ("refused the last try" in denied.error["message"]) == (refusal == "no-credit")
    assert_in_doubt(quick("check", job_id, "--json"), quick)
    assert len(sandbox.charges()) == 1
    sandbox.end_faults()
    ended = quick(*words)
    assert ended.code == 0, ended
    assert ended.document["id"] == job_id
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("fault", ["job-fails", "no-credit"])
def test_a_task_that_runware_answered_for_is_bought_anew_under_another_name(
    quick: Command, sandbox: Box, wish: Wish, fault: str
) -> None:
    words = wish("runware", "--sandbox", sandbox.control, "--json")
    sandbox.fault(fault, count=1)
    assert quick(*words).code == 4
    assert quick(*words).code == 0
    with quick.ledger() as ledger:
        tokens = [job.request_token for job in ledger.list()]
    assert len(set(tokens)) == len(tokens) == 2


@pytest.mark.parametrize("vendor", ["fal", "aimlapi"])
def test_check_finds_a_job_that_the_vendor_had_hidden(
    quick: Command, sandbox: Box, wish: Wish, vendor: str
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    sandbox.fault("drop-after-accept", count=1)
    sandbox.fault("lookup-hidden", operation="list")
    command = wish(vendor, "--sandbox", sandbox.control, "--json")
    job_id = assert_in_doubt(quick(*command), quick)
    assert_in_doubt(quick("check", job_id, "--json"), quick)
    sandbox.end_faults()
    # fal lists ended requests only, so it may take a moment more.
    found = poll(lambda: quick("check", job_id, "--json"), lambda ended: ended.code == 0)
    assert found.document["state"] in ("ACCEPTED", "RUNNING", "FETCHED")
    ended = quick(*command)
    assert ended.code == 0, ended
    assert ended.document["id"] == job_id
    assert len(sandbox.calls("submit")) == len(sandbox.charges()) == 1


@pytest.mark.parametrize("more", [(), ("--set", "store_io=false")])
def test_a_result_that_the_vendor_keeps_failing_to_give_is_in_doubt_and_not_bought_again(
    quick: Command, sandbox: Box, wish: Wish, more: tuple[str, ...]
) -> None:
    """fal says that the job ended and tells no error: it may be charged, and did not fail. It is
    asked for by its id, which is known also where no list keeps what was sent."""
    quick.settings(listing_visibility=AT_ONCE, poll_outage_seconds=0.2)
    words = wish("fal", "--sandbox", sandbox.control, "--json", *more)
    sandbox.fault("500", operation="result")
    for _ in range(2):
        withheld = quick(*words)
        assert_in_doubt(withheld, quick)
        assert "does not give its result" in withheld.error["message"]
    sandbox.end_faults()
    assert quick(*words).code == 0
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.calls("submit")) == len(sandbox.charges()) == 1


@pytest.mark.parametrize("vendor", ["fal", "aimlapi"])
def test_a_job_that_was_accepted_is_asked_for_by_its_id_and_needs_no_list(
    quick: Command, slow_sandbox: Box, wish: Wish, vendor: str
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    slow_sandbox.fault("slow-queue", seconds=60, count=1)
    slow_sandbox.fault("lookup-hidden", operation="list")
    running = quick.start(*wish(vendor, "--sandbox", slow_sandbox.control, "--json"))
    slow_sandbox.await_call("status")
    running.kill()
    job_id = quick.job_id()
    with quick.ledger() as ledger:  # as when the vendor did not know it for a while
        ledger.move(job_id, State.UNKNOWN)
    found = quick("check", job_id, "--sandbox", slow_sandbox.control, "--json")
    assert found.code == 0, found
    assert found.document["state"] in ("ACCEPTED", "RUNNING")
    assert len(slow_sandbox.calls("submit")) == len(slow_sandbox.charges()) == 1


def test_a_first_submission_that_failed_does_not_end_a_second_one_in_doubt(
    quick: Command, slow_sandbox: Box, wish: Wish
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    slow_sandbox.fault("slow-queue", seconds=60, count=1)
    command = wish("fal", "--sandbox", slow_sandbox.control, "--json")
    running = quick.start(*command)
    slow_sandbox.await_call("status")
    running.kill()
    job_id = quick.job_id()
    httpx.put(  # by the vendor's own page
        slow_sandbox.urls["fal.queue"] + the_cancel_path(quick),
        headers={"Authorization": "Key sandbox-id:sandbox-secret"},
    )
    with quick.ledger() as ledger:
        ledger.move(job_id, State.UNKNOWN)
        ledger.move(job_id, State.INTENT, request_token="second")
        ledger.begin_submission(job_id)
        ledger.end_submission(job_id, 2, Outcome.UNKNOWN, to=State.UNKNOWN)
    ended = quick(*command)
    assert_in_doubt(ended, quick)


def test_a_job_in_doubt_that_cannot_be_sent_anew_is_still_told_to_be_in_doubt(
    quick: Command, start_sandbox: StartSandbox, wish: Wish
) -> None:
    box = start_sandbox("--time-scale", "0", "--no-render", home=quick.home)
    quick.settings(listing_visibility=AT_ONCE)
    box.fault("drop-before-accept", count=1)
    words = wish("fal", "--sandbox", box.control, "--carry", "upload", "--json")
    job_id = assert_in_doubt(quick(*words), quick)
    box.fault("503", operation="upload-token")
    again = quick("resubmit", job_id, "--json")
    assert assert_in_doubt(again, quick) == job_id
    assert box.charges() == []


def the_cancel_path(command: Command) -> str:
    with command.ledger() as ledger:
        return str((ledger.get(command.job_id()).vendor_ids or {})["cancel_path"])


def poll(ask: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    for _ in range(50):
        answer = ask()
        if is_done(answer):
            return answer
    raise AssertionError(answer)


@pytest.mark.parametrize("vendor", ["fal", "aimlapi"])
def test_resubmit_sends_a_job_in_doubt_anew_on_the_users_word(
    quick: Command, sandbox: Box, wish: Wish, vendor: str, tmp_path: Path
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    sandbox.fault("drop-before-accept", count=1)
    command = wish(vendor, "--sandbox", sandbox.control, "--json")
    job_id = assert_in_doubt(quick(*command), quick)
    out = tmp_path / "out.mp4"
    again = quick("resubmit", job_id, "-o", out, "--json")
    assert again.code == 0, again
    assert again.document["id"] == job_id
    assert out.exists()
    assert len(sandbox.charges()) == 1
    assert quick(*command).document["reused"] is True
    assert quick("resubmit", job_id, "--json").code == 2
    assert len(sandbox.charges()) == 1


def test_discard_gives_a_job_in_doubt_up_and_the_same_command_buys_anew(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    sandbox.fault("drop-before-accept", count=1)
    command = wish("fal", "--sandbox", sandbox.control, "--json")
    job_id = assert_in_doubt(quick(*command), quick)
    gone = quick("discard", job_id, "--json")
    assert gone.code == 0
    assert gone.document["state"] == "DISCARDED"
    assert quick("discard", job_id, "--json").code == 2
    bought = quick(*command)
    assert bought.code == 0
    assert bought.document["id"] != job_id
    assert quick.states() == ["FETCHED", "DISCARDED"]
    assert len(sandbox.charges()) == 1


def test_two_who_discard_a_job_at_once_are_told_alike_and_nothing_is_broken(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    sandbox.fault("drop-before-accept", count=1)
    job_id = assert_in_doubt(quick(*wish("fal", "--sandbox", sandbox.control, "--json")), quick)
    both = [quick.start("discard", job_id, "--json") for _ in range(2)]
    assert sorted(one.ended().code for one in both) == [0, 2]
    assert quick.states() == ["DISCARDED"]


@pytest.mark.parametrize("verb", ["resubmit", "discard"])
def test_only_a_job_in_doubt_is_resubmitted_or_discarded(
    quick: Command, sandbox: Box, wish: Wish, verb: str
) -> None:
    assert quick(*wish("fal", "--sandbox", sandbox.control)).code == 0
    refused = quick(verb, quick.job_id(), "--json")
    assert refused.code == 2
    assert refused.error["field"] == "job"
    assert quick.states() == ["FETCHED"]
    assert len(sandbox.charges()) == 1


def test_a_job_of_which_the_vendor_was_told_to_keep_nothing_stays_unknown(
    quick: Command, slow_sandbox: Box, wish: Wish
) -> None:
    slow_sandbox.fault("drop-after-accept", count=1)
    command = wish("fal", "--sandbox", slow_sandbox.control, "--json", "--set", "store_io=false")
    job_id = assert_in_doubt(quick(*command), quick)
    assert len(slow_sandbox.charges()) == 1
    (warning,) = quick("show", job_id, "--json").document["warnings"]
    assert "store_io is off" in warning


def test_a_job_that_never_arrived_is_not_taken_for_another_with_the_same_media(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.settings(listing_visibility=AT_ONCE)
    command = wish("fal", "--sandbox", sandbox.control, "--json")
    assert quick(*command).code == 0
    sandbox.fault("drop-before-accept", count=1)
    assert quick(*command, "--take", 2).code == 5
    assert quick.states() == ["UNKNOWN", "FETCHED"]
    assert len(sandbox.charges()) == 1


def test_a_job_whose_answer_was_lost_is_not_taken_for_another_with_the_same_media(
    quick: Command, slow_sandbox: Box, wish: Wish
) -> None:
    command = wish("fal", "--sandbox", slow_sandbox.control, "--json")
    first = quick(*command).document
    slow_sandbox.fault("drop-after-accept", count=1)
    ended = quick(*command, "--take", 2)
    assert ended.code == 0, ended
    assert ended.document["vendor_ids"] != first["vendor_ids"]
    assert len(slow_sandbox.charges()) == 2


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
def test_too_many_requests_are_waited_out(
    quick: Command, sandbox: Box, wish: Wish, vendor: str
) -> None:
    sandbox.fault("429", operation="submit", count=2, seconds=0)
    ended = quick(*wish(vendor, "--sandbox", sandbox.control, "--json"))
    assert ended.code == 0, ended
    assert len(sandbox.charges()) == 1


@pytest.mark.parametrize("vendor", ["fal", "aimlapi", "runware"])
@pytest.mark.parametrize("fault", ["job-fails", "reject-content"])
def test_a_failed_job_is_over_and_the_same_command_buys_anew(
    quick: Command, sandbox: Box, wish: Wish, vendor: str, fault: str
) -> None:
    sandbox.fault(fault, count=1)
    command = wish(vendor, "--sandbox", sandbox.control, "--json")
    failed = quick(*command)
    assert failed.code == 4, failed
    assert failed.error["kind"] in ("job_failed", "content_rejected")
    assert failed.error["remedy"]
    assert failed.error["job_id"]
    assert sandbox.charges() == []
    assert quick(*command).code == 0
    assert quick.states() == ["FETCHED", "FAILED"]
    assert len(sandbox.charges()) == 1


def test_a_vendor_that_cannot_be_reached_is_sent_nothing_and_owed_nothing(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.live(sandbox)
    quick.settings(base_urls={**sandbox.base_urls, "fal.queue": "http://127.0.0.1:9"})
    ended = quick(*wish("fal", "--json"))
    assert ended.code == 4, ended
    assert ended.error["kind"] == "not_sent"
    assert quick.states() == [State.FAILED.value]
    assert sandbox.charges() == []
