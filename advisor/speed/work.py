"""What a run must do, by device: the bytes that one token reads and the arithmetic that one prompt token costs."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from advisor.memory import mlx
from advisor.memory.cache import cache_bytes
from advisor.memory.placement import Placement
from advisor.memory.plan import MemoryPlan
from advisor.memory.presets import uses_flash_attention
from advisor.memory.rules import rules_for
from advisor.memory.settings import RunSettings
from advisor.memory.weights import WITHOUT_OUTPUT
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.metadata import ModelMetadata

LLAMA_CPP = ("llama-server", "llama-cli", "llama-cpp-python", "ollama", "lm-studio")


@dataclass(frozen=True)
class Work:
    """A model as a plan lays it out. Arrays have one entry a device, the host last."""

    model: ModelMetadata
    settings: RunSettings
    placement: Placement
    scale: float = 1.0
    """Bytes of the weights as they are run over those of the model's table: other runtimes have files of their own."""

    @property
    def hp(self) -> Hyperparameters:
        return self.model.hyperparameters

    @cached_property
    def _blocks(self) -> NDArray[np.intp]:
        return np.asarray(self.placement.blocks[: self.hp.layer_count])

    @cached_property
    def _expert_devices(self) -> NDArray[np.intp]:
        kept = np.asarray(self.placement.experts_on_host[: self.hp.layer_count])
        return np.where(kept, self.placement.host, self._blocks)

    def _by_device(self, devices: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.bincount(devices, values, self.placement.device_count).astype(np.float64)
        return found

    @cached_property
    def _output_bytes(self) -> int:
        table = self.model.weight_table
        tied = 0 if self.hp.architecture in WITHOUT_OUTPUT else table.token_embedding_bytes
        return table.other_output_bytes + (tied if table.output_bytes is None else table.output_bytes)

    @cached_property
    def dense_bytes(self) -> NDArray[np.float64]:
        """Weights that every token reads: all but the experts. The token embedding is looked up, a row a token, unless it
        serves as the output matrix too; so are per-layer embeddings."""
        table, layers = self.model.weight_table, self.hp.layer_count
        found = self._by_device(self._blocks, table.block_bytes[:layers].astype(np.float64))
        found[self.placement.output] += self._output_bytes
        return found * self.scale

    @cached_property
    def expert_bytes(self) -> NDArray[np.float64]:
        """All experts' weights."""
        values = self.model.weight_table.expert_bytes[: self.hp.layer_count].astype(np.float64)
        return self._by_device(self._expert_devices, values) * self.scale

    @cached_property
    def flash_attention(self) -> bool:
        """True where attention runs without writing its scores to memory."""
        if self.settings.runtime not in LLAMA_CPP:
            return True
        return uses_flash_attention(self.settings, self.hp, rules_for(self.settings.build))

    @cached_property
    def active_share(self) -> float:
        """Share of the experts that one token uses; 1 in a dense model."""
        return self.hp.expert_used_count / self.hp.expert_count if self.hp.expert_count else 1.0

    @cached_property
    def blocks(self) -> NDArray[np.float64]:
        """Blocks by device."""
        return self._by_device(self._blocks, np.ones(len(self._blocks)))

    @cached_property
    def mixture_blocks(self) -> NDArray[np.float64]:
        """Blocks with experts, by the device of the experts."""
        if not self.hp.expert_count:
            return np.zeros(self.placement.device_count)
        return self._by_device(self._expert_devices, np.asarray(self.hp.mixture[: self.hp.layer_count], dtype=np.float64))

    @cached_property
    def recurrent_blocks(self) -> NDArray[np.float64]:
        """Blocks with a recurrent state, by device."""
        if not any(self.hp.recurrent):
            return np.zeros(self.placement.device_count)
        return self._by_device(self._blocks, np.asarray(self.hp.recurrent[: self.hp.layer_count], dtype=np.float64))

    @cached_property
    def crossings(self) -> int:
        """How often one token goes from one device to another and back to the host for its logits."""
        if len({*self.placement.blocks, self.placement.output}) == 1 and not any(self.placement.experts_on_host):
            return 0
        path: list[int] = []
        for block, experts in zip(self._blocks.tolist(), self._expert_devices.tolist(), strict=True):
            path += [block] if block == experts else [block, experts]
        path.append(self.placement.output)
        return sum(one != other for one, other in pairwise(path))

    def cache_read(self, depth: int) -> NDArray[np.float64]:
        """Bytes of keys, values and recurrent state that one token reads with `depth` tokens in the context, by device.

        As llama.cpp attends: to all cells in use, in steps of 256, and in a sliding-window block to the window's cache, which
        never grows beyond window and ubatch (src/llama-kv-cache-iswa.cpp:55-66).
        """
        if depth < 1 and not any(self.hp.recurrent):
            return np.zeros(self.placement.device_count)
        layers = self.hp.layer_count
        settings = self.settings.model_copy(update={"slots": 1, "swa_full": False})
        rules = rules_for(settings.build if settings.runtime in LLAMA_CPP else None)
        found = cache_bytes(self.hp, settings, rules, max(depth, 1))
        kv = found.kv[:layers].astype(np.float64)
        if settings.runtime == "mlx":
            counts = [mlx.cells(self.hp, block, depth) for block in range(layers)]
            kv = np.array(
                [mlx.block_cache_bytes(self.hp, block, count) for block, count in enumerate(counts)], dtype=np.float64
            )
        return self._by_device(self._blocks, kv + 2 * found.state[:layers])

    def _scores(self, tokens: int, depth: int) -> NDArray[np.float64]:
        """Keys that `tokens` queries after `depth` others see, by block; in a window only as far as it reaches."""
        hp, layers = self.hp, self.hp.layer_count
        seen = depth + tokens / 2
        windowed = np.asarray([kind in (Attention.SLIDING, Attention.CHUNKED) for kind in hp.attention[:layers]])
        attends = np.asarray([kind is not Attention.NONE for kind in hp.attention[:layers]])
        seen_by_block: NDArray[np.float64] = np.where(windowed, min(seen, hp.sliding_window or seen), seen) * attends
        return tokens * seen_by_block

    def attention_operations(self, tokens: int, depth: int) -> NDArray[np.float64]:
        """Operations of attention for `tokens` tokens after `depth` others, by device: keys times queries, and weights times
        values, 2 operations each."""
        hp, layers = self.hp, self.hp.layer_count
        width = np.asarray(
            [
                heads * (key + (value or key))
                for heads, key, value in zip(hp.head_count[:layers], hp.key_length, hp.value_length, strict=False)
            ],
            dtype=np.float64,
        )
        return self._by_device(self._blocks, 2.0 * self._scores(tokens, depth) * width)

    def attention_scores(self, tokens: int, depth: int) -> NDArray[np.float64]:
        """Scores of attention for `tokens` prompt tokens after `depth` others, by device: one for each query, key and head.
        Without flash attention they go through memory (src/llama-graph.cpp, build_attn_mha)."""
        heads = np.asarray(self.hp.head_count[: self.hp.layer_count], dtype=np.float64)
        return self._by_device(self._blocks, self._scores(tokens, depth) * heads)

    @cached_property
    def _operations(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Operations of one token in dense and in expert weights, by device; the output layer is not part of it."""
        total, active = self.model.parameters, self.model.active_parameters
        table = self.model.weight_table
        experts = (total - active) / (1 - self.active_share) if self.active_share < 1 else 0.0
        looked_up = hp_rows(self.model)
        dense = max(total - experts - looked_up, 0.0)
        block_sum = max(float(table.block_bytes[: self.hp.layer_count].sum()), 1.0)
        expert_sum = max(float(self.expert_bytes.sum()), 1.0)
        layers = self.hp.layer_count
        dense_share = self._by_device(self._blocks, table.block_bytes[:layers].astype(np.float64)) / block_sum
        return 2.0 * dense * dense_share, 2.0 * experts * self.active_share * self.expert_bytes / expert_sum

    @property
    def dense_operations(self) -> NDArray[np.float64]:
        """Operations of one prompt token outside the experts, by device."""
        return self._operations[0]

    @property
    def expert_operations(self) -> NDArray[np.float64]:
        """Operations of one prompt token in the experts that it uses, by device."""
        return self._operations[1]


def hp_rows(model: ModelMetadata) -> float:
    """Weights that a prompt token looks up and does not multiply with: token and per-layer embeddings, and the output matrix,
    which only the last token needs."""
    hp, table = model.hyperparameters, model.weight_table
    embedding = float(hp.vocab_size * hp.embedding_length)
    copies = 1 if table.output_bytes is None else 2
    per_layer = float(hp.vocab_size * hp.per_layer_embedding_length * hp.block_count)
    return embedding * copies + per_layer


def work_of(model: ModelMetadata, plan: MemoryPlan) -> Work:
    """The work of a plan. A runtime that spreads the model its own way puts all blocks on the GPUs, in turn."""
    if plan.placement is not None:
        return Work(model, plan.settings, plan.placement)
    table = model.weight_table
    once = int(table.block_bytes.sum() + table.expert_bytes.sum()) + table.per_layer_embedding_bytes + table.other_output_bytes
    listed = once + table.token_embedding_bytes + (table.output_bytes or 0)
    scale = sum(device.weights_bytes for device in plan.devices) / max(listed, 1)
    return Work(model, plan.settings, whole(plan, model), scale)


def whole(plan: MemoryPlan, model: ModelMetadata) -> Placement:
    """The placement of a plan that has none: all blocks over the GPUs in turn, or on the host where there is no GPU."""
    gpus, count = len(plan.devices) - 1, model.hyperparameters.block_count
    blocks = tuple(min(block * gpus // count, gpus - 1) if gpus else 0 for block in range(count))
    return Placement(gpus + 1, blocks, max(gpus - 1, 0), (False,) * count)
