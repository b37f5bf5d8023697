"""Prints how far predicted file sizes are from published ones: by uploader, exact and rounded sizes apart, and the worst.

    python benchmarks/size_accuracy.py [FILE] [--worst N]

FILE holds one JSON object a line: the catalogue's id of the model ("model" or "model_id"), "quantization" or "quant", the size
as "bytes" or "size_bytes", or as "size_gib" with its "precision" ("1 decimal ..."), "uploader" or "repo", "file", "source".
"of" is "tensors" where the size is that of the tensors alone (llama-bench). A row may know more than its repository tells:
"made", the date whose rules of llama-quantize apply, and "tensors", options of the tensor list such as {"merged_kv_b": true}.
How a publisher's files are made is predicted by `advisor.models.published`. Sizes are only compared with, never used.
Left out, and counted with the reason, are files that hold fewer weights than the model they are named after.
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.errors import QuestionError
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.published import Recipe, published_band, published_bytes, recipe_of, unknown_band
from advisor.models.quantization import Quantization, quantization
from advisor.units import GIB

SIZES = Path(__file__).parent / "data" / "gguf_sizes.jsonl"

Kind = Literal["plain", "own", "dynamic"]
"""The name says exactly which types are used, stands for a publisher's own mix, or is the publisher's own too (UD-)."""
HABITS = ("bartowski", "unsloth")
"""Uploaders of very many files whose habits change; the others are official or follow llama-quantize."""
WITH_FLOATS = re.compile(r"b?f(?:16|32)_q\d", re.IGNORECASE)
"""What says in a file's name that part of it is in 16 bits: "bf16_q8_0"."""
VARIANT = re.compile(r"optimized", re.IGNORECASE)
"""What says that its types are others than its quantization's: "Q4_K_M-hip-optimized"."""
FEWEST_BITS = 1.5625
"""Bits a weight of iq1_s; no type of llama-quantize takes fewer."""
IMATRIX_ONLY = ("IQ1_", "IQ2_")
"""What llama-quantize has never made without an importance matrix."""


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
    repositories = Repositories.of(rows)
    compared = [found for row in rows if (found := _compare(row, skipped, repositories))]
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


@dataclass(frozen=True)
class Repositories:
    """What some files of a repository tell of its others, by "owner/name"."""

    other_models: AbstractSet[str] = frozenset()
    """Their Q8_0 holds fewer weights than the model that they are named after."""
    with_imatrix: AbstractSet[str] = frozenset()
    """They hold a type that is not made without an importance matrix: all their files are made with it."""
    dynamic: AbstractSet[str] = frozenset()
    """They hold unsloth's UD- types: copies of unsloth's files, or made by its recipe."""

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> "Repositories":
        """What `rows` tell."""
        named = [(_repository(row), name, row) for row in rows if row.get("file") and (name := _quantization(row))]
        lacking = {repository for repository, name, row in named if name.name == "Q8_0" and _lacks_weights(row)}
        imatrix = {repository for repository, name, _ in named if name.exact and name.name.startswith(IMATRIX_ONLY)}
        return cls(lacking, imatrix, {repository for repository, name, _ in named if name.name.startswith("UD-")})

    def recipe(self, model: CatalogueModel, repository: str, made: date | None) -> Recipe:
        """The recipe of a repository's files."""
        if repository in self.dynamic:
            return recipe_of(model, f"unsloth/{repository.partition('/')[2]}", made)
        recipe = recipe_of(model, repository, made)
        return replace(recipe, imatrix=True) if recipe.imatrix is None and repository in self.with_imatrix else recipe


