"""Every model of the catalogue on two GPUs of each make: the engine plans it, and caches and states are those by formula."""

from collections.abc import Iterator

import pytest

from advisor.engine.layout import engine_plan
from advisor.engine.pool import EnginePool
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from tests.engine.known import NEEDS_ENGINE

SAMPLE = ("gemma-3n-e2b", "granite-4.0-h-tiny", "nemotron-3-nano-30b-a3b", "llama-4-scout", "bge-m3")
REST = tuple(model.id for model in catalogue().models if model.id not in SAMPLE)
BACKENDS = ("cuda", "vulkan", "metal")
PADDING = 8192
"""More than CUDA adds to the K and the V of one block: the rest of a row of 512 values each, and alignment."""


@pytest.fixture(scope="module")
def pool() -> Iterator[EnginePool]:
    pool = EnginePool(most=1)
    yield pool
    pool.close()


@pytest.mark.engine
@NEEDS_ENGINE[1]
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", SAMPLE)
def test_it_is_planned(pool: EnginePool, name: str, backend: str) -> None:
    judge(pool, name, backend)


@pytest.mark.engine_all
@NEEDS_ENGINE[1]
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", REST)
def test_it_is_planned_all(pool: EnginePool, name: str, backend: str) -> None:
    judge(pool, name, backend)


def judge(pool: EnginePool, name: str, backend: str) -> None:
    entry = catalogue().find(name)
    asked = entry.quantized(entry.native_quantization or "Q4_K_M")
    machine = two_gpus(backend)
    settings = resolve({"context": 8192, "gpu_layers": "all"}, asked, has_gpu=True, machine=machine)
    engine, formula = engine_plan(asked, machine, settings, pool=pool), plan_memory(asked, machine, settings)
    slack = PADDING * asked.hyperparameters.block_count
    for theirs, ours in zip(engine.devices, formula.devices, strict=True):
        assert 0 <= theirs.kv_cache_bytes - ours.kv_cache_bytes <= slack
        assert 0 <= theirs.recurrent_state_bytes - ours.recurrent_state_bytes <= slack
        assert theirs.weights_bytes == pytest.approx(ours.weights_bytes, rel=0.001, abs=slack)
        assert theirs.compute_bytes > 0
        assert theirs.output_bytes == ours.output_bytes


def two_gpus(backend: str) -> MachineProfile:
    machine = library().find("rtx-4090")
    gpu = machine.gpus[0].model_copy(update={"backend": backend, "capacity_bytes": 2**43})
    return machine.model_copy(update={"gpus": (gpu, gpu)})
