"""May it run? Plans against what is free."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from advisor.advice.verdict import Verdict
from advisor.memory.plan import MemoryPlan, Pool
from advisor.verify.check import check

GIB = 2**30


@dataclass
class Plan:
    """As much of a plan as the check looks at."""

    pools: tuple[Pool, ...]

    @property
    def total_bytes(self) -> int:
        return sum(pool.total_bytes for pool in self.pools)


def plan(**sizes: int) -> MemoryPlan:
    pools = tuple(Pool(kind, cast(Any, kind), 16 * GIB, None, 0, size, 0) for kind, size in sizes.items())
    return cast(MemoryPlan, Plan(pools))


def verdict(word: str) -> Verdict:
    return Verdict(cast(Any, word), (f"The verdict is {word}.",), None)


@pytest.mark.parametrize(
    ("word", "available", "answer"),
    [
        ("fits", 8 * GIB, "go"),
        ("partial", 8 * GIB, "go"),
        ("tight", 8 * GIB, "ask"),
        ("no", 8 * GIB, "refuse"),
        # The plan fits the machine, but not what other programs have left of it.
        ("fits", 4 * GIB, "refuse"),
        ("fits", None, "go"),
    ],
)
def test_the_verdict_and_what_is_free_decide(word, available, answer):
    assert check(plan(ram=5 * GIB), verdict(word), available_bytes=available).answer == answer


def test_memory_of_the_gpu_is_no_system_memory():
    found = check(plan(vram=10 * GIB, ram=GIB), verdict("fits"), available_bytes=2 * GIB)
    assert (found.answer, found.needs_bytes, found.host_bytes) == ("go", 11 * GIB, GIB)


def test_without_a_machine_all_of_it_comes_out_of_system_memory():
    assert check(plan(vram=10 * GIB), None, available_bytes=2 * GIB).answer == "refuse"
    assert check(plan(vram=GIB), None, available_bytes=2 * GIB).answer == "go"


@pytest.mark.parametrize(("free", "answer"), [(4 * GIB, "refuse"), (5 * GIB, "go"), (None, "go")])
def test_a_download_needs_room_on_the_disk(free, answer):
    found = check(plan(ram=5 * GIB), verdict("fits"), available_bytes=8 * GIB, download_bytes=4 * GIB, disk_free_bytes=free)
    assert found.answer == answer
    said = "The file needs 4.50 GiB of disk" if answer == "refuse" else "4.00 GiB will be downloaded first."
    assert any(said in sentence for sentence in found.sentences)
