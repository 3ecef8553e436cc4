"""Measure Viseme beside its peers: ``make bench``, or ``python -m benchmarks``.

    make bench                                everything; writes docs/benchmarks.md and its plots
    make bench FOOTAGE="talk.mp4 other.mp4"   with real clips besides the drawn ones
    python -m benchmarks --quick              short inputs, to try it; prints, writes nothing
    python -m benchmarks --only bodies        one part
    python -m benchmarks --only encode --mutate slice-threads    what an optimisation is worth

Only a whole run writes into docs by itself; any other prints, and writes where --output says.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.host.hosting import NoHost, find_installation

from .bench import Bench
from .children import ROOT, Child, Runtime
from .machine import has_ffmpeg, machine_facts
from .mutations import MUTATIONS
from .parts import PARTS
from .plan import FULL, QUICK
from .plots import draw
from .report import Section, report_text, write_report
from .targets import target_lines

IN_MEMORY = Path("/dev/shm")  # noqa: S108  # where Linux has a disk in memory
DOCS = ROOT / "docs"
_WITH_COLUMNS = ("encode", "decode")  # parts in which a mutation is one more column


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    # As Ctrl-C does: what was started is ended, what was made is removed, and what was measured is
    # written: a whole run takes more than an hour.
    signal.signal(signal.SIGTERM, _stop)
    started = time.monotonic()
    memory = IN_MEMORY if IN_MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="viseme-bench-", dir=memory) as folder,
        tempfile.TemporaryDirectory(prefix="viseme-bench-") as disk,
    ):
        bench = Bench(
            plan=QUICK if options.quick else FULL,
            runtime=_runtime(Path(disk)),
            folder=Path(folder),
            disk=Path(disk),
            footage=options.footage,
            mutations=options.mutate,
            say=_tell_progress,
        )
        names = options.only or list(PARTS)
        sections: dict[str, Section] = {}
        with suppress(KeyboardInterrupt, SystemExit):
            for name in (name for name in PARTS if name in names):
                sections[name] = _measure(bench, name)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Child(bench.runtime) as child:
            facts = machine_facts(bench.runtime, child.run("versions"))
    facts["taken"] = f"{(time.monotonic() - started) / 60:.0f} minutes"
    left_out = [name for name in names if name not in sections]
    _conclude(bench, sections, facts, options, left_out)
    if left_out:
        return 130
    return 1 if any(section.has_failed for section in sections.values()) else 0


def _stop(*_: object) -> None:
    _tell_progress("ended by SIGTERM; what was measured is written")
    sys.exit(130)


def _measure(bench: Bench, name: str) -> Section:
    """One part; where it breaks, a section that says so: the others are not lost with it."""
    try:
        return PARTS[name](bench)
    except Exception as problem:  # noqa: BLE001  # told in the report and by the exit code
        _tell_progress(f"{name} FAILED\n{traceback.format_exc()}")
        failed = Section(name.capitalize(), has_failed=True)
        failed.lacks(f"all of it ({type(problem).__name__}: {str(problem).partition(chr(10))[0]}).")
        return failed


def _conclude(
    bench: Bench,
    sections: dict[str, Section],
    facts: dict[str, str],
    options: argparse.Namespace,
    left_out: Sequence[str],
) -> None:
    is_whole = not (options.quick or options.only or options.mutate)
    folder = options.output or (DOCS if is_whole else None)
    series = [one for section in sections.values() for one in section.series]
    plots: list[str] = []
    if folder is not None and series:
        try:
            plots = draw(folder, series)
        except ImportError:
            sections["scaling"].lacks("plots (there is no matplotlib; install the extra `bench`).")
    figures = {name: section.figures for name, section in sections.items()}
    lines = target_lines(figures, list(bench.footage_names))
    parts = list(sections.values())
    notes = _notes(bench, is_whole=is_whole)
    if left_out:
        notes += ["", f"**Ended before these were measured: {', '.join(left_out)}.**"]
    text = report_text(facts=facts, notes=notes, target_lines=lines, sections=parts, plots=plots)
    if folder is None:
        sys.stdout.write(text)
        return
    path = write_report(folder, text)
    sys.stdout.write("\n".join(["", *lines, "", f"written to {path}", ""]))


def _notes(bench: Bench, *, is_whole: bool) -> list[str]:
    notes = [
        "What `make bench` has measured, all in one run on one machine: Viseme beside ComfyUI's "
        "own VIDEO classes, VideoHelperSuite's way of calling ffmpeg, the way one writes it first, "
        "and the plain ffmpeg command as the limit. The order turns round with every round; told "
        "are medians with the least and the most. CPU is user and system time. Memory is the "
        "kernel's count of a fresh process for each figure. Nothing here is written by hand; "
        "seconds of two machines are not to be compared, ratios are."
    ]
    if bench.plan.is_quick:
        notes += ["", "**A quick run with short inputs: these figures mean nothing.**"]
    elif not is_whole:
        notes += ["", "**Not a whole run.**"]
    if bench.runtime.missing:
        notes += ["", f"Without ComfyUI: {bench.runtime.missing}"]
    if not has_ffmpeg():
        notes += ["", "Without the ffmpeg command: there is none."]
    return notes


def _runtime(disk: Path) -> Runtime:
    try:
        found = find_installation(disk / "host-libraries")
    except NoHost as reason:
        return Runtime(Path(sys.executable), missing=str(reason))
    version = ".".join(map(str, found.version))
    return Runtime(found.python, found.folder, version, found.libraries)


def _tell_progress(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    has_column = [name for name, one in MUTATIONS.items() if set(one.parts) & set(_WITH_COLUMNS)]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="short inputs and few rounds")
    parser.add_argument(
        "--only", action="append", choices=list(PARTS), metavar="NAME", help=", ".join(PARTS)
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the report is written")
    parser.add_argument("--footage", type=_file, nargs="+", default=[], metavar="FILE")
    parser.add_argument(
        "--mutate",
        action="append",
        default=[],
        choices=list(MUTATIONS),
        metavar="NAME",
        help="; ".join(f"{name}: {one.says}" for name, one in MUTATIONS.items()),
    )
    options = parser.parse_args(arguments)
    without = set(options.mutate) - set(has_column)
    if without and "mutations" not in (options.only or PARTS):
        parser.error(f"{', '.join(sorted(without))}: only the part `mutations` measures it")
    return options


def _file(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


if __name__ == "__main__":
    sys.exit(main())
