"""Several processes claim the same purchases of one ledger at once, and are killed at it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from viseme.errors import LedgerError
from viseme.jobs.holding import take_lease
from viseme.jobs.workplace import lease_owner, owner_is_gone
from viseme.ledger import Ledger, NewJob
from viseme.model import Quote, Vendor

PROGRAM = Path(__file__).resolve().parents[1] / "prove.py"
TAKEOVER_SECONDS = 60.0  # promised
HOLD_SECONDS = 60.0  # of a lease, for as long as any is given; none lapses, for no time passes
FIRST_KILL_SECONDS, LAST_KILL_SECONDS = 0.05, 1.0
START_SECONDS = 300.0  # of a machine that may have other things to do

Share = Mapping[str, Any]


@dataclass
class Claims:
    """What the processes told, one entry for each claim that returned."""

    count: int
    processes: int
    seconds: float = 0.0
    ids: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    winners: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    holders: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    told: int = 0
    kills: int = 0
    takeovers: int = 0
    longest_takeover_seconds: float = 0.0
    ledger_errors: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)

    @property
    def claims_a_second(self) -> float:
        return self.told / self.seconds if self.seconds else 0.0

    @property
    def claimed_twice(self) -> int:
        return sum(
            len(ids) > 1 or self.winners[number] > 1 or self.holders[number] > 1
            for number, ids in self.ids.items()
        )

    def hear(self, number: int, job_id: str, *, is_new: bool, has_lease: bool) -> None:
        self.told += 1
        self.ids[number].add(job_id)
        self.winners[number] += is_new
        self.holders[number] += has_lease


def _now() -> int:
    """The same moment for all processes, in UTC milliseconds."""
    return 1_795_000_000_000


def claim_all(share: Share, write: Callable[[str], None]) -> None:
    """One process: claim each purchase in turn, take the lease where nobody has it, tell it."""
    with Ledger.open(Path(share["path"]), clock=_now) as ledger:
        write("ready")
        while not Path(share["gate"]).exists():
            time.sleep(0.001)
        for number in range(share["first"], share["count"]):
            try:
                job, is_new = ledger.claim(_purchase(number))
                lease = ledger.acquire_lease(job.id, lease_owner(), HOLD_SECONDS)
            except LedgerError as problem:
                write(json.dumps({"error": str(problem)}))
                return
            write(json.dumps([number, job.id, is_new, lease is not None]))


def _purchase(number: int) -> NewJob:
    quote = Quote(Decimal("0.10"), Decimal("0.25"), "per second")
    return NewJob(f"purchase-{number}", "fal-sync", Vendor.FAL, "live", "account", quote)


class _Claimer:
    """A process that claims, and the thread that listens to it."""

    def __init__(self, place: _Place, first: int) -> None:
        self.at = first  # the next number it has not told of
        self.held: tuple[int, str] | None = None  # the last job whose lease it has
        self._place = place
        share = {"kind": "claims", "first": first, **place.share}
        self.process = subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, str(PROGRAM), "--worker", json.dumps(share)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.is_ready = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            if line == "ready\n":
                self.is_ready.set()
                continue
            if not line.endswith("\n"):
                return  # it was killed while it told
            told = json.loads(line)
            with self._place.lock:
                if isinstance(told, dict):
                    self._place.found.ledger_errors.append(told["error"])
                    continue
                number, job_id, is_new, has_lease = told
                self._place.found.hear(number, job_id, is_new=is_new, has_lease=has_lease)
                self.at = number + 1
                self.held = (number, job_id) if has_lease else self.held

    def kill(self) -> None:
        self.process.kill()
        self.ended()

    def ended(self) -> int:
        self._listener.join()
        code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@dataclass
class _Place:
    share: Share
    found: Claims
    lock: threading.Lock = field(default_factory=threading.Lock)


def prove_claims(seed: int, *, processes: int, count: int, most_kills: int) -> Claims:
    """``processes`` claim the same ``count`` purchases; up to ``most_kills`` times one is killed
    and followed by another, which goes on where the dead one was."""
    draw = random.Random(f"{seed}/claims")  # noqa: S311 - chance, not secrecy
    found = Claims(count, processes)
    with tempfile.TemporaryDirectory(prefix="viseme-proof-") as name:
        folder = Path(name)
        path, gate = folder / "ledger.sqlite3", folder / "gate"
        place = _Place({"path": str(path), "gate": str(gate), "count": count}, found)
        claimers = [_Claimer(place, 0) for _ in range(processes)]
        try:
            for claimer in claimers:
                if not claimer.is_ready.wait(START_SECONDS):
                    raise RuntimeError("a process did not open the ledger")
            started = time.monotonic()
            gate.touch()
            with Ledger.open(path, clock=_now) as ledger:
                _kill_some(draw, place, claimers, ledger, most_kills)
            for claimer in claimers:
                if claimer.ended() != 0:
                    found.wrongs.append(f"a process ended with {claimer.process.returncode}")
            found.seconds = time.monotonic() - started
        finally:
            for claimer in claimers:
                claimer.kill()
        with Ledger.open(path, clock=_now) as ledger:
            _judge(found, ledger)
    return found


def _kill_some(
    draw: random.Random,
    place: _Place,
    claimers: list[_Claimer],
    ledger: Ledger,
    most_kills: int,
) -> None:
    found = place.found
    while found.kills < most_kills:
        time.sleep(draw.uniform(FIRST_KILL_SECONDS, LAST_KILL_SECONDS))
        running = [one for one in claimers if one.process.poll() is None and one.held is not None]
        if not running:
            if all(one.process.poll() is not None for one in claimers):
                return
            continue
        victim = draw.choice(running)
        victim.kill()
        killed = time.monotonic()
        found.kills += 1
        if victim.held is not None:
            number, job_id = victim.held
            with place.lock:
                found.holders[number] -= 1
            _take_over(ledger, job_id, killed, found)
        found.wrongs += [f"after a kill: {text}" for text in ledger.integrity_problems()]
        claimers.remove(victim)
        claimers.append(_Claimer(place, victim.at))


def _take_over(ledger: Ledger, job_id: str, killed: float, found: Claims) -> None:
    """What every command does with the job of a process that has ended.

    Another claimer may come first, as soon as the dead one's lease is given back.
    """
    while (lease := take_lease(ledger, job_id, HOLD_SECONDS)) is None:
        owner = ledger.get(job_id).lease_owner
        if owner is not None and not owner_is_gone(owner):
            break
        if time.monotonic() - killed > TAKEOVER_SECONDS:
            found.wrongs.append(f"{job_id} was not free {TAKEOVER_SECONDS:.0f} s after the kill")
            return
        time.sleep(0.01)
    found.takeovers += 1
    seconds = time.monotonic() - killed
    found.longest_takeover_seconds = max(found.longest_takeover_seconds, seconds)
    if lease is not None and (lease.fence < 2 or lease.owner != lease_owner()):
        found.wrongs.append(f"{job_id} was taken over with {lease}")


def _judge(found: Claims, ledger: Ledger) -> None:
    found.wrongs += [f"the ledger at last: {text}" for text in ledger.integrity_problems()]
    jobs = ledger.list()
    if len(jobs) != found.count or len({job.fingerprint for job in jobs}) != found.count:
        found.wrongs.append(f"{len(jobs)} jobs of {found.count} purchases")
    if found.claimed_twice:
        found.wrongs.append(f"{found.claimed_twice} purchases were claimed twice")
    if found.ledger_errors:
        found.wrongs.append(f"{len(found.ledger_errors)} errors: {found.ledger_errors[0]}")
    # Who was killed between its commit and the line that tells of it won without a word.
    unheard = sum(found.winners[number] == 0 for number in range(found.count))
    if unheard > found.kills:
        found.wrongs.append(f"{unheard} purchases have no winner, after {found.kills} kills")


def claims_table(found: Claims) -> Sequence[str]:
    rows = (
        ("processes at a time", f"{found.processes}"),
        ("purchases that each claims", f"{found.count:,}"),
        ("claims that returned, each with a try for the lease", f"{found.told:,}"),
        ("... a second (500 wanted; told, not judged)", f"{found.claims_a_second:,.0f}"),
        ("holders of leases killed with SIGKILL", f"{found.kills}"),
        ("... whose job was taken over", f"{found.takeovers}"),
        ("longest takeover (promised: 60 s)", f"{found.longest_takeover_seconds:.2f} s"),
        ("`integrity_check` after each kill, and at the end", f"{found.kills + 1}"),
        ("**errors of a lock, or others**", f"{len(found.ledger_errors)}"),
        ("**purchases claimed twice**", f"{found.claimed_twice}"),
        ("**wrong in any way**", f"{len(found.wrongs)}"),
    )
    return ["| | |", "|---|--:|", *(f"| {name} | {value} |" for name, value in rows)]
