"""Fits one latent score for each model and purpose on published benchmarks, and prints how well it foretells held-out ones.

    python benchmarks/model_quality.py [--write]

`--write` puts the result into `advisor/advice/data/model_quality.toml`, which `advisor.advice.quality` reads. The scores are
those of `benchmarks/data/model_scores.toml`; different benchmarks are never averaged.

The fit is that of `benchmarks/quality/latent.py`.

Intervals hold 80 %: the spread that is left after the fit, and that over fits to benchmarks drawn anew (bootstrap).
"""

import argparse
import json
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.advice.quality import quantization_loss
from advisor.models.library import catalogue
from benchmarks.quality.latent import ABILITY_OF, PURPOSES, Floats, Latent, Table, fitted, on_scale
from benchmarks.quantization_loss import EIGHTY_PERCENT, MEASURED, rank_correlation

SCORES = Path(__file__).parent / "data" / "model_scores.toml"
DATA = Path(__file__).resolve().parent.parent / "advisor" / "advice" / "data"
FITTED = DATA / "model_quality.toml"

NAMES = {
    "mmlu": "MMLU",
    "mmlu_pro": "MMLU-Pro",
    "gpqa": "GPQA",
    "gpqa_diamond": "GPQA Diamond",
    "humaneval": "HumanEval",
    "ifeval": "IFEval",
    "aime_2024": "AIME 2024",
    "aime_2025": "AIME 2025",
    "math_500": "MATH-500",
    "livecodebench": "LiveCodeBench",
    "livecodebench_v5": "LiveCodeBench v5",
    "livecodebench_v6": "LiveCodeBench v6",
    "arena_hard": "Arena-Hard",
    "arena_elo": "LMArena Elo",
    "livebench": "LiveBench",
    "swe_bench_verified": "SWE-bench Verified",
    "artificial_analysis_index": "Artificial Analysis Intelligence Index",
}
NOTES = {"documents": "no benchmark of long documents is among them, so knowledge stands for it"}
LEAST_KLD = 0.02
"""Below it a benchmark of some thousand questions cannot tell the loss from chance."""
BOOTSTRAPS = 200


def features(parameters: int, active: int | None, released: Any) -> list[float]:
    """Of one model, for the regression; a model without a date counts as of 2024."""
    years = 1.0 if released is None else (released.toordinal() - 738521) / 365.25  # 738521: 2023-01-01
    return [1.0, math.log2(parameters / 1e9), math.log2((active or parameters) / 1e9), years]


def read() -> Table:
    """The scores of models that the catalogue knows; several sources of one score count as their mean."""
    known = {model.id: model for model in (*catalogue().models, *catalogue().facts_only)}
    cells: dict[tuple[str, str], list[float]] = {}
    for row in tomllib.loads(SCORES.read_text("utf-8"))["models"]:
        for benchmark, value, _ in row["scores"]:
            if row["id"] in known:
                cells.setdefault((row["id"], benchmark), []).append(on_scale(benchmark, value))
    models, benchmarks = (tuple(dict.fromkeys(key[side] for key in cells)) for side in (0, 1))
    by = [known[id_].publisher or "" for id_ in models]
    publishers = tuple(dict.fromkeys(by))
    return Table(
        models,
        benchmarks,
        np.array([models.index(key[0]) for key in cells]),
        np.array([benchmarks.index(key[1]) for key in cells]),
        np.array([sum(values) / len(values) for values in cells.values()]),
        np.array([features(known[id_].parameters, known[id_].active_parameters, known[id_].release_date) for id_ in models]),
        publishers,
        np.array([publishers.index(name) for name in by]),
    )


def held_out(table: Table) -> list[tuple[str, int, float, float]]:
    """Each benchmark in turn left out wholly: rank correlation of its scores with the latent one, and with the regression."""
    found = []
    for index, name in enumerate(table.benchmarks):
        at = table.benchmark == index
        if at.sum() < 7:
            continue
        fit = fitted(table.without(at))
        scored = np.isin(table.model, table.model[~at])
        rows = at & scored
        said = fit.score(ABILITY_OF[name])[0][table.model[rows]]
        by_size = fit.prior(table)[table.model[rows]]
        real = table.values[rows].tolist()
        found.append((name, int(rows.sum()), rank_correlation(said.tolist(), real), rank_correlation(by_size.tolist(), real)))
    return found


def bootstrap(table: Table, fit: Latent, seed: int = 1) -> dict[str, Floats]:
    """Standard deviation of each model's score by purpose, over fits to benchmarks drawn with replacement."""
    random = np.random.default_rng(seed)
    found: dict[str, list[Floats]] = {purpose: [] for purpose in PURPOSES}
    count = len(table.benchmarks)
    for _ in range(BOOTSTRAPS):
        weights = np.bincount(random.integers(0, count, count), minlength=count).astype(float)
        drawn = fitted(table, weights, fit, rounds=15)
        for purpose, ability in PURPOSES.items():
            found[purpose].append(drawn.score(ability)[0])
    return {purpose: np.std(scores, axis=0) for purpose, scores in found.items()}


