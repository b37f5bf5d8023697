"""Prints how far predicted file sizes are from published ones: by uploader, exact and rounded sizes apart, and the worst.

    python benchmarks/size_accuracy.py [FILE] [--worst N]

FILE holds one JSON object a line: the catalogue's id of the model ("model" or "model_id"), "quantization" or "quant", the size
as "bytes" or "size_bytes", or as "size_gib" with its "precision" ("1 decimal ..."), "uploader" or "repo", "file", "source".
"of" is "tensors" where the size is that of the tensors alone (llama-bench). How a file is known to differ from what is made
today may be said by "made", the date whose rules of llama-quantize apply, and "tensors", options of the tensor list such as
{"merged_kv_b": true}. Sizes are only compared with, never used.
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.errors import QuestionError
from advisor.models.file_size import error_band, padded
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.quantization import era_of, group_tensors, kept_types, quantization, quantized_bytes
from advisor.models.tensors import tensor_list
from advisor.units import GIB

SIZES = Path(__file__).parent / "data" / "gguf_sizes.jsonl"


@dataclass(frozen=True)
class Compared:
    """One published size beside the predicted one."""

    uploader: str
    file: str
    quantization: str
    published: float
    predicted: int
    rounding: float
    """Half of the last printed digit in bytes; 0 where the size is exact."""
    band: tuple[float, float]
    plain: bool
    """The name says exactly which types are used."""

    @property
    def error(self) -> float:
        """Relative difference of the prediction."""
        return self.predicted / self.published - 1

    @property
    def within_rounding(self) -> bool:
        return abs(self.predicted - self.published) <= self.rounding

    @property
    def within_band(self) -> bool:
        """The published size, give or take its rounding, is in the band stated for the quantization."""
        low, high = self.predicted * (1 + self.band[0]), self.predicted * (1 + self.band[1])
        return low - self.rounding <= self.published <= high + self.rounding


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare all sizes of the file and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=SIZES)
    parser.add_argument("--worst", type=int, default=15, help="how many of the largest errors to list")
    options = parser.parse_args(arguments)
    rows = [json.loads(line) for line in options.file.read_text("utf-8").splitlines() if line.strip()]
    skipped: Counter[str] = Counter()
    compared = [found for row in rows if (found := _compare(row, skipped))]
    exact = [row for row in compared if row.plain and not row.rounding]
    _print_group("exact sizes, plain names", exact, options.worst)
    _print_group("rounded sizes, plain names", [row for row in compared if row.plain and row.rounding], options.worst)
    _print_group("dynamic names (UD-): typical ratios", [row for row in compared if not row.plain], options.worst)
    if skipped:
        print("not compared: " + ", ".join(f"{count} {reason}" for reason, count in skipped.most_common()))
    return 0


def _compare(row: dict[str, Any], skipped: Counter[str]) -> Compared | None:
    try:
        model = catalogue().find(str(row.get("model") or row.get("model_id") or ""))
    except QuestionError:
        skipped["of models outside the catalogue"] += 1
        return None
    try:
        name = quantization(str(row.get("quantization") or row.get("quant") or ""))
    except QuestionError:
        skipped["in formats that llama-quantize does not make"] += 1
        return None
    published, rounding = _published(row)
    if published is None:
        skipped["without a size"] += 1
        return None
    return Compared(
        uploader=str(row.get("uploader") or row.get("repo") or "unknown").split("/")[0],
        file=str(row.get("file") or f"{model.id} {name.name}"),
        quantization=name.name,
        published=published,
        predicted=_predicted(model, name.name, row),
        rounding=rounding,
        band=error_band(name.name, mixture=model.hyperparameters.expert_count > 1),
        plain=name.exact,
    )


def _published(row: dict[str, Any]) -> tuple[float | None, float]:
    """Bytes that were published, and half of the last digit printed."""
    exact = row.get("bytes") or row.get("size_bytes")
    if exact:
        return float(exact), 0.0
    size = row.get("size_gib")
    decimals = re.match(r"(\d) decimal", str(row.get("precision", "")))
    return (size * GIB, 0.5 * 10 ** -(int(decimals[1]) if decimals else 1) * GIB) if size else (None, 0.0)


def _predicted(model: CatalogueModel, name: str, row: dict[str, Any]) -> int:
    tensors_only = row.get("of") == "tensors" or "tensor" in str(row.get("precision", ""))
    groups = model.groups
    if "made" in row or "tensors" in row:
        shapes = tensor_list(model.hyperparameters, replace(model.options, **row.get("tensors", {})))
        era = era_of(row["made"]) if "made" in row else None
        groups = group_tensors(shapes, model.hyperparameters, era=era, kept=kept_types(model.hyperparameters))
    if tensors_only:
        return int(quantized_bytes(groups, (name,))[0])
    return int(quantized_bytes(groups, (name,), alignment=32)[0]) + padded(model.header_bytes)


def _print_group(title: str, rows: list[Compared], worst: int) -> None:
    if not rows:
        return
    print(f"{title}: {len(rows)} files")
    by_uploader: dict[str, list[Compared]] = defaultdict(list)
    for row in rows:
        by_uploader[row.uploader].append(row)
    print(f"  {'uploader':24} {'files':>5} {'median':>9} {'95 %':>9} {'within rounding':>16} {'within band':>12}")
    for uploader, own in [*sorted(by_uploader.items(), key=lambda item: -len(item[1])), ("all", rows)]:
        errors = sorted(abs(row.error) for row in own)
        high = errors[min(len(errors) - 1, int(0.95 * len(errors)))]
        rounding = sum(row.within_rounding for row in own) if any(row.rounding for row in own) else "-"
        band = sum(row.within_band for row in own)
        print(f"  {uploader:24} {len(own):5} {median(errors):9.4%} {high:9.3%} {rounding:>16} {band:>12}")
    print("  worst:")
    for row in sorted(rows, key=lambda row: -abs(row.error))[:worst]:
        print(f"    {row.error:+8.3%}  {row.uploader}: {row.file}  published {row.published:,.0f}, predicted {row.predicted:,}")
    print()


if __name__ == "__main__":
    sys.exit(main())
