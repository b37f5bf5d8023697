"""Fits the expected loss of every quantization on published measurements, and prints how well it meets models left out.

    python benchmarks/quantization_loss.py [--write]

`--write` puts the result into `advisor/advice/data/quantization_loss.toml`, which `advisor.advice.quality` reads. The
measurements are those of `benchmarks/data/quantization_measurements.toml`.

The fit. The logarithm of the Kullback-Leibler divergence (KLD) of model m in quantization q is

    ln KLD = a(q) + (s0 + s1 (a(q) + 4)) log2(parameters / 8e9) + u(m) + noise

a(q) is what the quantization loses at 8 billion weights. The slope: larger models lose less, the more so the stronger the
compression. u(m) is the model's own, drawn to 0 with weight `RIDGE`, so that few rows do not set a level. Types made "pure"
are columns of their own, except where a mix hardly differs (`SHARED`). A perplexity without a KLD counts as KLD =
ln(perplexity / baseline) / factor where it is clear of noise. The spread is what predictions of models left out miss.

Quantizations that nobody measured follow the rules in `_ruled`, with a spread that is wider by what the rule misses where it
can be checked. unsloth's UD- files are measured on too few models for a level of their own: theirs is that of the base mix
times what they lost more or less than it on the same model.
"""

import argparse
import json
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.models.quantization_names import QUANTIZATIONS, Quantization

MEASURED = Path(__file__).parent / "data" / "quantization_measurements.toml"
FITTED = Path(__file__).resolve().parent.parent / "advisor" / "advice" / "data" / "quantization_loss.toml"

REFERENCE = 8e9
RIDGE = 0.5
SHARED = ("Q8_0", "Q6_K", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL")
"""Types whose file type has hardly another type in it: pure tables and mixes measure the same."""
CLEAR = 0.003
"""Least ln(perplexity ratio) that is read as a loss: below it the noise of perplexity decides."""
UNLIKE_Q8_0 = 0.01
"""A table whose Q8_0 already differs by this much measures something else: gemma-4-31b-it's perplexity of raw text is 1950."""
EIGHTY_PERCENT = 1.2816


@dataclass(frozen=True)
class Row:
    """One measured loss."""

    table: str
    column: str
    size: float
    """log2(parameters / 8e9)."""
    value: float
    """ln KLD."""


@dataclass
class Fit:
    """The fitted values."""

    level: dict[str, float]
    slope: tuple[float, float]
    own: dict[str, float]
    rows: list[Row] = field(repr=False)

    def predicted(self, column: str, size: float) -> float:
        """ln KLD of a model of that size that is like the others."""
        return self.level[column] + (self.slope[0] + self.slope[1] * (self.level[column] + 4)) * size


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FITTED.name}")
    options = parser.parse_args(arguments)
    tables = tomllib.loads(MEASURED.read_text("utf-8"))["tables"]
    factor, factor_spread = perplexity_factor(tables)
    rows = measured_rows(tables, factor)
    fit = fitted(rows)
    print(f"{len(rows)} losses of {len(fit.own)} tables, {len(fit.level)} columns; ln(perplexity ratio) = {factor:.3f} KLD")
    print(f"slope a doubling {fit.slope[0]:+.3f} {fit.slope[1]:+.3f}")
    losses = _losses(fit, tables, left_out_spread(rows))
    for name, entry in losses.items():
        print(f"  {name:12} {entry['kld']:8.4f}  x/ {math.exp(EIGHTY_PERCENT * entry['spread']):.2f}  {entry['basis']}")
    if options.write:
        FITTED.parent.mkdir(exist_ok=True)
        FITTED.write_text(_as_toml(fit, losses, tables, factor, factor_spread), "utf-8")
    return 0


