"""The fitted factors: `efficiencies.toml`, written by `make calibrate` (benchmarks/calibrate_speed.py)."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import log2, prod
from pathlib import Path

from advisor.speed.terms import OVERLAP, Term

FILE = Path(__file__).with_name("efficiencies.toml")
DEEP_TOKENS = 16384
"""Tokens in the context from which a run counts as deep: attention's share of the time, the least certain, is large there."""
WIDENS_FROM = 8192
"""Tokens in the context from which ranges get wider. Of 4,096, 8,192 and 16,384 this suits measured runs best."""


@dataclass(frozen=True)
class Spread:
    """The 80 % range of what was measured, relative to what was forecast for machines and models that were left out."""

    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Efficiencies:
    """Factors by name, and how far off forecasts with them are, by group."""

    factors: Mapping[str, float]
    rows: Mapping[str, int]
    """Measurements behind each factor."""
    spreads: Mapping[str, Spread]
    growth: Mapping[str, float] = field(default_factory=dict)
    """By test: the share by which ranges get wider, in logarithms, with each doubling of the context beyond `WIDENS_FROM`."""
    _products: dict[tuple[str, ...], float] = field(default_factory=dict, repr=False, compare=False)

    def seconds(self, terms: Iterable[Term]) -> float:
        """The sum of the terms, each times its factors; a factor that was never fitted is 1."""
        return float(sum(map(self._taken, terms)))

    def _taken(self, term: Term) -> float:
        own = term.seconds * self._product(term.factors)
        if term.beside is None:
            return own
        return float((own**OVERLAP + self._taken(term.beside) ** OVERLAP) ** (1 / OVERLAP))

    def _product(self, names: tuple[str, ...]) -> float:
        found = self._products.get(names)
        if found is None:
            found = self._products[names] = prod(self.factors.get(name, 1.0) for name in names)
        return found

    def spread(self, groups: Sequence[str], seen: int) -> Spread:
        """The spread of the first of `groups` (the particular first) that was measured often enough, where attention sees
        `seen` tokens."""
        known = next(self.spreads[group] for group in groups if group in self.spreads)
        wider = self.widening(groups[0].partition(" ")[0], seen)
        return known if wider == 1 else Spread(known.low**wider, known.high**wider, known.rows)

    def widening(self, test: str, seen: int) -> float:
        """The exponent of a range's ends: 1 up to `WIDENS_FROM`."""
        return 1 + self.growth.get(test, 0.0) * max(0.0, log2(max(seen, 1) / WIDENS_FROM))


@cache
def efficiencies() -> Efficiencies:
    """The factors that come with the program, read once."""
    values = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return Efficiencies(
        factors={name: value for name, (value, _) in values["factors"].items()},
        rows={name: rows for name, (_, rows) in values["factors"].items()},
        spreads={name: Spread(*spread) for name, spread in values["spreads"].items()},
        growth=values["growth"],
    )
