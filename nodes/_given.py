"""What nodes gave on, kept by what the host keeps their outputs by.

The host's cache goes by what a node was asked, whatever its id, and holds on to what earlier
prompts asked. It does not look at files and knows nothing of results that come late: a node of
which either has changed since must not be answered from it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..viseme.errors import LedgerError

if TYPE_CHECKING:
    from ..viseme.ledger import JobRecord, Ledger

log = logging.getLogger("viseme")

# An input that no schema declares. The host makes it part of the key under which it keeps a node's
# outputs, so that a node whose frames are connected later is executed again, and only then.
DECODED_KEY = "viseme_decoded"
# Each time, all that is behind the node is executed again too: what a vendor has rejected for good
# must not have that done for ever.
MOST_ASKS = 3
MOST_KEPT = 10_000  # as many as the host's history has prompts


@dataclass(frozen=True)
class _Given:
    """``partial`` has the jobs that still lack a result: their ledger and how many were here.

    ``asks_again`` is of a node that asks for these whenever it is executed. ``decoded`` names the
    outputs that were made though they take memory.
    """

    files: frozenset[Path] = frozenset()
    decoded: frozenset[str] = frozenset()
    partial: Mapping[str, tuple[Ledger, int]] = field(default_factory=dict)
    asks_again: bool = False


# By signature, the latest last.
_given: dict[str, _Given] = {}
_changes: Counter[str] = Counter()
_asks: Counter[str] = Counter()  # how often a node was executed only to ask again


def signature(prompt: Mapping[str, Any], node_id: str) -> str:
    """64 hex digits that tell apart what a node is asked, as the host's cache does. Pure.

    They are of its class, its inputs and the same of all that it comes from, not of any id. What
    ``DECODED_KEY`` holds does not count: it makes no other results.
    """
    order = {node_id: 0}
    parts = []
    for current in (waiting := [node_id]):
        node = prompt.get(current)
        given = node.get("inputs") if isinstance(node, Mapping) else None
        inputs = []
        for name, value in sorted(given.items()) if isinstance(given, Mapping) else ():
            if name == DECODED_KEY:
                continue
            if not is_link(value):
                inputs.append([name, "value", value])
                continue
            source, output = value
            if source not in order:
                order[source] = len(order)
                waiting.append(source)
            inputs.append([name, "link", order[source], output])
        parts.append([node.get("class_type") if isinstance(node, Mapping) else None, inputs])
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def is_link(value: object) -> bool:
    """Whether an input's value is an output of another node: its id and an index."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], (int, float))
    )


def remember(
    asked: str,
    job: JobRecord,
    files: Sequence[Path],
    ledger: Ledger,
    *,
    decoded: frozenset[str] = frozenset(),
    asks_again: bool = False,
) -> None:
    """Keep what a node gave on when it was ``asked`` this, beside what it gave on before: with
    lists it runs repeatedly."""
    known = _given.get(asked, _Given())
    partial = {job_id: one for job_id, one in known.partial.items() if job_id != job.id}
    if len(files) < job.item_count:
        partial[job.id] = (ledger, len(files))
    _keep(asked, _Given(known.files.union(files), known.decoded | decoded, partial, asks_again))


def remember_file(asked: str, file: Path) -> None:
    """Keep a file that a node gave on and that is of no job."""
    known = _given.get(asked, _Given())
    _keep(asked, replace(known, files=known.files | {file}))


def _keep(asked: str, given: _Given) -> None:
    _given.pop(asked, None)
    _given[asked] = given
    while len(_given) > MOST_KEPT:
        _given.pop(next(iter(_given)), None)


def forget_decoded(asked: str) -> None:
    """Before a node decodes anew: where that fails, to take less must have less decoded."""
    if asked in _given:
        _given[asked] = replace(_given[asked], decoded=frozenset())


def decoded_before(asked: str) -> frozenset[str]:
    """The outputs that were decoded when a node was asked this before."""
    return _given.get(asked, _Given()).decoded


def change_count(asked: str) -> int:
    """How often it was found that what was given on is not what is there now.

    Once a file is gone, the node is executed again and fetches it again, instead of others failing
    for want of it; once a result has come late, instead of its going unseen. Blocking, if briefly.
    """
    given = _given.get(asked)
    if given is not None and (
        _is_file_gone(given) or _has_come_late(given) or _is_to_ask_again(asked, given)
    ):
        _given.pop(asked, None)
        _changes[asked] += 1
    return _changes[asked]


def _is_file_gone(given: _Given) -> bool:
    # Path.is_file would raise for a folder that cannot be read.
    return not all(os.path.isfile(file) for file in given.files)  # noqa: PTH113


def _has_come_late(given: _Given) -> bool:
    """Whether a result that was missing is here by now."""
    from ..viseme.ledger import ItemState

    try:
        return any(
            sum(item.state is ItemState.FETCHED for item in ledger.items(job_id)) != count
            for job_id, (ledger, count) in given.partial.items()
        )
    except LedgerError as problem:
        log.warning("%s", problem)
        return False


def _is_to_ask_again(asked: str, given: _Given) -> bool:
    if not (given.partial and given.asks_again and _asks[asked] < MOST_ASKS):
        return False
    _asks[asked] += 1
    return True
