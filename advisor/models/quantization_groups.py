"""Tensors of one model sorted by what decides their type: `group_tensors`, done once a model, whatever the quantization.

Line numbers without a file are those of src/llama-quant.cpp in the llama.cpp of llama_cpp_python 0.3.36.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
from gguf.constants import GGMLQuantizationType
from numpy.typing import NDArray

from advisor.models.block_tensors import BlockTensors, NamedShapes
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.quantization_facts import FEED_FORWARD, V_LIKE, Category, Era, TensorFacts, Traits
from advisor.models.tensor_role import Role, role_of

Overrides = Sequence[tuple[str, GGMLQuantizationType]]
"""Regular expressions searched for in tensor names, the first match counts, with the type to use."""


@dataclass(frozen=True, eq=False)
class TensorGroups:
    """The tensors of one model in groups that share all facts a type depends on, and so a type in every quantization."""

    tensors: BlockTensors
    group: NDArray[np.intp]
    """Group of each tensor."""
    facts: tuple[TensorFacts, ...]
    """One a group."""
    elements: NDArray[np.int64]
    """Weights of each tensor."""
    traits: Traits

    @property
    def block_count(self) -> int:
        """Blocks of the model."""
        return len(self.tensors.blocks)

    @cached_property
    def group_elements(self) -> NDArray[np.int64]:
        """Weights in all tensors of each group; a multiple of the block of whatever type the group gets."""
        totals = np.zeros(len(self.facts), np.int64)
        np.add.at(totals, self.group, self.elements)
        return totals

    @cached_property
    def group_largest(self) -> NDArray[np.int64]:
        """Weights in the largest tensor of each group."""
        largest = np.zeros(len(self.facts), np.int64)
        np.maximum.at(largest, self.group, self.elements)
        return largest

    @cached_property
    def part_elements(self) -> NDArray[np.int64]:
        """Weights by group (rows) and part of the model (columns, as `part_of` numbers them)."""
        table = np.zeros((len(self.facts), part_count(self.block_count)), np.int64)
        parts = np.zeros(len(self.tensors), np.int64)
        tensors = self.tensors
        experts: dict[int, list[int]] = {}
        for block, (named, places) in enumerate(zip(tensors.blocks, tensors.places, strict=True)):
            if id(named) not in experts:  # blocks with the same names share one object
                experts[id(named)] = [part_of(f"blk.0.{name}", "", self.block_count) for name, _ in named]
            parts[list(places)] = np.array(experts[id(named)], np.int64) + block
        for name, (_, place) in tensors.others.items():
            parts[place] = part_of(name, self.traits.architecture, self.block_count)
        np.add.at(table, (self.group, parts), self.elements)
        return table

    @property
    def parameters(self) -> int:
        """Weights in all tensors."""
        return int(self.elements.sum())


_ROLES_WITHOUT_BLOCK = (Role.EMBEDDING, Role.PER_LAYER_EMBEDDING, Role.INPUT, Role.OUTPUT, Role.OUTPUT_OTHER)


def part_count(block_count: int) -> int:
    """Number of parts that a model of `block_count` blocks is divided into."""
    return 2 * block_count + len(_ROLES_WITHOUT_BLOCK)


def part_of(name: str, architecture: str, block_count: int) -> int:
    """Part of a tensor: its block, `block_count` + its block for experts, then one for each role that has no block.

    Raises ValueError where a name's block is beyond `block_count`.
    """
    role, block = role_of(name, architecture)
    if block is None:
        return 2 * block_count + _ROLES_WITHOUT_BLOCK.index(role)
    if block >= block_count:
        raise ValueError(f"tensor {name} is beyond the model's {block_count} blocks")
    return block + (block_count if role is Role.EXPERT else 0)


_BY_SUBSTRING = (
    ("attn_qkv.weight", Category.QKV),
    ("attn_kv_b.weight", Category.KV_B),
    ("attn_v.weight", Category.V),
    ("attn_k.weight", Category.K),
    ("attn_q.weight", Category.Q),
    ("attn_output.weight", Category.ATTENTION_OUTPUT),
    ("ffn_up", Category.FFN_UP),
    ("ffn_gate", Category.FFN_GATE),
    ("ffn_down", Category.FFN_DOWN),
)
_WHOLE_NAMES = {
    "output.weight": Category.OUTPUT,
    "token_embd.weight": Category.EMBEDDING,
    "per_layer_token_embd.weight": Category.PER_LAYER_EMBEDDING,
}
_ONE_EXPERT = re.compile(r"ffn_(?:up|gate|down)\.\d+\.weight")

# 287-384, tensor_allows_quantization
_NEVER_QUANTIZED = re.compile(
    r"_norm\.weight|ffn_gate_inp\.weight|ffn_gate_tid2eid\.weight|altup|laurel|per_layer_model_proj|ssm_conv1d|shortconv\.conv\.weight"
    r"|indexer\.[kq]_proj\.weight|time_mix_(?:first|w[012]|v[012]|a[012]|g[12]|decay_w[12]|lerp_fused)\.weight|attn_rel_b\.weight"
    r"|\.position_embd|sam\.pos_embd|sam\.neck\.|sam\.net_|\.rel_pos|\.patch_embd|\.patch_merger|a\.rvq\.codebook|mm\.a\.code_embd"
    r"|^position_embd\.weight$|^token_types\.weight$"
)
_NEVER_QUANTIZED_GLM5_NEXT = re.compile(
    r"hc_|indexer\.attn_q_b|indexer\.attn_k|indexer\.proj|indexer_compressor_(?:gate|ape)|ssm_[fg]_[ab]\.weight|ssm_beta\.weight"
    r"|attn_kv_a_mqa\.weight|attn_[kv]_b\.weight"
)
# conversion/base.py:1083-1121: what the converter writes as F32 whatever the type of the source
_ALWAYS_F32 = re.compile(
    r"_norm\.weight$|ffn_gate_inp(?:_shexp)?\.weight|position_embd\.weight|token_types\.weight|ssm_conv1d(?:_[qkv])?\.weight"
    r"|shortconv\.conv\.weight|time_mix_(?:first|w[12]|decay_w[12]|lerp_fused)\.weight|posnet\.\d+\.norm[12]\.weight"
    r"|altup_(?:correct|predict)_coef\.weight|indexer\.proj\.weight"
)
# src/models/{llama,qwen2,deci,olmo,jais2}.cpp, the lines that set LLM_TYPE_70B
_LAYERS_OF_70B = {"llama": 80, "llama-embed": 80, "qwen2": 80, "deci": 80, "olmo": 80, "jais2": 68}


def group_tensors(
    tensors: BlockTensors,
    hp: Hyperparameters,
    *,
    era: Era | None = None,
    overrides: Overrides = (),
    kept: Overrides = (),
) -> TensorGroups:
    """The groups of `tensors`.

    `overrides` are llama-quantize's --tensor-type; tensors that match `kept` are stored as that type in every quantization (an
    original that is quantized already, as gpt-oss's experts).
    """
    era = era or Era()
    runs = _runs(tensors, hp.architecture, era, kept, overrides)
    numbers: dict[TensorFacts, int] = {}
    numbered: dict[tuple[int, ...], NDArray[np.intp]] = {}  # by identity: equal facts are mostly one object
    group, elements = np.empty(len(tensors), np.intp), np.empty(len(tensors), np.int64)
    for run, facts in _positioned(runs, hp, era):
        key = tuple(map(id, facts))
        if key not in numbered:
            numbered[key] = np.array([numbers.setdefault(one, len(numbers)) for one in facts], np.intp)
        group[run.places], elements[run.places] = numbered[key], run.kind.elements
    tied = "output.weight" not in tensors.others
    return TensorGroups(tensors, group, tuple(numbers), elements, _traits(hp, era, tied=tied))


def _traits(hp: Hyperparameters, era: Era, *, tied: bool) -> Traits:
    heads, heads_kv = hp.head_count[0], hp.head_count_kv[0]
    is_70b = _LAYERS_OF_70B.get(hp.architecture) == hp.layer_count
    if hp.architecture in {"llama", "llama-embed"}:  # src/models/llama.cpp:28: as many KV heads make a 65B
        is_70b = is_70b and heads != heads_kv
    gqa = heads // heads_kv if heads_kv else 0
    return Traits(hp.architecture, hp.expert_count, gqa, is_70b=is_70b, tied=tied, era=era)


@dataclass(frozen=True, eq=False)
class _Kind:
    """Tensors of one block, or one tensor outside of blocks, without their place in the model."""

    facts: tuple[TensorFacts, ...]
    elements: NDArray[np.int64]
    v_like: int
    """How many the rules for attention values count."""
    counted: tuple[int, ...]
    """Those whose type depends on how many came before, by name."""


@dataclass(frozen=True, eq=False)
class _Run:
    """Where the tensors of a kind stand, one block or one tensor outside of blocks."""

    name: str
    """What all their names begin with."""
    block: int | None
    places: list[int]
    kind: _Kind


def _runs(tensors: BlockTensors, architecture: str, era: Era, kept: Overrides, overrides: Overrides) -> list[_Run]:
    """Tensors outside of blocks by name, then block by block."""

    def kind(prefix: str, template: str, named: NamedShapes) -> _Kind:
        plain = ((stem, _plain_facts(template + stem, shape, architecture, era)) for stem, shape in named)
        return _kind(tuple(_overridden(facts, prefix + stem, overrides, kept) for stem, facts in plain), named, era)

    runs = [_Run(name, None, [at], kind("", "", ((name, shape),))) for name, (shape, at) in sorted(tensors.others.items())]
    kinds: dict[tuple[int, int], _Kind] = {}
    for block, (named, places) in enumerate(zip(tensors.blocks, tensors.places, strict=True)):
        prefix = f"blk.{block}."  # llama.cpp reads it at the very start of a name only (459-468)
        key = id(named), block if kept or overrides else 0  # patterns may name a block
        if key not in kinds:
            kinds[key] = kind(prefix, "blk.%d.", named)
        runs.append(_Run(prefix, block, list(places), kinds[key]))
    return runs


def _kind(facts: tuple[TensorFacts, ...], named: NamedShapes, era: Era) -> _Kind:
    free = [(stem, i) for i, (one, (stem, _)) in enumerate(zip(facts, named, strict=True)) if one.fixed is None]
    v_like = {i for _, i in free if facts[i].category in V_LIKE}
    own_rule = {i for i in v_like if era.qkv_own_rule and facts[i].category is not Category.V}
    depending = (v_like - own_rule) | {i for _, i in free if facts[i].category in FEED_FORWARD}
    # a tensor with --tensor-type is not counted (759-767)
    counted = tuple(i for _, i in sorted(free) if i in depending and facts[i].override is None)
    return _Kind(facts, np.array([prod(shape) for _, shape in named], np.int64), len(v_like), counted)


def _overridden(facts: TensorFacts, name: str, overrides: Overrides, kept: Overrides) -> TensorFacts:
    for pattern, kind in kept:
        if re.search(pattern, name):
            return replace(facts, fixed=kind)
    for pattern, kind in overrides:
        if re.search(pattern, name):
            return replace(facts, override=kind)
    return facts


@lru_cache(maxsize=16384)
def _plain_facts(template: str, shape: tuple[int, ...], architecture: str, era: Era) -> TensorFacts:
    """What can be said of a tensor without its place in the model; `template` is its name with "%d" for its block's number."""
    category = _WHOLE_NAMES.get(template)
    if category is None:
        category = next((found for part, found in _BY_SUBSTRING if part in template), Category.OTHER)
        if era.early_mixtral and _ONE_EXPERT.search(template):
            category = Category.OTHER
    dimensions = max((i + 1 for i, n in enumerate(shape) if n > 1), default=1)  # ggml_n_dims: trailing ones do not count
    return TensorFacts(
        category=category,
        row_divisor=next(n for n in (256, 128, 64, 32, 1) if shape[0] % n == 0),
        three_dimensional=len(shape) > 2 and shape[2] > 1,
        fixed=_fixed_type(template, shape, dimensions, architecture),
        minimum_q8=architecture == "glm5-next" and bool(re.search(r"attn_q_[ab]|nextn\.eh_proj", template)),
    )


