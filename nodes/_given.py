"""What nodes gave on, kept by what the host keeps their outputs by.

The host's cache goes by what a node was asked, whatever its id, and holds on to what earlier
prompts asked. It does not look at files: a node of which one is gone must not be answered from it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# An input that no schema declares. The host makes it part of the key under which it keeps a node's
# outputs, so that a node whose frames are connected later is executed again, and only then.
DECODED_KEY = "viseme_decoded"
MOST_KEPT = 10_000  # as many as the host's history has prompts


# The files by signature, the latest last.
_given: dict[str, frozenset[Path]] = {}
_changes: Counter[str] = Counter()


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
            if not _is_link(value):
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


def _is_link(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], (int, float))
    )


def remember(asked: str, files: Iterable[Path]) -> None:
    """Keep what a node gave on when it was ``asked`` this, beside what it gave on before: with
    lists it runs repeatedly."""
    known = _given.pop(asked, frozenset[Path]())
    _given[asked] = known.union(files)
    while len(_given) > MOST_KEPT:
        _given.pop(next(iter(_given)), None)


def change_count(asked: str) -> int:
    """How often it was found that a file which was given on is gone.

    The node is executed again then, and fetches it again, instead of others failing for want of it.
    """
    # Path.is_file would raise for a folder that cannot be read.
    if not all(os.path.isfile(file) for file in _given.get(asked, ())):  # noqa: PTH113
        _given.pop(asked, None)
        _changes[asked] += 1
    return _changes[asked]
