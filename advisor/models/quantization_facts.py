"""What the type of a tensor depends on: facts of the tensor, of its model and of the day (`TensorFacts`, `Traits`, `Era`).

All line numbers without a file are those of src/llama-quant.cpp in the llama.cpp of llama_cpp_python 0.3.36.
"""

from dataclasses import dataclass
from enum import StrEnum

from gguf.constants import GGMLQuantizationType as Kind


class Category(StrEnum):
    """What a tensor is, by name (tensor_get_category, 119-154)."""

    EMBEDDING = "token_embd"
    PER_LAYER_EMBEDDING = "per_layer_token_embd"
    OUTPUT = "output"
    QKV = "attn_qkv"
    KV_B = "attn_kv_b"
    V = "attn_v"
    K = "attn_k"
    Q = "attn_q"
    ATTENTION_OUTPUT = "attn_output"
    FFN_UP = "ffn_up"
    FFN_GATE = "ffn_gate"
    FFN_DOWN = "ffn_down"
    OTHER = "other"


EMBEDDINGS = frozenset({Category.EMBEDDING, Category.PER_LAYER_EMBEDDING})
V_LIKE = frozenset({Category.V, Category.QKV, Category.KV_B})
FEED_FORWARD = frozenset({Category.FFN_UP, Category.FFN_GATE, Category.FFN_DOWN})


@dataclass(frozen=True, slots=True)
class Era:
    """Where older versions of llama-quantize chose otherwise. Found by fitting published sizes; `None` of these holds today."""

    q2_k_gate_up_q3: bool = False
    """Q2_K stored ffn_gate and ffn_up in q3_K (files before about January 2024)."""
    early_mixtral: bool = False
    """Experts stored one by one (ffn_down.7.weight) got the default type, attn_output that of other models (December 2023)."""
    tied_embedding_plain: bool = False
    """A token embedding that is the output too got the default type (before about April 2024; not Gemma's)."""
    float_output_q6: bool = False
    """An F16 file made of an F32 one got its output in q6_K (until May 2024; ggml-org/llama.cpp issue 5818)."""
    qkv_own_rule: bool = False
    """Only attn_v itself counted as V; attn_qkv had a rule of its own, attn_kv_b none (before 2026)."""
    per_layer_embedding_plain: bool = False
    """per_layer_token_embd got the default type (before 2026)."""
    order_by_name: bool = False
    """Tensors were visited by name (blk.0, blk.1, blk.10 ...): the extra bits land elsewhere (some files of autumn 2024)."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the decisions ask of the model as a whole."""

    architecture: str
    expert_count: int
    gqa: int
    """Query heads per KV head of block 0; 0 where that block has no KV heads (llama-hparams.cpp:99-108)."""
    is_70b: bool
    """llama.cpp sets model type 70B."""
    tied: bool
    """The file has no output.weight."""
    era: Era
    imatrix: bool = False
    """The file is made with an importance matrix."""


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What the decisions ask of one tensor; many tensors of a model share one value."""

    category: Category
    row_divisor: int
    """The largest of 256, 128, 64, 32 and 1 that divides the row length (ne0)."""
    three_dimensional: bool = False
    fixed: Kind | None = None
    """The type it keeps whatever the file type; `F16` stands for that of the source (2 bytes a weight)."""
    override: Kind | None = None
    """The type that --tensor-type asks for."""
    minimum_q8: bool = False
    """GLM5-next's tensors that are never stored below q8_0 (472-486)."""
    first_two: bool = False
    first_four: bool = False
    first_eighth: bool = False
    first_sixteenth: bool = False
    middle: bool = False
    """From one eighth to seven eighths of the blocks."""
    more_bits: bool = False
    """use_more_bits (452-454): the first and last eighth and every third between."""
    first_eighth_counted: bool = False
    """`first_eighth` of the running count, which the low-bit mixes use where others use the block's number (553-557)."""
