"""The guarded fetch of result files.

``guard.py`` says which addresses are fetched from; here each redirect, of three at most, is checked
anew, no credential is sent, and a byte limit is counted on what really arrives.
"""

from __future__ import annotations

import asyncio
import binascii
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin

import pybase64
from blake3 import blake3

from .aside import Line, aside
from .errors import FetchRefused, LocalError
from .guard import checked_address, host_to_check, shown, unreadable
from .model import FileState
from .parts import part_path, remove_part
from .retry import RetryPolicy, next_wait
from .transport import AnswerLost, IncomingFile, NotSent, has_system_proxy, open_url

MAX_REDIRECTS = 3
RETRIES = RetryPolicy()
GONE_STATUSES = frozenset({401, 403, 404, 410})
BASE64_CHUNK_CHARACTERS = 1024 * 1024  # a multiple of 4
TOLD_SECONDS = 0.1  # from one word of progress to the next
# For each address of a name, times the number of the try. At first an address that says nothing is
# soon left for the next one, since machines may have a way to IPv4 only and not know it; then there
# is time for a network that is slow.
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. ``vendor_hosts`` are names, or suffixes that begin with a dot."""

    trusted_origins: frozenset[str] = frozenset()
    vendor_hosts: tuple[str, ...] = ()
    max_bytes: int = 4 * 2**30
    stall_timeout_seconds: float = 60.0
    whole_timeout_seconds: float = 3600.0
    retries: RetryPolicy = RETRIES


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that arrived whole. ``digest`` is BLAKE3 of its bytes, in hex.

    ``state`` is what the system said of it then: while it says the same, the bytes are the same.
    """

    path: Path
    digest: str
    size_bytes: int
    state: FileState = field(compare=False)


async def fetch(
    url: str,
    target: Path,
    rules: FetchRules,
    on_bytes: Callable[[int, int | None], None] | None = None,
) -> FetchedFile:
    """Fetch ``url`` into ``target``, which is complete and on disk when this returns.

    ``on_bytes`` is told now and then, and at the end, the bytes so far and, where the server says,
    of how many. Whatever goes wrong, no file is left behind. Stopped, it leaves a ``.part`` for as
    long as a slow disk still writes it, and ``target`` itself where the stop came with its end.
    Raises FetchRefused (``code`` is ``gone`` where the file is not there any more),
    TransportError, LocalError.
    """
    deadline = time.monotonic() + rules.whole_timeout_seconds
    for attempt in range(1, rules.retries.attempts + 1):
        try:
            return await asyncio.wait_for(
                _fetch_once(url, target, rules, attempt, on_bytes), deadline - time.monotonic()
            )
        except asyncio.TimeoutError:
            raise AnswerLost(
                f"{shown(url)} did not arrive in {rules.whole_timeout_seconds:.0f} s.",
                limit=f"{rules.whole_timeout_seconds:.0f} s",
                remedy="Try again, or raise download_timeout_seconds in settings.json.",
            ) from None
        except (NotSent, AnswerLost):
            wait = next_wait(rules.retries, attempt, status=None)
            if wait is None or time.monotonic() + wait >= deadline:
                raise
        except _NotNow as answer:
            wait = next_wait(rules.retries, attempt, status=answer.status, headers=answer.headers)
            if wait is None or time.monotonic() + wait >= deadline:
                raise answer.refusal from None
        await asyncio.sleep(wait)
    raise FetchRefused("The result was not fetched.")  # not reached: the last try has no wait


class _NotNow(Exception):
    """An answer that is not the file; by its status and headers the call may be made again."""

    def __init__(self, incoming: IncomingFile, refusal: FetchRefused) -> None:
        super().__init__(incoming.status)
        self.status = incoming.status
        self.headers = incoming.headers
        self.refusal = refusal


async def _fetch_once(
    url: str,
    target: Path,
    rules: FetchRules,
    attempt: int,
    on_bytes: Callable[[int, int | None], None] | None,
) -> FetchedFile:
    for _ in range(MAX_REDIRECTS + 1):
        with _proxy_told(url, rules):
            address = await checked_address(
                url, rules.trusted_origins, rules.vendor_hosts, attempt=attempt
            )
            arrived = await aside(_Hop(url, address, target, rules, attempt, on_bytes).get)
        if isinstance(arrived, FetchedFile):
            return arrived
        url = arrived
    raise FetchRefused(
        f"The result's address redirects more than {MAX_REDIRECTS} times.",
        value=shown(url),
        limit=f"{MAX_REDIRECTS} redirects",
        remedy="Ask the vendor for the file.",
    )


@contextmanager
def _proxy_told(url: str, rules: FetchRules) -> Iterator[None]:
    """Say of a host that cannot be reached directly how it is reached through the system's proxy.

    That resolves names itself, so what is behind it cannot be checked, and is not asked by default.
    """
    try:
        yield
    except NotSent as problem:
        host = host_to_check(url, rules.trusted_origins, rules.vendor_hosts)
        if host is not None and has_system_proxy():
            problem.remedy = (
                f"{host} is none of the vendor's own hosts, so this machine's proxy was not used. "
                "If you trust it, name it in trusted_result_hosts in settings.json."
            )
        raise


