"""The numbers that decide what a model needs: `Hyperparameters`, llama.cpp's `llama_hparams` for any architecture."""

from dataclasses import dataclass
from enum import StrEnum


class Attention(StrEnum):
    """How one block attends, which decides what it caches."""

    FULL = "full"
    SLIDING = "sliding"
    """Only the last `sliding_window` tokens (Gemma, gpt-oss)."""
    CHUNKED = "chunked"
    """Only tokens of the same chunk of `sliding_window` tokens (Llama 4)."""
    NONE = "none"
    """No attention in this block: recurrent (SSM, gated delta net, short convolution, RWKV) or feed-forward only."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyperparameters of one model. Tuples hold one entry a block and are all `block_count` long.

    A zero means "this model has none of it" (`expert_count` 0: dense); None means unknown. Values are those that llama.cpp ends
    with after loading: defaults applied and per-block arrays spread, an explicit key always before a derived value.
    """

    architecture: str
    block_count: int
    """All blocks of the file, the `nextn_predict_layers` multi-token-prediction blocks at its end included."""
    embedding_length: int
    vocab_size: int
    context_length: int | None
    head_count: tuple[int, ...]
    head_count_kv: tuple[int, ...]
    key_length: tuple[int, ...]
    """Width of one key head (n_embd_head_k), as cached: for MLA with absorbed projections, kv_lora_rank + rope dimensions."""
    value_length: tuple[int, ...]
    attention: tuple[Attention, ...]
    caches_kv: tuple[bool, ...]
    """False where a block keeps no KV cache of its own: no attention, or it reuses an earlier block's (Gemma 3n and 4)."""
    recurrent: tuple[bool, ...]
    """True where a block keeps a recurrent state per sequence. Hybrid blocks (Falcon-H1) have both."""
    feed_forward_length: tuple[int, ...]
    """Width of the block's dense feed-forward network; 0 where it has none."""
    mixture: tuple[bool, ...]
    """True where the block's feed-forward network is a mixture of experts."""
    sliding_window: int = 0
    nextn_predict_layers: int = 0
    rope_dimension_count: int = 0
    causal: bool = True
    """False where a token attends to later ones too (BERT)."""

    expert_count: int = 0
    expert_used_count: int = 0
    expert_group_count: int = 0
    """Groups that experts are chosen by first (DeepSeek V3, Ling 2); 0 where they are chosen from all."""
    expert_group_used_count: int = 0
    expert_shared_count: int = 0
    expert_feed_forward_length: int = 0
    """Width of one expert; the widest where blocks differ."""
    expert_shared_feed_forward_length: int = 0
    """Width of all shared experts of a block together."""
    expert_weights_norm: bool | None = None
    """The router's weights of the chosen experts are divided by their sum; None where the file does not say."""
    leading_dense_block_count: int = 0
    expert_latent_length: int = 0
    """Width that experts work in where it is not the embedding's (Nemotron 3 Super); 0 without."""

    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    """Multi-head latent attention (MLA): 0 without."""
    key_length_mla: int = 0
    value_length_mla: int = 0
    """Head widths before absorption; 0 where the file predates llama.cpp's MLA cache and keys and values are cached whole."""
    indexer_head_count: int = 0
    indexer_key_length: int = 0
    """DeepSeek sparse attention's indexer, whose keys are cached too; 0 without."""
    caches_indexer_keys: tuple[bool, ...] = ()
    """True where a block caches one indexer key of `indexer_key_length` a token in a cache of its own; empty without."""
    compress_ratios: tuple[int, ...] = ()
    """DeepSeek V4: tokens that one compressed cache entry stands for, by block, 0 without; empty elsewhere."""

    ssm_conv_kernel: int = 0
    ssm_inner_size: int = 0
    ssm_state_size: int = 0
    ssm_group_count: int = 0
    ssm_time_step_rank: int = 0
    shortconv_l_cache: int = 0
    wkv_head_size: int = 0
    token_shift_count: int = 0
    kda_head_length: int = 0
    """Kimi delta attention's head width; 0 without."""
    linear_head_length: int = 0
    """Head width of MiniMax-01's linear attention; 0 without."""

    per_layer_embedding_length: int = 0
    """Width of Gemma 3n/4's per-layer input embedding; 0 without."""

    assumptions: tuple[str, ...] = ()
    """What was assumed because the architecture or a key is not known, in sentences for a person."""

    @property
    def layer_count(self) -> int:
        """Blocks that every token passes through: n_layer in llama.cpp's logs."""
        return self.block_count - self.nextn_predict_layers

    @property
    def k_width(self) -> tuple[int, ...]:
        """Elements a cached key takes per token, by block (n_embd_k_gqa)."""
        return tuple(n * length for n, length in zip(self.head_count_kv, self.key_length, strict=True))

    @property
    def v_width(self) -> tuple[int, ...]:
        """Elements a cached value takes per token, by block (n_embd_v_gqa); 0 for MLA, whose values are part of the keys."""
        if self.kv_lora_rank and self.key_length_mla:
            return (0,) * self.block_count
        return tuple(n * length for n, length in zip(self.head_count_kv, self.value_length, strict=True))

    @property
    def conv_state_elements(self) -> int:
        """Elements of one sequence's convolution or token-shift state in one recurrent block (llama_hparams::n_embd_r,
        src/llama-hparams.cpp:208-234)."""
        if self.wkv_head_size:
            return self.token_shift_count * self.embedding_length
        if self.shortconv_l_cache:
            return self.embedding_length * (self.shortconv_l_cache - 1)
        history = self.ssm_conv_kernel - 1 if self.ssm_conv_kernel else 0
        if self.kda_head_length:
            return 3 * (history if self.ssm_conv_kernel else 3) * self.head_count[0] * self.kda_head_length
        return history * (self.ssm_inner_size + 2 * self.ssm_group_count * self.ssm_state_size)

    @property
    def recurrent_state_elements(self) -> int:
        """Elements of one sequence's recurrent state in one recurrent block (llama_hparams::n_embd_s,
        src/llama-hparams.cpp:236-256)."""
        if self.wkv_head_size:
            return self.embedding_length * self.wkv_head_size
        if head_length := self.kda_head_length or self.linear_head_length:
            return head_length * head_length * self.head_count[0]
        return self.ssm_state_size * self.ssm_inner_size
