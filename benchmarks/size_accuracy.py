"""Prints how far predicted file sizes are from published ones: by uploader, exact and rounded sizes apart, and the worst.

    python benchmarks/size_accuracy.py [FILE] [--worst N]

FILE holds one JSON object a line: the catalogue's id of the model ("model" or "model_id"), "quantization" or "quant", the size
as "bytes" or "size_bytes", or as "size_gib" with its "precision" ("1 decimal ..."), "uploader" or "repo", "file", "source".
"of" is "tensors" where the size is that of the tensors alone (llama-bench). A row may know more than its repository tells:
"made", the date whose rules of llama-quantize apply, and "tensors", options of the tensor list such as {"merged_kv_b": true}.
How a publisher's files are made is predicted by `advisor.models.published`. Sizes are only compared with, never used.
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.errors import QuestionError
from advisor.models.library import catalogue
from advisor.models.published import published_band, published_bytes, recipe_of
from advisor.models.quantization import quantization
from advisor.units import GIB

SIZES = Path(__file__).parent / "data" / "gguf_sizes.jsonl"

Kind = Literal["plain", "own", "dynamic"]
"""The name says exactly which types are used, stands for a publisher's own mix, or is the publisher's own too (UD-)."""
HABITS = ("bartowski", "unsloth")
"""Uploaders of very many files whose habits change; the others are official or follow llama-quantize."""


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
    kind: Kind

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
    plain = [row for row in compared if row.kind == "plain"]
    _print_group("exact sizes, plain names", [row for row in plain if not row.rounding], options.worst)
    rounded = [row for row in plain if row.rounding]
    _print_group("rounded sizes, plain names, official and plain uploaders", _of(rounded, many=False), options.worst)
    _print_group("rounded sizes, plain names, bartowski and unsloth", _of(rounded, many=True), options.worst)
    _print_group("plain names for mixes of the publisher's own", [r for r in compared if r.kind == "own"], options.worst)
    _print_group("names of publishers' own (UD-, _L)", [r for r in compared if r.kind == "dynamic"], options.worst)
    if skipped:
        print("not compared: " + ", ".join(f"{count} {reason}" for reason, count in skipped.most_common()))
    return 0


def _of(rows: Sequence[Compared], *, many: bool) -> list[Compared]:
    return [row for row in rows if (row.uploader in HABITS) == many]


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
    repository = str(row.get("uploader") or row.get("repo") or "unknown")
    recipe = recipe_of(model, repository, date.fromisoformat(f"{row['made']}-01") if "made" in row else None)
    if "tensors" in row:
        recipe = replace(recipe, tensors=tuple(sorted((dict(recipe.tensors) | row["tensors"]).items())))
    own = recipe.own is not None and name.default_bits < 8
    tensors_only = row.get("of") == "tensors" or "tensor" in str(row.get("precision", ""))
    return Compared(
        uploader=repository.partition("/")[0],
        file=str(row.get("file") or f"{model.id} {name.name}"),
        quantization=name.name,
        published=published,
        predicted=published_bytes(model, name.name, recipe, with_header=not tensors_only),
        rounding=rounding,
        band=published_band(model, name.name, recipe),
        kind="dynamic" if not name.exact else "own" if own else "plain",
    )


def _published(row: dict[str, Any]) -> tuple[float | None, float]:
    """Bytes that were published, and half of the last digit printed."""
    exact = row.get("bytes") or row.get("size_bytes")
    if exact:
        return float(exact), 0.0
    size, precision = row.get("size_gib"), str(row.get("precision", ""))
    if not size:
        return None, 0.0
    shards, decimals = re.match(r"(?:sum of (\d+) shards, each to )?(?:(\d) decimal)?", precision).groups()  # type: ignore[union-attr]
    half = re.match(r"(0\.\d+) GiB", precision)
    step = float(half[1]) if half else 0.5 * 10 ** -int(decimals or 1) * int(shards or 1)
    return size * GIB, step * GIB


def _print_group(title: str, rows: list[Compared], worst: int) -> None:
    if not rows:
        return
    print(f"{title}: {len(rows)} files")
    by_uploader: dict[str, list[Compared]] = defaultdict(list)
    for row in rows:
        by_uploader[row.uploader].append(row)
    heads = ("within rounding", "within band", "within 0.05 %")
    print(f"  {'uploader':24} {'files':>5} {'median':>9} {'95 %':>9} " + " ".join(f"{head:>15}" for head in heads))
    for uploader, own in [*sorted(by_uploader.items(), key=lambda item: -len(item[1])), ("all", rows)]:
        errors = sorted(abs(row.error) for row in own)
        high = errors[min(len(errors) - 1, int(0.95 * len(errors)))]
        rounding = sum(row.within_rounding for row in own) if any(row.rounding for row in own) else "-"
        band = sum(row.within_band for row in own)
        close = sum(error <= 0.0005 for error in errors)
        print(f"  {uploader:24} {len(own):5} {median(errors):9.4%} {high:9.3%} {rounding:>15} {band:>15} {close:>15}")
    print("  worst:")
    for row in sorted(rows, key=lambda row: -abs(row.error))[:worst]:
        print(f"    {row.error:+8.3%}  {row.uploader}: {row.file}  published {row.published:,.0f}, predicted {row.predicted:,}")
    print()


if __name__ == "__main__":
    sys.exit(main())
