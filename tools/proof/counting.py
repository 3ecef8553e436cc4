"""Run the tests of what is promised, and count."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .promises import Promise

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
# As in the Makefile.
IN_PARALLEL = ("--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile")


@dataclass
class Case:
    """One case of a test and how it ended: ``passed``, ``skipped`` or ``failed``."""

    test: str
    name: str
    ended: str
    why: str = ""
    recorded: dict[str, int] = field(default_factory=dict)


@dataclass
class Counted:
    """What was found of one promise."""

    promise: Promise
    count: int
    skipped: int
    why_skipped: str

    @property
    def is_short(self) -> bool:
        return self.count < self.promise.least


def named_tests(promises: Iterable[Promise]) -> list[str]:
    """What pytest is to run, each test once: those of a file that is named as a whole are in it."""
    named = {test for promise in promises for test in promise.tests}
    return sorted(
        test for test in named if "::" not in test or test.partition("::")[0] not in named
    )


def run_tests(promises: Sequence[Promise], tell: Callable[[str], None]) -> list[Case]:
    """Run the tests of the promises. Raises ``RuntimeError`` where they could not be run."""
    tests = named_tests(promises)
    with tempfile.TemporaryDirectory(prefix="viseme-proof-") as folder:
        report = Path(folder) / "report.xml"
        # This older form of the report names the file of a test.
        options = ("-o", "junit_family=xunit1", f"--junitxml={report}", *IN_PARALLEL)
        ended = subprocess.run(  # noqa: S603 - this Python
            [*PROGRAM, *options, *tests], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if not report.exists():
            raise RuntimeError(f"the tests did not run:\n{ended.stdout}{ended.stderr}")
        cases = list(read_report(report.read_text("utf-8")))
    tell(f"promises: {len(cases):,} cases of {len(tests)} tests and files")
    if ended.returncode not in (0, 1):  # neither all passed nor some failed
        raise RuntimeError(f"the tests ended with {ended.returncode}:\n{ended.stdout}")
    return cases


def read_report(text: str) -> Iterable[Case]:
    """The cases of a JUnit report of pytest's."""
    for case in ET.fromstring(text).iter("testcase"):  # noqa: S314 - made here
        name = case.get("name", "")
        test = f"{case.get('file', '')}::{name.partition('[')[0]}"
        ended, why = "passed", ""
        for part in case:
            if part.tag in ("failure", "error", "skipped"):
                ended = "skipped" if part.tag == "skipped" else "failed"
                why = part.get("message") or ""
        recorded = {
            entry.get("name", ""): int(entry.get("value", ""))
            for entry in case.iter("property")
            if entry.get("value", "").isdigit()
        }
        yield Case(test, name, ended, why, recorded)


def count(promises: Sequence[Promise], cases: Iterable[Case]) -> list[Counted]:
    """How often each promise was shown. A case that failed shows nothing."""
    by_test: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_test[case.test].append(case)
        by_test[case.test.partition("::")[0]].append(case)
    return [_counted(promise, by_test) for promise in promises]


def _counted(promise: Promise, by_test: dict[str, list[Case]]) -> Counted:
    cases = [case for test in promise.tests for case in by_test[test]]
    passed = [case for case in cases if case.ended == "passed"]
    skipped = [case for case in cases if case.ended == "skipped"]
    number = len(passed)
    if promise.counted_as is not None:
        number = sum(case.recorded.get(promise.counted_as, 0) for case in passed)
    return Counted(promise, number, len(skipped), skipped[0].why if skipped else "")


def failed(cases: Iterable[Case]) -> list[str]:
    return [
        f"{case.test.partition('::')[0]}::{case.name}" for case in cases if case.ended == "failed"
    ]


def promises_table(found: Sequence[Counted], cases: Sequence[Case]) -> list[str]:
    rows = [
        f"| {one.promise.name} | {one.promise.counted} | {one.promise.least:,} | {_shown(one)} |"
        for one in found
    ]
    lines = ["| | what is counted | wanted | shown |", "|---|---|--:|--:|", *rows]
    lines.append(f"| | **cases that failed** | 0 | {len(failed(cases))} |")
    for one in found:
        if one.skipped:
            lines += ["", f"{one.promise.name}: {one.skipped} not tried: {one.why_skipped}"]
    return lines


def _shown(one: Counted) -> str:
    return f"**{one.count:,}, too few**" if one.is_short else f"{one.count:,}"


def wrong_promises(found: Sequence[Counted], cases: Sequence[Case]) -> list[str]:
    short = [f"{one.promise.name} is shown too little" for one in found if one.is_short]
    return [*short, *failed(cases)]
