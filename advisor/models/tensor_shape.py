"""A tensor's name and shape, and what a model's keys do not say about its tensors."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

QkNorm = Literal["none", "head", "full", "each"]
"""Normalization of queries and keys: none, one vector of a head's width, one over all heads together, or one for each head."""

Shapes = Iterator[tuple[str, tuple[int, ...]]]
"""Names with shapes, as the parts of a block yield them."""


class NamedShape(Protocol):
    """A tensor's name and shape in ggml's order (`TensorShape`, `Tensor`)."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True)
class TensorShape:
    """A tensor's name and its shape in ggml's order: `shape[0]` is the contiguous dimension."""

    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of weights."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class TensorOptions:
    """What a model's keys do not say about its tensors."""

    tied_embeddings: bool = False
    """No output tensor: the token embedding is used again."""
    qkv_bias: bool = False
    attention_output_bias: bool = False
    norm_bias: bool = False
    feed_forward_bias: bool = False
    output_norm_bias: bool = False
    output_bias: bool = False
    qk_norm: QkNorm = "none"
    rope_freqs: bool = False
    """A table of rotary frequencies (Llama 3)."""
    rope_factors: bool = False
    """Two tables of rotary factors, long and short (Phi 3.5)."""
    selection_bias: bool = False
    """A bias on the router's choice of experts (DeepSeek V3)."""
    values_from_keys: bool = False
    """Full-attention blocks have no value projection (Gemma 4 26B and 31B)."""
    borrowed_kv_projections: bool = True
    """Blocks that use an earlier block's keys and values store projections for them nevertheless (Gemma 4, but not QAT's)."""
    state_norm: bool = True
    """A norm inside Mamba 2 blocks."""
    nextn_embeddings: bool = False
    """Multi-token-prediction blocks carry an embedding and a head of their own (GLM 4.5)."""
    merged_kv_b: bool = False
    """One attn_kv_b tensor in place of attn_k_b and attn_v_b: DeepSeek files made before April 2025."""
    merged_ssm_in: bool = False
    """One ssm_in tensor in place of attn_qkv and attn_gate: Qwen3-Next files made before March 2026."""
    token_types: int = 0
    """Rows of an encoder's token-type embedding; 0 without."""