def _redirected(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as problem:
        raise unreadable(location) from problem


def _check_status(incoming: IncomingFile, url: str) -> None:
    if incoming.status == 200:
        return
    if incoming.status in GONE_STATUSES:
        raise FetchRefused(
            f"The result is no longer at {shown(url)} (HTTP {incoming.status}).",
            code="gone",
            remedy="Ask the vendor for it again.",
        )
    refusal = FetchRefused(
        f"{shown(url)} answered HTTP {incoming.status} instead of the result.",
        http_status=incoming.status,
        remedy="Try again later.",
    )
    raise _NotNow(incoming, refusal)


@dataclass(frozen=True, slots=True)
class _Hop:
    """One request for the file, to an ``address`` that was checked; made in a thread of its own."""

    url: str
    address: str | None
    target: Path
    rules: FetchRules
    attempt: int
    on_bytes: Callable[[int, int | None], None] | None

    def get(self, line: Line) -> FetchedFile | str:
        """The file; or the URL that the answer redirects to."""
        with open_url(
            self.url,
            line,
            address=self.address,
            timeout_seconds=self.rules.stall_timeout_seconds,
            connect_timeout_seconds=CONNECT_SECONDS * self.attempt,
        ) as incoming:
            if 300 <= incoming.status < 400 and "location" in incoming.headers:
                return _redirected(self.url, incoming.headers["location"])
            _check_status(incoming, self.url)
            return self._write(incoming, line)

    def _write(self, incoming: IncomingFile, line: Line) -> FetchedFile:
        announced = _announced_bytes(incoming)
        if announced is not None and announced > self.rules.max_bytes:
            raise _too_long(self.url, self.rules)

        received, next_told = 0, 0.0
        with PartFile(self.target) as part:
            for chunk in incoming.chunks:
                received += len(chunk)
                if received > self.rules.max_bytes:
                    raise _too_long(self.url, self.rules)
                part.write(chunk)
                if time.monotonic() >= next_told:
                    self._tell(received, announced, line)
                    next_told = time.monotonic() + TOLD_SECONDS
            if announced is not None and received != announced:
                raise AnswerLost(
                    f"{shown(self.url)} gave {received} bytes of {announced}.", remedy="Try again."
                )
            self._tell(received, announced, line)
            part.sync()
            # Where the loop runs: a stop that came before keeps the file from appearing.
            return line.call(part.finish)

    def _tell(self, received: int, announced: int | None, line: Line) -> None:
        on_bytes = self.on_bytes
        if on_bytes is not None:
            line.call(lambda: on_bytes(received, announced))


def store_data(data: str, target: Path, max_bytes: int) -> FetchedFile:
    """Write a result that came as base64 text or as a data URI. Raises FetchRefused, LocalError."""
    start = data.index(",") + 1 if data[:5] == "data:" and "," in data[:200] else 0
    if (len(data) - start) * 3 // 4 - data[-2:].count("=") > max_bytes:
        raise FetchRefused(
            "The result in the vendor's answer is too long.",
            limit=f"{max_bytes} bytes",
            remedy="If it should be so long, set a higher max_download_bytes in settings.json.",
        )
    with PartFile(target) as part:
        for offset in range(start, len(data), BASE64_CHUNK_CHARACTERS):
            try:
                part.write(
                    pybase64.b64decode(
                        data[offset : offset + BASE64_CHUNK_CHARACTERS], validate=True
                    )
                )
            except (binascii.Error, ValueError) as problem:
                raise FetchRefused(
                    "The result in the vendor's answer is not base64.", remedy="Ask the vendor."
                ) from problem
        return part.finish()


class PartFile:
    """A file that appears under its name only when it is whole and on disk.

    Several may write one target at once: each has a file of its own on the way, and the last one
    that is whole stays. What a killed one leaves behind stays too, its name ending in ``.part``.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = part_path(target)
        self._hasher = blake3()
        self._size_bytes = 0
        self._is_synced = self._is_finished = False

    def __enter__(self) -> PartFile:
        try:
            self._file = self._part.open("xb")
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        return self

    def write(self, chunk: bytes) -> None:
        try:
            self._file.write(chunk)
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        self._hasher.update(chunk)
        self._size_bytes += len(chunk)
        self._is_synced = False

    def sync(self) -> None:
        """Have on the disk what was written so far, which may take its time. Raises LocalError."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        self._is_synced = True

    def finish(self) -> FetchedFile:
        """Put it in place under its name; at once where ``sync`` came last. Raises LocalError."""
        if not self._is_synced:
            self.sync()
        try:
            written = FileState.of(os.fstat(self._file.fileno()))
            self._file.close()
            self._part.replace(self._target)
        except OSError as problem:
            raise disk_error(self._target, problem) from problem
        self._is_finished = True
        state = state_after_rename(self._target, written)
        return FetchedFile(self._target, self._hasher.hexdigest(), self._size_bytes, state)

    def __exit__(self, *_: object) -> None:
        if not self._is_finished:
            with suppress(OSError):  # closing flushes, which fails again on a full disk
                self._file.close()
            remove_part(self._part)


def state_after_rename(target: Path, written: FileState) -> FileState:
    """That of ``target``, where it is the file that was ``written``; else no file has it any more.

    Renaming moves the time of change alone, where there is one. What differs in more may be
    another's: then whoever asks reads it again. Not seen is who writes as many other bytes just
    before the renaming and sets the file's time back.
    """
    with suppress(OSError):
        there = FileState.of(target.stat())
        if replace(there, changed_ns=written.changed_ns) == written:
            return there
    return written


def disk_error(path: Path, problem: OSError) -> LocalError:
    """The error for a file that cannot be written."""
    return LocalError(
        f"{path} cannot be written: {problem.strerror or problem}.",
        field=str(path),
        remedy="Make room on that disk, or make the folder writable.",
    )


def _announced_bytes(incoming: IncomingFile) -> int | None:
    text = incoming.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _too_long(url: str, rules: FetchRules) -> FetchRefused:
    return FetchRefused(
        f"The result at {shown(url)} is longer than {rules.max_bytes} bytes.",
        limit=f"{rules.max_bytes} bytes",
        remedy="If it should be so long, set a higher max_download_bytes in settings.json and "
        "fetch it again; else ask the vendor.",
    )
