"""pipio's four edit lists, worked out a second time from fal.ai/models/pipio/lipsync/api.

The page gives the lists and says of the result only that its length is ``num_frames`` "when no
edits are present". Taken here: all numbers count pictures of the unedited timeline of
``num_frames``; an addition at ``n`` stands before picture ``n``; the bridge of a removal stands in
the place of what was removed. The result therefore has
``num_frames + sum(additions) - sum(end - start + 1) + sum(bridges)`` pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .base import Problem


@dataclass(frozen=True, slots=True)
class Kept:
    """Picture ``index`` of the unedited timeline."""

    index: int


@dataclass(frozen=True, slots=True)
class New:
    """A picture that the model makes up, between the kept ones ``before`` and ``after``.

    ``share`` is how far it is on the way. At either end of the clip both are the same picture.
    """

    before: int
    after: int
    share: float


@dataclass(frozen=True)
class Edits:
    """The lists as the request has them; ``removal_ranges`` is flat, inclusive pairs."""

    addition_starts: Sequence[int] = ()
    addition_durations: Sequence[int] = ()
    removal_ranges: Sequence[int] = ()
    removal_bridges: Sequence[int] = ()

    @property
    def removals(self) -> list[tuple[int, int]]:
        """(first, last) pairs, both removed."""
        return list(zip(self.removal_ranges[::2], self.removal_ranges[1::2], strict=True))

    def problems(self, num_frames: int) -> list[Problem]:
        """What is wrong with the lists for a timeline of so many pictures."""
        found = self._length_problems()
        if found:
            return found
        return [
            *self._addition_problems(num_frames),
            *self._removal_problems(num_frames),
            *self._crossing_problems(),
        ]

    def frame_count(self, num_frames: int) -> int:
        """Pictures of the result."""
        removed = sum(last - first + 1 for first, last in self.removals)
        return num_frames + sum(self.addition_durations) - removed + sum(self.removal_bridges)

    def segments(self, num_frames: int) -> list[tuple[int, range]]:
        """The result as so many new pictures, then a run of kept ones, over and over.

        Only the last run may be empty. For lists without problems.
        """
        added = zip(self.addition_starts, self.addition_durations, strict=True)
        cut = zip(self.removals, self.removal_bridges, strict=True)
        events = [(start, duration, 0) for start, duration in added]
        events += [(first, bridge, last - first + 1) for (first, last), bridge in cut]
        segments = []
        position = new = 0
        for place, made_up, removed in sorted(events):
            if place > position:
                segments.append((new, range(position, place)))
                new = 0
            new += made_up
            position = place + removed
        return [*segments, (new, range(position, num_frames))]

    def timeline(self, num_frames: int) -> Iterator[Kept | New]:
        """The result's pictures in order, for lists without problems."""
        before: int | None = None
        for new, kept in self.segments(num_frames):
            after = kept[0] if kept else before
            start = after if before is None else before
            if after is not None and start is not None:
                yield from (New(start, after, (n + 1) / (new + 1)) for n in range(new))
            yield from (Kept(index) for index in kept)
            before = kept[-1] if kept else before

    def _length_problems(self) -> list[Problem]:
        found = []
        if len(self.addition_starts) != len(self.addition_durations):
            found.append(
                _problem(
                    "edit_addition_durations",
                    None,
                    "edit_addition_start_frames and edit_addition_durations must have the same "
                    f"length, got {len(self.addition_starts)} and {len(self.addition_durations)}",
                    self.addition_durations,
                )
            )
        if len(self.removal_ranges) % 2:
            found.append(
                _problem(
                    "edit_removal_ranges",
                    None,
                    f"edit_removal_ranges must come in pairs, got {len(self.removal_ranges)} "
                    "numbers",
                    self.removal_ranges,
                )
            )
        elif len(self.removal_ranges) != 2 * len(self.removal_bridges):
            found.append(
                _problem(
                    "edit_removal_bridge_durations",
                    None,
                    "edit_removal_bridge_durations must have one number for each pair in "
                    f"edit_removal_ranges, got {len(self.removal_bridges)} for "
                    f"{len(self.removal_ranges) // 2}",
                    self.removal_bridges,
                )
            )
        return found

    def _addition_problems(self, num_frames: int) -> list[Problem]:
        found = []
        name = "edit_addition_start_frames"
        for n, start in enumerate(self.addition_starts):
            if not 0 <= start <= num_frames:
                found.append(_problem(name, n, f"Frame {start} is not in 0 to {num_frames}", start))
            elif n and start <= self.addition_starts[n - 1]:
                found.append(_problem(name, n, "Start frames must ascend", start))
        for n, duration in enumerate(self.addition_durations):
            if duration < 1:
                message = "A duration must be at least 1 frame"
                found.append(_problem("edit_addition_durations", n, message, duration))
        return found

    def _removal_problems(self, num_frames: int) -> list[Problem]:
        found = []
        name = "edit_removal_ranges"
        before = -1
        for n, (first, last) in enumerate(self.removals):
            if not 0 <= first <= last < num_frames:
                message = f"[{first}, {last}] is not a range within frames 0 to {num_frames - 1}"
                found.append(_problem(name, 2 * n, message, [first, last]))
            elif first <= before:
                message = f"[{first}, {last}] must come after the range before it, without overlap"
                found.append(_problem(name, 2 * n, message, [first, last]))
            before = max(before, last)
        for n, bridge in enumerate(self.removal_bridges):
            if bridge < 0:
                message = "A bridge must be at least 0 frames"
                found.append(_problem("edit_removal_bridge_durations", n, message, bridge))
        if not found and sum(last - first + 1 for first, last in self.removals) >= num_frames:
            found.append(_problem(name, None, "No frame is left", self.removal_ranges))
        return found

    def _crossing_problems(self) -> list[Problem]:
        return [
            _problem(
                "edit_addition_start_frames",
                n,
                f"Frame {start} is inside the removed range [{first}, {last}]",
                start,
            )
            for n, start in enumerate(self.addition_starts)
            for first, last in self.removals
            if first <= start <= last
        ]


def _problem(name: str, item: int | None, message: str, sent: object) -> Problem:
    loc = (name,) if item is None else (name, item)
    return Problem(loc, message, "value_error", sent)
