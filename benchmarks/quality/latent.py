"""One latent score a model from scores on different benchmarks: `fitted`.

The fit: a graded-response model with a share for each ability. Percentages become log-odds above chance; then

    score(m, b) = c(b) + a(b) (theta(m) + delta(m, ability of b)) + noise of b

theta(m) is the model's general score. Before any benchmark it is expected to follow size, active size, release date and
publisher (a regression that is fitted along), and delta to be 0 with a small spread: a model with one benchmark stays near
what the regression says. Noise has heavy tails (Student, 4 degrees), so that one odd score does not decide. Fitted by
expectation-maximization: the models' own values given the benchmarks in closed form, then the benchmarks given the models by
ridge regression.
"""

import math
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHANCE = {"mmlu": 25, "mmlu_pro": 10, "gpqa": 25, "gpqa_diamond": 25}
"""Percent that guessing gets: one of four answers, or of ten."""
LINEAR = ("artificial_analysis_index", "arena_elo")
"""Scales that are no percentages."""
ABILITY = {
    "chat": ("ifeval", "arena_hard", "arena_elo", "livebench"),
    "code": ("humaneval", "livecodebench", "livecodebench_v5", "livecodebench_v6"),
    "reasoning": ("gpqa", "gpqa_diamond", "aime_2024", "aime_2025", "math_500"),
    "knowledge": ("mmlu", "mmlu_pro"),
    "agents": ("swe_bench_verified",),
    "general": ("artificial_analysis_index",),
}
PURPOSES = {"chat": "chat", "code": "code", "reasoning": "reasoning", "documents": "knowledge", "agents": "agents"}
"""The ability that each purpose asks for."""
_ABILITIES = [name for name in ABILITY if name != "general"]
ABILITY_OF = {benchmark: name for name, benchmarks in ABILITY.items() for benchmark in benchmarks}
DELTA = 0.35
"""Standard deviation of a model's share in one ability, in those of theta: our choice, the results hardly depend on it."""
DEGREES = 4.0
ROUNDS = 60


@dataclass(frozen=True)
class Table:
    """All scores: `cells` are (model, benchmark) with `values` on the scale that is fitted."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    model: NDArray[np.intp]
    benchmark: NDArray[np.intp]
    values: Floats
    features: Floats
    """Of each model: 1, log2 of weights and of active weights (billions), years since 2023."""
    publishers: tuple[str, ...]
    publisher: NDArray[np.intp]
    """Of each model."""

    def without(self, dropped: NDArray[np.bool_]) -> "Table":
        kept = ~dropped
        return Table(
            self.models,
            self.benchmarks,
            self.model[kept],
            self.benchmark[kept],
            self.values[kept],
            self.features,
            self.publishers,
            self.publisher,
        )


@dataclass
class Latent:
    """The fitted values. `mean` and `cov` are of (theta, deltas) of each model."""

    offset: Floats
    slope: Floats
    noise: Floats
    expected: Floats
    """Coefficients of the features."""
    by_publisher: Floats
    """What models of each publisher are above that."""
    spread: float
    mean: Floats
    cov: Floats

    def prior(self, table: Table) -> Floats:
        """Theta of each model that size, date and publisher let expect."""
        found: Floats = table.features @ self.expected + self.by_publisher[table.publisher]
        return found

    def score(self, ability: str) -> tuple[Floats, Floats]:
        """Mean and standard deviation of theta + delta(ability) of each model."""
        weights = loading(ability)
        return self.mean @ weights, np.sqrt(np.einsum("i,mij,j->m", weights, self.cov, weights))


def loading(ability: str) -> Floats:
    """1 for theta and for the ability's own share."""
    return np.array([1.0, *(float(name == ability) for name in _ABILITIES)])


def on_scale(benchmark: str, value: float) -> float:
    """A score as it is fitted: log-odds above chance for percentages."""
    if benchmark in LINEAR:
        return value / (10 if benchmark == "artificial_analysis_index" else 100)
    chance = CHANCE.get(benchmark, 0)
    share = min(max((value - chance) / (100 - chance), 0.02), 0.99)
    return math.log(share / (1 - share))