def _compare(row: dict[str, Any], skipped: Counter[str], repositories: Repositories = Repositories()) -> Compared | None:
    model, name = _model(row), _quantization(row)
    if model is None:
        skipped["of models outside the catalogue"] += 1
        return None
    if name is None:
        skipped["in formats that llama-quantize does not make"] += 1
        return None
    published, rounding = _published(row)
    if published is None:
        skipped["without a size"] += 1
        return None
    if "memory table" in str(row.get("source")):
        skipped["of a table of memory needs, not of files"] += 1
        return None
    if name.name in model.entry.published_bytes:
        skipped["whose size is a fact of the catalogue"] += 1
        return None
    repository = _repository(row)
    if repository in repositories.other_models:
        skipped[f"of {repository}, whose Q8_0 holds fewer weights than {model.name}"] += 1
        return None
    if published < model.parameters * FEWEST_BITS / 8:
        skipped[f"cut off ({row.get('file')}: {8 * published / model.parameters:.2f} bits a weight)"] += 1
        return None
    recipe = repositories.recipe(model, repository, date.fromisoformat(f"{row['made']}-01") if "made" in row else None)
    if "tensors" in row:
        recipe = replace(recipe, tensors=tuple(sorted((dict(recipe.tensors) | row["tensors"]).items())))
    file = str(row.get("file") or f"{model.id} {name.name}")
    tensors_only = row.get("of") == "tensors" or "tensor" in str(row.get("precision", ""))
    predicted = published_bytes(model, name.name, recipe, with_header=not tensors_only)
    own, band = recipe.own is not None and name.default_bits < 8, published_band(model, name.name, recipe)
    if WITH_FLOATS.search(file):
        own, band = True, (band[0], published_bytes(model, "F16", recipe) / predicted - 1)
    elif VARIANT.search(file):
        own, band = True, unknown_band()
    return Compared(
        uploader=repository.partition("/")[0],
        file=file,
        quantization=name.name,
        published=published,
        predicted=predicted,
        rounding=rounding,
        band=band,
        kind="dynamic" if not name.exact else "own" if own else "plain",
    )


def _model(row: dict[str, Any]) -> CatalogueModel | None:
    try:
        return catalogue().find(str(row.get("model") or row.get("model_id") or ""))
    except QuestionError:
        return None


def _quantization(row: dict[str, Any]) -> Quantization | None:
    try:
        return quantization(str(row.get("quantization") or row.get("quant") or ""))
    except QuestionError:
        return None


def _repository(row: dict[str, Any]) -> str:
    """ "owner/name", or the owner alone."""
    return str(row.get("uploader") or row.get("repo") or "unknown")


def _lacks_weights(row: dict[str, Any]) -> bool:
    """Of a file in Q8_0, whose tensors all take 8.5 bits a weight or more: it is smaller than the model's weights are.

    Originals that are quantized themselves (gpt-oss) keep their smaller types.
    """
    model = _model(row)
    published, rounding = _published(row)
    if model is None or published is None or model.native_quantization:
        return False
    return published + rounding < model.parameters * 8.5 / 8


PRINTED_UNITS = {"GB": GIB, "MB": GIB // 1024}
"""Bytes of the units that catalogues and load logs print, with 1024 for a thousand."""


def _published(row: dict[str, Any]) -> tuple[float | None, float]:
    """Bytes that were published, and half of the last digit printed. "size_gb" is in thousands, as the hub's pages print."""
    exact = row.get("bytes") or row.get("size_bytes")
    if exact:
        return float(exact), 0.0
    size, unit = (row["size_gib"], GIB) if row.get("size_gib") else (row.get("size_gb"), 10**9)
    if not size:
        return None, 0.0
    precision = str(row.get("precision", ""))
    if half := re.match(r"(\d+(?:\.\d+)?) Gi?B", precision):
        return size * unit, float(half[1]) * unit
    shards, decimals = re.match(r"(?:sum of (\d+) shards, each to )?(?:(\d) decimal)?", precision).groups()  # type: ignore[union-attr]
    printed = re.search(r"printed unit \([\d.]+ (GB|MB), 1024-based\)", precision)
    step = PRINTED_UNITS[printed[1]] if printed else unit
    return size * unit, 0.5 * 10 ** -int(decimals or 1) * int(shards or 1) * step


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
