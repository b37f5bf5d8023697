"""What each architecture does that its keys do not say: sliding-window patterns, recurrent blocks, expert layout.

A table of data, one entry an architecture of the pinned llama.cpp; `advisor.models.keys` reads the keys by it. Every entry
mirrors `load_arch_hparams` of the file named in its comment (vendored tree, src/models/), and caches mirror
`llama_model::create_memory` (src/llama-model.cpp:2352-2660).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from advisor.models.hyperparameters import Attention


@dataclass(frozen=True, slots=True)
class Window:
    """Which blocks see only a window. A pattern in the file goes before `every` (llama_model_base::load_swa_pattern,
    src/llama-model.cpp:3434-3441)."""

    every: int | None
    """Each Nth block attends to everything; 0: none does; None: the file must list the blocks."""
    full_first: bool = False
    """The first of each N blocks attends to everything, not the last."""
    length: int | None = None
    """Window that the engine itself sets."""
    length_fixed: bool = False
    """The engine's length is used whatever the file says."""
    optional: bool = False
    """Without the key, or with 0, every block attends to everything."""
    block_count: int | None = None
    """Only models of this many blocks have a window."""
    kind: Attention = Attention.SLIDING


class Recurrence(Enum):
    """Which blocks keep a recurrent state."""

    NONE = "none"
    EVERY = "every block"
    BESIDE_ATTENTION = "every block, beside its attention"
    WITHOUT_KV_HEADS = "blocks without KV heads"
    WITHOUT_KV_HEADS_AND_FFN = "blocks with neither KV heads nor a feed-forward network"
    INTERVAL = "all but each Nth block"


class Mixture(Enum):
    """Which blocks of a model with experts have them."""

    AFTER_DENSE = "after the leading dense blocks"
    STEP = "each Nth block, the last of N"
    SECOND_OF_STEP = "the second of each N blocks"
    FEED_FORWARD = "blocks with a feed-forward network"
    UNSTATED = "the keys do not say"
    NONE = "no block"


class SharedWidth(Enum):
    """Width of the shared experts where no key says it."""

    COUNT = "expert width times the number of shared experts"
    KEY_TIMES_COUNT = "the key, or the expert width, times the number of shared experts"
    FEED_FORWARD = "the dense feed-forward width"
    EXPERT = "one expert's width"
    KEY = "none"


class Indexer(Enum):
    """Which blocks cache keys of a sparse-attention indexer."""

    NONE = "none"
    TRUNK = "every block but the multi-token-prediction ones"
    LISTED = "blocks that the file lists as full"
    AFTER_DENSE = "after the leading dense blocks"
    ATTENTION = "every attention block"


@dataclass(frozen=True, slots=True)
class Architecture:
    """Rules of one architecture. The defaults are a causal decoder with attention in every block."""

    window: Window | None = None
    recurrence: Recurrence = Recurrence.NONE
    attention_interval: int = 4
    """N of `Recurrence.INTERVAL` where no key says it."""
    tail_cached: bool = False
    """Multi-token-prediction blocks keep a KV cache in the main context too: hybrids whose layer filter is `!is_recr`."""
    cacheless: bool = False
    """Keeps no cache at all: encoders, diffusion models, drafts that read their target's cache."""
    causal: bool = True
    keys_only: bool = False
    """Values are not cached, they are part of the keys."""
    value_is_latent: bool = False
    """The width of a value head is kv_lora_rank."""
    mixture: Mixture = Mixture.AFTER_DENSE
    dense_beside_experts: bool = False
    dense_tail: bool = False
    """Multi-token-prediction blocks have no experts."""
    expert_width_divides: bool = False
    """Without a key an expert is feed_forward_length / expert_used_count wide; elsewhere feed_forward_length."""
    shared_width: SharedWidth = SharedWidth.COUNT
    single_expert_is_dense: bool = False
    indexer: Indexer = Indexer.NONE
    embedding_key: str = "embedding_length"
    first_cached_blocks: int | None = None
    """Later blocks reuse the cache of these."""


_SHARE: dict[str, Any] = {"expert_width_divides": True}
_ENCODER = Architecture(cacheless=True, causal=False)
_STATE = Architecture(recurrence=Recurrence.EVERY)
_HYBRID = Architecture(recurrence=Recurrence.WITHOUT_KV_HEADS, tail_cached=True)
_EVERY_FOURTH = Window(4, optional=True)
_LISTED = Window(None)