def fitted(table: Table, weights: Floats | None = None, start: Latent | None = None, rounds: int = ROUNDS) -> Latent:
    """Expectation-maximization. `weights`: how often each benchmark counts."""
    often = np.ones(len(table.benchmarks)) if weights is None else weights
    counts = often[table.benchmark]
    loads = np.array([loading(ABILITY_OF[name]) for name in table.benchmarks])
    fit = start or _first(table)
    for _ in range(rounds):
        prior = fit.prior(table)
        residual = table.values - fit.offset[table.benchmark]
        off = residual - fit.slope[table.benchmark] * np.einsum("ci,ci->c", fit.mean[table.model], loads[table.benchmark])
        noise = fit.noise[table.benchmark]
        trust = counts * (DEGREES + 1) / (DEGREES + (off / noise) ** 2) / noise**2
        mean, cov = _models(table, fit, loads, residual, trust, prior)
        fit = _benchmarks(table, fit, loads, mean, cov, trust * noise**2)
    return fit


def _first(table: Table) -> Latent:
    columns = len(table.benchmarks)
    width = 1 + len(_ABILITIES)
    mean: Floats = np.array([np.append(table.values[table.benchmark == index], 0.0).sum() for index in range(columns)])
    mean = mean / np.maximum(1, np.bincount(table.benchmark, minlength=columns))
    expected = np.array([-4.0, 0.2, 0.2, 0.5])
    start = np.zeros((len(table.models), width))
    start[:, 0] = table.features @ expected
    shares = np.zeros((len(start), width, width))
    none = np.zeros(len(table.publishers))
    return Latent(mean, np.full(columns, 0.8), np.full(columns, 0.5), expected, none, 0.6, start, shares)


def _models(table: Table, fit: Latent, loads: Floats, residual: Floats, trust: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of each model's own values, given the benchmarks."""
    width = loads.shape[1]
    precision = np.diag([fit.spread**-2, *[DELTA**-2] * (width - 1)])
    left = np.repeat(precision[None], len(table.models), axis=0)
    right = np.zeros((len(table.models), width))
    right[:, 0] = prior * fit.spread**-2
    slopes = fit.slope[table.benchmark]
    own = loads[table.benchmark]
    np.add.at(left, table.model, (trust * slopes**2)[:, None, None] * own[:, :, None] * own[:, None, :])
    np.add.at(right, table.model, (trust * slopes * residual)[:, None] * own)
    cov = np.linalg.inv(left)
    return np.einsum("mij,mj->mi", cov, right), cov


def _benchmarks(table: Table, fit: Latent, loads: Floats, mean: Floats, cov: Floats, weights: Floats) -> Latent:
    """The benchmarks' and the regression's values given the models, then the scale set back: theta has mean 0 and spread 1."""
    offset, slope, noise = fit.offset.copy(), fit.slope.copy(), fit.noise.copy()
    x = np.einsum("ci,ci->c", mean[table.model], loads[table.benchmark])
    var = np.einsum("ci,cij,cj->c", loads[table.benchmark], cov[table.model], loads[table.benchmark])
    for index in range(len(table.benchmarks)):
        at = table.benchmark == index
        w, y, xs = weights[at], table.values[at], x[at]
        if not w.sum():
            continue
        # Ridge to the usual slope, weight of two scores: few scores do not set it.
        middle, usual = float(np.average(xs, weights=w)), float(median(fit.slope))
        ridge = 2.0
        top = float((w * (xs - middle) * (y - np.average(y, weights=w))).sum()) + ridge * usual
        slope[index] = max(0.1, top / (float((w * ((xs - middle) ** 2 + var[at])).sum()) + ridge))
        offset[index] = float(np.average(y - slope[index] * xs, weights=w))
        left = (y - offset[index] - slope[index] * xs) ** 2 + slope[index] ** 2 * var[at]
        noise[index] = math.sqrt((float((w * left).sum()) + 3 * 0.16) / (float(w.sum()) + 3))
    expected, by_publisher = _regression(table, mean[:, 0])
    prior = table.features @ expected + by_publisher[table.publisher]
    spread = math.sqrt(float(np.mean((mean[:, 0] - prior) ** 2 + cov[:, 0, 0])))
    centre, scale = float(mean[:, 0].mean()), float(mean[:, 0].std())
    offset += slope * centre
    mean = mean / scale
    mean[:, 0] -= centre / scale
    expected = expected / scale
    expected[0] -= centre / scale
    return Latent(offset, slope * scale, noise, expected, by_publisher / scale, spread / scale, mean, cov / scale**2)


def _regression(table: Table, theta: Floats) -> tuple[Floats, Floats]:
    """Coefficients of the features, and what each publisher's models are above them (drawn to 0, as if two more were there)."""
    width = table.features.shape[1]
    design = np.hstack([table.features, np.eye(len(table.publishers))[table.publisher]])
    ridge = np.diag([0.0, *[0.5] * (width - 1), *[2.0] * len(table.publishers)])
    found = np.linalg.solve(design.T @ design + ridge, design.T @ theta)
    return found[:width], found[width:]
