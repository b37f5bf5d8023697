"""Quantizing a model on paper: the type of every tensor, and the bytes, for any file type of llama.cpp.

The decisions are those of llama-quantize (advisor/models/quantization_rules.py); a model's tensors are grouped once
(advisor/models/quantization_groups.py), and every quantization then decides once a group.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property, lru_cache
from typing import overload

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from advisor.errors import QuestionError
from advisor.models.block_tensors import BlockTensors
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.quantization_facts import EMBEDDINGS, Category, Era
from advisor.models.quantization_groups import Overrides, TensorGroups, group_tensors
from advisor.models.quantization_names import QUANTIZATIONS, Quantization, parse_quantization, quantization
from advisor.models.quantization_rules import choose_type
from advisor.models.tensor import Tensor
from advisor.models.tensor_shape import NamedShape
from advisor.models.weight_table import WeightTable

__all__ = [
    "QUANTIZATIONS",
    "Era",
    "Quantization",
    "QuantizedTensors",
    "TensorGroups",
    "era_of",
    "group_tensors",
    "group_types",
    "kept_types",
    "needs_imatrix",
    "parse_quantization",
    "quantization",
    "quantize",
    "quantize_groups",
    "quantized_bytes",
    "weight_table",
]


def quantize(
    shapes: Iterable[NamedShape],
    hp: Hyperparameters,
    quantization: str,
    *,
    imatrix: bool | None = None,
    era: Era | str | None = None,
    overrides: Overrides = (),
    kept: Overrides = (),
) -> tuple[Tensor, ...]:
    """The tensors of `shapes`, in their order, as llama-quantize stores them in a file of type `quantization`.

    `imatrix` says whether the file was made with an importance matrix; None: only where it cannot be made without. `era` makes
    it an older llama-quantize: an `Era` or the date of the file ("2023-12"). `overrides` and `kept`: see `group_tensors`. For
    UD- names the types are those of the nearest plain mix, not exact. Raises QuestionError where a name is unknown or not GGUF.
    """
    era = era_of(era) if isinstance(era, str) else era
    tensors = BlockTensors.of(shapes, hp.block_count)
    return quantize_groups(group_tensors(tensors, hp, era=era, overrides=overrides, kept=kept), quantization, imatrix=imatrix)


def quantize_groups(groups: TensorGroups, quantization: str, *, imatrix: bool | None = None) -> tuple[Tensor, ...]:
    """`quantize` for tensors that are grouped already."""
    types = group_types(groups, quantization, imatrix=imatrix)
    listed = zip(groups.tensors.listed, groups.group.tolist(), strict=True)
    return tuple(Tensor(name, shape, types[group]) for (name, shape), group in listed)


class QuantizedTensors(Sequence[Tensor]):
    """What `quantize_groups` returns, made when it is first looked at: sizes of many files are asked for, tensors of few."""

    def __init__(self, groups: TensorGroups, quantization: str) -> None:
        self._groups, self._quantization = groups, quantization

    @cached_property
    def _made(self) -> tuple[Tensor, ...]:
        return quantize_groups(self._groups, self._quantization)

    @property
    def block_tensors(self) -> BlockTensors:
        """Names and shapes by block."""
        return self._groups.tensors

    @property
    def parameters(self) -> int:
        """Weights in all tensors."""
        return self._groups.parameters

    @cached_property
    def n_bytes(self) -> list[int]:
        """Bytes of each tensor."""
        groups = self._groups
        block, size = _block_sizes(group_types(groups, self._quantization))
        sizes: list[int] = (groups.elements // block[groups.group] * size[groups.group]).tolist()
        return sizes

    def __len__(self) -> int:
        return len(self._groups.tensors)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        return self._made[index]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._made)


@lru_cache(maxsize=4096)
def group_types(groups: TensorGroups, quantization: str, *, imatrix: bool | None = None) -> tuple[GGMLQuantizationType, ...]:
    """The type of each group's tensors in a file of type `quantization`."""
    chosen = _gguf(quantization)
    made_with = chosen.needs_imatrix if imatrix is None else imatrix
    traits = replace(groups.traits, imatrix=made_with)
    types = tuple(choose_type(chosen.base, facts, traits) for facts in groups.facts)
    if chosen.embedding_type is None:
        return types
    named = EMBEDDINGS | {Category.OUTPUT}
    pairs = zip(types, groups.facts, strict=True)
    return tuple(chosen.embedding_type if facts.category in named and facts.fixed is None else kind for kind, facts in pairs)


