"""What an edit plan is, and whether it fits a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from ..errors import InputError

MOST_FRAMES = 10_000_000


@dataclass(frozen=True, slots=True)
class Addition:
    """``frame_count`` new frames before source frame ``start_frame``."""

    start_frame: int
    frame_count: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Source frames ``first_frame`` to ``last_frame`` (included) give way to a bridge."""

    first_frame: int
    last_frame: int
    bridge_frame_count: int = 0


@dataclass(frozen=True, slots=True)
class EditPlan:
    """All edits of one clip, each list in order of its frames."""

    additions: tuple[Addition, ...] = ()
    removals: tuple[Removal, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.additions and not self.removals


def refuse(field: str, value: object, limit: str, remedy: str) -> NoReturn:
    """Raise the ``InputError`` of a plan that cannot be used."""
    raise InputError(
        f"{field}: got {str(value)[:80]}; allowed is {limit}.",
        field=field,
        value=str(value)[:80],
        limit=limit,
        remedy=remedy,
    )


def _check_removals(removals: Sequence[Removal], frame_count: int) -> None:
    free_from = 0
    for index, removal in enumerate(removals):
        field, value = f"removals[{index}]", f"{removal.first_frame} to {removal.last_frame}"
        if removal.last_frame < removal.first_frame:
            refuse(field, value, "at least one frame", "Let it end where it starts, or later.")
        if removal.first_frame < 0 or removal.last_frame >= frame_count:
            refuse(
                field,
                value,
                f"frames 0 to {frame_count - 1} of the clip",
                "Keep it inside the clip.",
            )
        if removal.first_frame < free_from:
            refuse(
                field,
                value,
                f"frame {free_from} or later, after the removal before it",
                "Put removals in order and join those that overlap.",
            )
        if not 0 <= removal.bridge_frame_count <= MOST_FRAMES:
            refuse(
                f"{field}.bridge",
                removal.bridge_frame_count,
                f"0 to {MOST_FRAMES} frames",
                "Give 0 for a jump cut.",
            )
        free_from = removal.last_frame + 1


def _check_additions(plan: EditPlan, frame_count: int) -> None:
    free_from = 0
    for index, addition in enumerate(plan.additions):
        field, start = f"additions[{index}]", addition.start_frame
        if not 0 <= start <= frame_count:
            refuse(
                field,
                start,
                f"frame 0 to {frame_count}, the end of the clip",
                "Start it inside the clip, or at its end.",
            )
        if start < free_from:
            refuse(
                field,
                start,
                f"frame {free_from} or later, after the addition before it",
                "Put additions in order and join those at one place.",
            )
        if not 1 <= addition.frame_count <= MOST_FRAMES:
            refuse(
                f"{field}.duration",
                addition.frame_count,
                f"1 to {MOST_FRAMES} frames",
                "Give it at least one frame, or leave it out.",
            )
        for removal in plan.removals:
            if removal.first_frame <= start <= removal.last_frame:
                refuse(
                    field,
                    start,
                    f"outside the removed frames {removal.first_frame} to {removal.last_frame}",
                    f"Start it at frame {removal.last_frame + 1}, right after the cut, "
                    "or give the removal a longer bridge.",
                )
        free_from = start + 1


def validate(plan: EditPlan, frame_count: int) -> None:
    """Check a plan against a clip of ``frame_count`` frames. Raises ``InputError``.

    Both lists are in order and nothing overlaps; everything lies inside the clip; no addition
    starts on a removed frame; each addition has a frame at least; some source frame is kept.
    """
    if frame_count < 1:
        refuse("frame_count", frame_count, "1 or more", "Edit a clip that has frames.")
    _check_removals(plan.removals, frame_count)
    removed = sum(removal.last_frame - removal.first_frame + 1 for removal in plan.removals)
    if removed == frame_count:
        refuse(
            "removals",
            f"all {frame_count} frames of the clip",
            "at least one frame is kept",
            "Shorten a removal.",
        )
    _check_additions(plan, frame_count)
