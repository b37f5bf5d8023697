"""How good an answer a model gives: what a quantization loses, and how models compare. Pure look-ups in two fitted data files.

`data/quantization_loss.toml` and `data/model_quality.toml` are written by `make quality` from published measurements.
"""

import tomllib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from heapq import heappop, heappush
from importlib import resources
from math import exp, log, log2
from typing import Any, Literal, Protocol, TypeVar

from advisor.errors import QuestionError
from advisor.models.quantization_names import parse_quantization, quantization

Purpose = Literal["chat", "code", "reasoning", "documents", "agents"]

_EIGHTY_PERCENT = 1.2816
"""Standard deviations to either side of the mean that hold 80 % of a normal distribution."""
_MOST_KLD = 20.0
"""Nats beyond which nothing is left to lose; keeps exponentials finite."""

UNMEASURED = "no measured score: by release date, size and publisher"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Loss:
    """What quantizing is expected to change in a model's predictions. Ranges hold 80 % of the models measured."""

    kld: float
    """Mean Kullback-Leibler divergence from the 16-bit model, nats a token."""
    kld_low: float
    kld_high: float
    perplexity_ratio: float
    """Perplexity over that of the 16-bit model."""
    perplexity_ratio_low: float
    perplexity_ratio_high: float
    basis: str
    sources: tuple[str, ...] = ()
    """Where the type itself was measured; empty where a rule stands in."""


@dataclass(frozen=True, slots=True)
class Quality:
    """A model's latent score for one purpose: 50 is the mean of the models with measured scores, 10 their spread."""

    score: float
    low: float
    high: float
    """The interval holds 80 %."""
    benchmarks: tuple[str, ...]
    basis: str


