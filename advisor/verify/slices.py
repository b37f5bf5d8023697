"""Slices: a few layers of a model with random weights, to know its speed before it is downloaded.

Two slices of different length are timed in turn. What the longer one takes more is the time of the layers that it has more; the
rest is embedding, output layer and overhead. Layers are weighed by what a token reads of them (generation) or multiplies with
(prompts), so that layers of other types or kinds count as what they are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from advisor.errors import QuestionError, TooSmallForSlicesError
from advisor.models.metadata import ModelMetadata
from advisor.models.tensor import Tensor
from advisor.models.tensor_role import EXPERTS
from advisor.units import MIB, format_size

MOST_SHARE_OF_FREE = 0.3
MOST_DISK_BYTES = 4 * 10**9
FORECAST_ERROR = 0.1
"""How far generation of the whole model may be from what its slices say; `benchmarks.slices` holds it to that."""
_TIMES_THE_CACHE = 4
"""Weights that are read in turn hit a cache that holds a quarter of them in about a quarter of all cases at most."""
_LEAST_BYTES = 128 * MIB
_WISHED_BYTES = (768 * MIB, 512 * MIB, 384 * MIB, 256 * MIB)
"""Tried in this order, where there is room and the model is at least twice as large.

The more layers two slices differ by, the less their noise is multiplied, and the nearer they are to what a large memory costs:
on one core of an EPYC, Qwen3 4B, a MiB more took 44 us between 284 and 575 MiB, 46 us up to 1158, 49 us up to the whole 2072.
"""
_MOST_LAYERS = 1 / 2
_USUAL_CACHE = 32 * MIB
_LONGEST_PERIOD = 12
_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Slice:
    """A model of the same shapes and types with fewer layers."""

    layers: int
    keys: Mapping[str, object]
    tensors: tuple[Tensor, ...]

    @property
    def n_bytes(self) -> int:
        """All its weights."""
        return sum(tensor.n_bytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class SliceWeights:
    """How the layers of a short slice, a long one and the whole model weigh."""

    layers: tuple[int, int, int]
    read: tuple[float, float, float]
    """Bytes of the layers that one token reads."""
    worked: tuple[float, float, float]
    """Weights of the layers that one token is multiplied with."""


@dataclass(frozen=True)
class Slices:
    """Two slices of a model."""

    short: Slice
    long: Slice
    weights: SliceWeights

    @property
    def n_bytes(self) -> int:
        """Both files."""
        return self.short.n_bytes + self.long.n_bytes


def slices_of(model: ModelMetadata, *, cache_bytes: int | None, free_bytes: int | None) -> Slices:
    """Two slices of `model` that a last-level cache of this size does not hold.

    Raises QuestionError where they would take more than 30 % of the free memory or 4 GB of disk, with the size, and where the
    model is so small that it is better run whole.
    """
    if model.keys is None:
        raise QuestionError(f'the metadata of "{model.name}" is not known, so no slice of it can be made', field="slice")
    blocks = _blocks(model)
    least = max(_LEAST_BYTES, _TIMES_THE_CACHE * (cache_bytes or _USUAL_CACHE))
    room = MOST_DISK_BYTES if free_bytes is None else min(MOST_DISK_BYTES, int(MOST_SHARE_OF_FREE * free_bytes))
    found: Slices | None = None
    for wanted in (*(size for size in _WISHED_BYTES if size > least), least):
        short, long = _lengths(blocks, wanted)
        if long <= (len(blocks) * _MOST_LAYERS if wanted > least else len(blocks)):
            found = _cut(model, blocks, short, long)
            if found.n_bytes <= room:
                return found
    if found is None:
        raise TooSmallForSlicesError(
            f"{model.name} is too small for slices that the processor's cache does not hold; run it whole, without --slice",
            field="slice",
        )
    raise _too_large(found, model, free_bytes)


def whole_seconds(short_s: float, long_s: float, weights: tuple[float, float, float]) -> float:
    """What the whole model takes, from what the slices took, by one of the `SliceWeights`."""
    short, long, whole = weights
    per_weight = max(0.0, long_s - short_s) / (long - short)
    return short_s + (whole - short) * per_weight


def _too_large(found: Slices, model: ModelMetadata, free_bytes: int | None) -> QuestionError:
    size = format_size(found.n_bytes)
    if found.n_bytes > MOST_DISK_BYTES:
        return QuestionError(
            f"two slices of {model.name} take {size}, more than the {format_size(MOST_DISK_BYTES)} that they may; choose a "
            "smaller quantization, or trust the forecast",
            field="slice",
        )
    return QuestionError(
        f"two slices of {model.name} take {size}, more than {MOST_SHARE_OF_FREE:.0%} of the {format_size(free_bytes)} of "
        "memory that are free; close programs or choose a smaller quantization",
        field="slice",
    )


def _cut(model: ModelMetadata, blocks: Sequence[Sequence[Tensor]], short: int, long: int) -> Slices:
    """Slices of these lengths, of layers from all over the model: quantizations give first and last ones other types."""
    lead, period = _period(blocks)
    sizes = [sum(tensor.n_bytes for tensor in block) for block in blocks]
    begins = range(lead, len(blocks) - period + 1, period)
    groups = [sum(sizes[begin : begin + period]) for begin in begins]
    first = [*range(lead), *_layers_of(_typical((short - lead) // period, groups), begins, period)]
    all_of_them = [*first, *_layers_of(_typical((long - short) // period, groups), begins, period)]
    chosen = (first, all_of_them, list(range(len(blocks))))
    by_bytes, by_weights = (_weighed(blocks, chosen, model, by_bytes=kind) for kind in (True, False))
    weights = SliceWeights((short, long, len(blocks)), by_bytes, by_weights)
    return Slices(_slice(model, blocks, first), _slice(model, blocks, all_of_them), weights)


def _typical(count: int, sizes: Sequence[int]) -> list[int]:
    """So many of these groups of layers, evenly spaced, placed so that their average is as near that of all as can be."""
    average = sum(sizes) / len(sizes)
    placed = [[int((number + offset / 20) * len(sizes) / count) for number in range(count)] for offset in range(20)]
    return min(placed, key=lambda chosen: abs(sum(sizes[group] for group in chosen) / count - average))


def _layers_of(groups: Sequence[int], begins: Sequence[int], period: int) -> list[int]:
    return [begins[group] + number for group in groups for number in range(period)]


def _blocks(model: ModelMetadata) -> list[list[Tensor]]:
    """The tensors of each layer that takes part in a token, in order; blocks that draft further tokens do not."""
    layers = model.hyperparameters.block_count - model.hyperparameters.nextn_predict_layers
    found: list[list[Tensor]] = [[] for _ in range(layers)]
    for tensor in model.tensors:
        match = _BLOCK.fullmatch(tensor.name)
        if match and int(match[1]) < layers:
            found[int(match[1])].append(tensor)
    return found


def _lengths(blocks: Sequence[Sequence[Tensor]], least: int) -> tuple[int, int]:
    """The shortest two lengths of which each, and the difference, is at least `least` bytes, in whole periods of the layers."""
    lead, period = _period(blocks)
    average = sum(tensor.n_bytes for block in blocks for tensor in block) / len(blocks)
    # A tenth more: the layers that are chosen may be lighter than the average.
    needed = ceil(1.1 * least / average / period) * period
    return lead + needed, lead + 2 * needed


def _period(blocks: Sequence[Sequence[Tensor]]) -> tuple[int, int]:
    """How many layers come before the pattern begins, and after how many it repeats: 3 dense layers, then 1; or 0 and 6."""
    kinds = [frozenset((tensor.name.split(".", 2)[2], tensor.shape) for tensor in block) for block in blocks]
    best = (0, 1)
    shortest = len(kinds) + 1
    for period in range(1, min(_LONGEST_PERIOD, len(kinds)) + 1):
        lead = len(kinds) - period
        while lead > 0 and kinds[lead - 1] == kinds[lead - 1 + period]:
            lead -= 1
        if lead + period < shortest and lead < len(kinds) // 2:
            best, shortest = (lead, period), lead + period
    return best


def _weighed(
    blocks: Sequence[Sequence[Tensor]], chosen: Sequence[Sequence[int]], model: ModelMetadata, *, by_bytes: bool
) -> tuple[float, float, float]:
    """What a token reads of the layers that were chosen, or multiplies with; of experts its share."""
    hp = model.hyperparameters
    share = hp.expert_used_count / hp.expert_count if hp.expert_count else 1.0

    def size(tensor: Tensor) -> float:
        whole = tensor.n_bytes if by_bytes else tensor.elements
        return whole * (share if EXPERTS.search(tensor.name) else 1.0)

    by_layer = [sum(size(tensor) for tensor in block) for block in blocks]
    short, long, whole = (sum(by_layer[layer] for layer in layers) for layers in chosen)
    return short, long, whole


def _slice(model: ModelMetadata, blocks: Sequence[Sequence[Tensor]], layers: Sequence[int]) -> Slice:
    """A model of these layers in this order, numbered anew."""
    others = [tensor for tensor in model.tensors if _BLOCK.fullmatch(tensor.name) is None]
    kept = [
        replace(tensor, name=f"blk.{number}.{tensor.name.split('.', 2)[2]}", offset=None)
        for number, layer in enumerate(layers)
        for tensor in blocks[layer]
    ]
    assert model.keys is not None
    return Slice(len(layers), slice_keys(model.keys, layers), (*others, *kept))


def slice_keys(keys: Mapping[str, object], layers: Sequence[int]) -> dict[str, object]:
    """The metadata of a model that has only these layers, in this order: lists with a value a layer are cut."""
    architecture = keys["general.architecture"]
    count = keys[f"{architecture}.block_count"]
    cut: dict[str, object] = {
        name: [value[layer] for layer in layers] if isinstance(value, list | tuple) and len(value) == count else value
        for name, value in keys.items()
        if name.startswith((f"{architecture}.", "general.architecture"))
    }
    cut[f"{architecture}.block_count"] = len(layers)
    cut.pop(f"{architecture}.nextn_predict_layers", None)
    return cut
