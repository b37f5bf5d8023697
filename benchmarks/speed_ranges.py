"""The ranges of speed forecasts: they hold 80 % of measured speeds of machines and model families that a fit had not seen."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.speed.efficiencies import Efficiencies, Spread
from advisor.speed.forecast import DEEP
from advisor.speed.terms import EARLY
from benchmarks.speed_measurements import Measurement

Floats = NDArray[np.float64]

LEAST_GROUP = 30
SHARE = 0.8
ENDS = np.linspace(0.02, 0.22, 81)
"""Shares of a group's rows that may lie beyond either end of its range."""
TOLERANCE = 0.005
"""By how much the share of rows in a range may miss `SHARE` in either way of leaving out."""
ROUNDING = 5e-5
"""What the file cuts off: the rows at either end stay in their range."""
WORTH = 100.0
"""Width that a range may gain to come nearer to `SHARE` by one."""
DEEPEST = 65536
"""Tokens from which the growth of ranges is fitted: there attention is nearly all of the time."""
GROWTHS = np.arange(0.0, 0.55, 0.05)


def narrowest(errors: Sequence[Floats]) -> tuple[float, float]:
    """The narrowest range of log(measured / forecast) that holds `SHARE` of the rows in each of `errors`, the ways of leaving
    out; where no range does so within `TOLERANCE`, the one that comes nearest."""
    together = np.sort(np.concatenate(errors))
    lows, highs = np.quantile(together, ENDS), np.quantile(together, 1 - ENDS)
    missed = np.zeros((len(lows), len(highs)))
    for error in errors:
        inside = (error[:, None, None] >= lows[:, None]) & (error[:, None, None] <= highs)
        missed = np.maximum(missed, np.abs(inside.mean(axis=0) - SHARE))
    width = np.exp(highs) - np.exp(lows)[:, None]
    cost = np.maximum(missed - TOLERANCE, 0) * WORTH + width
    low, high = np.unravel_index(int(cost.argmin()), cost.shape)
    return float(lows[low]), float(highs[high])


def ranges_of(rows: Sequence[Measurement], errors: Sequence[Floats]) -> tuple[float, dict[str, Spread]]:
    """How much ranges grow with each doubling of a deep context, and the range of each group, relative to the forecast.

    `errors` are log(measured / forecast) of `rows` in each way of leaving out. The growth is the least with which ranges of
    the deepest rows come as near to `SHARE` as any.
    """
    deepest = np.array([row.seen >= DEEPEST for row in rows])
    found = []
    for growth in GROWTHS.tolist():
        spreads = _spreads(rows, errors, growth)
        known = Efficiencies({}, {}, spreads, {row.test: growth for row in rows})
        missed = max((abs(float(held(rows, error, known)[deepest].mean()) - SHARE) for error in errors), default=0.0)
        found.append((round(missed, 2), growth, spreads))
    _, growth, spreads = min(found, key=lambda one: one[:2])
    return growth, spreads


def held(rows: Sequence[Measurement], errors: Floats, known: Efficiencies) -> NDArray[np.bool_]:
    """Whether the range of each row holds what was measured; `errors` are log(measured / forecast)."""
    ranges = [known.spread(row.groups, row.seen) for row in rows]
    return np.array([one.low <= ratio <= one.high for one, ratio in zip(ranges, np.exp(errors), strict=True)])


def _spreads(rows: Sequence[Measurement], errors: Sequence[Floats], growth: float) -> dict[str, Spread]:
    unit = Efficiencies({}, {}, {}, {row.test: growth for row in rows})
    widths = np.array([unit.widening(row.test, row.seen) for row in rows])
    members: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        apart = row.groups[0].endswith((EARLY, DEEP))
        for group in row.groups[:1] + row.groups[2:] if apart else row.groups:  # the second is of the others alone
            members[group].append(index)
    found = {}
    for group, indices in sorted(members.items()):
        if len(indices) < LEAST_GROUP and not group.endswith(" all"):
            continue
        low, high = narrowest([error[indices] / widths[indices] for error in errors])
        found[group] = Spread(float(np.exp(low)) - ROUNDING, float(np.exp(high)) + ROUNDING, len(indices))
    return found
