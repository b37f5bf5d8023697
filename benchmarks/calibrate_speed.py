"""Fits the factors of `advisor/speed/efficiencies.toml` on the measurements: `make calibrate`.

The time of a run is a sum of terms, each its face value times its factors (advisor/speed/terms.py). Every factor is the
exponential of a parameter, so that factors stay positive and a particular one multiplies the general. The fit minimizes the
error of log(time), with four things in mind:

- Few measurements of a device must not decide alone: a parameter is drawn to 0 (a factor of 1, "like its backend"), the more so
  the more particular it is. That is what gives a card that nobody measured the speed of its generation.
- Outliers must not decide: errors beyond about a tenth weigh less and less (a Student's t loss).
- What a device does at the same time does not add up: reading weights and computing with them (`Term.beside`).
- Many rows of one benchmark on one machine are not as many independent facts: each weighs 1 / sqrt(rows of its kind).
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.speed.efficiencies import FILE
from advisor.speed.terms import OVERLAP, Term
from benchmarks.speed_measurements import Measurement, measurements
from benchmarks.speed_ranges import ranges_of

Floats = NDArray[np.float64]

PRIORS = {
    "weights": 1.06,
    "weights:unified": 1.08,
    "weights:hbm": 1.5,
    "host": 1.25,
    "experts": 1.1,
    "unpack": 6.0,
    "cache": 1.3,
    "cache@metal~mlx#softcap": 1.5,
    "block": 4.0,
    "block@metal": 1.5,
    "block@rocm": 3.0,
    "block@metal/ultra": 1.5,
    "block@cuda~2024": 1.8,
    "block@metal~2024": 1.6,
    "block@cuda~2025": 1.2,
    "block@rocm~2025": 1.5,
    "block@vulkan~2025": 1.2,
    "mixture": 2.0,
    "recurrent": 2.0,
    "crossing": 5.0,
    "host_crossing": 5.0,
    "token": 2.0,
    "operations": 2.5,
    "operations~2024": 1.5,
    "operations~2025": 1.3,
    "operations@cuda": 0.4,
    "operations@cuda#f16": 0.7,
    "operations@cuda#q4_k": 1.1,
    "operations@cuda/turing": 1.25,
    "operations@cuda/turing-plain": 3.0,
    "operations@cuda/volta": 1.4,
    "operations@cuda/ampere-hbm": 1.6,
    "operations@cuda/hopper": 2.0,
    "operations@rocm/rdna3.5": 1.5,
    "operations@rocm/rdna2": 0.7,
    "operations@vulkan": 1.3,
    "operations@vulkan/xe": 2.5,
    "operations@vulkan/rdna3.5": 1.5,
    "operations@metal": 0.57,
    "operations@metal/m5": 0.28,
    "expert_operations": 1.5,
    "attend": 2.0,
    "attention": 2.5,
    "attention@cuda": 0.5,
    "attention@metal": 0.6,
    "attention@metal~mlx#softcap": 1.5,
    "attention@rocm": 2.0,
    "attention@vulkan": 1.6,
    "scores": 1.5,
    "power": 1.0,
    "power@ampere": 1.6,
    "power@turing": 2.4,
    "link": 1.5,
    "scan": 20.0,
    "scan~unfused": 1.5,
    "stream": 1.5,
    "batch_block": 5.0,
    "prompt": 2.0,
}
"""Where factors begin: what public tables show at a glance of bandwidth, launches and peaks reached by each kind of device.
They matter where there are few rows."""
WIDTHS = {"": 0.7, "@": 0.4, "/": 0.3, "#": 0.2, "~": 0.25, ":": 0.3}
"""How far a parameter may go from 0 before it is drawn back, by its last mark: the prior's standard deviation."""
NARROW = {
    "weights": 0.15,
    "weights:": 0.5,
    "cache": 1.5,
    "host": 0.6,
    "attention": 0.6,
    "scores": 0.4,
    "scan": 0.5,
    "stream": 0.5,
    "link": 0.25,
}
"""Parts of that for factors that physics holds: nothing reads faster than its memory."""
SAME_UNITS = 0.2
"""As little may the share of the peak differ that prompts reach on Apple's GPUs from M1 to M4: their cores multiply matrices in
the same way (Metal feature set tables: SIMD-group matrices from Apple7 on), and the peak already counts cores and clocks. One
notebook without a fan must not slow a whole generation. The M5 has units of its own for it."""
_SAME_UNITS = re.compile(r"operations@metal/(m[1-4]|base|pro|max|ultra)")
DOUBTFUL = 0.02
"""Weight of a row whose machine is known to be slower than others of its kind."""
SCALE = 0.1
"""An error of log(time) that counts as usual; those far beyond count as outliers."""
FREEDOM = 3.0
ROUNDS = 30
LEAST_STEP = 5e-3


