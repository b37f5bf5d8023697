"""Prints how far speed forecasts are from public measurements of machines and of model families that the fit had not seen.

    python benchmarks/speed_accuracy.py [--worst N] [--write]

Every row is forecast twice: by a fit without any row of its machine, and by one without any row of its model's family. "range"
is the share of rows in the stated 80 % range, "half" that range's median half-width. A peer's rule, bandwidth over file size,
stands beside. `--write` puts the table into `advisor/accuracy/data/speed.json`, which the accuracy page shows.
"""

import argparse
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.speed.efficiencies import efficiencies
from advisor.speed.terms import generation_terms, prompt_terms
from benchmarks.calibrate_speed import System, out_of_fold, usable
from benchmarks.speed_measurements import Measurement, measurements
from benchmarks.speed_ranges import LEAST_GROUP, Floats, held

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "advisor" / "accuracy" / "data" / "speed.json"
EXPLAINED = ROOT / "benchmarks" / "data" / "speed_explained.toml"
DEEP = 2048
"""Tokens in the context from which a row counts as deep."""
DEPTHS = {
    "up to 512 tokens seen": (0, 512),
    "512 to 4,096 tokens seen": (512, 4096),
    "4,096 to 16,384 tokens seen": (4096, 16384),
    "16,384 to 65,536 tokens seen": (16384, 65536),
    "65,536 tokens seen and more": (65536, 2**30),
}
"""Bounds of the tokens that attention sees."""
CURVE = (512, 2048, 8192, 32768, 65536, 98304)


def seen_between(low: int, high: int) -> Callable[[Measurement], bool]:
    """Whether a row's attention sees that many tokens."""
    return lambda row: low <= row.seen < high


KINDS: dict[str, Callable[[Measurement], bool]] = {
    "all": lambda _: True,
    "without doubtful runs": lambda row: not row.doubt,
    "dense": lambda row: not row.work.hp.expert_count,
    "mixture of experts": lambda row: row.work.hp.expert_count > 0,
    "partly in system memory": lambda row: " offload" in row.groups[0],
    "processor only": lambda row: " host" in row.groups[0],
    "several GPUs": lambda row: " several" in row.groups[0],
    "deep context": lambda row: row.depth >= DEEP,
    **{name: seen_between(low, high) for name, (low, high) in DEPTHS.items()},
    "MLX": lambda row: row.runtime == "mlx",
    "Metal": lambda row: row.backend == "metal" and row.runtime != "mlx",
    "CUDA": lambda row: row.backend == "cuda",
    "ROCm": lambda row: row.backend == "rocm",
    "Vulkan": lambda row: row.backend == "vulkan",
}


def table_row(name: str, rows: Sequence[Measurement], errors: Floats) -> dict[str, Any]:
    """One line: the errors of forecasts over measured speeds, and what the ranges hold."""
    off = np.abs(np.exp(-errors) - 1)  # errors are log(measured / forecast)
    known = efficiencies()
    half = [(spread.high - spread.low) / 2 for spread in (known.spread(row.groups, row.seen) for row in rows)]
    return {
        "name": name,
        "rows": len(rows),
        "median": round(float(np.median(off)), 4),
        "p90": round(float(np.quantile(off, 0.9)), 4),
        "held": round(float(held(rows, errors, known).mean()), 4),
        "half_width": round(float(np.median(half)), 4),
        "peer_median": peer_median(rows),
    }


def peer_median(rows: Sequence[Measurement]) -> float | None:
    """Median error of "bandwidth over file size", the rule of most calculators; None for prompts, of which it says nothing."""
    found = []
    for row in rows:
        if row.test != "generate" or row.devices is None or not row.file.file_bytes:
            continue
        size = row.file_bytes or row.file.file_bytes * row.work.scale
        found.append(abs(row.devices[0].bandwidth / size / row.tokens_per_s - 1))
    return round(float(np.median(found)), 4) if found else None


def tables(test: str) -> tuple[dict[str, list[dict[str, Any]]], System, Floats]:
    """The table by machine and by family, the rows, and the errors by machine."""
    system = System(usable(test))
    by_machine = out_of_fold(system, lambda row: row.machine)
    by_family = out_of_fold(system, lambda row: row.family)
    found: dict[str, list[dict[str, Any]]] = {}
    for fold, errors in (("machine", by_machine), ("family", by_family)):
        lines = []
        for name, belongs in KINDS.items():
            chosen = [index for index, row in enumerate(system.rows) if belongs(row)]
            if len(chosen) >= LEAST_GROUP or name == "all":
                lines.append(table_row(name, [system.rows[index] for index in chosen], errors[chosen]))
        found[fold] = lines
    found["groups"] = group_lines(system, {"machine": by_machine, "family": by_family})
    return found, system, by_machine


