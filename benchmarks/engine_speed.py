"""How long a plan by the engine takes, warm, and what its worker holds; and quantizing a 70B model to every file type.

python benchmarks/engine_speed.py
"""

import statistics
import sys
import time

from advisor.engine.layout import engine_plan
from advisor.engine.pool import EnginePool
from advisor.engine.quantize import can_quantize, engine_quantize
from advisor.engine.recipe import VERSION
from advisor.engine.status import engine_status, installed_version
from advisor.engine.worker import Worker
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.models.quantization import QUANTIZATIONS, quantize_groups

PLANS: list[tuple[str, int, dict[str, object]]] = [
    ("llama-3.1-8b", 1, {}),
    ("llama-3.1-8b", 1, {"gpu_layers": 20}),
    ("gemma-3-27b", 2, {}),
    ("deepseek-r1-671b", 8, {}),
]
REPEATS = 7


def main() -> int:
    """Print the times; 0 also where the engine is missing, which is said."""
    if installed_version() != VERSION:
        print(engine_status().sentence)
        return 0
    start = time.perf_counter()
    Worker().close()
    print(f"a worker's start                                {1000 * (time.perf_counter() - start):6.0f} ms")
    for name, gpus, settings in PLANS:
        plan_repeatedly(name, gpus, settings)
    quantize_repeatedly("llama-3.3-70b")
    return 0


def plan_repeatedly(name: str, gpus: int, settings: dict[str, object]) -> None:
    """Print the first plan of a model, later ones with other settings, and the worker's peak."""
    pool, model = EnginePool(most=1), catalogue().find(name).quantized("Q4_K_M")
    took = []
    for number in range(REPEATS):
        resolved = resolve({"context": 8192 + 256 * number, **settings}, model, has_gpu=True)
        start = time.perf_counter()
        engine_plan(model, None, resolved, gpus=gpus, pool=pool)
        took.append(1000 * (time.perf_counter() - start))
    peak = pool.peak_bytes
    asked = " ".join(f"{key}={value}" for key, value in settings.items())
    print(
        f"{name:18s} {gpus} GPU{'s' if gpus > 1 else ' '} {asked:15s} first {took[0]:6.0f} ms"
        f"   then {statistics.median(took[1:]):5.0f} ms   peak {(peak or 0) / 2**20:5.0f} MiB"
    )
    pool.close()


def quantize_repeatedly(name: str) -> None:
    """Print the time for all file types of a model."""
    pool, model = EnginePool(most=1), catalogue().find(name)
    source = quantize_groups(model.groups, "F16")
    names = [each for each in QUANTIZATIONS if can_quantize(each)]
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        engine_quantize(source, model.keys, names, vocab_size=model.hyperparameters.vocab_size, pool=pool)
        took.append(1000 * (time.perf_counter() - start))
    print(f"{name:18s} {len(names)} file types      first {took[0]:6.0f} ms   then {statistics.median(took[1:]):5.0f} ms")
    pool.close()


if __name__ == "__main__":
    sys.exit(main())
