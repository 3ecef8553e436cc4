"""Edit plans as JSON: the readable form, and pipio's four lists (fal.ai/models/pipio/lipsync)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from ..errors import InputError
from .plan import Addition, EditPlan, Removal, refuse
from .runs import nearest

ADDITION_STARTS = "edit_addition_start_frames"
ADDITION_DURATIONS = "edit_addition_durations"
REMOVAL_RANGES = "edit_removal_ranges"
REMOVAL_BRIDGES = "edit_removal_bridge_durations"
PIPIO_LISTS = (ADDITION_STARTS, ADDITION_DURATIONS, REMOVAL_RANGES, REMOVAL_BRIDGES)

# A bound on digits bounds the arithmetic: 1e999999999 is ten characters and a gigabyte.
_MOST_DIGITS = 9
_MOST_DECIMALS = 18
_SECONDS_DECIMALS = 9
_WRITTEN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def to_pipio(plan: EditPlan) -> dict[str, list[int]]:
    """pipio's four lists, all of them, empty where there is nothing."""
    return {
        ADDITION_STARTS: [addition.start_frame for addition in plan.additions],
        ADDITION_DURATIONS: [addition.frame_count for addition in plan.additions],
        REMOVAL_RANGES: [
            frame for cut in plan.removals for frame in (cut.first_frame, cut.last_frame)
        ],
        REMOVAL_BRIDGES: [removal.bridge_frame_count for removal in plan.removals],
    }


def from_pipio(lists: Mapping[str, Any]) -> EditPlan:
    """A plan from pipio's lists; an absent list and null are empty. Raises ``InputError``."""
    _check_keys(lists, PIPIO_LISTS, "edits")
    starts, durations, ranges, bridges = (_integers(lists.get(name), name) for name in PIPIO_LISTS)
    if len(durations) != len(starts):
        refuse(
            ADDITION_DURATIONS,
            f"{len(durations)} long",
            f"as long as {ADDITION_STARTS}, {len(starts)}",
            "Give one duration for each start frame.",
        )
    if len(ranges) % 2:
        refuse(
            REMOVAL_RANGES,
            f"{len(ranges)} long",
            "pairs of first and last frame",
            "Give both ends of each range, last frame included.",
        )
    if len(bridges) * 2 != len(ranges):
        refuse(
            REMOVAL_BRIDGES,
            f"{len(bridges)} long",
            f"one for each of the {len(ranges) // 2} pairs of {REMOVAL_RANGES}",
            "Give 0 for a jump cut.",
        )
    pairs = zip(ranges[::2], ranges[1::2], bridges, strict=True)
    return EditPlan(
        tuple(Addition(start, length) for start, length in zip(starts, durations, strict=True)),
        tuple(Removal(first, last, bridge) for first, last, bridge in pairs),
    )


def _integers(value: object, field: str) -> list[int]:
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        refuse(field, value, "a list of whole numbers", "Write it like [10, 20].")
    for entry in value:
        if isinstance(entry, str):
            refuse(field, entry, "whole numbers", "Write numbers without quotation marks.")
    return [_boundary(entry, field, None) for entry in value]


def parse(document: str | Mapping[str, Any], frame_rate: Fraction | None = None) -> EditPlan:
    """A plan from JSON, readable or pipio's lists; as text or as the object it stands for.

    ``frame_rate`` is the clip's, needed where the unit is seconds. The plan is not yet checked
    against a clip: ``validate`` does that. Raises ``InputError``.
    """
    if isinstance(document, str):
        document = _load(document)
    if not isinstance(document, Mapping):
        refuse("edits", document, "a JSON object", "See `viseme edits apply --help` for its form.")
    if any(key in PIPIO_LISTS for key in document):
        return from_pipio(document)
    _check_keys(document, ("unit", "additions", "removals"), "edits")
    unit = document.get("unit")
    if unit not in ("frames", "seconds"):
        refuse("edits.unit", unit, "frames or seconds", "Say in which unit the edits are.")
    if unit == "seconds" and frame_rate is None:
        refuse("edits.unit", unit, "a clip whose frame rate is known", "Give the edits in frames.")
    rate = frame_rate if unit == "seconds" else None
    additions = []
    for index, entry in enumerate(_entries(document, "additions")):
        field = f"additions[{index}]"
        _check_keys(entry, ("at", "duration"), field, required=("at", "duration"))
        start = _boundary(entry["at"], f"{field}.at", rate)
        additions.append(Addition(start, _length(entry["duration"], f"{field}.duration", rate)))
    removals = []
    for index, entry in enumerate(_entries(document, "removals")):
        field = f"removals[{index}]"
        _check_keys(entry, ("from", "to", "bridge"), field, required=("from", "to"))
        first, end = (_boundary(entry[key], f"{field}.{key}", rate) for key in ("from", "to"))
        if end <= first:
            refuse(
                field,
                f"{entry['from']} to {entry['to']}",
                "at least one frame",
                "Let it end after it starts: 'to' itself is not removed.",
            )
        bridge = _length(entry.get("bridge", 0), f"{field}.bridge", rate)
        removals.append(Removal(first, end - 1, bridge))
    return EditPlan(tuple(additions), tuple(removals))


