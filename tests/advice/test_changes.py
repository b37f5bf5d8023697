"""What makes a model fit: the smallest step of each kind, and nothing where nothing helps."""

from typing import Any

import pytest

from advisor.advice.changes import Change, changes
from advisor.advice.verdict import judge
from advisor.machines.adjust import adjust
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.units import GIB

SMALLER = ("Q4_K_M", "Q3_K_M", "Q2_K")


def found(model: str, quant: str, machine: MachineProfile, **settings: Any) -> dict[str, Change]:
    entry = catalogue().find(model)
    file = entry.quantized(quant)
    run = resolve({"gpu_layers": "all" if machine.gpus else 0, **settings}, file, has_gpu=bool(machine.gpus), machine=machine)
    assert judge(plan_memory(file, machine, run), machine).verdict != "fits"
    smaller = [name for name in SMALLER if (entry.quantized(name).file_bytes or 0) < (file.file_bytes or 0)]
    return {change.kind: change for change in changes(file, machine, run, smaller=smaller, quantized=entry.quantized)}


def card(name: str, ram_gib: float) -> MachineProfile:
    return adjust(library().get(name), ram_gib=ram_gib)[0]


def test_each_kind_is_the_smallest_step_that_fits() -> None:
    kinds = found("llama-3.1-8b", "Q8_0", card("rtx-4060", 32), context=16384)
    assert kinds["quantization"].quantization == "Q4_K_M"
    assert kinds["quantization"].verdict.verdict == "fits"
    assert kinds["memory"].said == "It fits with 11 GiB on the GPU."
    assert kinds["part"].verdict.verdict == "partial"
    # 7.95 GiB of weights: neither a smaller cache nor a shorter context is enough alone.
    assert "context" not in kinds
    assert "cache" not in kinds


def test_a_long_context_is_cut_or_its_cache_made_smaller() -> None:
    kinds = found("llama-3.1-8b", "Q4_K_M", card("rtx-3060-12gb", 32), context=65536)
    assert kinds["context"].plan.settings.context == 32768
    assert kinds["cache"].plan.settings.type_k == kinds["cache"].plan.settings.type_v == "q8_0"
    assert kinds["cache"].plan.settings.context == 65536


def test_several_steps_at_once_where_none_is_enough() -> None:
    kinds = found("llama-2-7b", "Q3_K_M", card("rtx-2060", 16), context=4096)
    assert set(kinds) & {"cache", "context", "quantization", "several"}
    tiny = adjust(None, memory_gib=3, ram_gib=4)[0]
    kinds = found("llama-2-7b", "Q2_K", tiny, context=4096)
    assert "several" in kinds or "memory" in kinds


def test_programs_are_named_where_closing_them_is_enough() -> None:
    machine = card("rtx-3060-12gb", 32)
    busy = machine.model_copy(update={"gpus": (machine.gpus[0].model_copy(update={"in_use_bytes": 6 * GIB}),)})
    kinds = found("llama-3.1-8b", "Q4_K_M", busy, context=16384)
    assert kinds["programs"].said == "Close other programs: they hold 6.00 GiB now."
    assert kinds["programs"].verdict.verdict == "fits"


def test_the_limit_of_a_mac_is_named_with_its_risk() -> None:
    mac = adjust(library().get("m4-max-40"), memory_gib=64)[0]
    # 53 GiB on the GPU, which may take 51.8 of the 64 by default.
    kinds = found("llama-3.3-70b", "Q5_K_M", mac, context=20480)
    assert "sudo sysctl iogpu.wired_limit_mb=" in kinds["limit"].said
    assert "can freeze" in kinds["limit"].said


@pytest.mark.parametrize("machine", ["rtx-4090", "m2-8"])
def test_where_nothing_helps_nothing_is_said(machine: str) -> None:
    # 671 billion weights: no card, no Mac of that kind and no file is of any use.
    profile = library().get(machine)
    profile = adjust(profile, memory_gib=8)[0] if profile.memory_options_bytes else adjust(profile, ram_gib=16)[0]
    kinds = found("deepseek-r1-671b", "Q4_K_M", profile)
    assert set(kinds) <= {"memory"}
    if "memory" in kinds:
        assert kinds["memory"].verdict.verdict == "fits"
