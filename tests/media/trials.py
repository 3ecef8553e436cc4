"""Try hostile files on the code that reads them, within the bounds of the child process, and count.

    python -m tests.media.trials --count 10000 --seed 7

``--count`` is the number of mutants of each kind. What one of them does is seen again with
``--kinds mp4 --only 1234`` and the same seed. The exit code is 1 where anything happened that must
not: an error that is none of ours, a decoding that was short without a word, a crash, or a file
that neither ends nor is ended by its bounds. Seconds are of computing.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.media.mutants import KINDS, SOUNDS, Mutator, sources
from viseme.errors import VisemeError
from viseme.media import (
    DEFAULT_LIMITS,
    decode_sound,
    iterate_frames,
    probe_clip,
    probe_speech,
    replace_sound,
)
from viseme.media.check_work import bound_computing, bound_memory, reading_seconds
from viseme.model import Clip

HANG_SECONDS = 60.0  # of a machine that may have other things to do
_BATCH = 200
_GOOD = ("whole", "refused")


def examine(path: Path, *, is_sound: bool, scratch: Path) -> str:
    """All that we do with a file of others. ``whole``, or ``short`` with what is missing.

    Raises what reading it raises.
    """
    if is_sound:
        recording = probe_speech(path)
        samples, _ = decode_sound(recording)
        if samples.shape[2] != recording.sound.sample_count:
            return f"short: {samples.shape[2]} of {recording.sound.sample_count} samples"
        return "whole"
    clip = probe_clip(path)
    if clip.frame_count > 10_000:
        return "whole"  # a few pictures that are held for hours: decoding them proves nothing
    frame_count = sum(1 for _ in iterate_frames(clip))
    if frame_count != clip.frame_count:
        return f"short: {frame_count} of {clip.frame_count} frames"
    _check_sound(clip)
    replace_sound(clip, None, scratch / "copied.mp4")
    return "whole"


def _check_sound(clip: Clip) -> None:
    if clip.sound is not None and clip.sound.seconds < 600:
        decode_sound(clip)


@dataclass
class Tally:
    """What became of the files of one kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[dict[str, Any]] = field(default_factory=list)
    slowest_seconds: float = 0.0
    most_bytes: int = 0

    def add(self, number: int, outcome: str, seconds: float) -> None:
        self.outcomes[outcome.split(":")[0]] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if not outcome.startswith(_GOOD):
            self.bad.append({"number": number, "outcome": outcome})

    def as_json(self) -> dict[str, Any]:
        return {
            "outcomes": dict(sorted(self.outcomes.items())),
            "bad": self.bad,
            "slowest_seconds": round(self.slowest_seconds, 2),
            "most_megabytes": self.most_bytes // 10**6,
        }


def attempt(path: Path, *, is_sound: bool, scratch: Path) -> str:
    """``examine``, with its end in one line."""
    try:
        return examine(path, is_sound=is_sound, scratch=scratch)
    except VisemeError as problem:
        return f"refused: {type(problem).__name__}: {problem}"
    except BaseException as problem:
        where = traceback.extract_tb(problem.__traceback__)[-1]
        return f"untyped: {type(problem).__name__}: {problem} ({where.filename}:{where.lineno})"


def try_all(
    numbers: Sequence[int],
    write: Callable[[int, Path], None],
    *,
    is_sound: bool,
    suffix: str,
    folder: Path,
) -> Tally:
    """Each file in a fork of this process; one that crashes or hangs costs only its fork."""
    tally = Tally()
    left = list(numbers)
    while left:
        batch = left[:_BATCH]
        done = _try_batch(batch, write, tally, is_sound=is_sound, suffix=suffix, folder=folder)
        left = left[done:]
    return tally


def _try_batch(
    batch: Sequence[int],
    write: Callable[[int, Path], None],
    tally: Tally,
    *,
    is_sound: bool,
    suffix: str,
    folder: Path,
) -> int:
    """How many of the batch are done: all, or those up to one that crashed or hung."""
    reading, writing = os.pipe()
    process_id = os.fork()
    if not process_id:
        os.close(reading)
        path = folder / f"mutant-{os.getpid()}{suffix}"
        bound_memory(DEFAULT_LIMITS.max_check_bytes)
        try:
            for number in batch:
                write(number, path)
                os.write(writing, b"begin\n")
                bound_computing(reading_seconds(path.stat().st_size))
                begun = time.process_time()
                outcome = attempt(path, is_sound=is_sound, scratch=folder)
                line = json.dumps([number, outcome[:2000], time.process_time() - begun])
                os.write(writing, line.encode() + b"\n")
            path.unlink(missing_ok=True)
        finally:
            os._exit(0)
    os.close(writing)
    done, is_hung = 0, False
    with os.fdopen(reading, "rb", buffering=0) as lines:
        for told in _lines(lines.fileno()):
            if told is None:
                is_hung = True
                os.kill(process_id, 9)
                break
            if told.startswith(b"["):
                tally.add(*json.loads(told))
                done += 1
    _, status, usage = os.wait4(process_id, 0)
    tally.most_bytes = max(tally.most_bytes, usage.ru_maxrss * 1024)
    if done < len(batch):
        code = os.waitstatus_to_exitcode(status)
        outcome = "hang" if is_hung else f"crash: {code}"
        if code == -signal.SIGXCPU:
            outcome = "refused: it took all the computing that it may"
        tally.add(batch[done], outcome, HANG_SECONDS if is_hung else 0.0)
        done += 1
    return done


def _lines(descriptor: int) -> Iterator[bytes | None]:
    """Whole lines; None where nothing comes for too long."""
    kept = b""
    while True:
        if not select.select([descriptor], [], [], HANG_SECONDS)[0]:
            yield None
            return
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return
        *whole, kept = (kept + piece).split(b"\n")
        yield from whole


def try_mutants(kind: str, seed: int, numbers: Sequence[int]) -> Tally:
    with tempfile.TemporaryDirectory(prefix="viseme-trials-") as name:
        folder = Path(name)
        originals = tuple(path.read_bytes() for path in sources(folder)[kind])
        mutator = Mutator(kind, originals, seed)

        def write(number: int, path: Path) -> None:
            path.write_bytes(mutator.mutant(number))

        return try_all(numbers, write, is_sound=kind in SOUNDS, suffix=f".{kind}", folder=folder)


def main() -> int:
    parser = argparse.ArgumentParser(description="Try mutants of media files.")
    parser.add_argument("--kinds", default=",".join(KINDS), help=",".join(KINDS))
    parser.add_argument("--count", type=int, default=10_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86_400)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="just this one")
    options = parser.parse_args()
    numbers = range(options.count) if options.only is None else [options.only]
    found: dict[str, Any] = {}
    is_good = True
    for kind in options.kinds.split(","):
        begun = time.monotonic()
        tally = try_mutants(kind, options.seed, numbers)
        found[kind] = {**tally.as_json(), "seconds": round(time.monotonic() - begun, 1)}
        is_good = is_good and not tally.bad
    json.dump({"seed": options.seed, "count": len(numbers), "kinds": found}, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
