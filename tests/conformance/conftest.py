"""Prints what the comparisons of a run came to: one line an architecture."""

from typing import Any

import pytest

from tests.conformance.table import KEY, by_backend, table


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == KEY
    ]
    if rows:
        terminalreporter.section("formula against engine: device totals")
        for line in table(rows):
            terminalreporter.write_line(line)
        terminalreporter.section("the same by backend: 95th percentile and worst, %, and totals compared")
        for line in by_backend(rows):
            terminalreporter.write_line(line)
