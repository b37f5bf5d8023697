"""Whole plans. Rows are compared with the engine on virtual GPUs, totals with six models that the engine planned on the CPU."""

from typing import Any

import numpy as np
import pytest

from advisor.errors import QuestionError
from advisor.machines.adjust import adjust
from advisor.machines.library import find_machine
from advisor.machines.profile import MachineProfile
from advisor.memory.devices import devices_of
from advisor.memory.fitting import LEAST_CONTEXT, MARGIN_BYTES
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.memory.sweep import sweep
from advisor.models.metadata import ModelMetadata
from advisor.units import GIB
from tests.memory.models import MIB, file


def plan(model: str | ModelMetadata, machine: MachineProfile | None = None, *, gpus: int = 1, **asked: Any) -> MemoryPlan:
    """The plan of a file of the catalogue with one slot and logits for a whole micro-batch, unless asked otherwise."""
    metadata = file(model) if isinstance(model, str) else model
    settings = resolve(
        {"slots": 1, "logits": "ubatch", **asked}, metadata, has_gpu=machine is None or bool(machine.gpus), machine=machine
    )
    return plan_memory(metadata, machine, settings, gpus=gpus)


def machine(name: str | None = None, **numbers: Any) -> MachineProfile:
    """A profile with its capacities filled in."""
    return adjust(None if name is None else find_machine(name), **numbers)[0]


def rows(found: MemoryPlan) -> list[tuple[float, float, float]]:
    """(weights, KV cache, compute) in MiB by device, as logs print them."""
    return [
        (round(d.weights_bytes / MIB, 2), round(d.kv_cache_bytes / MIB, 2), round(d.compute_bytes / MIB, 2))
        for d in found.devices
    ]


@pytest.mark.parametrize(
    ("gpus", "layers", "expected"),
    [
        # the engine on virtual GPUs, Llama-3.1-8B Q4_K_M, 8k; CUDA logs print the same for the first
        (1, "all", [(4403.49, 1024, 258.50), (281.81, 0, 24.01)]),
        (1, 20, [(2773.80, 608, 258.50), (1911.50, 416, 24.01)]),
    ],
)
def test_rows_are_what_the_engine_plans(gpus: int, layers: int | str, expected: list[tuple[float, float, float]]) -> None:
    assert rows(plan("llama-3.1-8b", gpus=gpus, gpu_layers=layers, context=8192)) == expected


def test_layers_on_two_gpus_are_where_the_engine_puts_them() -> None:
    first, second, host = rows(plan("llama-3.1-8b", gpus=2, context=8192))
    assert (first[:2], second[:2], host[:2]) == ((2113.28, 544), (2290.21, 480), (281.81, 0))


@pytest.mark.parametrize(
    ("model", "quantization", "gib_8k", "gib_32k"),
    [
        # the pinned engine on the CPU, one slot, logits for slots: weights + KV cache + compute buffers
        ("llama-3.1-8b", "Q4_K_M", (4685 + 1024 + 124) / 1024, (4685 + 4096 + 148) / 1024),
        ("qwen3-30b-a3b", "Q4_K_M", (17690 + 768 + 96) / 1024, (17690 + 3072 + 120) / 1024),
        ("gemma-3-27b", "Q4_K_M", (15773 + 1264 + 175) / 1024, (15773 + 3184 + 199) / 1024),
        ("gpt-oss-20b", "MXFP4_MOE", (11536 + 210 + 101) / 1024, (11536 + 786 + 125) / 1024),
        ("deepseek-r1-distill-qwen-32b", "Q4_K_M", (18926 + 2048 + 210) / 1024, (18926 + 8192 + 234) / 1024),
        ("deepseek-r1-671b", "Q4_K_M", (385933 + 549 + 416) / 1024, (385933 + 2196 + 440) / 1024),
    ],
)
def test_totals_are_within_half_a_percent_of_the_engine(model: str, quantization: str, gib_8k: float, gib_32k: float) -> None:
    for context, engine in ((8192, gib_8k), (32768, gib_32k)):
        (host,) = plan(file(model, quantization), context=context, gpu_layers=0, logits="slots").devices
        total = host.weights_bytes + host.kv_cache_bytes + host.compute_bytes
        assert total / GIB == pytest.approx(engine, rel=0.005)