def width(name: str) -> float:
    """The prior's standard deviation of a factor's parameter."""
    marks = [mark for mark in "@/#~:" if mark in name]
    part = "weights:" if name.startswith("weights:") else re.split("[@#~:]", name)[0]
    narrow = SAME_UNITS if _SAME_UNITS.fullmatch(name) else NARROW.get(part, 1.0)
    return WIDTHS[marks[-1] if marks else ""] * narrow


@dataclass
class System:
    """The rows' terms as arrays, for one kind of test."""

    rows: Sequence[Measurement]
    names: list[str] = field(init=False)
    measured: Floats = field(init=False)
    _row: NDArray[np.intp] = field(init=False)
    _seconds: Floats = field(init=False)
    _kernel: NDArray[np.intp] = field(init=False)
    """Number of each term's kernel: a term and what runs beside it share one."""
    _factors: NDArray[np.intp] = field(init=False)
    """Numbers of each term's factors, filled up with one that is always 1."""

    def __post_init__(self) -> None:
        kernels = [(index, _together(term)) for index, row in enumerate(self.rows) for term in row.terms or ()]
        terms = [(index, term) for index, kernel in kernels for term in kernel]
        self._kernel = np.repeat(np.arange(len(kernels)), [len(kernel) for _, kernel in kernels])
        self.names = sorted({name for _, term in terms for name in term.factors})
        position = {name: index for index, name in enumerate(self.names)}
        self._row = np.array([index for index, _ in terms], dtype=np.intp)
        self._seconds = np.array([term.seconds for _, term in terms])
        most = max(len(term.factors) for _, term in terms)
        self._factors = np.full((len(terms), most), len(self.names), dtype=np.intp)
        for index, (_, term) in enumerate(terms):
            self._factors[index, : len(term.factors)] = [position[name] for name in term.factors]
        self.measured = np.log([row.seconds for row in self.rows])

    def start(self) -> Floats:
        """The parameters before the fit."""
        return np.array([np.log(PRIORS[name]) if name in PRIORS else 0.0 for name in self.names])

    def _parts(self, parameters: Floats) -> tuple[Floats, Floats]:
        filled = np.append(parameters, 0.0)
        alone = self._seconds * np.exp(filled[self._factors].sum(axis=1))
        powers = np.bincount(self._kernel, alone**OVERLAP)[self._kernel]
        parts = alone**OVERLAP * powers ** (1 / OVERLAP - 1)  # they add up to a kernel's time, and are its slopes
        return parts, np.bincount(self._row, parts, len(self.rows)).astype(np.float64)

    def forecast(self, parameters: Floats) -> Floats:
        """log(time) of every row."""
        return np.log(self._parts(parameters)[1])

    def _slopes(self, parts: Floats, total: Floats) -> Floats:
        """How log(time) of each row changes with each parameter: the share of the terms that carry it."""
        columns = len(self.names) + 1
        cells = self._row[:, None] * columns + self._factors
        share = np.broadcast_to((parts / total[self._row])[:, None], cells.shape)
        found: Floats = np.bincount(cells.ravel(), share.ravel(), len(self.rows) * columns).astype(np.float64)
        return found.reshape(len(self.rows), columns)[:, :-1]

    def fit(self, chosen: NDArray[np.bool_], weights: Floats, near: Floats | None = None) -> Floats:
        """The parameters that suit the `chosen` rows, sought from `near` by Gauss-Newton with weights that fall for
        outliers."""
        centre = self.start()
        stiff = np.array([width(name) for name in self.names]) ** -2.0
        parameters = centre.copy() if near is None else near.copy()
        for _ in range(ROUNDS):
            parts, total = self._parts(parameters)
            slope, error = self._slopes(parts, total)[chosen], (self.measured - np.log(total))[chosen]
            weight = weights[chosen] * (FREEDOM + 1) / (FREEDOM * SCALE**2 + error**2)
            left = (slope * weight[:, None]).T @ slope + np.diag(stiff)
            right = slope.T @ (weight * error) + stiff * (centre - parameters)
            step = np.linalg.solve(left, right)
            parameters = parameters + np.clip(step, -0.5, 0.5)
            if np.abs(step).max() < LEAST_STEP:
                break
        return parameters

    def rows_behind(self) -> dict[str, int]:
        """How many rows carry each factor."""
        behind: dict[str, set[int]] = defaultdict(set)
        for row, numbers in zip(self._row.tolist(), self._factors.tolist(), strict=True):
            for number in numbers:
                if number < len(self.names):
                    behind[self.names[number]].add(row)
        return {name: len(found) for name, found in behind.items()}


