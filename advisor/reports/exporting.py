"""The list of reports as a file: CSV for spreadsheets, Parquet for notebooks."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import get_type_hints

from advisor.reports.summary import Summary

MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
_COLUMNS = tuple(field.name for field in fields(Summary) if field.name not in ("listed", "maker", "forecast_grade"))
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def exported(rows: Sequence[Summary], ending: str) -> bytes:
    """The rows as `csv` or `parquet`, with the names of `Summary`."""
    return _csv(rows) if ending == "csv" else _parquet(rows)


def _csv(rows: Sequence[Summary]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in _COLUMNS])
    return out.getvalue().encode()


def _cell(value: object) -> object:
    """Spreadsheets take text that begins with such a sign for a formula and would run it."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def _parquet(rows: Sequence[Summary]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    hints = get_type_hints(Summary)
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = [
        (name, next((kind for hint, kind in types.items() if hint in _members(hints[name])), pyarrow.timestamp("s", tz="UTC")))
        for name in _COLUMNS
    ]
    columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
    table = pyarrow.table(columns, schema=pyarrow.schema(schema))
    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, out, compression="zstd")
    whole: bytes = out.getvalue().to_pybytes()
    return whole


def _members(hint: object) -> tuple[object, ...]:
    return getattr(hint, "__args__", ()) or (hint,)
