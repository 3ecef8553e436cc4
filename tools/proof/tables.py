"""What was proved, as tables of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .purchases import LABELS
from .scene import Outcome

CRASHES: Sequence[tuple[str, str]] = (
    ("purchases", "histories"),
    ("crash points", "crash points"),
    ("... SIGINT", "interrupted"),
    ("**real SIGKILLs**", "killed"),
    ("... at a line of the code", "killed at a traced line"),
    ("... at a moment by the clock", "killed at a random time"),
    ("... of a process started anew", "killed fresh"),
    ("disks full from a line of the code on", "full disks"),
    ("commands", "commands"),
    ("second processes on the same purchase", "second processes"),
    ("sandboxes killed meanwhile", "sandboxes killed"),
    ("submissions that reached the sandbox", "submits"),
    ("charges at the end", "charges"),
    ("... with their result here", "results brought home"),
    ("... given up by the user's own word", "charges of what the user gave up"),
    (
        "... that no list shows (`store_io=false`), said to be in doubt",
        "charges in doubt, and said so",
    ),
    ("**charged twice**", "duplicate charges"),
    ("**paid results lost**", "lost results"),
    ("times that a job was in doubt after a command", "crashes or ends in doubt"),
    ("ends as unknown, with the three choices", "ambiguous ends said"),
    ("**sent again while in doubt**", "sent again in doubt"),
    ("jobs left in doubt at the end: discarded, bought anew", "given up and bought anew"),
)
SEQUENCES = tuple(
    row
    for row in CRASHES
    if row[1]
    in {
        *("histories", "crash points", "killed", "full disks", "commands", "second processes"),
        *("sandboxes killed", "submits", "charges", "duplicate charges", "lost results"),
        "sent again in doubt",
    }
)
CROWDS: Sequence[tuple[str, str]] = (
    ("homes", "histories"),
    ("purchases", "purchases"),
    ("crash points", "crash points"),
    ("**real SIGKILLs**", "killed"),
    ("commands", "commands"),
    ("submissions that reached the sandbox", "submits"),
    ("charges at the end", "charges"),
    ("... with their result here", "results brought home"),
    ("**charged twice**", "duplicate charges"),
    ("**paid results lost**", "lost results"),
    ("**results of several jobs**", "shared results"),
    ("jobs left in doubt at the end, never charged, and said so", "left in doubt, never charged"),
)
MOST_KILLS_ASKED = 500  # of each vendor's commands, where many points are
PEAKS: Sequence[tuple[str, str]] = (
    ("most commands to recover (promised: 1)", "commands to recover"),
    ("longest `viseme jobs` after a crash (promised: 2 s)", "seconds to list after the crash"),
    ("longest command", "seconds of a command"),
    (
        "longest return from an interrupt (promised: 2 s on a machine that is not busy)",
        "seconds to return from an interrupt",
    ),
)
CROWD_PEAKS: Sequence[tuple[str, str]] = (
    ("most processes at once", "processes at once"),
    ("longest command", "seconds of a command"),
)


def shortfall(sums: Mapping[str, Outcome], points: int) -> list[str]:
    """A paragraph that says where fewer points were struck than ordered; empty where all were."""
    few = [
        f"{one.counts['crash points']:,} of {points:,} points at {LABELS[vendor]}"
        for vendor, one in sums.items()
        if one.counts["crash points"] < points
    ]
    return [f"**Ended by the time, before all was tried: {', '.join(few)}.**", ""] if few else []


def least_kills(points: int) -> int:
    """So many of a vendor's points are to be SIGKILLs at least; about nine in ten are."""
    return min(MOST_KILLS_ASKED, points // 4)


def too_few_kills(sums: Mapping[str, Outcome], points: int) -> list[str]:
    """The vendors, in words, at which fewer processes were killed than ``points`` ask for."""
    least = least_kills(points)
    return [
        f"{one.counts['killed']:,} of {least:,} SIGKILLs at {LABELS[vendor]}"
        for vendor, one in sums.items()
        if one.counts["killed"] < least
    ]


def table(
    sums: Mapping[str, Outcome],
    rows: Sequence[tuple[str, str]],
    peaks: Sequence[tuple[str, str]] = PEAKS,
) -> list[str]:
    """A column for each vendor; below it how often each fault was set."""
    each = list(sums.values())
    lines = [_row("", [LABELS[vendor] for vendor in sums]), "|---|" + "--:|" * len(sums)]
    lines += [_row(name, [f"{one.counts[key]:,}" for one in each]) for name, key in rows]
    for name, key in peaks:
        is_time = key.startswith("seconds")
        values = [one.most.get(key, 0.0) for one in each]
        lines.append(_row(name, [f"{v:.2f} s" if is_time else f"{v:.0f}" for v in values]))
    lines.append(_row("**purchases of which anything was wrong**", [len(o.wrongs) for o in each]))
    names = sorted({name for one in each for name in one.counts if name.startswith("fault ")})
    faults = ", ".join(
        f"{name.removeprefix('fault ')} {sum(one.counts[name] for one in each):,}" for name in names
    )
    return [*lines, "", f"Faults that were set: {faults}."]


def _row(name: str, values: Sequence[object]) -> str:
    return f"| {name} | {' | '.join(map(str, values))} |"
