"""From a model, its placement and settings to the few values that its compute graph depends on: `Facts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from advisor.machines.profile import Backend
from advisor.memory.backends import RULES
from advisor.memory.cache import cache_cells
from advisor.memory.compute_block_facts import blocks_of
from advisor.memory.compute_blocks import LAYER_NORM, RMS_WITH_BIAS, Block, GraphShape
from advisor.memory.compute_encoder import ENCODERS
from advisor.memory.compute_model import END_WEIGHTS, Ends
from advisor.memory.placement import Placement
from advisor.memory.presets import uses_flash_attention
from advisor.memory.rules import EngineRules
from advisor.memory.settings import RunSettings
from advisor.models.block_tensors import BlockTensors
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.keys_experts import weights_normed
from advisor.models.metadata import ModelMetadata
from advisor.models.tensor_role import role_of

LATE_ROWS = frozenset(
    {
        "bailingmoe3",
        "cohere2moe",
        "gemma4",
        "gpt-oss",
        "hy-v3",
        "nemotron_h",
        "nemotron_h_moe",
        "qwen35",
        "qwen35moe",
        "qwen3next",
        "step35",
    }
)
"""Architectures that pick the rows to output after the last block (`embeddings_nextn_masked` in src/models/)."""


@dataclass(frozen=True)
class Facts:
    """All that decides the compute buffers."""

    shape: GraphShape
    blocks: tuple[Block, ...]
    block_bytes: tuple[tuple[int, ...], ...]
    """Bytes of each block's weights, in their order; nothing where they are not copied between devices."""
    ends: Ends
    end_bytes: tuple[int, ...]
    """Bytes of `END_WEIGHTS`."""
    pipelined: bool
    cells: int
    """Cells of the full-attention cache, of one stream."""
    window_cells: int


CHOSEN_TOKENS = 2048
"""attention.indexer.top_k of every published model with an indexer; fewer only where the cache is shorter."""
_SMALL_BATCH = 32
"""Below this many tokens norms are placed with their block whatever is offloaded (src/llama-context.cpp:2647)."""


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def facts_of(
    model: ModelMetadata,
    placement: Placement,
    settings: RunSettings,
    rules: EngineRules,
    context: int,
    *,
    backend: Backend | None,
) -> Facts:
    """The facts of one question."""
    hp = model.hyperparameters
    flash = uses_flash_attention(settings, hp, rules)
    slots = settings.slots
    caches = cache_cells(hp, settings, rules, context)
    streams, cells, window_cells = caches.streams, int(caches.full), int(caches.window)
    tokens = min(cells * streams, settings.ubatch, settings.batch)
    tokens = _round_up(tokens, slots)
    outputs = slots if settings.logits == "slots" and rules.logits_for_slots else min(tokens, settings.batch)
    full_k, full_v = _head_lengths(hp)
    type_k, type_v = settings.type_k, settings.type_v
    cacheless = not hp.causal and not any(hp.caches_kv)
    if cacheless:
        streams, cells, window_cells = 1, tokens, tokens
        type_k = type_v = "f16"  # what flash attention has its own batch cast to
    windowed = rules.window_cache and any(kind in (Attention.SLIDING, Attention.CHUNKED) for kind in hp.attention)
    shape = GraphShape(
        architecture=hp.architecture,
        width=hp.embedding_length,
        tokens=tokens,
        sequences=slots,
        outputs=outputs,
        streams=streams,
        flash=flash,
        key_bytes=_type_size(type_k),
        value_bytes=_type_size(type_v),
        value_width=max(n * length for n, length in zip(hp.head_count_kv, hp.value_length, strict=True)),
        windowed=windowed,
        cacheless=cacheless,
        host=placement.host,
        experts=hp.expert_count,
        experts_used=hp.expert_used_count,
        expert_groups=hp.expert_group_count,
        expert_groups_used=hp.expert_group_used_count,
        weights_normed=weights_normed(hp.architecture, hp.expert_weights_norm, model.block_tensors.names),
        mask_f32=not rules.host_mask_f16,
        late_rows=rules.late_rows and hp.architecture in LATE_ROWS,
        key_rotation=_key_rotation(hp, full_k) if _quantized(type_k) and rules.rotated_cache else (0, 0),
        value_rotation=64 if _quantized(type_v) and rules.rotated_cache and full_v % 64 == 0 else 0,
        backend="cuda" if backend == "rocm" else backend or "",  # of the same rules: laid out once for both
        key_type=_type(type_k),
        value_type=_type(type_v),
        beside=rules.metal_scratch if backend == "metal" else rules.dequantized_cache,
        latent_values=rules.mla_stores_values,
        fused_glu=rules.fused_glu,
        norms_placed=placement.complete or tokens < _SMALL_BATCH,
        embeddings_input=rules.embeddings_input,
        row_indices=rules.row_indices,
        fused_delta_net=rules.fused_delta_net,
        kv_lora_rank=hp.kv_lora_rank,
        rope_dimensions=hp.rope_dimension_count,
        key_length_mla=hp.key_length_mla,
        value_length_mla=hp.value_length_mla,
        conv_kernel=hp.shortconv_l_cache or hp.ssm_conv_kernel,
        inner=hp.ssm_inner_size,
        state=hp.ssm_state_size,
        groups=hp.ssm_group_count,
        steps=hp.ssm_time_step_rank,
        indexer_heads=hp.indexer_head_count,
        indexer_length=hp.indexer_key_length,
        chosen_tokens=min(CHOSEN_TOKENS, cells) if hp.indexer_head_count else 0,
        layers=hp.layer_count,
        per_layer_width=hp.per_layer_embedding_length,
        per_layer_on_host=rules.per_layer_on_host,
    )
    sized = blocks_of(model, placement, padded=RULES[backend or ""].row_padding > 0)
    # Only what is copied between devices needs its size: nothing is where all of it lies on one.
    alone = placement.gpus == 0
    return Facts(
        shape=shape,
        blocks=tuple(block for block, _ in sized),
        block_bytes=tuple(n_bytes for _, n_bytes in sized),
        ends=_ends(hp, model.block_tensors, placement),
        end_bytes=(0,) * len(END_WEIGHTS) if alone else _end_bytes(model),
        pipelined=placement.pipelined,
        cells=cells,
        window_cells=window_cells,
    )


