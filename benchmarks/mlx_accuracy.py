"""Prints how far the MLX formula is from mlx_lm: weights of models that it builds, peaks of runs on this CPU, peaks on a Mac.

    python benchmarks/mlx_accuracy.py [--all]

The first two need the extra `mlx`; the third compares with published runs (data/mlx_peaks.csv, each with its file).
"""

import csv
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.memory.mlx import kv_cache_bytes, weights_bytes
from advisor.memory.mlx_prefill import prefill_bytes
from advisor.memory.mlx_rules import RECIPES
from advisor.models.library import catalogue
from advisor.models.tensors import tensor_list

PEAKS = Path(__file__).resolve().parent / "data" / "mlx_peaks.csv"
GENERATED = 100
"""Tokens after each prompt: the source does not say how many; a few hundred more or less are one step of the cache."""


def against_a_mac(*, every: bool) -> None:
    """Totals beside published peaks."""
    differences = []
    with PEAKS.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        entry, recipe, prompt = catalogue().find(row["model"]), RECIPES[row["quantization"]], int(row["prompt_tokens"])
        hp = entry.hyperparameters
        total = weights_bytes(hp, entry.shapes, recipe) + kv_cache_bytes(hp, prompt + GENERATED)
        total += prefill_bytes(hp, prompt + 1, bits=recipe.bits)
        real = float(row["peak_gb"]) * 1e9
        differences.append(100 * (total / real - 1))
        if every:
            sizes = f"{real / 1e9:8.2f} {total / 1e9:8.2f} {differences[-1]:+6.1f} %"
            print(f"  {row['model']:18} {row['quantization']:9} {prompt:7} {sizes}")
    apart = sorted(map(abs, differences))
    print(
        f"Peaks on an M3 Ultra, {len(apart)} runs: median {median(apart):.2f} %, "
        f"95 of 100 within {apart[len(apart) * 95 // 100]:.1f} %, worst {max(differences):+.1f} % and {min(differences):+.1f} %"
    )


def against_mlx_lm() -> None:
    """Weights of known models, and peaks of synthetic ones run here."""
    from tests.memory.mlx_models import KNOWN, SYNTHETIC
    from tests.memory.test_mlx_engine import VARIANTS, ask

    cases = [(model, name) for model in KNOWN for name in VARIANTS]
    answers = ask([{"config": KNOWN[model], **VARIANTS[name]} for model, name in cases])
    wrong = 0
    for (model, name), answer in zip(cases, answers, strict=True):
        entry = catalogue().find(model)
        ours = weights_bytes(entry.hyperparameters, entry.shapes, RECIPES[name])
        if ours != answer["weights"]:
            wrong += 1
            print(f"  {model} {name}: {ours:,} bytes, mlx_lm {answer['weights']:,}")
    print(f"Weights, {len(cases)} models and quantizations: {len(cases) - wrong} equal to the byte")
    for name, small in SYNTHETIC.items():
        (answer,) = ask([{"config": small.config, "bits": None, "run": small.prompt, "float_bytes": small.float_bytes}])
        parts = (
            weights_bytes(small.hp, tensor_list(small.hp), RECIPES["F32" if small.float_bytes == 4 else "BF16"]),
            kv_cache_bytes(small.hp, small.prompt + 2, float_bytes=small.float_bytes),
            prefill_bytes(small.hp, small.prompt, bits=None, device="cpu", float_bytes=small.float_bytes),
        )
        total, peak = sum(parts), answer["peak"]
        print(f"Peak on this CPU, {name}: {total:,} bytes, measured {peak:,}: {100 * (total / peak - 1):+.2f} %")


if __name__ == "__main__":
    if find_spec("mlx_lm"):
        against_mlx_lm()
    else:
        print("mlx_lm is not installed (pip install advisor[mlx]): weights and peaks on this CPU are left out.")
    against_a_mac(every="--all" in sys.argv)
