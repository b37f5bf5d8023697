"""How long `advisor estimate --requests` takes for 1,000 mixed questions, with and without its start.

Prints a line for all of them and one for each kind of placement. The questions are the same every time.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from advisor.machines.library import library  # noqa: E402 - the checkout's own package
from advisor.models.library import catalogue  # noqa: E402

COUNT, SEED = 1000, 2026
GOAL_S = 5.0
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072)
QUANTIZATIONS = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "IQ4_XS", "Q3_K_M", "F16")
RUNTIMES = ("llama-server", "llama-cli", "llama-cpp-python", "ollama", "lm-studio")
OFFLOADS = (0, 10, 20, "all", "auto")


def questions(count: int) -> list[dict[str, Any]]:
    """Questions over the whole catalogue and all machines."""
    pick = random.Random(SEED)
    models = [model.id for model in catalogue().models]
    machines = list(library().ids)
    asked = []
    for _ in range(count):
        question: dict[str, Any] = {"model": pick.choice(models), "quant": pick.choice(QUANTIZATIONS)}
        question["context"] = pick.choice(CONTEXTS)
        if pick.random() < 0.7:
            question["machine"] = pick.choice(machines)
        if pick.random() < 0.3:
            question["gpu_layers"] = pick.choice(OFFLOADS)
        if pick.random() < 0.2:
            question["runtime"] = pick.choice(RUNTIMES)
        if pick.random() < 0.2:
            question |= {"type_k": "q8_0", "type_v": "q8_0", "flash_attention": "on"}
        asked.append(question)
    return asked


def seconds(asked: list[dict[str, Any]]) -> tuple[float, int]:
    """Wall time of one process that answers them all, and how many answers are errors."""
    lines = "".join(json.dumps(question) + "\n" for question in asked)
    command = [sys.executable, "-m", "advisor", "estimate", "--requests", "-"]
    began = time.perf_counter()
    done = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=ROOT, check=True)
    took = time.perf_counter() - began
    answers = done.stdout.splitlines()
    if len(answers) != len(asked):
        raise SystemExit(f"{len(answers)} answers for {len(asked)} questions")
    return took, sum("error" in json.loads(answer) for answer in answers)


def main() -> None:
    """Print the times."""
    asked = questions(COUNT)
    start, _ = seconds([{"model": "gemma-3-270m"}])
    print(f"{'1 question':34} {start:6.2f} s")
    took, errors = seconds(asked)
    print(f"{f'{COUNT:,} questions ({errors} refused)':34} {took:6.2f} s   goal: {GOAL_S:g} s")
    kinds: dict[str, dict[str, Any]] = {
        "all layers on the GPU": {"gpu_layers": "all"},
        "automatic placement": {"gpu_layers": "auto"},
        "20 layers on the GPU": {"gpu_layers": 20},
    }
    for name, fields in kinds.items():
        took, errors = seconds([{**question, **fields} for question in asked])
        print(f"{f'{COUNT:,} with {name}':34} {took:6.2f} s")


if __name__ == "__main__":
    main()