def _quantized(name: str) -> bool:
    return _type_size(name)[0] > 1


def _head_lengths(hp: Hyperparameters) -> tuple[int, int]:
    """Widths of a key and a value head of blocks with full attention, or of any block where there are none."""
    full = [index for index, kind in enumerate(hp.attention) if kind is Attention.FULL] or [0]
    return hp.key_length[full[0]], hp.value_length[full[0]]


def _key_rotation(hp: Hyperparameters, full_length: int) -> tuple[int, int]:
    """Width of the matrix that keys are rotated by, in the ordinary and in the window cache.

    The largest power of two that divides every head of that cache, 64 where heads differ (src/llama-kv-cache.cpp:1447-1465).
    """
    return _rotation(hp, full_length, windowed=False), _rotation(hp, full_length, windowed=True)


def _rotation(hp: Hyperparameters, full_length: int, *, windowed: bool) -> int:
    blocks = zip(hp.key_length, hp.caches_kv, hp.attention, strict=True)
    lengths = {length for length, caches, kind in blocks if caches and (kind is not Attention.FULL) == windowed}
    if full_length % 64 or not lengths:
        return 0
    width = 64
    while len(lengths) == 1 and max(lengths) % (2 * width) == 0:
        width *= 2
    return width


def _type(name: str) -> GGMLQuantizationType:
    return GGMLQuantizationType[name.upper()]


def _type_size(name: str) -> tuple[int, int]:
    return GGML_QUANT_SIZES[_type(name)]


def _scaled(architecture: str) -> Literal["", "within", "after"]:
    """Where embeddings are scaled (src/llama-graph.cpp:2431-2438 for f_embedding_scale, src/models/gemma*.cpp)."""
    if architecture.startswith(("granite", "minicpm")):
        return "within"
    return "after" if architecture.startswith(("gemma", "grok", "afmoe")) else ""


def _norm_of_embeddings(architecture: str, others: Mapping[str, object]) -> Literal["", "plain", "biased"]:
    if "token_embd_norm.weight" not in others or role_of("token_embd_norm.weight", architecture)[1] is None:
        return ""
    return "biased" if "token_embd_norm.bias" in others else "plain"


def _ends(hp: Hyperparameters, tensors: BlockTensors, placement: Placement) -> Ends:
    others = tensors.others
    embedding = others.get("token_embd.weight", ((hp.embedding_length, hp.vocab_size), 0))
    output = others.get("output.weight", embedding)
    return Ends(
        vocabulary=0 if hp.architecture in ENCODERS else output[0][-1],
        output_device=placement.output,
        normed=hp.architecture not in ENCODERS or not {"output_norm.weight", "enc.output_norm.weight"}.isdisjoint(others),
        norm_layer=hp.architecture in LAYER_NORM or ("output_norm.bias" in others and hp.architecture not in RMS_WITH_BIAS),
        softcap=hp.architecture in ("gemma2", "gemma3n", "gemma4"),
        scaled_logits=hp.architecture.startswith(("granite", "command-r", "cohere2", "minicpm")),
        scaled_embeddings=_scaled(hp.architecture),
        typed="token_types.weight" in others,
        positioned="position_embd.weight" in others,
        norm_of_embeddings=_norm_of_embeddings(hp.architecture, others),
    )


def _end_bytes(model: ModelMetadata) -> tuple[int, ...]:
    """Bytes of `END_WEIGHTS`; a tied embedding is the output layer's weight too, and what a model lacks takes none.

    Encoders have no output layer.
    """
    others = model.block_tensors.others
    places = [others.get(name, (None, None))[1] for name in END_WEIGHTS]
    if places[0] is None and model.hyperparameters.architecture not in ENCODERS:
        places[0] = places[1]
    return tuple(0 if place is None else model.tensor_bytes[place] for place in places)
