"""How long the catalogue takes to rank for a machine, in processor seconds: cold in a fresh process, and warm.

python -m benchmarks.rank
"""

import subprocess
import sys
import time

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


def main() -> None:
    """Print a line for each machine and way of ranking, each from a process of its own."""
    if len(sys.argv) > 1:
        name, memory, in_part = sys.argv[1:]
        cold, warm = measure(name, float(memory) if memory else None, in_part=in_part == "part")
        print(f"{name:10} {in_part:6} cold {cold:5.2f} s   warm {warm:5.2f} s")
        return
    for name, gib in MACHINES.items():
        for how in ("whole", "part"):
            subprocess.run([sys.executable, "-m", "benchmarks.rank", name, str(gib or ""), how], check=True)


if __name__ == "__main__":
    main()