def test_without_a_machine_nothing_has_a_limit() -> None:
    found = plan("llama-3.1-8b", gpus=2)
    assert [device.capacity_bytes for device in found.devices] == [None, None, None]
    assert [(pool.id, pool.kind, pool.headroom_bytes) for pool in found.pools] == [
        ("gpu0", "vram", None),
        ("gpu1", "vram", None),
        ("ram", "ram", None),
    ]


def test_without_a_machine_and_layers_all_is_on_the_host() -> None:
    found = plan("llama-3.1-8b", gpu_layers=0)
    assert [device.kind for device in found.devices] == ["host"]
    assert found.host.weights_bytes == 4_912_898_304


def test_the_output_buffer_holds_a_row_of_logits_for_each_slot() -> None:
    assert plan("llama-3.1-8b", slots=4).host.output_bytes == 4 * 128256 * 4


def test_a_card_by_its_name_and_by_its_numbers_get_the_same_plan() -> None:
    by_name, by_numbers = machine("rtx-4090"), machine(memory_gib=24, bandwidth_gb_s=1008)
    for model in ("llama-3.1-8b", "qwen3-30b-a3b", "llama-3.1-70b"):
        one, other = plan(model, by_name), plan(model, by_numbers)
        assert one.settings == other.settings
        assert rows(one) == rows(other)
        assert [pool.headroom_bytes for pool in one.pools] == [pool.headroom_bytes for pool in other.pools]


def test_the_same_question_gets_the_same_answer() -> None:
    assert plan("gemma-3-27b", machine("rtx-3090")) == plan("gemma-3-27b", machine("rtx-3090"))


def test_unified_memory_is_one_pool() -> None:
    found = plan("llama-3.1-8b", machine("m4-max-40", memory_gib=64))
    (pool,) = found.pools
    assert (pool.id, pool.kind) == ("unified", "unified")
    assert pool.gpu_limit_bytes == 53084 * MIB  # 81 % of 64 GiB, rounded down
    assert pool.total_bytes == sum(device.total_bytes for device in found.devices)
    assert pool.gpu_total_bytes == found.devices[0].total_bytes


def test_a_tied_embedding_counts_once_on_a_mac_and_twice_where_weights_are_copied() -> None:
    embedding = file("gemma-3-1b").weight_table.token_embedding_bytes
    for name, shared in (("m4-max-40", embedding), ("strix-halo-395", 0)):
        found = plan("gemma-3-1b", machine(name, memory_gib=64))
        assert sum(device.total_bytes for device in found.devices) - found.pools[0].total_bytes == shared


def test_a_machine_without_a_gpu_has_one_row() -> None:
    found = plan("llama-3.1-8b", machine("rpi-5-8gb"))
    assert [(device.name, device.kind, device.pool) for device in found.devices] == [("Host", "host", "ram")]
    assert found.settings.gpu_layers == 0


# --- automatic placement ---------------------------------------------------------------------------


def test_automatic_placement_takes_all_layers_where_a_gibibyte_is_left() -> None:
    found = plan("llama-3.1-8b", machine("rtx-4090"))
    assert (found.settings.gpu_layers, found.settings.cpu_moe_layers) == (33, 0)


