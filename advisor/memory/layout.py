"""One model with one placement: every component by device. The search for a placement and the plan both read it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import Backend
from advisor.memory.cache import CacheBytes, cache_bytes
from advisor.memory.compute import compute_buffers
from advisor.memory.placement import Placement
from advisor.memory.presets import OLLAMA_RUNS_SERVER
from advisor.memory.rules import EngineRules, rules_for
from advisor.memory.settings import RunSettings
from advisor.memory.weights import tied_copy_bytes, weights_by_device
from advisor.models.metadata import ModelMetadata

_F32_BYTES = 4


@dataclass(frozen=True)
class Layout:
    """A model and its settings, ready to be laid out on devices. Results are kept, so that a search asks for nothing twice."""

    model: ModelMetadata
    settings: RunSettings
    backend: Backend | None = None
    """The GPUs' backend, where known."""
    nextn: bool = False
    """True where the model drafts with its own multi-token-prediction blocks."""
    _compute: dict[Placement, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def rules(self) -> EngineRules:
        """The rules of the settings' build."""
        return rules_for(self.settings.build)

    @cached_property
    def cache(self) -> CacheBytes:
        """KV cache and recurrent state by block."""
        return cache_bytes(self.model.hyperparameters, self.settings, self.rules, self.settings.context)

    def weights(self, placement: Placement) -> NDArray[np.int64]:
        """Bytes of weights by device, the host last."""
        hp, on_host = self.model.hyperparameters, self.rules.per_layer_on_host
        return weights_by_device(self.model.weight_table, placement, hp, nextn=self.nextn, per_layer_on_host=on_host)

    def compute(self, placement: Placement) -> NDArray[np.int64]:
        """Bytes of the compute buffers by device, the host last."""
        found = self._compute.get(placement)
        if found is None:
            buffers = compute_buffers(self.model, placement, self.settings, self.rules, backend=self.backend)
            found = self._compute[placement] = np.array([buffer.n_bytes for buffer in buffers], dtype=np.int64)
        return found

    def resident(self, placement: Placement) -> NDArray[np.int64]:
        """Weights, KV cache and recurrent state together by device: all but the compute buffers."""
        kv, state = self.cache.by_device(placement)
        return self.weights(placement) + kv + state

    def total(self, placement: Placement) -> NDArray[np.int64]:
        """Everything that the engine allocates, by device: what common/fit.cpp compares with free memory."""
        return self.resident(placement) + self.compute(placement)

    @property
    def output_bytes(self) -> int:
        """The output buffer, on the host: one row of logits a slot (output_reserve, src/llama-context.cpp:2116-2174).

        Ollama's own runner asked for embeddings too (ollama llama/llama.go at v0.12.6, `params.embeddings`): a row of those
        each.
        """
        hp = self.model.hyperparameters
        runner = self.settings.runtime == "ollama" and self.rules.date < OLLAMA_RUNS_SERVER
        return _F32_BYTES * (hp.vocab_size + (hp.embedding_length if runner else 0)) * self.settings.slots

    def shared_pages(self, placement: Placement) -> int:
        """Bytes of the file that the host and a GPU of a unified memory have both mapped: a tied embedding."""
        if placement.output == placement.host:
            return 0
        return tied_copy_bytes(self.model.weight_table, placement, self.model.hyperparameters)
