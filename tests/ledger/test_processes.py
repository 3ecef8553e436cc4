"""Several real processes with one ledger file, and processes that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from viseme.ledger import Ledger, NewJob, Outcome, State

Make = Callable[..., NewJob]
Start = Callable[..., "subprocess.Popen[str]"]

PREPARE = """
import json, os, sys, time
from decimal import Decimal
from pathlib import Path
from viseme.ledger import Ledger, NewItem, NewJob, Outcome, State
from viseme.model import Quote, Vendor

path = Path(sys.argv[1])

def new_job(fingerprint):
    quote = Quote(Decimal("0.10"), Decimal("0.25"), "per second")
    return NewJob(fingerprint, "fal-sync", Vendor.FAL, "live", "account-1", quote)
"""

CLAIM = (
    PREPARE
    + """
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
claims = []
with Ledger.open(path) as ledger:
    for number in range(int(sys.argv[3])):
        record, is_new = ledger.claim(new_job(f"f{number}"))
        lease = ledger.acquire_lease(record.id, str(os.getpid()), 60)
        claims.append([record.id, is_new, lease is not None])
print(json.dumps(claims))
"""
)


def outputs(processes: list[subprocess.Popen[str]]) -> list[Any]:
    results = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
        results.append(json.loads(stdout))
    return results


def test_of_four_processes_that_claim_the_same_one_wins_each(
    tmp_path: Path, path: Path, start_program: Start
) -> None:
    # The file does not exist either: all four try to create it at once.
    gate, count = tmp_path / "gate", 150
    processes = [start_program(CLAIM, path, gate, count) for _ in range(4)]
    gate.touch()
    results = outputs(processes)
    for claims in zip(*results, strict=True):
        assert len({job_id for job_id, _, _ in claims}) == 1
        assert sum(is_new for _, is_new, _ in claims) == 1
        assert sum(has_lease for _, _, has_lease in claims) == 1
    with Ledger.open(path) as ledger:
        assert len(ledger.list()) == count
        assert ledger.integrity_problems() == ()


TAKE_TURNS = (
    PREPARE
    + """
held = []
with Ledger.open(path) as ledger:
    for number in range(40):
        record, _ = ledger.claim(new_job(f"{os.getpid()}-{number}"))
        ledger.move(record.id, State.INTENT)
        ledger.acquire_lease(record.id, str(os.getpid()), 60)
        held.append(record.id)
    while not Path(sys.argv[2]).exists():
        time.sleep(0.001)
    begun = [ledger.begin_submission_in_turn(job_id, 7) is not None for job_id in held]
print(json.dumps(begun))
"""
)


def test_no_more_are_let_through_than_may_be_at_a_vendor_however_many_ask_at_once(
    tmp_path: Path, path: Path, start_program: Start
) -> None:
    gate = tmp_path / "gate"
    processes = [start_program(TAKE_TURNS, path, gate) for _ in range(4)]
    gate.touch()
    begun = [each for result in outputs(processes) for each in result]
    assert (len(begun), sum(begun)) == (160, 7)
    with Ledger.open(path) as ledger:
        assert len(ledger.list(states=[State.SENT])) == 7


def test_what_is_over_left_alone_or_of_another_account_takes_nobodys_turn(
    ledger: Ledger, new_job: Make
) -> None:
    jobs = [ledger.claim(new_job(name))[0].id for name in ("left", "ended", "mine", "next")]
    jobs.append(ledger.claim(new_job("other", account="account-2"))[0].id)
    for job_id in jobs:
        ledger.move(job_id, State.INTENT)
    left, ended, mine, following, other = jobs
    for job_id in (ended, mine, other):
        ledger.acquire_lease(job_id, "somebody", 60)
    for job_id in (left, ended, other):
        ledger.begin_submission(job_id)
    ledger.end_submission(ended, 1, Outcome.REFUSED, to=State.FAILED)
    assert ledger.begin_submission_in_turn(mine, 1) is not None
    assert ledger.begin_submission_in_turn(following, 1) is None
    assert ledger.get(following).state is State.INTENT


def test_who_is_gone_or_had_a_clock_ahead_takes_nobodys_turn(
    ledger: Ledger, new_job: Make, clock: Any
) -> None:
    gone, ahead, lives, following = (
        ledger.claim(new_job(name))[0].id for name in ("gone", "ahead", "lives", "following")
    )
    for job_id in (gone, ahead, lives, following):
        ledger.move(job_id, State.INTENT)
    clock.pass_seconds(86_400)
    ledger.acquire_lease(ahead, "elsewhere/1", 60)
    clock.pass_seconds(-86_400)
    ledger.acquire_lease(gone, "here/1", 60)
    for job_id in (gone, ahead):
        ledger.begin_submission(job_id)

    def is_gone(owner: str) -> bool:
        return owner == "here/1"

    ledger.acquire_lease(lives, "here/2", 60)
    assert ledger.begin_submission_in_turn(lives, 1) is None, "nobody knows that it is gone"
    assert ledger.begin_submission_in_turn(lives, 1, is_gone=is_gone) is not None
    assert ledger.begin_submission_in_turn(following, 1, is_gone=is_gone) is None


def test_threads_of_one_process_share_a_ledger(ledger: Ledger, new_job: Make) -> None:
    results: list[tuple[str, bool]] = []

    def claim() -> None:
        for number in range(25):
            record, is_new = ledger.claim(new_job(f"f{number}"))
            results.append((record.id, is_new))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200
    assert sum(is_new for _, is_new in results) == 25


KILLED_IN_A_TRANSACTION = (
    PREPARE
    + """
