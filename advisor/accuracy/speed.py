"""How far speed forecasts are from public measurements, as it ships: `speed_errors()`.

`data/speed.json` is written by `python benchmarks/speed_accuracy.py --write`: forecasts of machines, and of model families,
that the fit had not seen.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Test = Literal["generate", "prompt"]
LeftOut = Literal["machine", "family", "groups"]


@dataclass(frozen=True)
class SpeedErrors:
    """The errors of one kind of run; shares of 1."""

    name: str
    rows: int
    median: float
    p90: float
    held: float
    """Share of the measurements in the stated range, which is to hold 0.8."""
    half_width: float
    """Half of that range over the forecast, in the median."""
    peer_median: float | None
    """Median error of bandwidth over file size, the rule of most calculators."""


@dataclass(frozen=True)
class SpeedAccuracy:
    """All of it."""

    rows: int
    """Measurements of high and medium confidence."""
    forecast: int
    """Those that a forecast can be made for."""
    tables: dict[Test, dict[LeftOut, Sequence[SpeedErrors]]]


@cache
def speed_errors() -> SpeedAccuracy:
    """The shipped table, read once."""
    values = json.loads((files("advisor.accuracy") / "data" / "speed.json").read_text(encoding="utf-8"))
    tests: tuple[Test, ...] = ("generate", "prompt")
    folds: tuple[LeftOut, ...] = ("machine", "family", "groups")
    tables = {test: {fold: _lines(values[test][fold]) for fold in folds} for test in tests}
    return SpeedAccuracy(values["rows"], values["forecast"], tables)


def _lines(lines: list[dict[str, Any]]) -> Sequence[SpeedErrors]:
    return [SpeedErrors(**line) for line in lines]