def test_automatic_placement_takes_the_most_layers_that_leave_the_margin() -> None:
    card = machine("rtx-3060-12gb")
    device = devices_of(card, 1)[0]
    assert device.free_bytes is not None
    found = plan("llama-3.1-8b", card, context=65536)
    layers = found.settings.gpu_layers
    assert isinstance(layers, int)
    assert 0 < layers < 33

    def taken(count: int) -> int:
        gpu = plan("llama-3.1-8b", card, context=65536, gpu_layers=count).devices[0]
        return gpu.total_bytes - gpu.overhead_bytes

    assert taken(layers) <= device.free_bytes - MARGIN_BYTES < taken(layers + 1)


def test_experts_go_to_the_host_before_whole_blocks() -> None:
    found = plan("gpt-oss-120b", machine("rtx-4090"))
    assert found.settings.gpu_layers == 37
    assert 0 < found.settings.cpu_moe_layers < 36
    assert found.host.kv_cache_bytes == 0
    assert found.devices[0].headroom_bytes is not None
    assert found.devices[0].headroom_bytes >= MARGIN_BYTES


def test_a_model_of_experts_fills_several_gpus() -> None:
    found = plan("gpt-oss-120b", machine("rtx-3090", gpus=2))
    assert found.settings.gpu_layers == 37
    assert all((device.headroom_bytes or 0) >= MARGIN_BYTES for device in found.devices[:2])
    assert all(device.weights_bytes > 0 for device in found.devices)


def test_a_dense_model_on_two_gpus_keeps_the_margin_on_both() -> None:
    found = plan("llama-3.1-70b", machine("rtx-3090", gpus=2), context=32768)
    layers = found.settings.gpu_layers
    assert isinstance(layers, int)
    assert layers < 81
    assert all((device.headroom_bytes or 0) >= MARGIN_BYTES for device in found.devices[:2])


def test_experts_that_the_user_placed_stop_automatic_placement() -> None:
    assert plan("gpt-oss-120b", machine("rtx-3060-12gb"), cpu_moe_layers=3).settings.gpu_layers == 37


def test_other_runtimes_take_the_most_layers_without_moving_experts() -> None:
    found = plan("gpt-oss-120b", machine("rtx-4090"), runtime="lm-studio")
    assert found.settings.cpu_moe_layers == 0
    assert isinstance(found.settings.gpu_layers, int)
    assert 0 < found.settings.gpu_layers < 37


def test_a_context_that_was_not_asked_for_may_be_lowered() -> None:
    card = machine("rtx-3060-12gb")
    model = file("gemma-3-27b", "Q2_K")
    settings = resolve({"slots": 1, "context": 131072}, model, has_gpu=True, machine=card)
    kept = plan_memory(model, card, settings)
    lowered = plan_memory(model, card, settings, lower_context=True)
    assert kept.settings.context == 131072
    assert LEAST_CONTEXT <= lowered.settings.context < 131072
    assert lowered.settings.context % 256 == 0
    assert any("lowered" in said for said in lowered.assumptions)
    assert not any("lowered" in said for said in kept.assumptions)


@pytest.mark.parametrize(("depth", "said"), [(8192, False), (8193, True), (50_000, True)])
def test_a_depth_that_the_context_does_not_hold_is_said(depth: int, said: bool) -> None:
    found = plan("gpt-oss-20b", machine("rtx-3090"), context=8192, depth=depth)
    assert any(f"{depth:,} tokens do not fit a context of 8,192" in one for one in found.assumptions) == said


def test_a_gpu_in_use_holds_fewer_layers() -> None:
    card = machine("rtx-3060-12gb")
    busy = card.model_copy(update={"gpus": (card.gpus[0].model_copy(update={"in_use_bytes": 4 * GIB}),)})
    free, used = plan("qwen3-14b", card), plan("qwen3-14b", busy)
    assert isinstance(free.settings.gpu_layers, int)
    assert isinstance(used.settings.gpu_layers, int)
    assert used.settings.gpu_layers < free.settings.gpu_layers
    assert used.devices[0].in_use_bytes == 4 * GIB


