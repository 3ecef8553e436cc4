"""Where a job goes: the vendors themselves (``live``), or a sandbox known by its id.

A sandbox is found by its control address, by the lock file of this home, or by being started
as a child process; all that is durable knows only its ``sandbox_id``.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..addresses import Addresses, is_on_this_machine
from ..answer import Answer
from ..credentials import load, sandbox_credential
from ..errors import InputError, LocalError, TransportError, UnreadableAnswer
from ..home import Home
from ..ledger import JobRecord
from ..model import Vendor
from ..secret import Secret
from ..settings import Settings
from ..transport import Transport

LIVE = "live"
LOCK_NAME = "sandbox.lock"
START_TIMEOUT_SECONDS = 20.0
CHILD_TIME_SCALE = "0.1"
CHILD_IDLE_SECONDS = "600"
_SYNCHRONIZE = 0x00100000  # the least right with which Windows opens a process
_children: list[subprocess.Popen[bytes]] = []  # sandboxes that this process started


@dataclass(frozen=True)
class Destination:
    """``id`` is ``live`` or a sandbox_id. Waits between polls are multiplied by ``time_scale``."""

    id: str
    addresses: Addresses
    time_scale: float = 1.0
    control_url: str | None = None

    @property
    def is_live(self) -> bool:
        return self.id == LIVE

    def secret(self, vendor: Vendor, home: Home) -> Secret:
        """The key for a vendor here: the user's own live, a fixed one in a sandbox.

        Raises CredentialError where none is set.
        """
        if self.is_live:
            return load(vendor, home).secret
        return sandbox_credential(vendor).secret


def live(settings: Settings) -> Destination:
    return Destination(LIVE, Addresses(settings.live_base_urls))


async def sandbox_at(
    control_url: str, home: Home, *, expected_id: str | None = None
) -> Destination:
    """The sandbox that answers at a control address; later, where it is of ``home``, at any.

    Raises InputError where none does or, with ``expected_id``, where it is another one.
    """
    control_url = control_url.rstrip("/")
    if not _is_plain_loopback(control_url):
        raise InputError(
            f"{control_url} is no address of a sandbox.",
            field="--sandbox",
            value=control_url,
            limit="http://127.0.0.1:PORT",
            remedy="Start one with `viseme sandbox --port N` and give the address it prints.",
        )
    facts = await _ask(control_url)
    if expected_id is not None and facts["sandbox_id"] != expected_id:
        raise InputError(
            f"The sandbox at {control_url} is not the one that has this job.",
            field="--sandbox",
            value=facts["sandbox_id"],
            limit=expected_id,
            remedy="Start the sandbox with the home it had then.",
        )
    return _from_facts(facts, control_url, lambda: _ask_or_keep(control_url, home, facts))


async def own_sandbox(home: Home) -> Destination:
    """This home's sandbox, attached to when it runs and started as a child when it does not."""
    control_url = await _find_or_start(home)
    facts = await _ask(control_url)

    async def again() -> Mapping[str, Any]:
        return await _ask(await _find_or_start(home))

    return _from_facts(facts, control_url, again)


async def chosen_sandbox(home: Home, settings: Settings) -> Destination:
    """The sandbox that VISEME_SANDBOX or settings.json names, else this home's own.

    Raises InputError where the named one does not answer.
    """
    named = settings.sandbox_url
    if named is None:
        return await own_sandbox(home)
    try:
        return await sandbox_at(named, home)
    except InputError as problem:
        raise InputError(
            problem.message,
            field="VISEME_SANDBOX",
            value=named,
            remedy="Start one there with `viseme sandbox --port N`, or unset VISEME_SANDBOX (in "
            "settings.json: sandbox_url).",
        ) from problem


async def of_job(
    job: JobRecord, home: Home, settings: Settings, sandbox_url: str | None
) -> Destination:
    """Where a job of the ledger went: ``sandbox_url`` if given, else wherever it can be found.

    That is where settings say the sandbox is, where it was last, or this home's own.
    """
    if job.destination == LIVE:
        return live(settings)
    if sandbox_url is not None:
        return await sandbox_at(sandbox_url, home, expected_id=job.destination)
    for hint in (settings.sandbox_url, job.sandbox_control_url):
        if hint is None:
            continue
        try:
            return await sandbox_at(hint, home, expected_id=job.destination)
        except InputError:
            pass  # none is there, or another one; this home's own may be it, on another port
    if any(home.sandbox.glob("*")):
        own = await own_sandbox(home)
        if own.id == job.destination:
            return own
    raise InputError(
        "The sandbox that has this job does not run.",
        field="--sandbox",
        value=job.sandbox_control_url,
        limit=f"the sandbox {job.destination}",
        remedy="Start it with the home it had then, and give its address with --sandbox URL.",
    )


