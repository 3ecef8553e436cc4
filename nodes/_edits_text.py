"""The text in which a graph has its edits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..viseme.edits import EditPlan, parse
from ..viseme.errors import InputError

EMPTY = '{"unit": "seconds",\n "additions": [],\n "removals": []}'
EXAMPLE = (
    '{"unit": "seconds",\n'
    ' "additions": [{"at": 1, "duration": 0.4}],\n'
    ' "removals": [{"from": 2, "to": 2.6, "bridge": 0.2}]}'
)
# Frames are counted once the clip is known; until then every length is fine enough.
ANY_RATE = Fraction(1_000_000)


def plan_of(text: Any, frame_rate: Fraction = ANY_RATE) -> EditPlan:
    """The plan that a text is; an empty one is an empty plan. Raises InputError."""
    if isinstance(text, str) and not text.strip():
        return EditPlan()
    try:
        return parse(text, frame_rate)
    except InputError as problem:
        if problem.remedy and "viseme edits apply --help" in problem.remedy:
            problem.remedy = f"It looks like this: {' '.join(EXAMPLE.split())}"
        raise
