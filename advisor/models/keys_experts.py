"""Mixture-of-experts hyperparameters: how many experts, how wide, in which blocks."""

from collections.abc import Iterable
from dataclasses import dataclass

from advisor.errors import HyperparameterError
from advisor.models.architectures import Architecture, Mixture, SharedWidth
from advisor.models.key_reader import KeyReader

_WEIGHTS_KEPT = frozenset({"deepseek", "jamba", "llada-moe", "llama4", "nomic-bert-moe", "olmoe", "qwen2moe"})
"""Architectures that never divide the router's weights by their sum (norm_w false in src/models/)."""
_WEIGHTS_BY_KEY = frozenset(
    {
        "afmoe",
        "bailingmoe",
        "bailingmoe2",
        "bailingmoe3",
        "cohere2moe",
        "deepseek2",
        "deepseek2-ocr",
        "deepseek32",
        "deepseek4",
        "dflash",
        "dots1",
        "dots3note",
        "exaone-moe",
        "glm-dsa",
        "glm4moe",
        "glm5-next",
        "hy_v3",
        "hy_v4",
        "kimi-k3",
        "laguna",
        "minimax-m3",
        "nemotron_h_moe",
        "step35",
    }
)
"""Architectures that ask the file (expert_weights_norm)."""


@dataclass(frozen=True, slots=True)
class Experts:
    """What the keys say of experts; all zero in a dense model. Widths in elements."""

    count: int
    used: int
    groups: int
    groups_used: int
    shared: int
    width: int
    shared_width: int
    leading_dense: int
    mixture: tuple[bool, ...]
    dense_lengths: tuple[int, ...]
    assumptions: tuple[str, ...] = ()


def weights_normed(architecture: str, said: bool | None, tensor_names: Iterable[str]) -> bool:  # noqa: FBT001 (what a file says)
    """Whether the router's weights of the chosen experts are divided by their sum.

    Fixed by the architecture, or as the file says (LLM_KV_EXPERT_WEIGHTS_NORM in src/models/). Where it does not they are, as
    in published files, but for DeepSeek V2.
    """
    if architecture in _WEIGHTS_KEPT:
        return False
    if architecture in _WEIGHTS_BY_KEY and said is not None:
        return said
    return architecture != "deepseek2" or any(name.endswith("exp_probs_b.bias") for name in tensor_names)


def read_experts(
    reader: KeyReader, rule: Architecture, blocks: int, tail: int, feed_forward: tuple[int, ...], tensor_names: frozenset[str]
) -> Experts:
    """Experts of a model. Where a key lists one number a block (expert width, experts used), the largest counts.
    Raises HyperparameterError for a model with experts that does not say how many it uses, or whose groups of experts cannot
    be."""
    count = reader.number("expert_count", 0)
    if count <= 1 and rule.single_expert_is_dense:
        count = 0
    leading = reader.number("leading_dense_block_count", 0)
    if count == 0:
        return Experts(0, 0, 0, 0, 0, 0, 0, leading, (False,) * blocks, feed_forward)
    used = reader.number("expert_used_count")
    if not 0 < used <= count:
        key = reader.full_name("expert_used_count")
        raise HyperparameterError(f'The key "{key}" says {used} of {count} experts; the file is damaged.', key=key)
    groups, groups_used = _groups(reader, count)
    shared = reader.number("expert_shared_count", 0)
    if reader.architecture == "llama4" or (reader.architecture == "laguna" and not reader.has("expert_shared_count")):
        shared = 1  # llama4.cpp:83-87, laguna.cpp:20: one shared expert without a key
    dense = max(feed_forward)
    width = reader.number("expert_feed_forward_length", 0) or (dense // used if rule.expert_width_divides else dense)
    mixture, assumptions = _mixture(reader, rule, blocks, tail, feed_forward, leading, tensor_names)
    return Experts(
        count=count,
        used=used,
        groups=groups,
        groups_used=groups_used,
        shared=shared,
        width=width,
        shared_width=_shared_width(reader, rule, width, shared, dense),
        leading_dense=leading,
        mixture=mixture,
        dense_lengths=_dense_lengths(rule, feed_forward, mixture, tensor_names),
        assumptions=assumptions,
    )


def _groups(reader: KeyReader, count: int) -> tuple[int, int]:
    """Groups of experts and how many of them are used, checked as the engine does (src/llama-model.cpp:1365-1370); 0 where all
    are one group."""
    groups, used = reader.number("expert_group_count", 0), reader.number("expert_group_used_count", 0)
    if groups >= count or (groups > 1 and (count % groups or not 0 < used < groups)):
        key = reader.full_name("expert_group_count")
        raise HyperparameterError(
            f'The key "{key}" says {groups} groups of {count} experts, and {used} of them are used; the file is damaged.',
            key=key,
        )
    return (groups, used) if groups > 1 else (0, 0)


def _shared_width(reader: KeyReader, rule: Architecture, width: int, shared: int, dense: int) -> int:
    """Width of all shared experts of a block together."""
    explicit = reader.number("expert_shared_feed_forward_length", 0)
    if rule.shared_width is SharedWidth.KEY_TIMES_COUNT:
        return (explicit or width) * shared
    if explicit:
        return explicit
    match rule.shared_width:
        case SharedWidth.FEED_FORWARD:
            return dense
        case SharedWidth.EXPERT:
            return width
        case SharedWidth.KEY:
            return 0
        case _:
            return width * shared


def _mixture(
    reader: KeyReader,
    rule: Architecture,
    blocks: int,
    tail: int,
    feed_forward: tuple[int, ...],
    leading: int,
    tensor_names: frozenset[str],
) -> tuple[tuple[bool, ...], tuple[str, ...]]:
    """Which blocks have experts, and what was assumed."""
    routed = tuple(f"blk.{il}.ffn_gate_inp.weight" in tensor_names for il in range(blocks))
    mixture = tuple(leading <= il and not (rule.dense_tail and il >= blocks - tail) for il in range(blocks))
    assumptions: tuple[str, ...] = ()
    match rule.mixture:
        case Mixture.NONE:
            mixture = (False,) * blocks
        case Mixture.STEP:
            step = reader.number("interleave_moe_layer_step")
            mixture = tuple(step > 0 and (il + 1) % step == 0 for il in range(blocks))
        case Mixture.SECOND_OF_STEP:
            step = reader.number("moe_every_n_layers", 0)
            mixture = tuple(step > 0 and il % step == 1 for il in range(blocks))
        case Mixture.FEED_FORWARD:
            mixture = tuple(width > 0 or il >= blocks - tail for il, width in enumerate(feed_forward))
        case Mixture.UNSTATED if any(routed):
            mixture = routed
        case Mixture.UNSTATED if not leading:
            assumptions = ("The keys do not say which blocks have experts; every block is assumed to have them.",)
        case _:
            pass
    return mixture, assumptions


def _dense_lengths(
    rule: Architecture, feed_forward: tuple[int, ...], mixture: tuple[bool, ...], tensor_names: frozenset[str]
) -> tuple[int, ...]:
    """Dense widths by block: 0 where experts stand in their place (Gemma 4, Arctic and Grok 2 have both)."""
    if rule.dense_beside_experts:
        return feed_forward
    return tuple(
        width if not mixed or f"blk.{il}.ffn_up.weight" in tensor_names else 0
        for il, (width, mixed) in enumerate(zip(feed_forward, mixture, strict=True))
    )
