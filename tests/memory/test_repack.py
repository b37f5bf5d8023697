"""Weights that are copied into a layout of the CPU's own, against what load logs print as CPU_REPACK."""

import pytest

from advisor.machines.library import find_machine
from advisor.machines.profile import Cpu, MachineProfile, SystemMemory
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.memory.repack import repack_note, repacked_bytes
from advisor.units import GIB
from tests.memory.models import MIB, file


@pytest.mark.parametrize(
    ("model", "quantization", "sets", "mib"),
    [
        # load log of Gemma 2 2B on x86-64: CPU_REPACK 921.38 MiB beside CPU_Mapped 1623.67
        ("gemma-2-2b", "Q4_K_M", ("avx2", "avx512f"), 921.375),
        # load log of Llama 3.2 1B on a phone: CPU_REPACK 762.55 MiB, the tied embedding of 205.49 among it
        ("llama-3.2-1b", "Q4_K_M", ("neon", "dotprod", "i8mm"), 762.55),
        ("gemma-2-2b", "Q4_K_M", (), 0),
        ("gemma-2-2b", "F16", ("avx2",), 0),
    ],
)
def test_repacked_weights_are_those_that_logs_print(model: str, quantization: str, sets: tuple[str, ...], mib: float) -> None:
    assert repacked_bytes(file(model, quantization).tensors, sets) / MIB == pytest.approx(mib, abs=0.02)


def test_copies_are_said_and_the_weights_count_once() -> None:
    model = file("gemma-2-2b")
    known, unknown = (
        MachineProfile(
            id="x", name="X", kind="cpu", cpu=Cpu(instruction_sets=sets), memory=SystemMemory(capacity_bytes=16 * GIB)
        )
        for sets in (("avx2",), ())
    )
    with_copies = plan_memory(model, known, resolve({}, model, has_gpu=False, machine=known))
    without = plan_memory(model, unknown, resolve({}, model, has_gpu=False, machine=unknown))
    assert with_copies.devices == without.devices
    (said,) = repack_note(model, known, with_copies)
    assert "921 MiB of weights into a layout" in said
    assert repack_note(model, unknown, without) == ()


def test_nothing_is_copied_where_a_gpu_takes_part() -> None:
    model, card = file("gemma-2-2b"), find_machine("rtx-4090")
    with_cpu = card.model_copy(update={"cpu": Cpu(instruction_sets=("avx2",))})
    assert repack_note(model, with_cpu, plan_memory(model, card, resolve({}, model, has_gpu=True, machine=card))) == ()