def group_lines(system: System, errors: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """What the range of each group holds, in each way of leaving out."""
    count = Counter(row.groups[0] for row in system.rows)
    lines = []
    for group in sorted(name for name, rows in count.items() if rows >= LEAST_GROUP):
        chosen = [index for index, row in enumerate(system.rows) if row.groups[0] == group]
        rows = [system.rows[index] for index in chosen]
        lines += [table_row(f"{group}, by {fold}", rows, error[chosen]) for fold, error in errors.items()]
    return lines


def print_tables(test: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """The lines, in per cent."""
    for fold, lines in found.items():
        print(f"\n{test}, {'by group' if fold == 'groups' else f'left out by {fold}'}")
        print(f"  {'':48}{'rows':>6}{'median':>9}{'p90':>8}{'range':>8}{'half':>8}{'peers':>9}")
        for line in lines:
            peer = "" if line["peer_median"] is None else f"{100 * line['peer_median']:7.0f} %"
            shown = "".join(f"{100 * line[name]:6.1f} %" for name in ("median", "p90", "held", "half_width"))
            print(f"  {line['name']:48}{line['rows']:>6} {shown}{peer:>9}")


def print_worst(system: System, errors: Floats, most: int) -> None:
    """The worst forecasts for machines left out, one a machine and model, each with what is known of its cause."""
    explained = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["case"]
    seen: set[tuple[str, str]] = set()
    for index in np.argsort(-np.abs(errors)):
        row = system.rows[index]
        if (row.machine, row.model) in seen:
            continue
        seen.add((row.machine, row.model))
        forecast = row.tokens_per_s * float(np.exp(-errors[index]))
        who = f"{row.machine}, {row.backend}, {row.model} {row.quantization}"
        print(f"  {who}: {forecast:.1f} for {row.tokens_per_s:.1f} tokens/s")
        print(f"     {row.doubt or explanation(row, explained)}")
        if len(seen) == most:
            break


def explanation(row: Measurement, explained: Sequence[dict[str, str]]) -> str:
    """The first explanation whose conditions the row meets."""
    for case in explained:
        if all(str(getattr(row, name)) == value for name, value in case.items() if name != "why"):
            return case["why"]
    return "no explanation known"


def print_curve() -> None:
    """Speed by context depth for gpt-oss-20b on an RTX 3090: half its blocks see 128 tokens, the others all."""
    row = next(row for row in measurements() if row.machine == "rtx-3090" and row.model == "gpt-oss-20b" and not row.left_out)
    assert row.devices is not None
    known = efficiencies()
    print("\ngpt-oss-20b MXFP4 on an RTX 3090, forecast by depth (tokens/s)")
    for depth in CURVE:
        generate = 1 / known.seconds(generation_terms(row.work, row.devices, depth))
        terms = prompt_terms(row.work, row.devices, 512, depth)
        prompt = 512 / known.seconds(terms) if terms else 0.0
        print(f"  {depth:>7,}  generation {generate:6.1f}   prompt {prompt:7.0f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worst", type=int, default=10, help="how many of the worst cases to explain")
    parser.add_argument("--write", action="store_true", help="write the file that the accuracy page shows")
    options = parser.parse_args(arguments)
    every = measurements()
    usable_rows = sum(not row.left_out and row.terms is not None for row in every)
    share = 100 * usable_rows / len(every)
    print(f"{usable_rows} of {len(every)} rows of high and medium confidence get a forecast ({share:.1f} %).")
    reasons = Counter(row.left_out for row in every if row.left_out)
    print("Left out: " + "; ".join(f"{why} {count}" for why, count in reasons.most_common()))
    published: dict[str, Any] = {"rows": len(every), "forecast": usable_rows}
    for test in ("generate", "prompt"):
        found, system, errors = tables(test)
        print_tables(test, found)
        print(f"\nWorst of {test}, by machine left out")
        print_worst(system, errors, options.worst)
        published[test] = found
    print_curve()
    if options.write:
        PUBLISHED.write_text(json.dumps(published, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