_PLAIN = """
    llama deci falcon gpt2 gptj gptneox mpt baichuan starcoder refact bloom stablelm qwen qwen2 qwen2vl qwen3 qwen3vl phi2 phi3
    plamo codeshell orion internlm2 minicpm minicpm3 gemma starcoder2 xverse command-r dbrx olmo olmoe openelm deepseek
    deepseek2 deepseek2-ocr chatglm glm4 bitnet t5 t5encoder jais jais2 nemotron exaone chameleon plm bailingmoe dots1 arcee
    ernie4_5 smollm3 seed_oss apertus hrm_text minimax-m2 cogvlm pangu-embedded mistral3 eagle3 mistral4 paddleocr
    llama-embed maincoder talkie nanbeige qwen3tts pockettts phimoe graniteswitch
"""
"""Architectures without a rule of their own. phi3 reads attention.sliding_window and switches it off again (phi3.cpp); qwen2,
llama and mistral files carry the key too and the engine does not look at it: their blocks cache everything."""

ARCHITECTURES: dict[str, Architecture] = dict.fromkeys(_PLAIN.split(), Architecture()) | {
    # --- sliding windows ---
    "gemma2": Architecture(Window(2, length=4096)),  # gemma2.cpp
    "gemma3": Architecture(Window(6, optional=True)),  # gemma3.cpp
    "gemma3n": Architecture(Window(5), first_cached_blocks=20),  # gemma3n.cpp: n_layer_kv_from_start = 20
    "gemma4": Architecture(_LISTED, dense_beside_experts=True),  # gemma4.cpp
    "gemma4-assistant": Architecture(_LISTED, cacheless=True),  # gemma4-assistant.cpp; shares its target's cache
    "gemma-embedding": Architecture(Window(6), cacheless=True, causal=False),  # gemma-embedding.cpp
    "cohere2": Architecture(Window(4)),  # cohere2.cpp
    "cohere2moe": Architecture(Window(4, full_first=True)),  # cohere2moe.cpp
    "exaone4": Architecture(Window(4, length=4096, block_count=64)),  # exaone4.cpp: only the 32B
    "exaone-moe": Architecture(Window(4, length=128), dense_tail=True, shared_width=SharedWidth.EXPERT),  # exaone-moe.cpp
    "gpt-oss": Architecture(Window(2)),  # openai-moe.cpp
    "llama4": Architecture(  # llama4.cpp
        Window(4, length=8192, length_fixed=True, kind=Attention.CHUNKED),
        mixture=Mixture.STEP,
        shared_width=SharedWidth.EXPERT,
    ),
    "afmoe": Architecture(_EVERY_FOURTH),  # afmoe.cpp
    "laguna": Architecture(Window(4, full_first=True, optional=True)),  # laguna.cpp
    "mellum": Architecture(_EVERY_FOURTH, **_SHARE),  # mellum.cpp
    "olmo2": Architecture(_EVERY_FOURTH),  # olmo2.cpp
    "plamo3": Architecture(Window(8, optional=True)),  # plamo3.cpp
    "muse-glimmer": Architecture(Window(4)),  # muse-glimmer.cpp
    "smallthinker": Architecture(Window(4, full_first=True, length=4096, length_fixed=True, optional=True)),  # smallthinker.cpp
    "mimo2": Architecture(_LISTED, mixture=Mixture.UNSTATED),  # mimo2.cpp
    "step35": Architecture(_LISTED, mixture=Mixture.UNSTATED),  # step35.cpp
    "spark2_5": Architecture(_LISTED),  # spark2-5.cpp
    "maple": Architecture(_LISTED),  # maple.cpp
    "granite_swa": Architecture(_LISTED, shared_width=SharedWidth.KEY),  # granite-swa.cpp
    "dflash": Architecture(Window(None, optional=True)),  # dflash.cpp
    # --- experts ---
    "arctic": Architecture(dense_beside_experts=True),  # arctic.cpp
    "grok": Architecture(),  # grok.cpp
    "qwen2moe": Architecture(**_SHARE, shared_width=SharedWidth.FEED_FORWARD),  # qwen2moe.cpp
    "qwen3moe": Architecture(**_SHARE),  # qwen3moe.cpp
    "qwen3vlmoe": Architecture(**_SHARE),  # qwen3vlmoe.cpp
    "glm4moe": Architecture(**_SHARE),  # glm4-moe.cpp
    "grovemoe": Architecture(**_SHARE),  # grovemoe.cpp
    "granite": Architecture(shared_width=SharedWidth.KEY),  # granite.cpp
    "granitemoe": Architecture(shared_width=SharedWidth.KEY),  # granite-moe.cpp
    "hunyuan-moe": Architecture(shared_width=SharedWidth.FEED_FORWARD),  # hunyuan-moe.cpp
    "hunyuan-dense": Architecture(single_expert_is_dense=True),  # llama-model.cpp:1337-1342
    "hunyuan_vl": Architecture(single_expert_is_dense=True),  # llama-model.cpp:1337-1342
    "hy_v3": Architecture(**_SHARE, shared_width=SharedWidth.EXPERT),  # hy-v3.cpp
    "bailingmoe2": Architecture(shared_width=SharedWidth.KEY_TIMES_COUNT),  # bailingmoe2.cpp
    "ernie4_5-moe": Architecture(shared_width=SharedWidth.KEY),  # ernie4-5.cpp
    # --- sparse attention with an indexer ---
    "deepseek32": Architecture(indexer=Indexer.TRUNK),  # deepseek32.cpp
    "glm-dsa": Architecture(indexer=Indexer.LISTED),  # glm-dsa.cpp
    "hy_v4": Architecture(indexer=Indexer.LISTED),  # hy-v4.cpp
    "dots3note": Architecture(_LISTED, dense_tail=True, indexer=Indexer.LISTED),  # dots3note.cpp
    "minimax-m3": Architecture(indexer=Indexer.AFTER_DENSE),  # minimax-m3.cpp
    "deepseek4": Architecture(Window(0), keys_only=True),  # deepseek4.cpp, llama-kv-cache-dsv4.cpp
    # --- recurrent states ---
    "mamba": _STATE,  # mamba.cpp
    "mamba2": _STATE,  # mamba2.cpp
    "rwkv6": _STATE,  # rwkv6.cpp
    "rwkv6qwen2": _STATE,  # rwkv6qwen2.cpp
    "rwkv7": _STATE,  # rwkv7.cpp
    "arwkv7": _STATE,  # arwkv7.cpp
    "falcon-h1": Architecture(recurrence=Recurrence.BESIDE_ATTENTION, tail_cached=True),  # falcon-h1.cpp
    "jamba": Architecture(recurrence=Recurrence.WITHOUT_KV_HEADS, tail_cached=True, mixture=Mixture.UNSTATED),  # jamba.cpp
    "plamo2": _HYBRID,  # plamo2.cpp
    "granitehybrid": Architecture(  # granite-hybrid.cpp
        recurrence=Recurrence.WITHOUT_KV_HEADS, tail_cached=True, shared_width=SharedWidth.KEY
    ),
    "lfm2": Architecture(  # lfm2.cpp: every attention block has the window, no block has experts
        Window(0, optional=True), recurrence=Recurrence.WITHOUT_KV_HEADS, tail_cached=True, mixture=Mixture.NONE
    ),
    "lfm2moe": _HYBRID,  # lfm2moe.cpp
    "nemotron_h": Architecture(recurrence=Recurrence.WITHOUT_KV_HEADS_AND_FFN, tail_cached=True),  # nemotron-h.cpp
    "nemotron_h_moe": Architecture(  # nemotron-h.cpp
        recurrence=Recurrence.WITHOUT_KV_HEADS_AND_FFN,
        tail_cached=True,
        mixture=Mixture.FEED_FORWARD,
        **_SHARE,
        shared_width=SharedWidth.KEY,
    ),
    "kimi-linear": _HYBRID,  # kimi-linear.cpp
    "bailingmoe3": _HYBRID,  # bailingmoe3.cpp
    "kimi-k3": Architecture(  # kimi-k3.cpp
        recurrence=Recurrence.WITHOUT_KV_HEADS, tail_cached=True, value_is_latent=True
    ),
    "glm5-next": Architecture(  # glm5-next.cpp
        recurrence=Recurrence.WITHOUT_KV_HEADS, value_is_latent=True, indexer=Indexer.LISTED
    ),
    "qwen3next": Architecture(  # qwen3next.cpp
        recurrence=Recurrence.INTERVAL, **_SHARE, shared_width=SharedWidth.FEED_FORWARD
    ),
    "qwen35": Architecture(recurrence=Recurrence.INTERVAL),  # qwen35.cpp
    "qwen35moe": Architecture(  # qwen35moe.cpp
        recurrence=Recurrence.INTERVAL, **_SHARE, shared_width=SharedWidth.FEED_FORWARD
    ),
    "qwen4exp": Architecture(  # qwen4exp.cpp
        recurrence=Recurrence.INTERVAL, **_SHARE, shared_width=SharedWidth.FEED_FORWARD, indexer=Indexer.ATTENTION
    ),
    "minimax-01": Architecture(recurrence=Recurrence.INTERVAL, attention_interval=8),  # minimax-01.cpp
    # --- no cache: create_memory returns nothing (llama-model.cpp:2358-2374) ---
    **dict.fromkeys(("bert", "nomic-bert", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert"), _ENCODER),
    "nomic-bert-moe": Architecture(cacheless=True, causal=False, mixture=Mixture.SECOND_OF_STEP),  # nomic-bert-moe.cpp
    "modern-bert": Architecture(Window(3, full_first=True, optional=True), cacheless=True, causal=False),  # modern-bert.cpp
    # src/llama-model.cpp:1344-1353
    "wavtokenizer-dec": Architecture(cacheless=True, causal=False, embedding_key="features_length"),
    "dream": _ENCODER,  # dream.cpp: a diffusion model
    "llada": _ENCODER,  # llada.cpp
    "llada-moe": Architecture(cacheless=True, causal=False, **_SHARE),  # llada-moe.cpp
    "rnd1": Architecture(cacheless=True, causal=False, **_SHARE),  # rnd1.cpp
}
