"""The seeds of what was proved are told at the end, whether it went well or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_TOLD = "proof"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Has a line shown at the end of the session, by whichever process the test ran in."""
    properties = request.node.user_properties
    return lambda line: properties.append((_TOLD, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lines = [line for report in reports for name, line in report.user_properties if name == _TOLD]
    if lines:
        terminalreporter.section("proof")
        for line in lines:
            terminalreporter.write_line(line)