def perplexity_factor(tables: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """ln(perplexity ratio) over KLD where both were measured: the median, and the spread of its logarithm."""
    ratios = []
    for table in tables:
        if table["recipe"] != "mix" or "perplexity" not in table or "kld" not in table:
            continue
        of = {(name, made): value for name, value, made in table["kld"]}
        for name, value, made in table["perplexity"]:
            lost = math.log(value / table["baseline_perplexity"])
            if lost > CLEAR and (name, made) in of:
                ratios.append(lost / of[name, made])
    return median(ratios), float(np.std(np.log(ratios)))


def measured_rows(tables: Sequence[Mapping[str, Any]], factor: float) -> list[Row]:
    """All losses that can be compared with each other."""
    rows = []
    for table in tables:
        losses = [(name, value) for name, value, _ in table.get("kld", ())]
        if any(name == "Q8_0" and value > UNLIKE_Q8_0 for name, value in losses):
            continue
        if not losses:
            found = ((name, math.log(value / table["baseline_perplexity"])) for name, value, _ in table["perplexity"])
            losses = [(name, lost / factor) for name, lost in found if lost > CLEAR]
        pure, size = table["recipe"] == "pure", math.log2(table["parameters"] / REFERENCE)
        for name, value in losses:
            if name.startswith("UD-"):
                continue
            column = f"pure {name}" if pure and name not in SHARED else name
            rows.append(Row(table["id"], column, size, math.log(value)))
    return rows


def dynamic_gains(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """For unsloth's UD- names: ln(KLD over that of the base mix) on the same model, one a model."""
    gains: dict[str, list[float]] = {}
    for table in tables:
        of = {name: value for name, value, _ in table.get("kld", ())}
        for name, value in of.items():
            if name.startswith("UD-") and QUANTIZATIONS[name].base in of:
                gains.setdefault(name, []).append(math.log(value / of[QUANTIZATIONS[name].base]))
    return gains


def fitted(rows: list[Row]) -> Fit:
    """Least squares, in turns: levels and models' own given the slopes, then the slopes."""
    columns, tables = sorted({row.column for row in rows}), sorted({row.table for row in rows})
    column = np.array([columns.index(row.column) for row in rows])
    table = np.array([tables.index(row.table) for row in rows])
    size, value = np.array([row.size for row in rows]), np.array([row.value for row in rows])
    level = np.array([value[column == index].mean() for index in range(len(columns))])
    own, slope = np.zeros(len(tables)), np.array([-0.3, 0.0])
    for _ in range(400):
        left = value - (slope[0] + slope[1] * (level[column] + 4)) * size
        for index in range(len(columns)):
            level[index] = (left - own[table])[column == index].mean()
        for index in range(len(tables)):
            mine = (left - level[column])[table == index]
            own[index] = mine.sum() / (len(mine) + RIDGE * len(columns))
        design = np.stack([size, (level[column] + 4) * size], axis=1)
        slope = np.linalg.lstsq(design, value - level[column] - own[table], rcond=None)[0]
    return Fit(
        dict(zip(columns, level.tolist(), strict=True)),
        (float(slope[0]), float(slope[1])),
        dict(zip(tables, own.tolist(), strict=True)),
        rows,
    )


def left_out_spread(rows: list[Row]) -> float:
    """Each table in turn predicted from the others: the standard deviation whose 80 % band holds 80 % of the losses."""
    errors, ranks = [], []
    for name in sorted({row.table for row in rows}):
        fit = fitted([row for row in rows if row.table != name])
        mine = [row for row in rows if row.table == name and row.column in fit.level]
        said = [fit.predicted(row.column, row.size) for row in mine]
        errors += [abs(row.value - value) for row, value in zip(mine, said, strict=True)]
        if len(mine) > 3:
            ranks.append(rank_correlation(said, [row.value for row in mine]))
    print(
        f"models left out: KLD within a factor {math.exp(median(errors)):.2f} (median), "
        f"{math.exp(float(np.quantile(errors, 0.8))):.2f} (eight of ten); order of types: rank correlation {median(ranks):.3f}"
    )
    return float(np.quantile(errors, 0.8)) / EIGHTY_PERCENT


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's, ties in order of appearance."""
    first, second = (np.argsort(np.argsort(values)) for values in (left, right))
    return float(np.corrcoef(first, second)[0, 1])


def _losses(fit: Fit, tables: Sequence[Mapping[str, Any]], usual: float) -> dict[str, dict[str, Any]]:
    """For every quantization: KLD at 8 billion weights, spread of its logarithm, basis."""
    measured = {name: value for name, value in fit.level.items() if name in QUANTIZATIONS}
    gains = dynamic_gains(tables)
    losses: dict[str, dict[str, Any]] = {}
    for name, entry in QUANTIZATIONS.items():
        if name in measured:
            of = sorted({row.table for row in fit.rows if row.column == name})
            losses[name] = _measured(measured[name], of, usual * math.sqrt(1 + 1 / len(of)))
        elif name in gains:
            of = sorted(table["id"] for table in tables if any(row[0] == name for row in table.get("kld", ())))
            level = measured[entry.base] + sum(gains[name]) / len(gains[name])
            losses[name] = _measured(level, of, math.hypot(usual, _gain_spread(gains) / math.sqrt(len(of))))
        elif entry.default_bits < 16 or entry.bits is not None:
            level, more, basis = _ruled(entry, measured, gains)
            losses[name] = {"ln": level, "spread": math.hypot(usual, more), "basis": basis, "tables": []}
    _made_monotone(losses)
    for loss in losses.values():
        loss["kld"] = math.exp(loss["ln"])
    return dict(sorted(losses.items(), key=lambda item: float(item[1]["ln"])))


def _measured(level: float, tables: Sequence[str], spread: float) -> dict[str, Any]:
    basis = f"measured on {len(tables)} model{'s' * (len(tables) > 1)}"
    return {"ln": level, "spread": spread, "basis": basis, "tables": tables}


def _gain_spread(gains: Mapping[str, Sequence[float]]) -> float:
    return float(np.std([gain for of in gains.values() for gain in of], ddof=1))


def _ruled(
    entry: Quantization, measured: Mapping[str, float], gains: Mapping[str, Sequence[float]]
) -> tuple[float, float, str]:
    """ln KLD of a quantization that nobody measured, how far the rule may be off, and the rule in words."""
    if entry.bits is not None:
        return _affine(entry.bits, measured)
    if entry.name.startswith("UD-") and entry.base in measured:
        usual = median(gain for of in gains.values() for gain in of)
        rule = f"no measurement: as {entry.base}, times what UD- files lose where both were measured"
        return measured[entry.base] + usual, 2 * _gain_spread(gains), rule
    if entry.base != entry.name and entry.base in measured:
        return measured[entry.base], 0.2, f"no measurement: as {entry.base}, but embedding and output in Q8_0"
    known = [(QUANTIZATIONS[name].default_bits, value) for name, value in measured.items()]
    line = np.polynomial.Polynomial.fit([bits for bits, _ in known], [value for _, value in known], 2)
    off = float(np.std([value - line(bits) for bits, value in known]))
    bits = max(entry.default_bits, min(bits for bits, _ in known))
    rule = f"no measurement: by bits a weight ({entry.default_bits:.4g}), a curve through the types that were measured"
    return float(line(bits)), 2 * off, rule


def _affine(bits: int, measured: Mapping[str, float]) -> tuple[float, float, str]:
    """MLX's affine quantization in groups of 64 rounds as Q4_1 and Q5_1 do in groups of 32.

    The KLD grows with the mean square of the rounding error, that is with (range / steps)²; the range of 64 normal weights is
    4.72 standard deviations, that of 32 is 4.13 (expected range of a normal sample, Tippett 1925). Not below
    Q8_0, where the arithmetic decides and no longer the rounding.
    """
    wider = 2 * math.log(4.72 / 4.13)
    like, steps = ("Q4_1", 15) if bits <= 4 else ("Q5_1", 31)
    level = max(measured["Q8_0"], measured[like] + wider + 2 * math.log(steps / (2**bits - 1)))
    return level, 0.5, f"no measurement: rounds as {like} does, in groups of 64 instead of 32 and with {2**bits - 1} steps"


_LADDERS = (
    ("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "Q2_K_S"),
    ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"),
    ("IQ4_NL", "IQ4_XS", "IQ3_M", "IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"),
    ("UD-Q8_K_XL", "UD-Q6_K_XL", "UD-Q5_K_XL", "UD-Q4_K_XL", "UD-Q3_K_XL", "UD-Q2_K_XL"),
    ("UD-IQ3_XXS", "UD-IQ2_M", "UD-IQ2_XXS", "UD-IQ1_M", "UD-IQ1_S"),
    ("mlx-8bit", "mlx-6bit", "mlx-5bit", "mlx-4bit", "mlx-3bit", "mlx-2bit"),
)
"""Names within which every step down has more weights in coarser types: a lower loss there can only be noise of the tables."""


def _made_monotone(losses: dict[str, dict[str, Any]]) -> None:
    """Neighbours of a ladder that stand the wrong way round get their mean (pool adjacent violators)."""
    for ladder in _LADDERS:
        pools: list[list[str]] = []
        for name in ladder:
            pools.append([name])
            while len(pools) > 1 and _mean(losses, pools[-2]) > _mean(losses, pools[-1]):
                pools[-2:] = [pools[-2] + pools[-1]]
        for pool in pools:
            level = _mean(losses, pool)
            for name in pool:
                losses[name]["ln"] = level


def _mean(losses: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> float:
    return float(sum(losses[name]["ln"] for name in names) / len(names))


def _as_toml(
    fit: Fit,
    losses: Mapping[str, Mapping[str, Any]],
    tables: Sequence[Mapping[str, Any]],
    factor: float,
    factor_spread: float,
) -> str:
    sizes = [row.size for row in fit.rows]
    lines = [
        "# Written by benchmarks/quantization_loss.py, which says how; do not edit.",
        "#",
        "# `kld`: expected Kullback-Leibler divergence from the 16-bit model, nats a token, at `parameters` weights.",
        "# `spread`: standard deviation of its logarithm over models. `from`: the tables of [sources] that measured it.",
        "",
        "[fit]",
        f"parameters = {REFERENCE:.0f}",
        "# ln KLD for each doubling of the weights: slope[0] + slope[1] (ln kld + 4)",
        f"slope = [{fit.slope[0]:.4f}, {fit.slope[1]:.4f}]",
        f"measured_parameters = [{REFERENCE * 2 ** min(sizes):.0f}, {REFERENCE * 2 ** max(sizes):.0f}]",
        f"perplexity_per_kld = {factor:.4f}  # ln(perplexity ratio) over KLD",
        f"perplexity_spread = {factor_spread:.4f}",
        "",
        "[sources]",
    ]
    used = {row.table for row in fit.rows}
    lines += [f"{json.dumps(table['id'])} = {json.dumps(table['source'])}" for table in tables if table["id"] in used]
    lines += ["", "[loss]"]
    for name, entry in losses.items():
        told = f'kld = {entry["kld"]:.6f}, spread = {entry["spread"]:.3f}, basis = "{entry["basis"]}"'
        lines.append(f"{name} = {{ {told}, from = {json.dumps(entry['tables'])} }}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
