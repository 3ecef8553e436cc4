"""Canaries in place of the keys, through every verb and many failures; then everything that was
written is searched for them: as they are, encoded for a URL or for JSON, and in base64."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import pickle
import signal
import sqlite3
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.canaries import KEYS, holds_a_canary
from viseme.errors import VisemeError
from viseme.home import Home
from viseme.jobs.verbs import check
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Media = Any

ENDPOINTS = ("fal-sync", "aimlapi-pixverse", "runware-pixverse")
SUBMIT, STATUS, DOWNLOAD = ({"operation": name} for name in ("submit", "status", "download"))
LATE = {"operation": "submit", "seconds": 1.5}

# Each is tried at one vendor after the other, in turn.
FAULTS: list[tuple[str, dict[str, Any]]] = [
    *((name, SUBMIT) for name in ("drop-before-accept", "drop-after-accept", "503", "500", "429")),
    *((name, SUBMIT) for name in ("truncate", "lie-length", "redirect", "html-200", "wrong-type")),
    *((name, SUBMIT) for name in ("bad-key", "no-credit", "endless-body")),
    *((name, LATE) for name in ("stall", "answer-late")),
    *((name, STATUS) for name in ("500", "html-200", "bad-key", "redirect")),
    *((name, DOWNLOAD) for name in ("truncate", "html-200", "redirect", "wrong-type", "500")),
    *((name, DOWNLOAD) for name in ("endless-body", "lie-length")),
    *((name, {}) for name in ("job-fails", "reject-content", "expire-url")),
]


class Trail:
    """What was written on the way, by kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[bytes]] = defaultdict(list)
        self.failures: set[str] = set()

    def add(self, kind: str, data: bytes | str) -> None:
        raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        if raw:
            self.kinds[kind].append(raw)

    def ended(self, name: str, ended: Any) -> None:
        self.add("stdout", ended.out)
        self.add("stderr", ended.err)
        if ended.code:
            self.failures.add(name)

    def folder(self, kind: str, root: Path) -> None:
        """Each file, by the folder or the file in ``root`` that it belongs to."""
        for path in root.rglob("*"):
            if path.is_file():
                name = path.relative_to(root).parts[0]
                self.add(f"{kind}: {name.split('.sqlite3-')[-1]}", path.read_bytes())

    def hits(self) -> dict[str, int]:
        found = {kind: sum(map(holds_a_canary, texts)) for kind, texts in self.kinds.items()}
        return {kind: count for kind, count in found.items() if count}


@pytest.fixture
def trail() -> Iterator[Trail]:
    """Also of every line that any logger wrote, at whatever level and before any filter."""
    made = Trail()
    formatter = logging.Formatter("%(name)s %(message)s")

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            made.add(f"log of {record.name.partition('.')[0]}", formatter.format(record))

    root, catch = logging.getLogger(), Catch()
    level = root.level
    root.addHandler(catch)
    root.setLevel(logging.DEBUG)
    yield made
    root.removeHandler(catch)
    root.setLevel(level)


Words = Callable[..., tuple[object, ...]]