def quantized_bytes(
    groups: TensorGroups, quantizations: Sequence[str], *, imatrix: bool | None = None, alignment: int = 1
) -> NDArray[np.int64]:
    """Bytes of all tensors in each of `quantizations`; with `alignment` 32, each padded as in a file (without its header).

    Sizes of publishers' own mixes (UD-*, Q4_K_L) are the base mix times the ratio expected of published files.
    """
    return np.array([_total_bytes(groups, name, imatrix=imatrix, alignment=alignment) for name in quantizations], np.int64)


@lru_cache(maxsize=16384)
def _total_bytes(groups: TensorGroups, quantization: str, *, imatrix: bool | None, alignment: int) -> int:
    block, size = _block_sizes(group_types(groups, quantization, imatrix=imatrix))
    if alignment == 1:
        total = int((groups.group_elements // block * size).sum())
    else:
        tensors = groups.elements // block[groups.group] * size[groups.group]
        total = int((-(-tensors // alignment) * alignment).sum())
    return int(total * _ratio(groups, quantization))


@lru_cache(maxsize=16384)
def weight_table(groups: TensorGroups, quantization: str, *, imatrix: bool | None = None) -> WeightTable:
    """Bytes of every part of the model in a file of type `quantization`, without making the tensors.

    For publishers' own mixes (UD-*, Q4_K_L) all parts are those of the base mix times the ratio expected of published files.
    The arrays are shared and cannot be written to.
    """
    block, size = _block_sizes(group_types(groups, quantization, imatrix=imatrix))
    parts = (groups.part_elements // block[:, None] * size[:, None]).sum(axis=0)
    largest = int((groups.group_largest // block * size).max(initial=0))
    table = WeightTable.from_parts(parts, groups.block_count, tied=groups.traits.tied, largest_tensor_bytes=largest)
    ratio = _ratio(groups, quantization)
    return table if ratio == 1 else table.scaled(ratio)


def needs_imatrix(tensors: Iterable[Tensor], quantization: str) -> bool:
    """True where llama-quantize refuses to make these tensors without an importance matrix (src/llama-quant.cpp:856-873)."""
    low = {
        GGMLQuantizationType.IQ3_XXS,
        GGMLQuantizationType.IQ2_XXS,
        GGMLQuantizationType.IQ2_XS,
        GGMLQuantizationType.IQ2_S,
        GGMLQuantizationType.IQ1_M,
        GGMLQuantizationType.IQ1_S,
    }
    if parse_quantization(quantization) == "Q2_K_S":
        low.add(GGMLQuantizationType.Q2_K)
    exempt = {"token_embd.weight", "per_layer_token_embd.weight", "output.weight"}
    return any(tensor.type in low and tensor.name not in exempt for tensor in tensors)


def kept_types(hp: Hyperparameters) -> Overrides:
    """Tensors that published files store as the original has them, for `kept` of `group_tensors`.

    gpt-oss was released with its experts in MXFP4, so that its files of every type from Q2_K to F16 have nearly one size (exact
    sizes of the files of ggml-org, unsloth and bartowski).
    """
    if hp.architecture == "gpt-oss":
        return ((r"ffn_(up|gate|down)_exps\.weight$", GGMLQuantizationType.MXFP4),)
    return ()


_CHANGES = (
    # The month after which published files follow the newer rule; see `Era` for what each means.
    ("2024-01", "q2_k_gate_up_q3"),
    ("2024-01", "early_mixtral"),
    ("2024-04", "tied_embedding_plain"),
    ("2024-05", "float_output_q6"),
    ("2026-01", "qkv_own_rule"),
    ("2026-01", "per_layer_embedding_plain"),
)


def era_of(day: str) -> Era:
    """The rules of llama-quantize at a date ("2023", "2023-12" or "2023-12-31"). Raises QuestionError on anything else."""
    try:
        year, month, *rest = (int(part) for part in [*day.split("-"), "1", "1"][:3])
        date(year, month, *rest)
    except ValueError:
        raise QuestionError(f'"{day}" is not a date; write it as 2023-12', field="era") from None
    now = f"{year:04}-{month:02}"
    return Era(**{rule: now < until for until, rule in _CHANGES})


def _gguf(name: str) -> Quantization:
    chosen = quantization(name)
    if not chosen.is_gguf:
        raise QuestionError(
            f"{chosen.name} is not a GGUF quantization; choose one of llama.cpp's, such as Q4_K_M", field="quantization"
        )
    return chosen


def _ratio(groups: TensorGroups, name: str) -> float:
    return quantization(name).size_ratio(mixture=groups.traits.expert_count > 1)[1]


def _block_sizes(types: Sequence[GGMLQuantizationType]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights and bytes of a block of each type."""
    pairs = np.array([GGML_QUANT_SIZES[kind] for kind in types], np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