from sqlalchemy import insert, update
from viseme.ledger.schema import events, jobs
ledger = Ledger.open(path)
record, _ = ledger.claim(new_job("a"))
ledger.move(record.id, State.INTENT)
print(record.id, flush=True)
with ledger._database.write() as connection:
    connection.execute(update(jobs).values(state="SENT"))
    for number in range(2000):  # more than fits into the page cache: some of it is in the file
        connection.execute(
            insert(events).values(job_id=record.id, at=number, kind="x", detail="x" * 2000)
        )
    print("written", flush=True)
    time.sleep(60)
"""
)


def test_a_process_killed_in_a_transaction_leaves_the_ledger_as_it_was(
    path: Path, start_program: Start
) -> None:
    process = start_program(KILLED_IN_A_TRANSACTION, path)
    assert process.stdout is not None
    job_id = process.stdout.readline().strip()
    assert process.stdout.readline().strip() == "written"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Ledger.open(path) as ledger:
        assert ledger.integrity_problems() == ()
        assert ledger.get(job_id).state is State.INTENT
        assert len(ledger.events(job_id)) == 2
        ledger.begin_submission(job_id)


WORK_UNTIL_KILLED = (
    PREPARE
    + """
ledger = Ledger.open(path)
number = 0
while True:
    number += 1
    record, _ = ledger.claim(new_job(f"{os.getpid()}-{number}"))
    ledger.move(record.id, State.INTENT)
    submission = ledger.begin_submission(record.id)
    os.write(1, f"sent {record.id}\\n".encode())
    ledger.end_submission(record.id, 1, Outcome.ACCEPTED, to=State.ACCEPTED, vendor_id="v")
    os.write(1, f"accepted {record.id}\\n".encode())
"""
)


def test_what_was_told_to_be_written_survives_a_kill_at_any_moment(
    path: Path, start_program: Start
) -> None:
    told: list[str] = []
    for round_number in range(6):
        process = start_program(WORK_UNTIL_KILLED, path)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20 + 7 * round_number)]
        process.send_signal(signal.SIGKILL)
        told += [line for line in lines + process.stdout.readlines() if line.endswith("\n")]
        process.wait()
    accepted = {line.split()[1] for line in told if line.startswith("accepted")}
    sent = {line.split()[1] for line in told if line.startswith("sent")}
    with Ledger.open(path) as ledger:
        assert ledger.integrity_problems() == ()
        for job_id in accepted:
            assert ledger.get(job_id).state is State.ACCEPTED
        for job_id in sent:
            record = ledger.get(job_id)
            (submission,) = ledger.submissions(job_id)
            # One transaction each: state and submission never tell different things.
            is_over = record.state is State.ACCEPTED
            assert is_over == (submission.outcome is Outcome.ACCEPTED)


def test_a_lease_of_a_killed_process_is_free_when_its_time_is_over(
    path: Path, start_program: Start
) -> None:
    text = PREPARE + (
        "ledger = Ledger.open(path)\n"
        "record, _ = ledger.claim(new_job('a'))\n"
        "lease = ledger.acquire_lease(record.id, 'killed', 30)\n"
        "print(record.id, lease.until, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = start_program(text, path)
    assert process.stdout is not None
    job_id, until = process.stdout.readline().split()
    process.kill()
    process.wait()
    now = [int(until) - 1]
    with Ledger.open(path, clock=lambda: now[0]) as ledger:
        assert ledger.acquire_lease(job_id, "next", 30) is None
        now[0] += 1
        lease = ledger.acquire_lease(job_id, "next", 30)
        assert lease is not None
        assert lease.fence == 2


def test_readers_do_not_wait_for_a_writer(path: Path, new_job: Make) -> None:
    with Ledger.open(path) as ledger:
        record, _ = ledger.claim(new_job())
        with ledger._database.write():  # held open while another connection reads
            assert ledger.get(record.id) == record
            assert ledger.list() == (record,)


def test_nothing_but_the_file_is_left_when_it_is_closed(path: Path, new_job: Make) -> None:
    ledger = Ledger.open(path)
    ledger.claim(new_job())
    ledger.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
