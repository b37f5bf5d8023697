"""Which tensors a load log's file holds: the way of quantizing whose size is the printed one, or a plain one scaled to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gguf.constants import GGMLQuantizationType

from advisor.accuracy.cases import LoadCase
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.quantization import QUANTIZATIONS, Era, era_of, kept_types, quantize
from advisor.models.tensor import Tensor
from advisor.models.tensors import TensorShape

_ERAS = ("2023-12", "2024-03", "2025-12")
"""Dates of files whose llama-quantize chose types by an older rule (advisor/models/quantization.py)."""

_EMBEDDING_Q8 = frozenset({"qwen35moe", "gemma4"})
"""Architectures of 2026 whose mixtures of experts keep the token embedding in Q8_0 in unsloth's dynamic recipes: load logs of
Qwen3.6-35B-A3B UD-Q4_K_M (515.31 MiB) and gemma-4-26B-A4B UD-IQ4_NL (748 MiB on the host). Of the recipes of 2025, Q8_K_XL
keeps it in BF16 (Kimi-Dev-72B, Llama-3.3-70B, gemma-3-12b), Q3_K_XL in Q4_K (Qwen3-235B-A22B). Such cases are counted apart."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a case's file, and how sure they are."""

    tensors: tuple[Tensor, ...]
    scale: float
    """Multiplies all but the token embedding so that the total is the printed size; 1 where the recipe gives that size."""
    recipe: str


def find_weights(case: LoadCase, hp: Hyperparameters, shapes: tuple[TensorShape, ...]) -> Weights | None:
    """The tensors of the case's file: those of the recipe with the printed size, else of the plain one and the scale to it.

    None where the log says nothing of the file.
    """
    sized = case.file_bytes is not None or case.bits_per_weight is not None
    names = (case.quantization,) if case.quantization else _plain_names() if sized else ()
    first: Weights | None = None
    for name in names:
        for recipe, tensors in _recipes(case, hp, shapes, name):
            total = sum(tensor.n_bytes for tensor in tensors)
            if QUANTIZATIONS[name].exact and _as_printed(case, total, sum(tensor.elements for tensor in tensors)):
                return Weights(tensors, 1.0, recipe)
            if first is None and case.quantization:
                first = Weights(tensors, _scale(case, tensors, total), recipe)
    return first


def _scale(case: LoadCase, tensors: tuple[Tensor, ...], total: int) -> float:
    """What everything but the token embedding is to be multiplied by to give the printed size."""
    if case.file_bytes is None:
        return 1.0
    fixed = embedding_bytes(tensors)
    return (case.file_bytes.middle - fixed) / (total - fixed)


def embedding_bytes(tensors: Sequence[Tensor]) -> int:
    """Bytes of the token embedding."""
    return sum(tensor.n_bytes for tensor in tensors if tensor.name == "token_embd.weight")


def _recipes(
    case: LoadCase, hp: Hyperparameters, shapes: tuple[TensorShape, ...], name: str
) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    """Ways in which a file of this quantization may have been made, the usual one first."""
    overrides = _embedding_override(case, name, hp)
    kept = kept_types(hp)
    for era in (None, *_ERAS):
        for imatrix in (False, True):
            label = name + (" with imatrix" if imatrix else "") + (f" by the rules of {era}" if era else "")
            yield label, quantize(shapes, hp, name, imatrix=imatrix, era=_era(era), overrides=overrides, kept=kept)


def _embedding_override(case: LoadCase, name: str, hp: Hyperparameters) -> tuple[tuple[str, GGMLQuantizationType], ...]:
    """The type of token embedding and output where the file's name sets it, or where a dynamic recipe is known to set it."""
    kind = case.embedding_type
    if kind is None and name == "UD-Q8_K_XL":
        kind = "BF16"
    elif kind is None and name.startswith("UD-") and hp.architecture in _EMBEDDING_Q8 and hp.expert_count:
        kind = "Q8_0"
    elif kind is None and name.startswith("UD-") and name[3:5] in ("Q2", "Q3"):
        kind = "Q4_K"
    return ((r"^(token_embd|output)\.weight$", GGMLQuantizationType[kind]),) if kind else ()


def _era(day: str | None) -> Era | None:
    return era_of(day) if day else None


def _as_printed(case: LoadCase, total: int, elements: int) -> bool:
    """True where a file of this many bytes would have been printed as the log has it; also where it prints no size."""
    if case.file_bytes is not None and not case.file_bytes.holds(total):
        return False
    return case.bits_per_weight is None or case.bits_per_weight.holds(total * 8 / elements)


@lru_cache(maxsize=1)
def _plain_names() -> tuple[str, ...]:
    return tuple(name for name, kind in QUANTIZATIONS.items() if kind.is_gguf and kind.exact and kind.base == name)
