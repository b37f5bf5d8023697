"""May it run? The plan against what is free now, before anything is loaded."""

from dataclasses import dataclass
from typing import Literal

from advisor.advice.verdict import Verdict, Word
from advisor.memory.plan import MemoryPlan
from advisor.units import MIB, format_size

Answer = Literal["go", "ask", "refuse"]
DISK_MARGIN = 512 * MIB
"""What stays free on a disk beside what is written to it."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at before a run, and what came of it."""

    answer: Answer
    """go: there is room. ask: it is tight, a person must agree. refuse: it does not fit, and runs only where it is forced."""
    sentences: tuple[str, ...]
    needs_bytes: int
    """In all."""
    host_bytes: int
    """Of system memory."""
    free_bytes: int | None
    """Of system memory, when it was looked at."""


def check(
    plan: MemoryPlan,
    verdict: Verdict | None,
    *,
    available_bytes: int | None,
    download_bytes: int = 0,
    disk_free_bytes: int | None = None,
) -> Check:
    """Whether `plan` may run on a machine that has `available_bytes` of system memory to give now.

    The verdict is the plan's on this machine; None where it is planned without one. `download_bytes` have to be fetched first,
    to a disk with `disk_free_bytes`.
    """
    # Without a verdict the plan is of no machine in particular, and all of it comes out of this one's memory.
    host = plan.total_bytes if verdict is None else sum(pool.total_bytes for pool in plan.pools if pool.kind != "vram")
    said = list(verdict.reasons) if verdict else []
    by_verdict: dict[Word, Answer] = {"no": "refuse", "tight": "ask"}
    answer: Answer = "go" if verdict is None else by_verdict.get(verdict.verdict, "go")
    if available_bytes is not None and host > available_bytes and answer != "refuse":
        answer = "refuse"
        said.insert(
            0,
            f"It needs {format_size(host)} of system memory, and {format_size(available_bytes)} are free now: close programs.",
        )
    if download_bytes:
        needed = download_bytes + DISK_MARGIN
        if disk_free_bytes is not None and disk_free_bytes < needed:
            answer = "refuse"
            said.insert(0, f"The file needs {format_size(needed)} of disk, and {format_size(disk_free_bytes)} are free.")
        else:
            said.append(f"{format_size(download_bytes)} will be downloaded first.")
    return Check(answer, tuple(said), plan.total_bytes, host, available_bytes)
