"""The seeds of what was proved are told at the end, whether it went well or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

_told: list[str] = []


@pytest.fixture
def tell() -> Iterator[Callable[[str], None]]:
    """Has a line shown at the end of the session."""
    yield _told.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _told:
        terminalreporter.section("proof")
        for line in _told:
            terminalreporter.write_line(line)
