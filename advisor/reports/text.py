"""Reports as text for a terminal. Every line fits the width given."""

from collections.abc import Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from advisor.reports.render import sections
from advisor.reports.report import HardwareReport
from advisor.reports.said import compared, headline, memory_line, title
from advisor.reports.summary import Summary
from advisor.units import format_number


def list_text(rows: Sequence[Summary], width: int) -> str:
    """One report a line, newest first."""
    if not rows:
        return "No report is kept here yet. `advisor verify MODEL` makes one, `advisor report import FILE` takes one."
    table = _table("id", "made", "machine", "model")
    for name in ("measured", "predicted"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        model = " ".join(filter(None, (row.model_name, row.quantization)))
        speeds = [format_number(speed) if speed is not None else "" for speed in (row.generate_tps, row.generate_expected)]
        cells = (row.id, f"{row.created_at:%Y-%m-%d}", row.machine_name, model, *speeds)
        table.add_row(*(Text(cell) for cell in cells))
    return _drawn(table, width)


def report_text(report: HardwareReport, width: int) -> str:
    """A report: its answer, what was predicted and measured, its facts."""
    lines = [title(report), f"{headline(report)}.", *filter(None, [memory_line(report), report.note])]
    if rows := compared(report):
        table = _table("", "predicted", "measured", "difference")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        lines += ["", _drawn(table, width)]
    for name, facts in sections(report):
        table = _table(name.lower(), "", "known from")
        for fact in facts:
            table.add_row(Text(fact.label), Text(fact.value), fact.grade or "")
        lines += ["", _drawn(table, width)]
    lines += [f"failed: {failure.message}" for failure in report.failures]
    return "\n".join(lines)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _drawn(table: Table, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())
