"""What a model would weigh in every quantization: `quantize_plan`. The command shows what it returns."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gguf.constants import GGMLQuantizationType

from advisor.engine.quantize import CONVERTED, can_quantize, engine_quantize
from advisor.errors import EngineRefusedError, MissingPartError, QuestionError
from advisor.estimate import SCHEMA, model_json
from advisor.memory.plan import Grade
from advisor.models.file_size import error_band, padded
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.published import band_of_publishers
from advisor.models.quantization import (
    QUANTIZATIONS,
    TensorGroups,
    group_tensors,
    kept_types,
    needs_imatrix,
    parse_quantization,
    quantization,
    quantize_groups,
    quantized_bytes,
)
from advisor.models.resolve import resolve_model
from advisor.models.tensor import Tensor

ALL = "all"


@dataclass(frozen=True)
class PlannedFile:
    """One file that a model could be quantized to."""

    quantization: str
    file_bytes: int | None
    """None where the size of the model's own header is not known."""
    bits_per_weight: float
    needs_imatrix: bool
    tensor_types: dict[str, int]
    """Number of tensors by ggml's name of their type, commonest first."""
    error_band: tuple[float, float]
    """How far a file by any publisher may be from this size: (lowest, highest) relative difference."""


@dataclass(frozen=True)
class QuantizePlan:
    """A model in one quantization, or in all that llama.cpp makes, largest first."""

    model: ModelMetadata
    quantizations: tuple[PlannedFile, ...]
    grade: Grade
    """"engine" where llama-quantize itself chose the types."""

    def to_json(self) -> dict[str, Any]:
        """The answer of `advisor quantize-plan --json`, schema 1."""
        files = [
            {
                "quantization": file.quantization,
                "file_bytes": file.file_bytes,
                "bits_per_weight": round(file.bits_per_weight, 4),
                "needs_imatrix": file.needs_imatrix,
                "tensor_types": file.tensor_types,
                "error_band": list(file.error_band),
            }
            for file in self.quantizations
        ]
        return {"schema": SCHEMA, "model": model_json(self.model), "grade": self.grade, "quantizations": files}


def quantize_plan(text: str, quant: str = ALL) -> QuantizePlan:
    """The model that `text` names in the quantization `quant`, or in all that llama.cpp can make of it.

    Types come from llama-quantize's own dry run; from the same rules by formula where the engine is missing, and for
    publishers' own mixes. Raises QuestionError where there is no such model or quantization, or where llama-quantize refuses
    it.
    """
    model = resolve_model(text)
    if quant.strip().lower() == ALL:
        names = [name for name in QUANTIZATIONS if name in CONVERTED or can_quantize(name)]
    else:
        names = [parse_quantization(quant)]
        model = catalogue().find(model.id).quantized(names[0]) if model.predicted else model
    groups, every = _groups(model), len(names) > 1
    try:
        made = _by_engine(model, groups, [name for name in names if can_quantize(name)], every=every)
    except MissingPartError:
        made = {}
    grade: Grade = "engine" if made else "formula"
    made |= _by_formula(groups, [name for name in names if not (made and can_quantize(name))], every=every)
    files = sorted((_file(model, groups, name, made[name]) for name in made), key=lambda file: -file.bits_per_weight)
    return QuantizePlan(model, tuple(files), grade)


def _groups(model: ModelMetadata) -> TensorGroups:
    if model.predicted:
        return catalogue().find(model.id).groups
    return group_tensors(model.block_tensors, model.hyperparameters, kept=kept_types(model.hyperparameters))


def _by_engine(
    model: ModelMetadata, groups: TensorGroups, names: Sequence[str], *, every: bool
) -> dict[str, tuple[Tensor, ...]]:
    """The tensors in each of `names`. Of `every` file type, those that llama-quantize refuses to make are left out."""
    if not names or model.keys is None:
        return {}
    hp, keys = model.hyperparameters, model.keys
    source, kept = quantize_groups(groups, "F16"), kept_types(hp)

    def ask(some: Sequence[str]) -> dict[str, tuple[Tensor, ...]]:
        tensors = engine_quantize(source, keys, some, vocab_size=hp.vocab_size, kept=kept)
        return dict(zip(some, tensors, strict=True))

    try:
        return ask(names)
    except EngineRefusedError:
        if not every:
            raise
    made: dict[str, tuple[Tensor, ...]] = {}
    for name in names:
        try:
            made |= ask([name])
        except EngineRefusedError:
            continue
    return made


def _by_formula(groups: TensorGroups, names: Sequence[str], *, every: bool) -> dict[str, tuple[Tensor, ...]]:
    """As `_by_engine`, by rule."""
    made = {}
    for name in names:
        try:
            made[name] = quantize_groups(groups, name)
        except QuestionError:
            if not every:
                raise
    return made


def _file(model: ModelMetadata, groups: TensorGroups, name: str, tensors: Sequence[Tensor]) -> PlannedFile:
    mixture = model.hyperparameters.expert_count > 0
    listed = catalogue().find(model.id) if model.predicted else None
    header = _header_bytes(model)
    padding = sum(padded(tensor.n_bytes) - tensor.n_bytes for tensor in tensors)
    stated = None if listed is None or quantization(name).exact else listed.quantized(name).file_bytes
    if stated is not None and header is not None:  # a publisher's own mix: its types are not known, its size is
        weights = stated - padded(header) - padding
    elif quantization(name).exact:
        weights = sum(tensor.n_bytes for tensor in tensors)
    else:
        weights = int(quantized_bytes(groups, (name,))[0])
    counted = Counter(_ggml_name(tensor.type) for tensor in tensors)
    return PlannedFile(
        quantization=name,
        file_bytes=None if header is None else padded(header) + weights + padding,
        bits_per_weight=8 * weights / sum(tensor.elements for tensor in tensors),
        needs_imatrix=needs_imatrix(tensors, name),
        tensor_types=dict(counted.most_common()),
        error_band=band_of_publishers(listed, name) if listed else error_band(name, mixture=mixture),
    )


def _header_bytes(model: ModelMetadata) -> int | None:
    """Bytes before the tensors: the vocabulary for the most part, which no quantization changes."""
    if model.predicted:
        return catalogue().find(model.id).header_bytes
    if model.file_bytes is None:
        return None
    return model.file_bytes - sum(padded(tensor.n_bytes) for tensor in model.tensors)


def _ggml_name(kind: GGMLQuantizationType) -> str:
    """The name that llama.cpp prints for a type: "q4_K", "f16", "iq2_xxs" (type_traits, ggml/src/ggml.c)."""
    name = kind.name
    return name[:-1].lower() + "K" if name.endswith("_K") else name.lower()
