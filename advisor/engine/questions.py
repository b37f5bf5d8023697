"""What a worker is asked and what it answers: plain values that travel as JSON lines."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class _Message:
    def to_json(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The value in `values`, lists turned back into tuples. Raises TypeError where fields are missing or unknown."""
        names = {field.name for field in fields(cls)}
        if unknown := set(values) - names:
            raise TypeError(f"unknown fields {sorted(unknown)}")
        return cls(**{name: _tuples(value) for name, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class PlanQuestion(_Message):
    """Lay a model out. Numbers of types and modes are llama.cpp's own enums."""

    file: str
    """A GGUF header followed by a hole."""
    backend: str
    """Whose GPUs are imitated; a name of `advisor.memory.backends.RULES`."""
    gpus: int
    gpu_layers: int
    """As llama.cpp counts: the output layer is one of them."""
    tensor_split: tuple[float, ...]
    """Each GPU's share of the layers; empty for equal shares."""
    host_experts: tuple[int, ...]
    """Blocks whose experts stay in system memory."""
    load_mtp: bool
    context: int
    batch: int
    ubatch: int
    slots: int
    outputs: int
    """Rows that logits are reserved for; 0 for a whole batch."""
    type_k: int
    type_v: int
    flash_attention: int
    """-1 auto, 0 off, 1 on (enum llama_flash_attn_type)."""
    swa_full: bool
    unified_kv: bool
    by_log: bool = False
    """Read the figures from the log alone, as is done wherever the engine's breakdown of memory cannot be walked."""


@dataclass(frozen=True, slots=True)
class PlanFigures(_Message):
    """What the engine planned, in bytes; tuples by device, GPUs first, the host last."""

    weights: tuple[int, ...] | None
    """None where only the log could be read, which has no weights without their memory."""
    kv_cache: tuple[int, ...] | None
    """None where only the log could be read, which then has them in all."""
    caches_mib: float
    """All caches as printed, without padding."""
    cached_layers: int
    """Layers that have tensors in them."""
    states: tuple[int, ...]
    """Recurrent states, and the compressors' states of DeepSeek V4."""
    compute: tuple[int, ...]
    """To a hundredth of a MiB where only the log could be read."""
    output: int
    layers: tuple[int, ...]
    """Device of each block and, at the end, of the output layer."""
    flash_attention: bool | None
    """What "auto" came out as; None where it was asked for."""
    copies: int
    """Copies of the graph's inputs: more than 1 where GPUs run as a pipeline."""
    graph: tuple[int, int] | None
    """Tensors of the graph that the scheduler laid out last, and how many it has room for; None where it is out of reach."""


@dataclass(frozen=True, slots=True)
class QuantizeQuestion(_Message):
    """Choose the type of every tensor for each of some file types, writing nothing."""

    file: str
    """The model in F16: a GGUF header followed by a hole."""
    ftypes: tuple[int, ...]
    """Numbers of enum llama_ftype."""
    imatrix: tuple[bool, ...]
    """Whether each is made with an importance matrix."""
    kept: tuple[tuple[str, int], ...]
    """Tensors, by regular expression, that get this type whatever the file's."""


@dataclass(frozen=True, slots=True)
class QuantizeFigures(_Message):
    """What llama-quantize would make, by file type in the order asked."""

    names: tuple[str, ...]
    """The tensors, in the file's order."""
    types: tuple[tuple[str, ...], ...]
    """ggml's name of each tensor's type."""


@dataclass(frozen=True, slots=True)
class Failure(_Message):
    """Why there is no answer."""

    kind: Literal["refused", "unread", "failed"]
    """refused: the engine says no, with its reason; unread: it printed what is not known here; failed: it broke down."""
    reason: str


QUESTIONS: dict[str, type[PlanQuestion] | type[QuantizeQuestion]] = {"plan": PlanQuestion, "quantize": QuantizeQuestion}
ANSWERS: dict[str, type[PlanFigures] | type[QuantizeFigures] | type[Failure]] = {
    "plan": PlanFigures,
    "quantize": QuantizeFigures,
    "failure": Failure,
}
