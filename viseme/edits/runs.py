"""What an edit plan does to a clip: runs of frames, and the same cut for its sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from .plan import Addition, EditPlan, Removal, refuse, validate


@dataclass(frozen=True, slots=True)
class FrameRun:
    """A run of output frames: source frames from ``start_frame`` on, or new ones (None)."""

    origin: Literal["source", "addition", "bridge"]
    start_frame: int | None
    frame_count: int


@dataclass(frozen=True, slots=True)
class SoundRun:
    """A run of output samples: source samples from ``start_sample`` on, or silence (None)."""

    start_sample: int | None
    sample_count: int

    @property
    def end_sample(self) -> int | None:
        """One past the last source sample."""
        return None if self.start_sample is None else self.start_sample + self.sample_count


def _place(edit: Addition | Removal) -> int:
    return edit.start_frame if isinstance(edit, Addition) else edit.first_frame


def _pieces(plan: EditPlan, frame_count: int) -> Iterator[FrameRun]:
    """The output in order; runs of no frames and runs that could be one are among them."""
    edits: list[Addition | Removal] = [*plan.removals, *plan.additions]
    position = 0
    for edit in sorted(edits, key=_place):
        yield FrameRun("source", position, _place(edit) - position)
        position = _place(edit)
        if isinstance(edit, Addition):
            yield FrameRun("addition", None, edit.frame_count)
        else:
            yield FrameRun("bridge", None, edit.bridge_frame_count)
            position = edit.last_frame + 1
    yield FrameRun("source", position, frame_count - position)


def segments(plan: EditPlan, frame_count: int) -> tuple[FrameRun, ...]:
    """The output as runs of frames, none of them empty. Validates the plan."""
    validate(plan, frame_count)
    return tuple(run for run in _pieces(plan, frame_count) if run.frame_count > 0)


def output_frame_count(plan: EditPlan, frame_count: int) -> int:
    """How many frames a clip of ``frame_count`` has after the edits. Validates the plan."""
    return sum(run.frame_count for run in segments(plan, frame_count))


def frame_map(plan: EditPlan, frame_count: int) -> list[int | None]:
    """For every output frame the source frame that it shows, or None for a new one."""
    mapped: list[int | None] = []
    for run in segments(plan, frame_count):
        if run.start_frame is None:
            mapped.extend([None] * run.frame_count)
        else:
            mapped.extend(range(run.start_frame, run.start_frame + run.frame_count))
    return mapped


def nearest(exact: Fraction) -> int:
    """The nearest integer, halves up."""
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def sample_at(frame: int, frame_rate: Fraction, sample_rate: int) -> int:
    """The sample at which a frame starts: nearest, halves up."""
    return nearest(frame * sample_rate / frame_rate)


def sound_segments(
    plan: EditPlan, frame_count: int, frame_rate: Fraction, sample_rate: int
) -> tuple[SoundRun, ...]:
    """The cut of ``segments`` for the sound of the same clip, in samples per channel.

    Together the runs have ``sample_at(output frames)`` samples, exactly. Source runs stay below
    ``sample_at(frame_count)``, which is the picture's end: a sample that rounding would take from
    beyond it is silence. Sound that ends before the picture counts as silent from there.
    """
    if frame_rate <= 0 or sample_rate < 1:
        refuse("sample_rate", sample_rate, "rates over 0", "Give the clip's own rates.")
    source_end = sample_at(frame_count, frame_rate, sample_rate)
    runs: list[SoundRun] = []
    output_frame = output_sample = 0

    def silence(sample_count: int) -> None:
        if runs and runs[-1].start_sample is None:
            sample_count += runs.pop().sample_count
        if sample_count:
            runs.append(SoundRun(None, sample_count))

    for run in segments(plan, frame_count):
        output_frame += run.frame_count
        next_sample = sample_at(output_frame, frame_rate, sample_rate)
        wanted, output_sample = next_sample - output_sample, next_sample
        if run.start_frame is None:
            silence(wanted)
            continue
        start = sample_at(run.start_frame, frame_rate, sample_rate)
        found = min(wanted, source_end - start)
        if found:
            runs.append(SoundRun(start, found))
        silence(wanted - found)
    return tuple(runs)
