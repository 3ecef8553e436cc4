"""A remedy that is a command is a whole one: typed in any folder it works on this very home."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ended, QuickCommand, bare_environment

Follow = Callable[..., str]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="quoting is the shell's")


@pytest.fixture
def command(tmp_path: Path) -> Iterator[QuickCommand]:
    """The command on a home whose path a shell would take for three words."""
    made = QuickCommand(tmp_path / "the home's folder")
    yield made
    made.close()


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """Types the command that a text has in backticks, in another folder; what it prints."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def typed(text: str, **options: Any) -> str:
        [line] = re.findall("`([^`]+)`", text)
        done = subprocess.run(
            line,
            shell=True,
            cwd=elsewhere,
            env=bare_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )
        assert done.returncode == 0, done
        printed: str = done.stdout
        return printed

    return typed


def remedies(ended: Ended) -> list[str]:
    """As JSON has it, and as the line on stderr ends."""
    return [ended.error["remedy"], ended.err.splitlines()[-1]]


def test_the_list_of_jobs_is_that_of_the_home_that_was_asked(
    command: QuickCommand, follow: Follow
) -> None:
    for remedy in remedies(command("show", "nobody", "--json")):
        assert follow(remedy) == "There are no jobs yet.\n"


def test_the_doctor_of_a_broken_ledger_looks_at_that_ledger(
    command: QuickCommand, follow: Follow
) -> None:
    assert command("jobs").code == 0
    ledger = command.home / "ledger.sqlite3"
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TABLE jobs")
    connection.close()
    for remedy in remedies(command("jobs", "--json")):
        assert str(ledger) in follow(remedy)
    (shown,) = re.findall("state +(.*doctor.*)", command("doctor").out)
    assert str(ledger) in follow(shown)


def test_a_key_that_was_not_typed_can_come_from_a_file(
    command: QuickCommand, follow: Follow, tmp_path: Path
) -> None:
    ended = command.start("login", "fal", "--json", stdin="\n").ended()
    assert ended.code == 2
    (tmp_path / "elsewhere" / "file-with-the-key").write_text("id:secret\n")
    said = follow(ended.error["remedy"])
    assert str(command.home / "credentials.json") in said


def test_a_setting_to_be_changed_is_one_of_a_file_that_is_named(
    command: QuickCommand, clip: Path, speech: Path
) -> None:
    command.settings(max_usd_per_job="0.001")
    command.environment |= {"AIML_API_KEY": "live-aiml"}  # no price of its is known
    ended = command("run", "aimlapi-pixverse", "--video", clip, "--audio", speech, "--json")
    for remedy in remedies(ended):
        assert str(command.home / "settings.json") in remedy


def test_a_command_that_was_not_understood_names_no_home_that_may_not_be_meant(
    command: QuickCommand,
) -> None:
    ended = command("run", "fal-sync", "--max-usd", "much", "--json")
    assert ended.code == 2
    assert "--home" not in ended.err
