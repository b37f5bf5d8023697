"""The engine's own choice of types: llama-quantize's dry run on a header, for any of its file types."""

from collections.abc import Mapping, Sequence

from gguf.constants import GGMLQuantizationType

from advisor.engine.planning_files import PLANNING_FILES
from advisor.engine.pool import EnginePool, engine_pool
from advisor.engine.questions import QuantizeQuestion
from advisor.engine.self_test import check_engine
from advisor.errors import EngineFailedError, QuestionError
from advisor.models.quantization_groups import Overrides
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.models.tensor import Tensor

CONVERTED = frozenset(("F32", "F16", "BF16"))
"""Files that a converter writes; llama-quantize has nothing to choose in them."""


def engine_quantize(
    source: Sequence[Tensor],
    keys: Mapping[str, object],
    quantizations: Sequence[str],
    *,
    vocab_size: int,
    kept: Overrides = (),
    pool: EnginePool | None = None,
) -> tuple[tuple[Tensor, ...], ...]:
    """The tensors that llama-quantize makes of `source`, a model in F16, for each of `quantizations`, its own file types.

    File types that are made with an importance matrix get one. `kept` is that of `group_tensors`. Raises QuestionError for
    other names, EngineRefusedError for what llama-quantize refuses, and MissingPartError where the engine is missing or broke
    down.
    """
    pool = pool or engine_pool()
    check_engine(pool)
    file = PLANNING_FILES.of_tensors(keys, source, vocab_size=vocab_size)
    question = QuantizeQuestion(
        file=str(file),
        ftypes=tuple(_ftype(name) for name in quantizations),
        imatrix=tuple(QUANTIZATIONS[name].needs_imatrix for name in quantizations),
        kept=tuple((pattern, int(kind)) for pattern, kind in kept),
    )
    figures = pool.quantize(question)
    if set(figures.names) != {tensor.name for tensor in source}:
        raise EngineFailedError("the engine named other tensors than it was given; ask without the engine")
    place = {name: index for index, name in enumerate(figures.names)}
    order = [(tensor.name, tensor.shape, place[tensor.name]) for tensor in source]
    kinds = {name: GGMLQuantizationType[name.upper()] for types in figures.types for name in set(types)}
    return tuple(tuple(Tensor(name, shape, kinds[types[at]]) for name, shape, at in order) for types in figures.types)


def can_quantize(name: str) -> bool:
    """True where `name` is a file type that llama-quantize makes."""
    chosen = QUANTIZATIONS[name]
    return chosen.ftype is not None and chosen.base == name and name not in CONVERTED


def _ftype(name: str) -> int:
    ftype = QUANTIZATIONS[name].ftype
    if ftype is None or not can_quantize(name):
        raise QuestionError(f"{name} is no file type of llama-quantize; its types are worked out by formula", field="quant")
    return ftype
