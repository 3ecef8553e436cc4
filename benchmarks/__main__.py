"""Measure Viseme beside its peers: ``make bench``, or ``python -m benchmarks``.

    make bench                                everything; writes docs/benchmarks.md and its plots
    make bench FOOTAGE="talk.mp4 other.mp4"   with real clips besides the drawn ones
    python -m benchmarks --quick              short inputs, to try it; prints, writes nothing
    python -m benchmarks --only bodies        one part
    make bench PARTS=bodies,fixed             parts that are written; the others stay as they were
    python -m benchmarks --only encode --mutate slice-threads    what an optimisation is worth

A whole run writes into docs, part by part, and so does any other with --write; else it prints, or
writes where --output says.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from tests.host.hosting import NoHost, find_installation

from .bench import Bench
from .children import ROOT, Child, Runtime
from .kept import Measured, load, save
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
    # As Ctrl-C does: what was started is ended, and what was made is removed.
    signal.signal(signal.SIGTERM, _stop)
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
        with Child(bench.runtime) as child:
            facts = machine_facts(bench.runtime, child.run("versions"))
        names = [name for name in PARTS if name in (options.only or PARTS)]
        is_whole = not (options.quick or options.only or options.mutate)
        output = options.output or (DOCS if is_whole or options.write else None)
        return _measure_all(bench, names, facts, output)


def _measure_all(
    bench: Bench, names: Sequence[str], facts: Mapping[str, str], output: Path | None
) -> int:
    """Measure parts one after the other; what is measured is written at once. The exit code."""
    is_quick = bench.plan.is_quick
    parts = {} if output is None else load(output, is_quick=is_quick)
    measured: list[str] = []
    with suppress(KeyboardInterrupt, SystemExit):
        for name in names:
            started = time.monotonic()
            section = _measure(bench, name)
            minutes = (time.monotonic() - started) / 60
            ended_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
            parts[name] = Measured(section, facts, tuple(bench.footage_names), minutes, ended_at)
            measured.append(name)
            if output is not None:
                save(output, parts, is_quick=is_quick)
                _write(output, parts, bench)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if output is None:
        sys.stdout.write(_report(parts, bench, []))
    elif measured:
        lines = "\n".join(_target_lines(parts))
        sys.stdout.write(f"\n{lines}\n\nwritten to {output}\n")
    if len(measured) < len(names):
        return 130
    return 1 if any(parts[name].section.has_failed for name in measured) else 0


def _stop(*_: object) -> None:
    _tell_progress("ended by SIGTERM; parts that were measured are written")
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


def _write(output: Path, parts: Mapping[str, Measured], bench: Bench) -> None:
    series = [one for part in parts.values() for one in part.section.series]
    plots: list[str] | None = []
    if series:
        try:
            plots = draw(output, series)
        except ImportError:
            plots = None
    write_report(output, _report(parts, bench, plots))


def _report(parts: Mapping[str, Measured], bench: Bench, plots: Sequence[str] | None) -> str:
    """The report; ``plots`` is None where they could not be drawn."""
    notes = _notes(parts, bench)
    if plots is None:
        notes += ["", "Without plots: there is no matplotlib; install the extra `bench`."]
    return report_text(
        notes=notes,
        target_lines=_target_lines(parts),
        parts=[parts[name] for name in PARTS if name in parts],
        plots=plots or [],
    )


def _target_lines(parts: Mapping[str, Measured]) -> Sequence[str]:
    figures = {name: part.section.figures for name, part in parts.items()}
    footage = dict.fromkeys(name for part in parts.values() for name in part.footage)
    return target_lines(figures, list(footage))


def _notes(parts: Mapping[str, Measured], bench: Bench) -> list[str]:
    notes = [
        "What `make bench` has measured: Viseme beside ComfyUI's own VIDEO classes, "
        "VideoHelperSuite's way of calling ffmpeg, the way one writes it first, and the plain "
        "ffmpeg command as the limit. In each part all of them run in turns; the order turns "
        "round with every round; told are medians with the least and the most. CPU is user and "
        "system time. Memory is the kernel's count of a fresh process for each figure. Nothing "
        "here is written by hand; seconds of two machines are not to be compared, ratios are."
    ]
    if bench.plan.is_quick:
        notes += ["", "**Short inputs: these figures mean nothing.**"]
    if lacking := [name for name in PARTS if name not in parts]:
        notes += ["", f"**Not measured: {', '.join(lacking)}.**"]
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
    parser.add_argument(
        "--write", action="store_true", help="write what is measured into docs; the rest stays"
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
    if options.write and (options.quick or options.mutate or options.output):
        parser.error("--write is for what the whole run measures, and writes into docs")
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
