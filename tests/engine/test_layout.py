"""Plans by the engine itself against what CUDA load logs print, and against sums over the tensor table.

MiB figures without another source: llama.cpp 0c1e57098 (llama-cpp-python 0.3.36) planned these on virtual GPUs; those of
Llama-3.1-8B on one GPU are also what CUDA logs print, to the last digit. What the engine reports of several GPUs when it
allocates nothing (354.55 for the second of two) is one copy too much: `test_a_real_load_reserves_the_same`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gguf.constants import GGML_QUANT_SIZES

from advisor.engine.layout import components, engine_plan, question_for
from advisor.engine.pool import EnginePool
from advisor.errors import EngineFailedError, EngineRefusedError, QuestionError
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.memory.placement import Placement
from advisor.memory.planner import arrange, plan_memory
from advisor.memory.presets import resolve
from advisor.models.gguf_header import read_header
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.skeleton import write_skeleton
from tests.engine.known import LIBRARY, NEEDS_ENGINE, model, plan, printed

pytestmark = NEEDS_ENGINE


@pytest.fixture(scope="module")
def pool() -> Iterator[EnginePool]:
    pool = EnginePool(most=1)
    yield pool
    pool.close()


LLAMA: list[tuple[str, dict[str, Any], int, list[tuple[float, float, float]]]] = [
    ("all layers", {}, 1, [(4403.49, 1024.0, 258.5), (281.81, 0.0, 24.01)]),
    ("two GPUs", {}, 2, [(2113.28, 544.0, 172.04), (2290.21, 480.0, 322.55), (281.81, 0.0, 72.05)]),
    ("20 layers", {"gpu_layers": 20}, 1, [(2773.8, 608.0, 258.5), (1911.5, 416.0, 24.01)]),
    ("32k", {"context": 32768}, 1, [(4403.49, 4096.0, 258.5), (281.81, 0.0, 48.01)]),
]


@pytest.mark.parametrize(("settings", "gpus", "expected"), [case[1:] for case in LLAMA], ids=[case[0] for case in LLAMA])
def test_llama_3_1_8b(
    pool: EnginePool, settings: dict[str, Any], gpus: int, expected: list[tuple[float, float, float]]
) -> None:
    found = plan(pool, model("llama-3.1-8b"), {**LIBRARY, "context": 8192, **settings}, gpus=gpus)
    assert found.grade == "engine"
    assert printed(found) == expected
    # One row of 128,256 logits for one slot.
    assert [row.output_bytes for row in found.devices] == [0] * gpus + [4 * 128256]


def test_no_layers_on_a_gpu_that_is_there(pool: EnginePool) -> None:
    machine = library().find("rtx-4090")
    found = plan(pool, model("llama-3.1-8b"), {**LIBRARY, "context": 8192, "gpu_layers": 0}, machine=machine)
    assert printed(found) == [(0.0, 0.0, 669.48), (4685.3, 1024.0, 24.01)]


VULKAN_LOGS: list[tuple[int, int, tuple[float, float], float]] = [
    # (context, layers of 29, (KV, compute) of the GPU, compute of the host) in MiB; b10091, one sequence, logits for it:
    # https://github.com/BlazeFiresong18/Doraeon/blob/f7af8e196cd4968db6668bc4399cdf6da2a80e2a/ollama_cpu_test.log
    (131072, 2, (512.0, 925.06), 140.01),
    # .../ollama_serve.log
    (8192, 22, (672.0, 92.56), 20.01),
]


@pytest.mark.parametrize(("context", "layers", "gpu", "host"), VULKAN_LOGS)
def test_llama_3_2_3b_partly_on_vulkan_is_what_logs_print(
    pool: EnginePool, context: int, layers: int, gpu: tuple[float, float], host: float
) -> None:
    settings = {"slots": 1, "context": context, "gpu_layers": layers}
    found = printed(plan(pool, model("llama-3.2-3b"), settings, machine=on_vulkan()))
    assert found[0][1:] == gpu
    assert found[1][2] == host


def on_vulkan() -> MachineProfile:
    machine = library().find("rtx-4090")
    return machine.model_copy(update={"gpus": (machine.gpus[0].model_copy(update={"backend": "vulkan"}),)})


def test_gemma_3_27b_at_32k(pool: EnginePool) -> None:
    # Published files hold 262,144 rows of the vocabulary, the original 262,208.
    gemma = model("gemma-3-27b")
    tensors = tuple(
        replace(tensor, shape=(tensor.shape[0], 262144)) if tensor.name == "token_embd.weight" else tensor
        for tensor in gemma.tensors
    )
    gemma = replace(gemma, tensors=tensors, known_weights=None)
    found = plan(pool, gemma, {**LIBRARY, "context": 32768})
    assert printed(found) == [(15773.62, 3184.0, 522.5), (1102.5, 0.0, 54.52)]


def test_experts_on_the_host(pool: EnginePool) -> None:
    settings = {"slots": 1, "context": 8192, "cpu_moe_layers": 48}
    found = plan(pool, model("qwen3-30b-a3b"), settings)
    assert printed(found) == [(784.42, 768.0, 225.51), (16906.92, 0.0, 16.01)]


def test_experts_of_ten_blocks_on_the_host(pool: EnginePool) -> None:
    settings = {**LIBRARY, "context": 32768, "cpu_moe_layers": 10}
    found = plan(pool, model("gpt-oss-20b", "MXFP4_MOE"), settings)
    assert [row[:2] for row in printed(found)] == [(6904.63, 786.0), (4631.55, 0.0)]


def test_deepseek_r1_on_eight_gpus(pool: EnginePool) -> None:
    found = plan(pool, model("deepseek-r1-671b"), {**LIBRARY, "context": 8192}, gpus=8)
    assert [row[1] for row in printed(found)] == [72, 72, 72, 63, 72, 72, 72, 54, 0]
    assert [row[2] for row in printed(found)] == [482.02, *[466.02] * 6, 466.03, 102.04]


def test_deepseek_r1_on_a_processor_does_not_depend_on_it(pool: EnginePool) -> None:
    # With weights repacked for this CPU the engine aborts on some (GGML_ASSERT(*cur_backend_id != -1)), others plan more.
    found = plan(pool, model("deepseek-r1-671b"), {**LIBRARY, "context": 8192, "gpu_layers": 0})
    assert printed(found) == [(385750.62, 549.0, 416.01)]


def test_a_recurrent_state_is_told_from_the_cache(pool: EnginePool) -> None:
    qwen = model("qwen3.5-35b-a3b")
    found = plan(pool, qwen, {"slots": 4, "context": 8192})
    hp = qwen.hyperparameters
    elements = hp.conv_state_elements + hp.recurrent_state_elements
    assert sum(row.recurrent_state_bytes for row in found.devices) == 4 * 4 * elements * sum(hp.recurrent)
    assert found.devices[0].kv_cache_bytes == 8192 * 2 * 2 * 256 * 2 * sum(hp.caches_kv)


# --- weights, by another way ------------------------------------------------------------------------

_EXPERTS = re.compile(r"ffn_(up|down|gate|gate_up)_(ch|)exps")
_INPUT = ("token_embd.weight", "per_layer_token_embd.weight")

PLACED: list[tuple[str, dict[str, Any], int]] = [
    ("llama-3.1-8b", {}, 1),
    ("llama-3.1-8b", {"gpu_layers": 13}, 3),
    ("gemma-3-12b", {}, 2),
    ("gemma-3-12b", {"gpu_layers": 0}, 1),
    ("qwen3-30b-a3b", {"cpu_moe_layers": 7}, 1),
    ("deepseek-r1-671b", {"cpu_moe_layers": 50}, 2),
    ("glm-4.5-air", {"gpu_layers": 30, "tensor_split": (1, 2, 5)}, 3),
    ("qwen3.5-35b-a3b", {}, 15),
]


@pytest.mark.parametrize(("name", "settings", "gpus"), PLACED)
@pytest.mark.parametrize("backend", [None, "rtx-4090", "m4-max-40"])
def test_weights_are_the_tensor_tables(
    pool: EnginePool, name: str, settings: dict[str, Any], gpus: int, backend: str | None
) -> None:
    machine = None
    if backend is not None:
        one = library().find(backend)
        machine = one.model_copy(update={"gpus": one.gpus * gpus})
    asked, overrides = model(name), {"context": 4096, "gpu_layers": "all", **settings}
    found = plan(pool, asked, overrides, gpus=gpus, machine=machine)
    placement = arrange(asked, machine, resolve(overrides, asked, has_gpu=True, machine=machine), gpus=gpus).placement
    expected = weights_by_tensor(asked, placement, alignment=32 if backend == "m4-max-40" else 128, cuda=backend == "rtx-4090")
    assert [row.weights_bytes for row in found.devices] == expected


def weights_by_tensor(asked: ModelMetadata, placement: Placement, *, alignment: int, cuda: bool) -> list[int]:
    """Each tensor to its device, padded as the backend pads it (ggml_backend_alloc_ctx_tensors_from_buft_size)."""
    totals = [0] * placement.device_count
    hp = asked.hyperparameters
    tied = all(tensor.name != "output.weight" for tensor in asked.tensors)
    for tensor in asked.tensors:
        places = []
        if match := re.match(r"blk\.(\d+)\.", tensor.name):
            block = int(match[1])
            if block >= hp.layer_count:
                continue
            places.append(placement.experts(block) if _EXPERTS.search(tensor.name) else placement.blocks[block])
        elif tensor.name in _INPUT:
            places.append(placement.host)
            if tied and tensor.name == "token_embd.weight" and placement.output != placement.host:
                places.append(placement.output)
        elif tensor.name.startswith("rope_"):
            # Stored once, loaded on every device that has blocks (TENSOR_DUPLICATED, src/models/llama.cpp).
            places += sorted(set(placement.blocks))
        else:
            places.append(placement.output)
        for place in places:
            size, step = tensor.n_bytes, 32 if place == placement.host else alignment
            block_values, block_bytes = GGML_QUANT_SIZES[tensor.type]
            if cuda and place != placement.host and block_values > 1 and tensor.shape[0] % 512:
                size += (512 - tensor.shape[0] % 512) // block_values * block_bytes
            totals[place] += -(-size // step) * step
    return totals


# --- the same rows as the formula --------------------------------------------------------------------


def test_rows_pools_and_overheads_are_the_formulas(pool: EnginePool) -> None:
    machine = library().find("rtx-4090")
    asked = model("llama-3.1-8b")
    settings = resolve({"context": 16384}, asked, has_gpu=True, machine=machine)
    formula, engine = plan_memory(asked, machine, settings), engine_plan(asked, machine, settings, pool=pool)
    assert engine.settings == formula.settings
    assert engine.settings.gpu_layers == 33
    for ours, theirs in zip(formula.devices, engine.devices, strict=True):
        assert (ours.name, ours.kind, ours.pool, ours.capacity_bytes) == (
            theirs.name,
            theirs.kind,
            theirs.pool,
            theirs.capacity_bytes,
        )
        assert ours.overhead_bytes == theirs.overhead_bytes
        assert theirs.total_bytes == pytest.approx(ours.total_bytes, rel=0.01)
    assert [one.id for one in engine.pools] == [one.id for one in formula.pools]
    assert sum(one.total_bytes for one in engine.pools) == sum(row.total_bytes for row in engine.devices)


def test_a_draft_model_is_the_engines_too(pool: EnginePool) -> None:
    asked, draft = model("llama-3.1-8b"), model("llama-3.2-1b")
    settings = resolve({"context": 8192}, asked, has_gpu=True)
    found = engine_plan(asked, None, settings, draft=draft, pool=pool)
    alone = engine_plan(draft, None, settings, pool=pool)
    for row, own in zip(found.devices, alone.devices, strict=True):
        assert row.draft_bytes == own.total_bytes - own.overhead_bytes
    assert found.devices[0].draft_bytes > 0


def test_a_model_that_drafts_for_itself_loads_its_blocks_for_that(pool: EnginePool) -> None:
    asked = model("glm-4.5-air")
    settings = resolve({"context": 8192}, asked, has_gpu=True)
    formula = plan_memory(asked, None, settings, draft=asked)
    with_it, without = engine_plan(asked, None, settings, draft=asked, pool=pool), engine_plan(asked, None, settings, pool=pool)
    assert without.devices[0].weights_bytes < with_it.devices[0].weights_bytes
    assert with_it.devices[0].weights_bytes == pytest.approx(formula.devices[0].weights_bytes, rel=1e-5)
    assert any("drafts for itself" in sentence for sentence in with_it.assumptions)


def test_flash_attention_over_a_quantized_cache_needs_scratch_on_cuda_and_not_on_vulkan(pool: EnginePool) -> None:
    settings = {"slots": 1, "context": 32768, "type_k": "q8_0", "type_v": "q8_0", "gpu_layers": "all"}
    cuda, vulkan = (
        plan(pool, model("llama-3.1-8b"), settings, machine=machine).devices[0].compute_bytes
        for machine in (library().find("rtx-4090"), on_vulkan())
    )
    # K and V of 32,768 cells in f16, 8 heads of 128, less what other tensors of the graph leave free.
    copies = 2 * 32768 * 8 * 128 * 2
    assert copies // 4 < cuda - vulkan <= copies


def test_a_header_with_its_vocabulary_is_planned_without_it(pool: EnginePool, tmp_path: Any) -> None:
    asked = model("smollm2-135m", "Q8_0")
    path = tmp_path / "model.gguf"
    assert asked.keys is not None
    write_skeleton(path, {**asked.keys, "tokenizer.ggml.pre": "default"}, asked.tensors)
    read = model_from_header(read_header(path), id=str(path), source=str(path))
    assert read.keys is not None
    settings = {"context": 2048}
    assert printed(plan(pool, read, settings)) == printed(plan(pool, asked, settings))


# --- a load that takes memory ------------------------------------------------------------------------

LOADED: list[tuple[dict[str, Any], int]] = [
    ({}, 1),
    ({}, 2),
    ({"logits": "slots"}, 3),
    ({"gpu_layers": 20}, 2),
    ({"flash_attention": "off", "slots": 4}, 2),
]


@pytest.mark.parametrize(("settings", "gpus"), LOADED)
def test_a_real_load_reserves_the_same(pool: EnginePool, settings: dict[str, Any], gpus: int) -> None:
    asked = model("smollm2-135m", "Q8_0")
    resolved = resolve({**LIBRARY, "context": 4096, **settings}, asked, has_gpu=True)
    question = question_for(arrange(asked, None, resolved, gpus=gpus))
    command = [sys.executable, str(Path(__file__).with_name("real_load_probe.py")), json.dumps(question.to_json())]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1", "PYTHONPATH": root}
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert run.returncode == 0, run.stderr[-600:]
    assert tuple(json.loads(run.stdout)) == pool.plan(question).compute


# --- what cannot be answered -------------------------------------------------------------------------


def test_sixteen_gpus_are_too_many(pool: EnginePool) -> None:
    with pytest.raises(QuestionError, match="takes 15 GPUs at most, not 16") as caught:
        plan(pool, model("llama-3.1-8b"), {}, gpus=16)
    assert caught.value.field == "gpus"
    assert len(plan(pool, model("llama-3.1-8b"), {}, gpus=15).devices) == 16


def test_another_build_is_not_this_engine(pool: EnginePool) -> None:
    with pytest.raises(QuestionError, match="not as b6060") as caught:
        plan(pool, model("llama-3.1-8b"), {"build": "b6060"})
    assert caught.value.field == "build"


def test_the_engines_own_reason_is_passed_on(pool: EnginePool) -> None:
    asked = model("llama-3.1-8b")
    cut = replace(asked, tensors=tuple(t for t in asked.tensors if t.name != "blk.3.attn_k.weight"), known_weights=None)
    with pytest.raises(EngineRefusedError, match=r"tensor 'blk\.3\.attn_k\.weight' not found"):
        plan(pool, cut, {})


def test_a_model_without_keys_cannot_be_planned(pool: EnginePool) -> None:
    with pytest.raises(EngineFailedError, match="metadata"):
        plan(pool, replace(model("llama-3.1-8b"), keys=None), {})


def test_the_split_cuts_where_the_placement_does() -> None:
    asked = model("llama-3.1-8b")
    settings = resolve({"tensor_split": (1, 5), "gpu_layers": 20}, asked, has_gpu=True)
    arrangement = arrange(asked, None, settings, gpus=2)
    question = question_for(arrangement)
    assert sum(question.tensor_split) == question.gpu_layers == 20
    assert question.tensor_split[0] == arrangement.placement.blocks.count(0)


@pytest.mark.parametrize(
    ("name", "settings", "gpus"),
    [
        ("llama-3.1-8b", {"gpu_layers": 20}, 1),
        ("gemma-3-12b", {"type_k": "q8_0", "type_v": "q8_0", "context": 32768}, 2),
        ("qwen3.5-35b-a3b", {"cpu_moe_layers": 9}, 1),
        ("deepseek-r1-671b", {}, 8),
    ],
)
def test_what_is_read_from_the_log_alone_is_the_same(pool: EnginePool, name: str, settings: dict[str, Any], gpus: int) -> None:
    # The way of macOS, Windows and Arm, where the engine's breakdown cannot be walked.
    asked = model(name)
    arrangement = arrange(asked, None, resolve({"context": 8192, **settings}, asked, has_gpu=True), gpus=gpus)
    question = question_for(arrangement)
    exact, by_log = pool.plan(question), pool.plan(replace(question, by_log=True))
    assert by_log.weights is None
    assert by_log.kv_cache is None
    ours, theirs = components(by_log, arrangement), components(exact, arrangement)
    assert tuple(ours.kv_cache) == tuple(theirs.kv_cache)
    assert tuple(ours.weights) == pytest.approx(tuple(theirs.weights), rel=1e-5)
    assert tuple(ours.recurrent_state) == tuple(theirs.recurrent_state)
    assert tuple(ours.compute) == pytest.approx(tuple(theirs.compute), abs=0.005 * 2**20)
    assert ours.output == theirs.output


def test_caches_that_are_not_what_was_counted_are_no_plan(pool: EnginePool) -> None:
    asked = model("llama-3.1-8b")
    arrangement = arrange(asked, None, resolve({"context": 8192}, asked, has_gpu=True))
    figures = pool.plan(replace(question_for(arrangement), by_log=True, context=16384))
    with pytest.raises(EngineFailedError, match="another size of its caches"):
        components(figures, arrangement)
