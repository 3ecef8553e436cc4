"""What is counted in tests is counted rightly, and these tests are there in the numbers wanted."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))

from proof.counting import (  # noqa: E402
    IN_PARALLEL,
    count,
    named_tests,
    promises_table,
    read_report,
    wrong_promises,
)
from proof.promises import PROMISES, Promise  # noqa: E402

TRIED = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_passes(number):
    pass

@pytest.mark.parametrize("number", range(4))
def test_fails_once(number):
    assert number != 2

def test_ends_badly(ends_badly):
    pass

@pytest.fixture
def ends_badly():
    yield
    raise ValueError("at its end")

def test_is_skipped():
    pytest.skip("there is no ComfyUI here")

@pytest.mark.parametrize("number", range(3))
def test_counts_for_itself(number, record_property):
    record_property("places", 10)
    record_property("proof", "seed 7")
"""


def pytest_told(*options: object) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, options)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    ).stdout


def test_only_cases_that_passed_count_and_what_was_not_tried_is_told(tmp_path: Path) -> None:
    (tmp_path / "test_tried.py").write_text(TRIED)
    report = tmp_path / "report.xml"
    options = ("-o", "junit_family=xunit1", f"--junitxml={report}", f"--rootdir={tmp_path}")
    pytest_told(*options, *IN_PARALLEL, tmp_path)
    cases = list(read_report(report.read_text("utf-8")))
    file = "test_tried.py"
    promises = [
        Promise("A", "all that pass", 5, (f"{file}::test_passes",)),
        Promise("B", "all but one", 4, (f"{file}::test_fails_once",)),
        Promise("C", "one that fails once it has passed", 1, (f"{file}::test_ends_badly",)),
        Promise("D", "one that is not tried", 1, (f"{file}::test_is_skipped",)),
        Promise("E", "places", 30, (f"{file}::test_counts_for_itself",), counted_as="places"),
        Promise("F", "all of the file", 11, (file,)),
        Promise("G", "one that is not there", 1, (f"{file}::test_that_is_not_there",)),
    ]
    found = count(promises, cases)
    assert [one.count for one in found] == [5, 3, 0, 0, 30, 11, 0]
    assert [one.promise.name for one in found if one.is_short] == ["B", "C", "D", "G"]
    wrongs = wrong_promises(found, cases)
    assert f"{file}::test_fails_once[2]" in wrongs
    assert f"{file}::test_ends_badly" in wrongs
    assert len(wrongs) == 6
    told = "\n".join(promises_table(found, cases))
    assert "| B | all but one | 4 | **3, too few** |" in told
    assert "| E | places | 30 | 30 |" in told
    assert "D: 1 not tried: there is no ComfyUI here" in told
    assert "| **cases that failed** | 0 | 2 |" in told


def test_a_test_is_run_once_though_its_file_is_named_too() -> None:
    promises = [
        Promise("A", "x", 1, ("tests/a.py::test_one", "tests/b.py::test_two")),
        Promise("B", "x", 1, ("tests/a.py",)),
    ]
    assert named_tests(promises) == ["tests/a.py", "tests/b.py::test_two"]


@pytest.mark.parametrize("test", named_tests(PROMISES))
def test_a_promise_names_tests_that_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in found if name else [one for one in found if one.startswith("test_")]


def test_there_are_as_many_cases_as_are_promised() -> None:
    listed = pytest_told("--collect-only", "-q", *named_tests(PROMISES)).splitlines()
    cases = Counter(line.partition("[")[0] for line in listed if "::" in line)
    for promise in PROMISES:
        if promise.counted_as is None:
            files = [test for test in promise.tests if "::" not in test]
            number = sum(cases[test] for test in promise.tests)
            number += sum(cases[case] for case in cases if case.partition("::")[0] in files)
            assert number >= promise.least, (promise.name, promise.counted, number)


def test_every_goal_is_counted_here_or_a_part_of_its_own() -> None:
    elsewhere = {"Q1", "Q2", "Q3", "Q4"}
    goals = {f"Q{number}" for number in range(1, 9)} | {f"S{number}" for number in range(1, 11)}
    assert elsewhere | {promise.name for promise in PROMISES} == goals
