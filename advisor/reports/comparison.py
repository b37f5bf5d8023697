"""Reports side by side: one row a fact, one column a report."""

from collections.abc import Sequence

from advisor.reports.report import HardwareReport
from advisor.reports.said import UNKNOWN, compared, machine_facts, memory_line, model_facts, settings_facts, title
from advisor.units import UnitSystem, format_number

MOST = 4
"""Reports side by side; more do not fit on a screen."""


def side_by_side(reports: Sequence[HardwareReport], system: UnitSystem = "GiB") -> list[tuple[str, ...]]:
    """Rows of a label and one cell a report: speeds first, then what differs, then what is alike."""
    columns = [_cells(report, system) for report in reports]
    labels = list(dict.fromkeys(label for column in columns for label in column))
    rows = [(label, *(column.get(label, UNKNOWN) for column in columns)) for label in labels]
    told = [row for row in rows if row[0].startswith(("Generation", "Prompt", "First token", "Memory"))]
    others = [row for row in rows if row not in told]
    return told + sorted(others, key=lambda row: len(set(row[1:])) == 1)


def _cells(report: HardwareReport, system: UnitSystem) -> dict[str, str]:
    cells: dict[str, str] = {}
    for row in compared(report, system):
        cells[f"{row.what}: measured"] = row.measured
        cells[f"{row.what}: predicted"] = row.predicted
    cells["Memory"] = memory_line(report, system) or UNKNOWN
    for fact in (*machine_facts(report, system), *model_facts(report, system), *settings_facts(report)):
        cells[fact.label] = fact.value
    return cells


def in_words(reports: Sequence[HardwareReport]) -> str:
    """Which of them generates fastest, and by how much; empty where fewer than two measured it."""
    speeds = [
        (report.measurement.generate_tps.median, title(report))
        for report in reports
        if report.measurement and report.measurement.generate_tps
    ]
    if len(speeds) < 2:
        return ""
    ordered = sorted(speeds, key=lambda pair: -pair[0])
    (fastest, name), (next_, other) = ordered[0], ordered[1]
    times = fastest / next_
    if times < 1.02:
        return f"{name} and {other} are equally fast"
    return f"{name} generates {format_number(times)} times as fast as {other}"
