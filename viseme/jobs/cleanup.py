"""Make room in home: results by size, and what processes that have ended left behind.

Spared is what is used or may still be needed: results younger than a day, those that a living
process has given out, and those of jobs that are not wholly fetched. A result that was cleaned up
is fetched again from the vendor, while the vendor has it, by whoever asks for it.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, LedgerError
from ..home import Home
from ..ledger import JobRecord, KeptFile, State, utc_milliseconds
from .destination import LIVE
from .returned import returned_paths
from .workplace import Workplace, owner_is_gone

SPARED_SECONDS = 24 * 3600.0
EVERY_SECONDS = 3600.0
_VERDICT_SECONDS = 30 * 24 * 3600.0
# Results on their way: while they are written down (``PartFile``), and until they have been read.
_INCOMING = re.compile(r"\.?incoming-(?P<job_id>.+)-\d+(\.[0-9a-f]{12}){0,2}(\.part)?")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a clean-up did. ``kept_bytes`` is the size of all results left, and on their way."""

    removed_results: int
    removed_bytes: int
    kept_bytes: int
    removed_leftovers: int


@dataclass(frozen=True, slots=True)
class _Result:
    """A file in the results folder; ``path`` as the ledger has it."""

    path: str
    size_bytes: int
    used_at: float


def clean_up_now_and_then(place: Workplace) -> None:
    """``clean_up``, where none was within the hour; for the way to a purchase. Never raises."""
    stamp = place.home.root / "cleaned"
    with suppress(OSError, LedgerError):
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < EVERY_SECONDS:
            return
        stamp.touch(mode=0o600)
        clean_up(place)


def clean_up(place: Workplace, *, max_results_bytes: int | None = None) -> Cleaned:
    """Remove leftovers, then results, longest unused first, until they are not over the size.

    ``max_results_bytes`` instead of the setting. Results from sandboxes go before paid ones.
    Raises OSError and LedgerError.
    """
    leftovers = list(_leftovers(place))
    for leftover in leftovers:
        _remove(leftover)
    limit = place.settings.max_results_bytes if max_results_bytes is None else max_results_bytes
    results = list(_results(place.home))
    total = sum(result.size_bytes for result in results) + _incoming_bytes(place.home)
    removed = removed_bytes = 0
    if total > limit:
        for result in _dispensable(place, results):
            if total - removed_bytes <= limit:
                break
            if _remove_result(place, result):
                removed += 1
                removed_bytes += result.size_bytes
    return Cleaned(removed, removed_bytes, total - removed_bytes, len(leftovers))


def _results(home: Home) -> Iterator[_Result]:
    for file in home.results.glob("??/*"):
        with suppress(OSError):
            state = file.stat()
            path = file.relative_to(home.results).as_posix()
            yield _Result(path, state.st_size, state.st_mtime)


def _dispensable(place: Workplace, results: list[_Result]) -> list[_Result]:
    """What may go, in the order in which it goes."""
    returned = returned_paths(place.home)
    users: dict[str, list[KeptFile]] = {}
    for kept in place.ledger.kept_files():
        users.setdefault(kept.path, []).append(kept)

    def may_go(result: _Result) -> bool:
        return (
            not _is_young(result.used_at)
            and result.path not in returned
            and all(kept.state is State.FETCHED for kept in users.get(result.path, ()))
        )

    def order(result: _Result) -> tuple[bool, float]:
        is_paid = any(kept.destination == LIVE for kept in users.get(result.path, ()))
        return is_paid, result.used_at

    return sorted(filter(may_go, results), key=order)


def _is_young(changed_at: float) -> bool:
    # A clock that was set back makes nothing old.
    return time.time() - changed_at < SPARED_SECONDS


def _remove_result(place: Workplace, result: _Result) -> bool:
    file = place.home.results / result.path
    try:
        if _is_young(file.stat().st_mtime):  # somebody has come back to it meanwhile
            return False
        file.unlink()
    except OSError:  # open elsewhere, on systems that mind
        return False
    for kept in place.ledger.kept_files(result.path):
        place.ledger.note(kept.job_id, "cleanup", f"{result.path} removed to make room")
    return True


def _leftovers(place: Workplace) -> Iterator[Path]:
    """What was needed only while a job was prepared, a file fetched or a verdict fresh."""
    home = place.home
    for entry in home.work.iterdir():
        if _is_left(place, entry.name.partition(".")[0], entry):
            yield entry
    for entry, job_id in _incoming(home):
        if _is_left(place, job_id, entry):
            yield entry
    for entry in home.verdicts.glob("*") if home.verdicts.is_dir() else ():
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime > _VERDICT_SECONDS:
                yield entry


def _incoming(home: Home) -> Iterator[tuple[Path, str]]:
    """The files of results on their way, each with the id of its job."""
    for entry in home.results.iterdir():
        named = _INCOMING.fullmatch(entry.name)
        if named is not None:
            yield entry, named["job_id"]


def _incoming_bytes(home: Home) -> int:
    size_bytes = 0
    for entry, _ in _incoming(home):
        with suppress(OSError):  # it is whole by now, and has its name
            size_bytes += entry.stat().st_size
    return size_bytes


def _is_left(place: Workplace, job_id: str, entry: Path) -> bool:
    """Whether nobody works any more on the job that an entry is named for."""
    try:
        job = place.ledger.get(job_id)
    except InputError:  # named for no job: a graph's own files
        return not _is_young(_newest(entry))
    if _is_worked_on(job):
        return False
    # Whoever had it may be of another machine and only be slow.
    return (
        job.lease_owner is None or owner_is_gone(job.lease_owner) or not _is_young(_newest(entry))
    )


def _is_worked_on(job: JobRecord) -> bool:
    owner = job.lease_owner
    return owner is not None and not owner_is_gone(owner) and job.is_leased(utc_milliseconds())


def _newest(entry: Path) -> float:
    """When an entry, or a file in it, was last written."""
    times = [0.0]
    for path in (entry, *entry.glob("*")):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
        return
    with suppress(OSError):
        entry.unlink()
