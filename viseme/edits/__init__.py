"""Edit plans: additions and removals on a clip, in frames. Pure arithmetic.

Frames are counted from 0 on the clip as it was before any edit. An addition at frame ``s`` puts
new frames before source frame ``s`` (``s`` equal to the clip's frame count puts them at the end).
A removal takes out ``first_frame`` to ``last_frame``, both included, and puts its bridge, if it
has one, in their place; a bridge of 0 frames is a jump cut. Where a removal ends and an addition
starts at the same place, the bridge comes first.

The same cut for sound is to the sample: output frame ``g`` starts at the sample nearest to
``g * sample_rate / frame_rate`` (halves up), so that no error adds up over many edits.

Plans are written as JSON in two ways. Readable, half-open ``[from, to)``::

    {"unit": "seconds", "additions": [{"at": 2, "duration": 0.5}],
                        "removals": [{"from": 4, "to": 5.2, "bridge": 0.2}]}

and as pipio's four lists under their own names (fal.ai/models/pipio/lipsync). Seconds become the
nearest frame boundary, halves up, from their decimal text; a duration that would become no frame
at all is refused.
"""

from __future__ import annotations

from .documents import (
    ADDITION_DURATIONS,
    ADDITION_STARTS,
    PIPIO_LISTS,
    REMOVAL_BRIDGES,
    REMOVAL_RANGES,
    from_pipio,
    parse,
    to_json,
    to_pipio,
)
from .plan import Addition, EditPlan, Removal, validate
from .runs import (
    FrameRun,
    SoundRun,
    frame_map,
    output_frame_count,
    sample_at,
    segments,
    sound_segments,
)

__all__ = [
    "ADDITION_DURATIONS",
    "ADDITION_STARTS",
    "PIPIO_LISTS",
    "REMOVAL_BRIDGES",
    "REMOVAL_RANGES",
    "Addition",
    "EditPlan",
    "FrameRun",
    "Removal",
    "SoundRun",
    "frame_map",
    "from_pipio",
    "output_frame_count",
    "parse",
    "sample_at",
    "segments",
    "sound_segments",
    "to_json",
    "to_pipio",
    "validate",
]
