"""How much is measured: everything, or short inputs to try it with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALL_METHODS = ("*",)
_COUNTED = ("ours", "ours-medium", "ours-accurate", "core")


@dataclass(frozen=True)
class Case:
    """A synthetic clip at 25 frames a second."""

    name: str
    width: int
    height: int
    frame_count: int
    rounds: int


@dataclass(frozen=True)
class Plan:
    """``scaled_seconds`` are the lengths of the scaling; ``node_seconds`` that of the host's clip
    and ``stopped_seconds`` that of the large file in which somebody stops, a megabyte a second.
    ``taken_back_seconds`` is how long free memory is left to a virtual machine's host.

    ``memory_methods`` says whose memory is counted in which case. ``unjudged_rounds`` are those of
    ways that no target is about; in each of ``mutation_rounds`` each way is tried
    ``mutation_tries`` times, some with the clip ``mutation_case``. ``footage_frames`` is how much
    of a real clip is taken.
    """

    is_quick: bool
    cases: tuple[Case, ...]
    memory_methods: Mapping[str, Sequence[str]]
    unjudged_rounds: int
    footage_frames: int
    footage_rounds: int
    body_megabytes: tuple[int, ...]
    body_rounds: int
    posted_megabytes: int
    fetched_megabytes: int
    counted_seconds: int
    mutation_rounds: int
    mutation_tries: int
    mutation_case: Case
    passing_rounds: int
    sound_rounds: int
    gap_rounds: int
    stopped_seconds: int
    starts: int
    scaled_seconds: tuple[int, ...]
    node_seconds: int
    node_size: tuple[int, int]
    taken_back_rounds: int
    taken_back_seconds: float


FULL = Plan(
    is_quick=False,
    cases=(
        Case("512", 512, 512, 100, 5),
        Case("720p", 1280, 720, 250, 5),
        Case("1080p", 1920, 1080, 250, 5),
    ),
    # Of peers once, where it is soon had: at other sizes each figure would cost up to a minute that
    # no target asks for.
    memory_methods={"512": ALL_METHODS, "720p": _COUNTED, "1080p": _COUNTED},
    unjudged_rounds=3,
    footage_frames=250,
    footage_rounds=3,  # equality is the same in each; quality nearly, since x264's threads differ
    body_megabytes=(10, 50, 200),
    body_rounds=15,
    posted_megabytes=50,
    fetched_megabytes=200,
    counted_seconds=60,
    mutation_rounds=9,
    mutation_tries=3,
    mutation_case=Case("mutated", 2560, 1440, 30, 9),
    passing_rounds=5,
    sound_rounds=5,
    gap_rounds=5,
    stopped_seconds=600,
    starts=5,
    scaled_seconds=(1, 4, 15, 120, 1800),
    node_seconds=600,
    node_size=(1920, 1080),
    taken_back_rounds=3,
    taken_back_seconds=60.0,
)

QUICK = Plan(
    is_quick=True,
    cases=(
        Case("512", 512, 512, 20, 2),
        Case("720p", 1280, 720, 12, 2),
        Case("1080p", 1920, 1080, 8, 1),
    ),
    memory_methods={"720p": ("ours", "core")},
    unjudged_rounds=1,
    footage_frames=25,
    footage_rounds=2,
    body_megabytes=(2,),
    body_rounds=2,
    posted_megabytes=2,
    fetched_megabytes=2,
    counted_seconds=4,
    mutation_rounds=2,
    mutation_tries=1,
    mutation_case=Case("mutated", 128, 96, 12, 2),
    passing_rounds=1,
    sound_rounds=1,
    gap_rounds=1,
    stopped_seconds=20,
    starts=1,
    scaled_seconds=(1, 3),
    node_seconds=10,
    node_size=(640, 360),
    taken_back_rounds=1,
    taken_back_seconds=1.0,
)
