"""How long the catalogue takes to rank for a machine, in processor seconds: cold in a fresh process, and warm.

And how long to plan all of it: every model in every quantization of llama.cpp at four contexts, whole on the machine.

python -m benchmarks.rank
"""

import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.models.library import CatalogueModel

CONTEXTS = (4096, 8192, 32768, 131072)
GOAL_MS = 100
MACHINES = {"rtx-4090": None, "m2-8": None, "m4-max-40": 128.0}
"""Profiles, and the memory in GiB where it is not the profile's own."""


def measure(machine: str, memory_gib: float | None, *, in_part: bool) -> tuple[float, float]:
    """Seconds of the first and of the second ranking in this process, the imports left out."""
    from advisor.fit import fit_for
    from advisor.machines.resolve import resolve_machine
    from advisor.question import FitQuestion

    question = FitQuestion(machine=machine, memory_gib=memory_gib, context=8192)
    found, assumptions = resolve_machine(**question.machine_fields())
    assert found is not None
    times = [time.process_time()]
    for _ in range(2):
        fit_for(question, found, assumptions, in_part=in_part)
        times.append(time.process_time())
    return times[1] - times[0], times[2] - times[1]


def _has(model: "CatalogueModel", quantization: str) -> bool:
    """False where llama-quantize cannot store the model's rows so."""
    from advisor.errors import QuestionError

    try:
        model.quantized(quantization)
    except QuestionError:
        return False
    return True


def measure_grid(machine: str, memory_gib: float | None) -> tuple[float, float, int]:
    """Seconds of planning the whole catalogue for the first and for the second time, and how many plans that is."""
    from advisor.advice.verdict import judge_grid
    from advisor.machines.resolve import resolve_machine
    from advisor.memory.devices import devices_of
    from advisor.memory.grid import whole_grid
    from advisor.memory.presets import resolve
    from advisor.models.library import catalogue
    from advisor.models.quantization_names import QUANTIZATIONS
    from advisor.question import FitQuestion

    found, _ = resolve_machine(**FitQuestion(machine=machine, memory_gib=memory_gib).machine_fields())
    assert found is not None
    files = tuple(name for name, one in QUANTIZATIONS.items() if one.is_gguf and one.exact)
    models = catalogue().models
    asked = []
    for model in models:
        own = tuple(name for name in files if _has(model, name))
        settings = [resolve({"context": one}, model.quantized("Q8_0"), has_gpu=bool(found.gpus)) for one in CONTEXTS]
        asked.append((model, own, tuple(settings)))
    times, plans = [time.process_time()], 0
    for _ in range(2):
        devices, plans = devices_of(found, 1), 0
        for model, own, each in asked:
            plans += judge_grid(whole_grid(model, own, each, devices), devices, found).size
        times.append(time.process_time())
    return times[1] - times[0], times[2] - times[1], plans


def main() -> None:
    """Print a line for each machine and way of ranking, each from a process of its own."""
    if len(sys.argv) > 1:
        name, memory, in_part = sys.argv[1:]
        if in_part == "grid":
            cold, warm, plans = measure_grid(name, float(memory) if memory else None)
            print(f"{name:10} {plans:,} plans: cold {cold:5.2f} s   warm {warm * 1000:5.0f} ms   goal: {GOAL_MS} ms")
            return
        cold, warm = measure(name, float(memory) if memory else None, in_part=in_part == "part")
        print(f"{name:10} {in_part:6} cold {cold:5.2f} s   warm {warm:5.2f} s")
        return
    for name, gib in MACHINES.items():
        for how in ("whole", "part", "grid"):
            subprocess.run([sys.executable, "-m", "benchmarks.rank", name, str(gib or ""), how], check=True)


if __name__ == "__main__":
    main()