class Rated(Hashable, Protocol):
    """A model of the catalogue, as ranking sees it."""

    @property
    def id(self) -> str: ...
    @property
    def parameters(self) -> int: ...
    @property
    def active_parameters(self) -> int | None: ...
    @property
    def release_date(self) -> date | None: ...
    @property
    def publisher(self) -> str | None: ...
    @property
    def native_quantization(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class QualityKey:
    """A model in one quantization on the scale of `Quality`, its loss taken off. `in_order` sorts by it."""

    low: float
    high: float
    by_size: float
    """What release date, size and publisher let expect; decides where intervals overlap."""
    score: float | None
    """None where no benchmark of the model is known."""
    basis: str

    @property
    def expected(self) -> float:
        """The score, else what release date and size let expect: one number, for weighing quality against speed."""
        return self.by_size if self.score is None else self.score


@lru_cache(maxsize=16384)
def quantization_loss(quantization_name: str, parameters: int) -> Loss | None:
    """The expected loss of a model of that many weights; None for a quantization that Headroom does not know.

    Beyond the sizes that were measured the nearest one counts.
    """
    try:
        name = parse_quantization(quantization_name)
    except QuestionError:
        return None
    entry = _losses()["loss"].get(name)
    if entry is None:
        return Loss(0.0, 0.0, 0.0, 1.0, 1.0, 1.0, "16 bits: what the others are compared with") if _is_full(name) else None
    fit = _losses()["fit"]
    smallest, largest = fit["measured_parameters"]
    doublings = log2(min(max(parameters, smallest), largest) / fit["parameters"])
    level = log(entry["kld"])
    level += (fit["slope"][0] + fit["slope"][1] * (level + 4)) * doublings
    band = _EIGHTY_PERCENT * entry["spread"]
    kld, low, high = (min(exp(level + step), _MOST_KLD) for step in (0.0, -band, band))
    factor, wider = fit["perplexity_per_kld"], exp(_EIGHTY_PERCENT * fit["perplexity_spread"])
    basis = entry["basis"]
    if not smallest <= parameters <= largest:
        nearest = smallest if parameters < smallest else largest
        basis += f"; no model of this size was measured, so as for {nearest / 1e9:.3g} billion weights"
    sources = tuple(dict.fromkeys(_losses()["sources"][table] for table in entry["from"]))
    ratios = exp(factor * kld), exp(factor * low / wider), exp(min(factor * high * wider, _MOST_KLD))
    return Loss(kld, low, high, *ratios, basis, sources)


def _is_full(name: str) -> bool:
    return quantization(name).bits is None and quantization(name).default_bits >= 16


@lru_cache(maxsize=4096)
def model_quality(model_id: str, purpose: Purpose) -> Quality | None:
    """The model's latent score for `purpose`, unquantized; None where no benchmark of it is known."""
    entry = _models()["models"].get(model_id)
    if entry is None:
        return None
    score, low, high = entry[purpose]
    return Quality(score, low, high, tuple(entry["benchmarks"]), _basis(entry["benchmarks"], purpose))


def _basis(benchmarks: Sequence[str], purpose: Purpose) -> str:
    names = ", ".join(_models()["benchmarks"][name]["name"] for name in benchmarks)
    own = [name for name in benchmarks if _models()["benchmarks"][name]["ability"] == _models()["purposes"][purpose]["ability"]]
    text = f"one score fitted on {len(benchmarks)} benchmark{'s' * (len(benchmarks) > 1)} ({names})"
    if said := _models()["purposes"][purpose].get("note"):
        return f"{text}; {said}"
    return text if own else f"{text}, none about {purpose} alone"


@lru_cache(maxsize=16384)
def _unquantized(model: Rated, purpose: Purpose) -> QualityKey:
    by_size = expected_by_size(model)
    found = model_quality(model.id, purpose)
    if found is not None:
        return QualityKey(found.low, found.high, by_size, found.score, found.basis)
    band = _EIGHTY_PERCENT * _models()["fit"]["spread"]
    return QualityKey(by_size - band, by_size + band, by_size, None, UNMEASURED)


def expected_by_size(model: Rated) -> float:
    """Score that a model's size, release date and publisher let expect: a regression over the models with measured scores.

    A model without a date counts as of 2024.
    """
    level, total, active, year = _models()["fit"]["expected"]
    years = 1.0 if model.release_date is None else (model.release_date - date(2023, 1, 1)).days / 365.25
    size = total * log2(model.parameters / 1e9) + active * log2((model.active_parameters or model.parameters) / 1e9)
    return float(level + size + year * years + _models()["publishers"].get(model.publisher, 0.0))


@lru_cache(maxsize=65536)
def quality_key(model: Rated, quantization_name: str, purpose: Purpose) -> QualityKey:
    """The model in `quantization_name`, to be ordered by `in_order`.

    The loss comes off at a fixed rate a nat of KLD (`score_per_kld`, from published scores of quantized models). The
    quantization that a model was released in loses nothing.
    """
    full = _unquantized(model, purpose)
    loss = quantization_loss(quantization_name, model.parameters)
    if loss is None or loss.kld == 0 or parse_quantization(quantization_name) == model.native_quantization:
        return full
    rate = _models()["fit"]["score_per_kld"]
    off = rate * loss.kld
    return QualityKey(
        full.low - rate * loss.kld_high,
        full.high - rate * loss.kld_low,
        full.by_size - off,
        None if full.score is None else full.score - off,
        full.basis,
    )


def in_order(items: Iterable[Item], key: Callable[[Item], QualityKey]) -> list[Item]:
    """`items`, best first.

    One whose whole interval is above another's comes before it; among those whose intervals overlap, the one of which size and
    release date let expect more. Equal ones stay in their order.
    """
    listed = list(items)
    keys = [key(item) for item in listed]
    by_high = sorted(range(len(listed)), key=lambda index: -keys[index].high)
    by_low = sorted(range(len(listed)), key=lambda index: -keys[index].low)
    placed: list[int] = []
    done = [False] * len(listed)
    ready: list[tuple[float, int]] = []
    next_high = next_low = 0
    while len(placed) < len(listed):
        while done[by_low[next_low]]:
            next_low += 1
        best_low = keys[by_low[next_low]].low
        while next_high < len(listed) and keys[by_high[next_high]].high >= best_low:
            heappush(ready, (-keys[by_high[next_high]].by_size, by_high[next_high]))
            next_high += 1
        index = heappop(ready)[1]
        done[index] = True
        placed.append(index)
    return [listed[index] for index in placed]


@cache
def _losses() -> Mapping[str, Any]:
    return _read("quantization_loss.toml")


@cache
def _models() -> Mapping[str, Any]:
    return _read("model_quality.toml")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("advisor.advice").joinpath("data", name).read_text("utf-8"))