def _from_facts(facts: Mapping[str, Any], control_url: str, again: Any) -> Destination:
    async def reload() -> Mapping[str, str]:
        fresh = await again()
        return base_urls_of(fresh if fresh["sandbox_id"] == facts["sandbox_id"] else facts)

    return Destination(
        str(facts["sandbox_id"]),
        Addresses(base_urls_of(facts), reload),
        float(facts["time_scale"]),
        control_url,
    )


def _is_plain_loopback(url: str) -> bool:
    try:
        return url.startswith("http://") and is_on_this_machine(url)
    except ValueError:
        return False


def base_urls_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The base URLs in a sandbox's flat document of addresses."""
    return {
        name: url
        for name, url in facts.items()
        if isinstance(url, str) and url.startswith("http://")
    }


async def _ask(control_url: str) -> Mapping[str, Any]:
    async with Transport(Addresses({"control": control_url})) as transport:
        try:
            answer: Answer = await transport.exchange(
                "GET", "control", "/_sandbox/addresses", timeout_seconds=10
            )
            facts = answer.json_object()
        except (TransportError, UnreadableAnswer) as problem:
            raise _no_sandbox(control_url) from problem
    if not answer.is_success or "sandbox_id" not in facts or "time_scale" not in facts:
        raise _no_sandbox(control_url)
    return facts


async def _ask_or_keep(control_url: str, home: Home, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The present addresses; the ones known so far while the sandbox is down.

    One that came back on another port is found by the lock file of ``home``, where it is of that.
    """
    for url in (control_url, read_lock(home.sandbox / LOCK_NAME)):
        if url is None:
            continue
        try:
            fresh = await _ask(url)
        except InputError:
            continue
        if fresh["sandbox_id"] == facts["sandbox_id"]:
            return fresh
    return facts


def _no_sandbox(control_url: str) -> InputError:
    return InputError(
        f"No sandbox answers at {control_url}.",
        field="--sandbox",
        value=control_url,
        remedy="Start one with `viseme sandbox`, or give --sandbox without an address.",
    )


async def _find_or_start(home: Home) -> str:
    running = read_lock(home.sandbox / LOCK_NAME)
    if running is not None:
        try:
            await _ask(running)
        except InputError:
            pass  # its process lives but does not answer yet, or the number was given anew
        else:
            return running
    child = _start(home)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        control_url = read_lock(home.sandbox / LOCK_NAME)
        if control_url is not None:
            try:
                await _ask(control_url)
            except InputError:
                pass  # not ready yet
            else:
                return control_url
        elif child.poll() is not None and time.monotonic() > deadline - START_TIMEOUT_SECONDS + 3:
            break  # it has ended, and no other process that was quicker has shown itself
        await asyncio.sleep(0.05)
    log = home.sandbox / "sandbox.log"
    raise LocalError(
        "The sandbox did not start.",
        field="--sandbox",
        remedy=f"Read {log}, or start it yourself with `{home.command('sandbox')}`.",
    )


def _start(home: Home) -> subprocess.Popen[bytes]:
    program = Path(__file__).resolve().parent.parent / "__main__.py"
    home.sandbox.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, str(program), "sandbox", "--home", str(home.root)]
    command += ["--time-scale", CHILD_TIME_SCALE, "--idle-seconds", CHILD_IDLE_SECONDS]
    with (home.sandbox / "sandbox.log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  # our own program, by its absolute path
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # no Ctrl-C of ours
        )
    _children.append(child)
    return child


def read_lock(path: Path) -> str | None:
    """The control address in a lock file whose process lives; None otherwise."""
    try:
        document = json.loads(path.read_text())
        process_id, control_url = int(document["pid"]), str(document["control"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return control_url if is_alive(process_id) else None


def is_alive(process_id: int) -> bool:
    """Whether a process of this machine with this id runs."""
    if process_id <= 0:
        return False
    for child in _children:
        child.poll()  # one of ours that has ended is a zombie until it is asked
    if sys.platform == "win32":
        handle = ctypes.windll.kernel32.OpenProcess(_SYNCHRONIZE, False, process_id)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(process_id)


def _is_zombie(process_id: int) -> bool:
    """Whether Linux keeps only the number of a process that has ended."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[:1] == [b"Z"]
