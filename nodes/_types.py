"""The types of our own that links between nodes carry."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from comfy_api.latest import io

from ..viseme.edits import EditPlan, output_frame_count
from ..viseme.errors import InputError
from ..viseme.model import Clip, Recording

Edits = io.Custom("VISEME_EDITS")
_SAME_LENGTH_SECONDS = Fraction(1, 20)


@dataclass(frozen=True, slots=True)
class EditsValue:
    """What a link of type VISEME_EDITS carries: an edit plan and what it was made for.

    The plan counts frames of a clip that has ``frame_count`` of them at ``frame_rate``, before any
    edit. ``uncut_digest`` identifies the speech as it was before the cut (that of a ``Recording``
    made of the same samples), so that it is not taken for the cut one, and ``uncut_seconds`` is its
    length; None where there was none, or where it was not read. Speech that comes to the clip only
    later is then uncut where it is as long as the clip.
    """

    plan: EditPlan
    frame_rate: Fraction
    frame_count: int
    uncut_digest: str | None = None
    uncut_seconds: Fraction | None = None

    def is_uncut(self, speech: Recording) -> bool:
        """Whether this is, beyond doubt, the speech as it was before the cut.

        The same samples, or the same length where the cut has clearly another: a track that others
        have decoded has samples of its own.
        """
        if self.plan.is_empty:
            return False
        if speech.digest == self.uncut_digest:
            return True
        uncut_seconds = self.uncut_seconds
        if uncut_seconds is None:
            uncut_seconds = self.frame_count / self.frame_rate
        cut_seconds = output_frame_count(self.plan, self.frame_count) / self.frame_rate
        return (
            abs(speech.seconds - uncut_seconds) <= _SAME_LENGTH_SECONDS
            and abs(speech.seconds - cut_seconds) > 3 * _SAME_LENGTH_SECONDS
        )

    def check_fits(self, clip: Clip, asked_rate: int | None = None) -> None:
        """Raise InputError where the plan was made for another clip, or counts at another rate.

        ``asked_rate`` is the rate that a model is asked for; None or -1 is the clip's own. Frames
        that are counted on anything else would cut in the wrong places, and be paid for.
        """
        if self.plan.is_empty:
            return
        made_for = f"{self.frame_count} frames at {float(self.frame_rate):g} fps"
        if (clip.frame_count, clip.frame_rate) != (self.frame_count, self.frame_rate):
            found = f"{clip.frame_count} frames at {float(clip.frame_rate):g} fps"
            found = "a single image" if clip.is_still else found
            raise InputError(
                f"edits was made for a clip of {made_for}; media is {found}.",
                field="edits",
                value=made_for,
                limit=found,
                remedy="Connect the same clip, with the same source_fps, to Edit Ranges and here.",
            )
        if asked_rate not in (None, -1) and asked_rate != self.frame_rate:
            raise InputError(
                f"frame_rate is {asked_rate}, and edits counts {made_for}.",
                field="frame_rate",
                value=asked_rate,
                limit=f"-1, or {float(self.frame_rate):g}",
                remedy="Leave frame_rate at -1, or give Edit Ranges a clip that has that rate.",
            )


def check_edits(value: object) -> None:
    """Raise InputError for what a program has put where a link to Edit Ranges belongs."""
    if value is None or isinstance(value, EditsValue):
        return
    raise InputError(
        f"edits is {str(value)[:40]!r}, no edit plan.",
        field="edits",
        value=str(value)[:40],
        limit="a link to the edits output of Edit Ranges",
        remedy="Give the JSON to the edits input of Edit Ranges, and link its output here.",
    )
