"""Plans of many files and contexts at once are those of `plan_memory`, and so are their verdicts."""

from random import Random

import pytest

from advisor.advice.verdict import WORST_FIRST, judge, judge_grid
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import resolve_machine
from advisor.memory.devices import devices_of
from advisor.memory.grid import whole_grid
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.question import MachineAsked

CONTEXTS = (4096, 8192, 32768, 131072)
FILES = tuple(name for name, one in QUANTIZATIONS.items() if one.is_gguf)
MACHINES = {
    "a card": {"machine": "rtx-4090"},
    "two cards": {"machine": "rtx-3090", "gpus": 2},
    "a card of AMD": {"machine": "rx-7900-xtx"},
    "a small Mac": {"machine": "m2-8"},
    "a large Mac": {"machine": "m4-max-40", "memory_gib": 128.0},
    "unified memory without Metal": {"machine": "strix-halo-395"},
    "no GPU": {"machine": "rpi-5-8gb"},
    "a card of unknown size": {"machine": "rtx-4090"},
}


def machine_of(name: str) -> MachineProfile:
    found, _ = resolve_machine(**MachineAsked.model_validate(MACHINES[name]).machine_fields())
    assert found is not None
    if name != "a card of unknown size":
        return found
    unknown = [gpu.model_copy(update={"capacity_bytes": None, "memory_bytes": None}) for gpu in found.gpus]
    return found.model_copy(update={"gpus": unknown})


def check(model: CatalogueModel, files: list[str], contexts: list[int], machine: MachineProfile) -> set[str]:
    """Compare every plan of a grid with that of `plan_memory`; the verdicts."""
    devices = devices_of(machine, 1)
    settings = [
        resolve({"context": one}, model.quantized(files[0]), has_gpu=bool(machine.gpus)).model_copy(
            update={"gpu_layers": "all" if machine.gpus else 0}
        )
        for one in contexts
    ]
    grid = whole_grid(model, files, settings, devices)
    words = judge_grid(grid, devices, machine)
    for row, name in enumerate(files):
        for column, one in enumerate(settings):
            plan = plan_memory(model.quantized(name), machine, one)
            assert [device.total_bytes for device in plan.devices] == grid.totals[row, column].tolist(), (model.id, name)
            pools = [(pool.id, int(total[row, column]), int(gpu[row, column])) for pool, total, gpu in grid.pools(devices)]
            assert [(pool.id, pool.total_bytes, pool.gpu_total_bytes) for pool in plan.pools] == pools
            assert judge(plan, machine).verdict == WORST_FIRST[words[row, column]], (model.id, name, one.context)
    return {WORST_FIRST[word] for word in words.flat}


@pytest.mark.parametrize("name", MACHINES)
def test_a_sample_of_the_catalogue(name: str) -> None:
    pick, machine, seen = Random(name), machine_of(name), set[str]()
    for model in pick.sample(catalogue().models, 10):
        seen |= check(model, pick.sample(FILES, 2), pick.sample(CONTEXTS, 2), machine)
    assert ("tight" if "unknown" in name else "fits") in seen


def test_limits_of_unified_memory_are_judged_alike() -> None:
    """Every kind of verdict on a Mac: fits, over its margins, only with a raised limit, beyond any limit."""
    model, machine = catalogue().find("qwen3-8b"), machine_of("a small Mac")
    assert check(model, ["IQ1_S", "Q2_K", "Q3_K_M", "Q4_K_M", "Q6_K", "F16"], [4096, 8192], machine) == {"no", "tight", "fits"}
    model = catalogue().find("llama-3.3-70b")
    machine = machine_of("a large Mac")
    assert check(model, ["Q4_K_M", "Q8_0", "F16"], [4096, 131072], machine) >= {"no", "fits", "tight"}


def test_what_is_asked_again_is_not_worked_out_again() -> None:
    model, machine = catalogue().find("qwen3-8b"), machine_of("a card")
    settings = [resolve({"context": 8192}, model.quantized("Q4_K_M"), has_gpu=True)]
    first = whole_grid(model, ["Q4_K_M"], settings, devices_of(machine, 1))
    assert whole_grid(model, ["Q4_K_M"], settings, devices_of(machine_of("a card of unknown size"), 1)) is first
    with pytest.raises(ValueError, match="read-only"):
        first.totals[0, 0, 0] = 1
