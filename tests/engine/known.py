"""What the engine tests share: whether the pinned engine is here, and a short way to ask for a plan."""

from collections.abc import Mapping
from typing import Any

import pytest

from advisor.engine.layout import engine_plan
from advisor.engine.pool import EnginePool
from advisor.engine.recipe import VERSION
from advisor.engine.status import installed_version
from advisor.memory.plan import MemoryPlan
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata

NEEDS_ENGINE = [
    pytest.mark.engine,
    pytest.mark.skipif(installed_version() != VERSION, reason=f"the engine ({VERSION}) is not installed"),
]
MIB = 2**20
LIBRARY = {"slots": 1, "logits": "ubatch"}
"""The library's defaults, as load logs of that time have them: one sequence, logits for a whole ubatch."""


def model(name: str, quantization: str = "Q4_K_M") -> ModelMetadata:
    return catalogue().find(name).quantized(quantization)


def plan(
    pool: EnginePool, asked: ModelMetadata, settings: Mapping[str, Any], *, gpus: int = 1, machine: Any = None
) -> MemoryPlan:
    resolved = resolve(settings, asked, has_gpu=True, machine=machine)
    return engine_plan(asked, machine, resolved, gpus=gpus, pool=pool)


def printed(found: MemoryPlan) -> list[tuple[float, float, float]]:
    """(weights, KV, compute) of each device as load logs print them: MiB with two digits."""
    return [
        tuple(round(size / MIB, 2) for size in (row.weights_bytes, row.kv_cache_bytes, row.compute_bytes))  # type: ignore[misc]
        for row in found.devices
    ]