def _together(term: Term) -> list[Term]:
    """A term and what runs beside it."""
    return [term] if term.beside is None else [term, *_together(term.beside)]


def usable(test: str) -> list[Measurement]:
    """The rows of a kind of test that can be forecast."""
    return [row for row in measurements() if row.test == test and not row.left_out and row.terms is not None]


def row_weights(rows: Sequence[Measurement]) -> Floats:
    """1 / sqrt(rows of the same machine, backend and model)."""
    kinds = [(row.machine, row.backend, row.runtime, row.model) for row in rows]
    count = Counter(kinds)
    return np.array([count[kind] ** -0.5 * (DOUBTFUL if row.doubt else 1.0) for kind, row in zip(kinds, rows, strict=True)])


def out_of_fold(system: System, key: Callable[[Measurement], str]) -> Floats:
    """log(measured / forecast) of the speed of every row, forecast by a fit that saw no row with the same key."""
    folds = np.array([key(row) for row in system.rows])
    weights, errors = row_weights(system.rows), np.zeros(len(system.rows))
    near = system.fit(np.ones(len(system.rows), dtype=np.bool_), weights)
    for fold in dict.fromkeys(folds.tolist()):
        left_out = folds == fold
        parameters = system.fit(~left_out, weights, near)
        errors[left_out] = (system.forecast(parameters) - system.measured)[left_out]
    return errors


def calibrated() -> str:
    """The text of `efficiencies.toml`."""
    lines = [
        "# Written by `make calibrate` (benchmarks/calibrate_speed.py) from measurements.csv; do not edit.",
        "# [factors]: name = [factor, measurements behind it]. [spreads]: group = [low, high, measurements], the range that",
        "# holds 80 % of measured over forecast speeds of machines and model families that the fit had not seen. [growth]: how",
        "# much wider it is with each doubling of the context beyond the tokens from which runs count as deep.",
        "",
        "[factors]",
    ]
    ranges: list[str] = []
    growths: list[str] = []
    for test in ("generate", "prompt"):
        system = System(usable(test))
        parameters = system.fit(np.ones(len(system.rows), dtype=np.bool_), row_weights(system.rows))
        behind = system.rows_behind()
        lines += [
            f'"{name}" = [{np.exp(value):.4g}, {behind[name]}]' for name, value in zip(system.names, parameters, strict=True)
        ]
        errors = [out_of_fold(system, lambda row: row.machine), out_of_fold(system, lambda row: row.family)]
        growth, found = ranges_of(system.rows, errors)
        growths.append(f"{test} = {growth:.2f}")
        ranges += [f'"{group}" = [{one.low:.4f}, {one.high:.4f}, {one.rows}]' for group, one in found.items()]
    return "\n".join([*lines, "", "[growth]", *growths, "", "[spreads]", *ranges, ""])


def main() -> None:
    """Writes the file."""
    FILE.write_text(calibrated(), encoding="utf-8")


if __name__ == "__main__":
    main()