def _fixed_type(template: str, shape: tuple[int, ...], dimensions: int, architecture: str) -> GGMLQuantizationType | None:
    """The type of a tensor that is never quantized, F16 for the type of the source; None where it is."""
    quantized = dimensions >= 2 and template.endswith("weight") and not _NEVER_QUANTIZED.search(template)
    if quantized and architecture == "glm5-next":
        quantized = not _NEVER_QUANTIZED_GLM5_NEXT.search(template)
    if quantized:
        return None
    if len(shape) < 2 or not template.endswith(".weight") or _ALWAYS_F32.search(template):
        return GGMLQuantizationType.F32
    return GGMLQuantizationType.F16


def _positioned(runs: Sequence[_Run], hp: Hyperparameters, era: Era) -> Iterator[tuple[_Run, tuple[TensorFacts, ...]]]:
    """The runs with the facts of their tensors, those of the place in the model too."""
    v_total = sum(run.kind.v_like for run in runs)
    counters = dict.fromkeys((Category.V, *FEED_FORWARD), 0)
    made: dict[tuple[int, ...], TensorFacts] = {}
    # src/llama-model-loader.h:54-65: by block, those without one first, then by name
    for run in sorted(runs, key=lambda run: run.name) if era.order_by_name else runs:
        placed = list(run.kind.facts)
        for i in run.kind.counted:
            facts = placed[i]
            counter = Category.V if facts.category in V_LIKE else facts.category
            count = counters[counter]
            counters[counter] += 1
            if counter is Category.V:
                flags = _v_flags(count, v_total)
            else:
                number = run.block if hp.expert_count > 1 and run.block is not None else count  # layer_info (456-470)
                flags = _feed_forward_flags(facts, count, number, hp.block_count)
            key = (id(facts), *flags.values())
            if key not in made:
                made[key] = replace(facts, **flags)
            placed[i] = made[key]
        yield run, tuple(placed)


def _more_bits(i: int, n: int) -> bool:
    """use_more_bits (452-454)."""
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def _v_flags(i: int, n: int) -> dict[str, Any]:
    return {"first_two": i < 2, "first_four": i < 4, "more_bits": _more_bits(i, n)}


def _feed_forward_flags(facts: TensorFacts, count: int, i: int, n: int) -> dict[str, Any]:
    if facts.category is not Category.FFN_DOWN:
        return {"middle": n // 8 <= i < 7 * n // 8}
    early = {"first_eighth": i < n // 8, "first_sixteenth": i < n // 16, "first_eighth_counted": count < n // 8}
    return {**early, "more_bits": _more_bits(i, n)}
