"""The types of our own that links between nodes carry."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from comfy_api.latest import io

from ..viseme.edits import EditPlan

Edits = io.Custom("VISEME_EDITS")


@dataclass(frozen=True, slots=True)
class EditsValue:
    """What a link of type VISEME_EDITS carries: an edit plan and what it was made for.

    The plan counts frames of a clip that has ``frame_count`` of them at ``frame_rate``, before any
    edit. ``uncut_digest`` identifies the speech as it was before the cut (that of a ``Recording``
    made of the same samples), so that it is not taken for the cut one; None where there was none.
    """

    plan: EditPlan
    frame_rate: Fraction
    frame_count: int
    uncut_digest: str | None = None