@pytest.fixture
def words(clip: Path, speech: Path) -> Words:
    def make(endpoint: str, take: int, *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", endpoint, *media, "--take", take, "--json", *more)

    return make


def test_a_form_of_a_key_is_found_wherever_it_stands() -> None:
    key = KEYS["FAL_KEY"]
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    urlsafe = base64.urlsafe_b64encode(f"x{key}".encode()).decode()
    pieces = (key, key.split(":")[1], quote(key), json.dumps({"a": key}), basic, urlsafe)
    for text in (*pieces, repr({"k": key.encode()}), f"?key={quote_plus(key)}&"):
        assert holds_a_canary(f"before {text} after"), text
    assert not holds_a_canary("c4nary secret 9d0eb7f1 Key *** c4nary")


def test_no_key_is_in_anything_that_verbs_errors_and_crashes_leave(
    quick: Command,
    sandbox: Box,
    words: Words,
    trail: Trail,
    tmp_path: Path,
    record_property: Callable[[str, int], None],
) -> None:
    quick.live(
        sandbox,
        submit_timeout_seconds=0.4,
        poll_outage_seconds=0.3,
        max_download_bytes=5_000_000,
        listing_visibility=dict.fromkeys(("fal", "aimlapi", "runware"), 0),
    )
    quick.environment |= KEYS
    out = tmp_path / "out.mp4"
    for number, endpoint in enumerate(ENDPOINTS):
        bought = quick(*words(endpoint, 1, "-o", out))
        assert bought.code == 0, bought
        trail.ended(f"bought {number}", bought)
        trail.add("copied result", out.read_bytes())
    _fail_in_every_way(quick, sandbox, words, trail)
    _die(quick, sandbox, words, trail)
    _look_at_all(quick, trail)
    for name in ("requests", "charges", "addresses"):
        trail.add(f"the sandbox's {name}", json.dumps(sandbox.ask(name)))
    trail.folder("home", quick.home)
    trail.folder("sandbox", sandbox.home)
    assert len(trail.failures) >= 20, sorted(trail.failures)
    assert len(trail.kinds) >= 15, sorted(trail.kinds)
    assert {"log of httpx", "log of httpcore", "home: wal", "home: results"} <= set(trail.kinds)
    assert trail.hits() == {}
    record_property("failures", len(trail.failures))
    record_property("kinds", len(trail.kinds))


def _fail_in_every_way(quick: Command, sandbox: Box, words: Words, trail: Trail) -> None:
    for number, (fault, values) in enumerate(FAULTS):
        endpoint = ENDPOINTS[number % len(ENDPOINTS)]
        sandbox.fault(fault, **values)
        if number % 2:
            sandbox.fault("lookup-hidden")
        trail.ended(f"{fault} {values}", quick(*words(endpoint, 10 + number)))
        sandbox.end_faults()
    clip = words("fal-sync", 1)[3]
    for name, more in {
        "over budget": (*words("fal-sync", 100, "--max-usd", "0"),),
        "no such file": ("run", "fal-sync", "--video", f"{clip}.missing", "--audio", clip),
        "bad argument": (*words("fal-sync", 101, "--set", "sync_mode=sideways"),),
        "bad place": (*words("fal-sync", 102, "-o", "/no/such/folder/out.mp4"),),
        "no such job": ("show", "nothing"),
    }.items():
        trail.ended(name, quick(*more))
    settings = quick.home / "settings.json"
    kept = settings.read_text()
    gone = dict.fromkeys(json.loads(kept)["base_urls"], "http://127.0.0.1:9")
    settings.write_text(json.dumps(json.loads(kept) | {"base_urls": gone}))
    trail.ended("unreachable", quick(*words("fal-sync", 103)))
    settings.write_text("{")
    trail.ended("damaged settings", quick(*words("fal-sync", 104)))
    settings.write_text(kept)
    quick.environment["FAL_KEY"] = f"{KEYS['FAL_KEY']} with a space"
    trail.ended("no key at all", quick(*words("fal-sync", 105)))
    quick.environment["FAL_KEY"] = f"another:{KEYS['FAL_KEY'].split(':')[1]}"
    trail.ended("another account", quick("resume", quick.job_id(), "--json"))
    quick.environment["FAL_KEY"] = KEYS["FAL_KEY"]
    file = quick.home / "credentials.json"
    file.write_text('{"fal": "')
    trail.ended("damaged credentials", quick("logout", "fal", "--json"))
    file.unlink()


def _die(quick: Command, sandbox: Box, words: Words, trail: Trail) -> None:
    """One command is interrupted, one killed with everything open, one fails by a mistake."""
    for number, how in ((200, signal.SIGINT), (201, signal.SIGKILL)):
        sandbox.fault("answer-late", operation="submit", seconds=5, count=1)
        before = len(sandbox.charges())
        running = quick.start(*words("fal-sync", number))
        while len(sandbox.charges()) == before and running.runs:
            time.sleep(0.02)
        trail.add("command lines", Path(f"/proc/{running.process.pid}/cmdline").read_bytes())
        running.signal(how)
        ended = running.ended()
        trail.ended(f"signal {how}", ended)
        sandbox.end_faults()
    with sqlite3.connect(quick.home / "ledger.sqlite3") as spoilt:
        before = spoilt.execute("SELECT arguments FROM jobs ORDER BY id LIMIT 1").fetchone()[0]
        spoilt.execute("UPDATE jobs SET arguments = '{' WHERE id = (SELECT min(id) FROM jobs)")
        spoilt.commit()
        trail.ended("a mistake of ours", quick("jobs", "--json"))
        spoilt.execute("UPDATE jobs SET arguments = ? WHERE arguments = '{'", (before,))
    spoilt.close()


def _look_at_all(quick: Command, trail: Trail) -> None:
    for verb in ("jobs", "spend", "doctor", "endpoints", "clean"):
        trail.ended(verb, quick(verb, "--json"))
        trail.ended(verb, quick(verb))
    with quick.ledger() as ledger:
        jobs = ledger.list()
        for job in jobs:
            trail.add("ledger rows", repr((job, ledger.events(job.id), ledger.items(job.id))))
    for job in jobs:
        trail.ended(f"show {job.id}", quick("show", job.id, "--json"))
    for verb in ("check", "resume", "cancel", "resubmit", "discard"):
        for job in jobs[:3]:
            trail.ended(f"{verb} {job.state.value}", quick(verb, job.id, "--json"))
    keyless = dict(quick.environment)
    for vendor, variable in zip(("fal", "aimlapi", "runware"), KEYS, strict=True):
        quick.environment.pop(variable)
        login = quick.start("login", vendor, "--json", stdin=f"{KEYS[variable]}\n").ended()
        assert login.code == 0, login
        trail.ended("login", login)
        trail.ended("doctor", quick("doctor"))
        # The one file that may hold keys, and does: the search would find them.
        assert holds_a_canary((quick.home / "credentials.json").read_bytes())
        trail.ended("logout", quick("logout", vendor))
    quick.environment.update(keyless)
    # Kept open, the ledger has its companions beside it.
    trail.folder("home", quick.home)
    with quick.ledger() as ledger:
        ledger.note(jobs[0].id, "seen", "by a test")
        trail.folder("home", quick.home)


@pytest.mark.parametrize("fault", ["bad-key", "drop-before-accept"])
@pytest.mark.parametrize("number", range(3))
def test_an_error_shows_no_key_however_it_is_looked_at(
    quick: Command, sandbox: Box, words: Words, trail: Trail, number: int, fault: str
) -> None:
    """Also where a traceback shows the variables of every function on the way, as some tools do."""
    variable, endpoint = list(KEYS)[number], ENDPOINTS[number]
    quick.live(sandbox, poll_outage_seconds=0.3)
    quick.environment |= KEYS
    sandbox.fault("500", operation="status")
    assert quick(*words(endpoint, 1)).code == 4
    sandbox.end_faults()
    sandbox.fault(fault, operation="status")
    home = Home(quick.home)
    os.environ[variable] = KEYS[variable]
    try:
        settings = Settings.load(home.settings)
        with Ledger.open(home.ledger) as ledger:
            place = Workplace(home, settings, ledger)
            asyncio.run(check(quick.job_id(), place, Watch()))
        pytest.fail("it went well")
    except VisemeError as problem:
        told = traceback.TracebackException.from_exception(problem, capture_locals=True)
        trail.add("traceback with variables", "".join(told.format()))
        trail.add("repr", f"{problem!r} {problem} {vars(problem)}")
        trail.add("pickle", pickle.dumps((type(problem), problem.args, vars(problem))))
    finally:
        del os.environ[variable]
    assert "held" in trail.kinds["traceback with variables"][0].decode()
    assert trail.hits() == {}
