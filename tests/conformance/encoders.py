"""Models whose attention is not causal, small and made up: one of each kind that has no cache, and one that has.

Their tensors are what the engine's files of src/models/ ask for. The catalogue has one of them; the others come as files.
"""

from collections.abc import Callable, Iterator

from gguf.constants import GGMLQuantizationType

from advisor.models.keys import hyperparameters
from advisor.models.metadata import ModelMetadata
from advisor.models.tensor import Tensor

_WIDTH, _INNER, _VOCABULARY, _BLOCKS, _HEADS, _CONTEXT, _EXPERTS = 768, 3072, 30522, 12, 12, 2048, 8
_HEAD = _WIDTH // _HEADS
_KEYS: dict[str, object] = {
    "block_count": _BLOCKS,
    "context_length": _CONTEXT,
    "embedding_length": _WIDTH,
    "feed_forward_length": _INNER,
    "attention.head_count": _HEADS,
    "attention.causal": False,
    "vocab_size": _VOCABULARY,
}
Shapes = dict[str, tuple[int, ...]]


def _biased(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[-1:]}


_TOKENS: Shapes = {"token_embd.weight": (_WIDTH, _VOCABULARY)}
_TYPES: Shapes = {"token_types.weight": (_WIDTH, 2)}
_EMBEDDED = _TOKENS | _TYPES | _biased("token_embd_norm", _WIDTH)
_NORMED: Shapes = {"output_norm.weight": (_WIDTH,)}
_OUTPUT = _NORMED | {"output.weight": (_WIDTH, _VOCABULARY)}
_JOINED: Shapes = {"attn_qkv.weight": (_WIDTH, 3 * _WIDTH), "attn_output.weight": (_WIDTH, _WIDTH)}
_JOINED_BIASED = _biased("attn_qkv", _WIDTH, 3 * _WIDTH) | _biased("attn_output", _WIDTH, _WIDTH)
_APART: Shapes = {f"attn_{part}.weight": (_WIDTH, _WIDTH) for part in ("q", "k", "v", "output")}
_APART_BIASED = {
    name: shape for part in ("q", "k", "v", "output") for name, shape in _biased(f"attn_{part}", _WIDTH, _WIDTH).items()
}
_QKV_BIASES: Shapes = {f"attn_{part}.bias": (_WIDTH,) for part in ("q", "k", "v")}
_AFTER = _biased("attn_output_norm", _WIDTH) | _biased("layer_output_norm", _WIDTH)
_BEFORE: Shapes = {"attn_norm.weight": (_WIDTH,), "ffn_norm.weight": (_WIDTH,)}
_DOWN: Shapes = {"ffn_down.weight": (_INNER, _WIDTH)}
_GATED: Shapes = {"ffn_up.weight": (_WIDTH, _INNER), "ffn_gate.weight": (_WIDTH, _INNER)} | _DOWN
_HALVES: Shapes = {"ffn_up.weight": (_WIDTH, 2 * _INNER)} | _DOWN
_PLAIN = _biased("ffn_up", _WIDTH, _INNER) | _biased("ffn_down", _INNER, _WIDTH)
_ROUTED: Shapes = {
    "ffn_gate_inp.weight": (_WIDTH, _EXPERTS),
    "ffn_up_exps.weight": (_WIDTH, _INNER, _EXPERTS),
    "ffn_down_exps.weight": (_INNER, _WIDTH, _EXPERTS),
}
_HEAD_NORMS: Shapes = {"attn_q_norm.weight": (_HEAD,), "attn_k_norm.weight": (_HEAD,)}
_SANDWICH: Shapes = {"post_attention_norm.weight": (_WIDTH,), "post_ffw_norm.weight": (_WIDTH,)}
_JINA_NORMS = _biased("attn_q_norm", _WIDTH) | _biased("attn_k_norm", _WIDTH) | _biased("attn_norm_2", _WIDTH)


def _modern(block: int) -> Shapes:
    named = _BEFORE | _JOINED | _HALVES
    return named if block else {name: shape for name, shape in named.items() if name != "attn_norm.weight"}


def _every_second(block: int) -> Shapes:
    return _JOINED_BIASED | _AFTER | (_ROUTED if block % 2 else _PLAIN)


def _file(architecture: str, outside: Shapes, inside: Shapes | Callable[[int], Shapes], **keys: object) -> ModelMetadata:
    """A file of `architecture` in F16; `keys` are further keys, "__" for their dots."""
    named = {"general.architecture": architecture} | {
        f"{architecture}.{name.replace('__', '.')}": value for name, value in (_KEYS | keys).items()
    }
    tensors = tuple(
        Tensor(name, shape, GGMLQuantizationType.F32 if len(shape) == 1 or "token_types" in name else GGMLQuantizationType.F16)
        for name, shape in _listed(outside, inside)
    )
    hp = hyperparameters(named, {tensor.name for tensor in tensors})
    return ModelMetadata(architecture, architecture, hp, tensors, "F16", None, predicted=False, source="a test", keys=named)


def _listed(outside: Shapes, inside: Shapes | Callable[[int], Shapes]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from outside.items()
    for block in range(_BLOCKS):
        for name, shape in (inside(block) if callable(inside) else inside).items():
            yield f"blk.{block}.{name}", shape


def models_not_causal() -> dict[str, ModelMetadata]:
    """By what they are."""
    return {
        "bert": _file("bert", _EMBEDDED | {"position_embd.weight": (_WIDTH, _CONTEXT)}, _APART_BIASED | _AFTER | _PLAIN),
        "nomic-bert": _file("nomic-bert", _EMBEDDED, _JOINED | _AFTER | _GATED),
        "nomic-bert-moe": _file(
            "nomic-bert-moe", _EMBEDDED, _every_second, moe_every_n_layers=2, expert_count=_EXPERTS, expert_used_count=2
        ),
        "jina-bert-v2": _file("jina-bert-v2", _EMBEDDED, _APART_BIASED | _AFTER | _GATED | _biased("ffn_down", _INNER, _WIDTH)),
        "jina-bert-v2, more norms": _file(
            "jina-bert-v2", _EMBEDDED, _APART_BIASED | _AFTER | _JINA_NORMS | _HALVES | _biased("ffn_down", _INNER, _WIDTH)
        ),
        "jina-bert-v3": _file("jina-bert-v3", _EMBEDDED, _JOINED_BIASED | _AFTER | _PLAIN),
        "modern-bert": _file(
            "modern-bert",
            _TOKENS | _NORMED | {"token_embd_norm.weight": (_WIDTH,)},
            _modern,
            attention__sliding_window=128,
            attention__sliding_window_pattern=3,
        ),
        "neo-bert": _file("neo-bert", _TOKENS | {"enc.output_norm.weight": (_WIDTH,)}, _BEFORE | _JOINED | _HALVES),
        "eurobert": _file("eurobert", _TOKENS | _NORMED, _BEFORE | _APART | _GATED),
        "gemma-embedding": _file(
            "gemma-embedding",
            _TOKENS | _NORMED,
            _BEFORE | _SANDWICH | _APART | _HEAD_NORMS | _GATED,
            attention__sliding_window=512,
            attention__key_length=_HEAD,
            attention__value_length=_HEAD,
        ),
        "llada": _file("llada", _TOKENS | _OUTPUT, _BEFORE | _APART | _GATED),
        "dream": _file("dream", _TOKENS | _OUTPUT, _BEFORE | _APART | _QKV_BIASES | _GATED),
        "qwen3": _file("qwen3", _TOKENS | _OUTPUT, _BEFORE | _APART | _HEAD_NORMS | _GATED),
    }
