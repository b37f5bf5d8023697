"""One question put to the formula and to the engine."""

import re
from dataclasses import asdict, dataclass

from advisor.engine.layout import question_for
from advisor.engine.pool import EnginePool
from advisor.errors import EngineFailedError, EngineRefusedError, QuestionError
from advisor.memory.assembly import Arrangement
from advisor.memory.backends import HOST_ALIGNMENT, RULES
from advisor.memory.graph_room import graph_size, most_nodes, table_size
from advisor.memory.planner import arrange, check_arrangement
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from tests.conformance.grid import Case

SAME_REASON = (
    (r"quantized V cache requires flash_attn", r"needs flash attention"),
    (r"K cache type \w+ with block size \d+ does not divide", r"a K cache of type .* does not divide"),
    (r"V cache type \w+ with block size \d+ does not divide", r"a V cache of type .* does not divide"),
    (r"stopped at a check of its own \(ggml-impl.h:330: fatal error\)", r"would stop at a check of its own: .* room for"),
    (r"does not support different K .* and V .* cache types", r"keys and values in one cache, so their types cannot differ"),
)
"""The engine's reason for a refusal, and the formula's."""
_ROW = 512 * 34 // 32
"""Bytes of 512 values in Q8_0, the widest of the types compared."""
_CACHES = 3
"""Tensors of one block's cache: keys, values, an indexer's keys."""


@dataclass(frozen=True)
class Comparison:
    """What came out, in bytes; tuples by device, the host last."""

    case: str
    backend: str = ""
    """Whose GPUs were asked about: "cuda", "metal"; "gpu" for those of no machine, "cpu" without any."""
    refused: tuple[str, str] | None = None
    """(the engine's reason, the formula's), "" for whoever did not refuse; None where both answered."""
    weights: tuple[tuple[int, int], ...] = ()
    """(engine, formula) by device; so are the others."""
    kv_cache: tuple[tuple[int, int], ...] = ()
    states: tuple[tuple[int, int], ...] = ()
    compute: tuple[tuple[int, int], ...] = ()
    output: tuple[int, int] = (0, 0)
    graph: tuple[tuple[int, int], ...] = ()
    """Tensors of the graph, and how many there is room for."""
    padding: int = 0
    """Most that aligning and padding the weights adds to a device."""
    cache_padding: int = 0
    """The same for caches: nothing, but where a backend ends rows of quantized tensors on a whole number of values."""

    @property
    def weights_exact(self) -> bool:
        """True where weights are equal but for what their alignment adds."""
        return all(0 <= engine - formula <= self.padding for engine, formula in self.weights)

    @property
    def caches_exact(self) -> bool:
        """True where caches, states and the output buffer are equal to the byte, but for padded rows of quantized caches."""
        caches = all(0 <= engine - formula <= self.cache_padding for engine, formula in self.kv_cache)
        return caches and all(engine == formula for engine, formula in (*self.states, self.output))

    @property
    def same_refusal(self) -> bool:
        """True where both refused, for the same reason."""
        engine, formula = self.refused or ("", "")
        return any(re.search(one, engine) and re.search(two, formula) for one, two in SAME_REASON)

    @property
    def errors(self) -> tuple[float, ...]:
        """The formula's total against the engine's, a share of it, by device."""
        parts = zip(self.weights, self.kv_cache, self.states, self.compute, strict=True)
        totals = [[sum(pair[side] for pair in device) for side in (0, 1)] for device in parts]
        return tuple(formula / engine - 1 if engine else float(formula > 0) for engine, formula in totals)

    def to_json(self) -> dict[str, object]:
        """The fields, as JSON has them."""
        return asdict(self)


def compare(case: Case, pool: EnginePool, model: ModelMetadata | None = None) -> Comparison:
    """Ask both, about `model` or else about the catalogue's."""
    model = model or catalogue().find(case.model).quantized(case.quantization)
    arrangement = arrange(model, case.machine, case.settings, gpus=case.gpus)
    backend = (case.backend or "gpu") if case.gpus else "cpu"
    try:
        figures = pool.plan(question_for(arrangement))
        refused = ""
    except (EngineRefusedError, EngineFailedError) as error:
        refused = str(error)
    reason = _refusal(arrangement)
    if refused or reason:
        return Comparison(str(case), backend, (refused, reason))
    layout, placement = arrangement.layout, arrangement.placement
    kv, state = layout.cache.by_device(placement)
    ours = (layout.weights(placement), kv, state, layout.compute(placement))
    theirs = (figures.weights, figures.kv_cache, figures.states, figures.compute)
    weights, kv_cache, states, compute = (
        tuple(zip(engine, map(int, formula), strict=True)) for engine, formula in zip(theirs, ours, strict=True)
    )
    graph = (sum(graph_size(layout, placement)), table_size(most_nodes(layout, placement)))
    padded = RULES[case.backend].row_padding > 0
    return Comparison(
        str(case),
        backend,
        None,
        weights,
        kv_cache,
        states,
        compute,
        (figures.output, layout.output_bytes),
        tuple(zip(figures.graph or graph, graph, strict=True)),
        padding=(max(HOST_ALIGNMENT, RULES[case.backend].alignment) + padded * _ROW) * len(model.tensors),
        cache_padding=padded * _ROW * _CACHES * model.hyperparameters.block_count,
    )


def _refusal(arrangement: Arrangement) -> str:
    try:
        check_arrangement(arrangement)
    except QuestionError as error:
        return str(error)
    return ""