def test_layers_are_split_by_free_memory() -> None:
    two = machine("rtx-3090", gpus=2)
    busy = two.model_copy(update={"gpus": (two.gpus[0].model_copy(update={"in_use_bytes": 12 * GIB}), two.gpus[1])})
    first, second, _ = plan("llama-3.1-8b", busy).devices
    assert second.weights_bytes > 1.8 * first.weights_bytes


def test_a_split_for_too_many_gpus_is_refused() -> None:
    with pytest.raises(QuestionError, match="tensor split"):
        plan("llama-3.1-8b", tensor_split=(1.0, 1.0))


# --- beside the model ------------------------------------------------------------------------------


class _Projector:
    weights_bytes = 800 * MIB
    compute_bytes = 200 * MIB


def test_a_projector_lies_on_the_first_gpu() -> None:
    model = file("gemma-3-27b")
    settings = resolve({}, model, has_gpu=True)
    found = plan_memory(model, None, settings, gpus=2, projector=_Projector())
    assert [device.projector_bytes for device in found.devices] == [1000 * MIB, 0, 0]


def test_a_draft_model_is_planned_whole_on_the_same_devices() -> None:
    model, draft = file("llama-3.1-70b"), file("llama-3.2-1b", "Q8_0")
    settings = resolve({"context": 8192}, model, has_gpu=True)
    found = plan_memory(model, None, settings, draft=draft)
    alone = plan_memory(draft, None, resolve({"context": 8192}, draft, has_gpu=True)).devices
    for row, own in zip(found.devices, alone, strict=True):
        assert row.draft_bytes == own.total_bytes - own.overhead_bytes


def test_what_lies_beside_the_model_leaves_fewer_layers() -> None:
    card, model = machine("rtx-3060-12gb"), file("qwen3-14b")
    settings = resolve({"context": 16384}, model, has_gpu=True, machine=card)
    alone, beside = plan_memory(model, card, settings), plan_memory(model, card, settings, draft=file("qwen3-0.6b"))
    assert isinstance(alone.settings.gpu_layers, int)
    assert isinstance(beside.settings.gpu_layers, int)
    assert beside.settings.gpu_layers < alone.settings.gpu_layers


def test_a_model_that_drafts_for_itself_loads_its_prediction_blocks() -> None:
    model = file("glm-4.5-air")
    settings = resolve({"context": 8192}, model, has_gpu=True)
    plain, drafting = plan_memory(model, None, settings), plan_memory(model, None, settings, draft=model)
    extra = drafting.devices[0].weights_bytes - plain.devices[0].weights_bytes
    table = model.weight_table
    assert extra == table.block_bytes[46] + table.expert_bytes[46]
    # one block's cache, 8 heads of 128, f16, for the context; and a compute buffer and row of logits of its own
    gpu = drafting.devices[0]
    assert gpu.draft_bytes == 8192 * 2 * 8 * 128 * 2 + gpu.compute_bytes
    assert drafting.host.draft_bytes == drafting.host.output_bytes
    assert any("predict several tokens" in said for said in plain.assumptions)


# --- many contexts ---------------------------------------------------------------------------------


def test_a_sweep_gives_what_each_plan_gives() -> None:
    model = file("gemma-3-27b")
    settings = resolve({"slots": 2}, model, has_gpu=True)
    contexts = [512, 8192, 50000]
    found = sweep(model, None, settings, contexts, gpus=2)
    assert found.total.shape == (3, 3)
    for column, context in enumerate(contexts):
        alone = plan_memory(model, None, settings.model_copy(update={"context": context}), gpus=2)
        assert found.total[:, column].tolist() == [device.total_bytes for device in alone.devices]


def test_memory_grows_with_the_context() -> None:
    model = file("llama-3.1-8b")
    total = sweep(model, None, resolve({}, model, has_gpu=True), range(1024, 32768, 1024)).total.sum(axis=0)
    assert (np.diff(total) > 0).all()
