"""Measured speeds of many: which of them stand out, and what the others say of a kind of machine.

Anybody may send a report, so nothing is taken from one alone. A speed is marked where it cannot be (the memory is not that
fast), where it stands out from the others of its kind, or, while these are few, where it is far from what was predicted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from statistics import median

from advisor.reports.family import LEAST_REPORTS
from advisor.reports.summary import Summary
from advisor.units import format_number

ENOUGH = 5
"""Reports of one kind from which on they are compared with each other."""
_MOST_SCORE = 3.5
"""Modified z-score above which a value is an outlier: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), p. 12."""
_LEAST_SPREAD = 0.03
"""Speeds of equal machines differ by some per cent for many harmless reasons; a smaller spread is not held against anybody."""
_OVER_BANDWIDTH = 1.1
"""A bandwidth is rounded, and memory may be clocked a little higher."""
_FAR = 3.0
LEAST_MODELS, LEAST_MAKERS = 2, 3
"""Besides `LEAST_REPORTS`."""
MOST_RATIO = 2.0
"""Nine of ten public measurements are within 35 % of a forecast that knew no run of the machine (accuracy/data/speed.json)."""


@dataclass(frozen=True)
class Marked:
    """A report with what is doubtful of it: one sentence, or None."""

    row: Summary
    doubt: str | None


@dataclass(frozen=True)
class FamilyRatio:
    """Measured over predicted generation speed of one kind of machine, over all reports that stand the checks."""

    machine: str
    ratio: float
    """The median over models of the median over makers: no model counts more because many run it."""
    low: float
    high: float
    """Smallest and largest of the models' medians."""
    reports: int
    models: int


def marked(rows: Iterable[Summary]) -> list[Marked]:
    """The rows that measured a speed, in their order, each with its doubt."""
    measured = [row for row in rows if row.generate_tps]
    kinds: dict[object, list[Summary]] = defaultdict(list)
    for row in measured:
        kinds[row.kind].append(row)
    return [Marked(row, _doubt(row, kinds[row.kind])) for row in measured]


def _doubt(row: Summary, kind: Sequence[Summary]) -> str | None:
    speed = row.generate_tps or 0.0
    if row.fastest_tps is not None and speed > _OVER_BANDWIDTH * row.fastest_tps:
        most = format_number(row.fastest_tps)
        return f"The memory's bandwidth allows {most} tokens/s at most; a draft model or another file would explain it."
    if len(kind) >= ENOUGH:
        logs = [log(other.generate_tps) for other in kind if other.generate_tps]
        middle = median(logs)
        spread = max(median(abs(value - middle) for value in logs), _LEAST_SPREAD)
        if 0.6745 * abs(log(speed) - middle) / spread > _MOST_SCORE:
            return f"The others of its kind measured about {format_number(2.718281828459045**middle)} tokens/s."
    elif row.generate_expected and not row.generate_expected / _FAR <= speed <= row.generate_expected * _FAR:
        return f"Far from the {format_number(row.generate_expected)} tokens/s that were predicted."
    return None


def family_ratio(rows: Iterable[Summary], machine: str) -> FamilyRatio | None:
    """How measured and predicted speeds of one kind of machine compare; None until there are enough reports.

    This is the one way from shared reports to the calibration of a hardware family. Of each maker one report of each kind
    counts, the middle one, so who sends many is heard like who sends one. Of these count the ones without doubt, with a
    prediction that no run on the same machine had corrected. Fewer than `LEAST_REPORTS` of them, `LEAST_MODELS` models or
    `LEAST_MAKERS` makers say nothing. Every model counts once, by its median. A ratio beyond `MOST_RATIO` is no property of a
    machine, and says nothing.
    """
    told = _one_of_each_maker([row for row in rows if row.machine == machine and row.generate_tps])
    sound = [
        (maker, row)
        for (maker, row), entry in zip(told, marked(row for _, row in told), strict=True)
        if entry.doubt is None and row.generate_expected and row.forecast_grade != "measured"
    ]
    ratios: dict[str, list[float]] = defaultdict(list)
    for _, row in sound:
        if row.generate_tps and row.generate_expected:
            ratios[row.model].append(row.generate_tps / row.generate_expected)
    makers = {maker for maker, _ in sound}
    if len(sound) < LEAST_REPORTS or len(ratios) < LEAST_MODELS or len(makers) < LEAST_MAKERS:
        return None
    medians = [median(values) for values in ratios.values()]
    middle = median(medians)
    if not 1 / MOST_RATIO <= middle <= MOST_RATIO:
        return None
    return FamilyRatio(machine, middle, min(medians), max(medians), len(sound), len(ratios))


def _one_of_each_maker(rows: Sequence[Summary]) -> list[tuple[str, Summary]]:
    """The middle report by speed of each maker and kind, with its maker.

    Where senders are known, those without a mark count as one; on the own computer each report stands for itself.
    """
    marks = any(row.maker for row in rows)
    sent: dict[tuple[str, object], list[Summary]] = defaultdict(list)
    for row in rows:
        sent[row.maker or ("" if marks else row.id), row.kind].append(row)
    return [(maker, sorted(many, key=_speed)[(len(many) - 1) // 2]) for (maker, _), many in sent.items()]


def _speed(row: Summary) -> float:
    return row.generate_tps or 0.0


def filtered(rows: Iterable[Marked], *, machine: str | None = None, model: str | None = None) -> list[Marked]:
    """Those of one machine, one model, or both."""
    return [entry for entry in rows if machine in (None, entry.row.machine) and model in (None, entry.row.model)]


def machines_of(rows: Iterable[Marked]) -> dict[str, str]:
    """The machines that there are reports of, with their names, most reports first."""
    return _counted((entry.row.machine, entry.row.machine_name) for entry in rows)


def models_of(rows: Iterable[Marked]) -> dict[str, str]:
    """The models that there are reports of, with their names, most reports first."""
    return _counted((entry.row.model, entry.row.model_name) for entry in rows)


def _counted(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    counts: dict[str, int] = defaultdict(int)
    names: dict[str, str] = {}
    for id_, name in named:
        counts[id_] += 1
        names.setdefault(id_, name)
    return {id_: names[id_] for id_ in sorted(names, key=lambda id_: (-counts[id_], id_))}