def score_rates(table: Table, fit: Latent) -> list[tuple[str, str, float, float]]:
    """Model, quantization, KLD and what it costs in theta a nat, where a quantized model's benchmark was published.

    The KLD is the one measured on that model where there is one, else the expected one.
    """
    data = tomllib.loads(MEASURED.read_text("utf-8"))
    sizes = {model.id: model.parameters for model in catalogue().models}
    found = []
    for row in data["scores"]:
        measured = {name: kld for one in data["tables"] if one["id"] == row["model"] for name, kld, _ in one.get("kld", ())}
        slope = fit.slope[table.benchmarks.index(row["benchmark"])]
        for name, value in row["quantized"]:
            expected = quantization_loss(name, sizes[row["model"]])
            kld = measured.get(name) or (expected.kld if expected else 0.0)
            if kld > LEAST_KLD:
                lost = (on_scale(row["benchmark"], row["full"]) - on_scale(row["benchmark"], value)) / slope
                found.append((row["model"], name, kld, float(lost / kld)))
    return found


def size_rate(fit: Latent) -> float:
    """The same by another way: what a doubling of the weights is worth in theta over what it is worth in ln(perplexity).

    LLaMA 7B and 13B at 16 bits: 5.9066 and 5.2543 (llama.cpp pull request 1684), one corpus, one training.
    """
    a_doubling = math.log(5.9066 / 5.2543) / math.log2(13015864320 / 6738415616)
    return float(fit.expected[1] + fit.expected[2]) / a_doubling


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FITTED.name}")
    options = parser.parse_args(arguments)
    table = read()
    fit = fitted(table)
    print(f"{len(table.values)} scores of {len(table.models)} models on {len(table.benchmarks)} benchmarks")
    total, active, years = fit.expected[1:]
    print(f"regression: {total:+.2f} a doubling of the weights, {active:+.2f} of the active ones, {years:+.2f} a year")
    print(f"held-out benchmarks, rank correlation: {'':17} latent     regression  models")
    outs = held_out(table)
    for name, count, latent, by_size in outs:
        print(f"  {name:54} {latent:6.2f}  {by_size:13.2f}  {count:6}")
    mean = [float(np.average([row[side] for row in outs], weights=[row[1] for row in outs])) for side in (2, 3)]
    print(f"  {'mean, weighted by models':54} {mean[0]:6.2f}  {mean[1]:13.2f}")
    rates = score_rates(table, fit)
    for model, name, kld, rate in rates:
        print(f"  {model:24} {name:12} KLD {kld:.3f}: {rate:5.2f} a nat")
    rate = median(median(row[3] for row in rates if row[0] == model) for model in {row[0] for row in rates})
    print(f"a nat of KLD costs {rate:.2f} (median over models); by the perplexity of larger models {size_rate(fit):.2f}")
    if options.write:
        DATA.mkdir(exist_ok=True)
        FITTED.write_text(_as_toml(table, fit, bootstrap(table, fit), rate, outs), "utf-8")
    return 0


def _as_toml(
    table: Table, fit: Latent, drawn: Mapping[str, Floats], rate: float, outs: Sequence[tuple[str, int, float, float]]
) -> str:
    held = {name: latent for name, _, latent, _ in outs}
    expected = [50 + 10 * float(fit.expected[0]), *(10 * float(value) for value in fit.expected[1:])]
    lines = [
        "# Written by benchmarks/model_quality.py, which says how; do not edit.",
        "#",
        "# Scores: 50 is the mean of these models, 10 their standard deviation. Each purpose: score, low, high.",
        "# The interval holds 80 %.",
        "# Their sources are in benchmarks/data/model_scores.toml.",
        "",
        "[fit]",
        "# Score without any benchmark: constant, log2 of billions of weights, of active weights, years since 2023; and above",
        "# that what the publisher's models have, if it has any that were measured.",
        f"expected = {[round(value, 3) for value in expected]}",
        f"spread = {10 * fit.spread:.3f}  # standard deviation of scores around it",
        "# Median over models whose quantized files have published scores;",
        f"# by the perplexity of larger models it would be {10 * size_rate(fit):.1f}.",
        f"score_per_kld = {10 * rate:.2f}",
        "",
        "[publishers]",
        *(f'"{name}" = {10 * gain:.2f}' for name, gain in zip(table.publishers, fit.by_publisher, strict=True)),
        "",
        "[purposes]",
    ]
    for purpose, ability in PURPOSES.items():
        note = f', note = "{NOTES[purpose]}"' if purpose in NOTES else ""
        lines.append(f'{purpose} = {{ ability = "{ability}"{note} }}')
    lines += ["", "[benchmarks]"]
    for index, name in enumerate(table.benchmarks):
        told = f'name = "{NAMES[name]}", ability = "{ABILITY_OF[name]}", models = {int((table.benchmark == index).sum())}'
        correlation = f", held_out_rank_correlation = {held[name]:.2f}" if name in held else ""
        lines.append(f"{name} = {{ {told}{correlation} }}")
    lines += ["", "[models]"]
    scores = {purpose: fit.score(ability) for purpose, ability in PURPOSES.items()}
    for index, model in sorted(enumerate(table.models), key=lambda item: item[1]):
        names = [table.benchmarks[at] for at in table.benchmark[table.model == index]]
        values = []
        for purpose in PURPOSES:
            middle, spread = float(scores[purpose][0][index]), float(scores[purpose][1][index])
            band = EIGHTY_PERCENT * math.hypot(spread, float(drawn[purpose][index]))
            values.append(f"{purpose} = {[round(50 + 10 * value, 1) for value in (middle, middle - band, middle + band)]}")
        lines.append(f'"{model}" = {{ {", ".join(values)}, benchmarks = {json.dumps(names)} }}')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