def to_json(plan: EditPlan, frame_rate: Fraction | None = None) -> dict[str, Any]:
    """The readable form: in frames or, where a frame rate is given, in seconds as decimal text.

    ``parse`` with the same frame rate gives the same plan back.
    """

    def at(frames: int) -> int | str:
        if frame_rate is None:
            return frames
        scaled = nearest(frames / frame_rate * 10**_SECONDS_DECIMALS)
        text = f"{Decimal(scaled).scaleb(-_SECONDS_DECIMALS):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    return {
        "unit": "frames" if frame_rate is None else "seconds",
        "additions": [
            {"at": at(addition.start_frame), "duration": at(addition.frame_count)}
            for addition in plan.additions
        ],
        "removals": [
            {
                "from": at(removal.first_frame),
                "to": at(removal.last_frame + 1),
                "bridge": at(removal.bridge_frame_count),
            }
            for removal in plan.removals
        ],
    }


def _load(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            refuse("edits", f"the key {twice!r} twice", "each key once", "Leave one of them out.")
        return dict(pairs)

    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=once)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise InputError(
            f"edits is no JSON: {error}.",
            field="edits",
            value=text[:80],
            limit="a JSON object",
            remedy="See `viseme edits apply --help` for its form.",
        ) from error


def _check_keys(
    entry: object, known: Sequence[str], field: str, required: Sequence[str] = ()
) -> None:
    if not isinstance(entry, Mapping):
        refuse(field, entry, "a JSON object", f"It has the keys {', '.join(known)}.")
    for key in entry:
        if key not in known:
            refuse(field, f"the key {key!r}", ", ".join(known), "Leave the key out.")
    for key in required:
        if key not in entry:
            refuse(field, f"no {key!r}", ", ".join(known), f"Give {key!r}.")


def _entries(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = document.get(name)
    if entries is None:
        return []
    if not isinstance(entries, (list, tuple)):
        refuse(name, entries, "a list", "Write it in square brackets.")
    return list(entries)


def _number(value: object, field: str, unit: str) -> Fraction:
    """A number from its decimal text; a float stands for its shortest text."""
    if isinstance(value, str):
        number = Decimal(value) if _WRITTEN_NUMBER.fullmatch(value) else None
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(value) if isinstance(value, int) else Decimal(str(value))
    else:
        number = None
    if number is None or not number.is_finite() or not _is_short(number):
        refuse(
            field,
            value,
            f"a number of {unit}, at most {_MOST_DIGITS} digits and {_MOST_DECIMALS} decimals",
            "Write it like 12.5.",
        )
    return Fraction(number)


def _is_short(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return (
        isinstance(exponent, int)
        and exponent >= -_MOST_DECIMALS
        and number.adjusted() < _MOST_DIGITS
    )


def _boundary(value: object, field: str, frame_rate: Fraction | None) -> int:
    """A place on the clip as a frame: exact in frames, the nearest boundary in seconds."""
    if frame_rate is not None:
        return nearest(_number(value, field, "seconds") * frame_rate)
    number = _number(value, field, "frames")
    if number.denominator != 1:
        refuse(field, value, "a whole number of frames", "Use the unit seconds for fractions.")
    return number.numerator


def _length(value: object, field: str, frame_rate: Fraction | None) -> int:
    """A duration in frames; one over zero that would become no frame is refused."""
    frames = _boundary(value, field, frame_rate)
    if frames == 0 and frame_rate is not None and _number(value, field, "seconds") > 0:
        refuse(
            field,
            f"{value} s",
            f"0, or half a frame ({1 / (2 * frame_rate)} s) and more",
            "Make it longer.",
        )
    return frames
