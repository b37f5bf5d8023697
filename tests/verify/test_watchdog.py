"""When a run is ended for the machine's sake, and when not."""

from dataclasses import replace

import pytest

from advisor.verify.sampler import Reading
from advisor.verify.watchdog import Limits, Watchdog

MIB, GIB = 2**20, 2**30
QUIET = Reading(available_bytes=4 * GIB, capacity_bytes=8 * GIB, swap_bytes=GIB, pressure=0.0, gpu_bytes=None)


@pytest.mark.parametrize(
    ("capacity", "least"), [(None, 384 * MIB), (4 * GIB, 384 * MIB), (16 * GIB, 16 * GIB // 20), (256 * GIB, GIB)]
)
def test_what_stays_free(capacity, least):
    assert Limits.of(capacity).least_available_bytes == least


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"available_bytes": 300 * MIB}, "only 300 MiB of memory were left"),
        ({"pressure": 40.0}, "stood still for want of memory (40 % of the time)"),
        ({"swap_bytes": 3 * GIB}, "2.00 GiB had been moved to the swap"),
    ],
)
def test_two_looks_over_a_limit_end_a_run(change, said):
    dog = Watchdog(Limits.of(8 * GIB))
    over = replace(QUIET, **change)
    assert dog.complaint(QUIET) is None
    assert dog.complaint(over) is None
    assert said in dog.complaint(over)


def test_one_look_is_enough_where_hardly_anything_is_left():
    dog = Watchdog(Limits.of(8 * GIB))
    assert "100 MiB" in dog.complaint(replace(QUIET, available_bytes=100 * MIB))


def test_a_moment_of_pressure_is_forgiven():
    dog = Watchdog(Limits.of(8 * GIB))
    for _ in range(5):
        assert dog.complaint(replace(QUIET, pressure=60.0)) is None
        assert dog.complaint(QUIET) is None


def test_swap_that_was_full_before_is_not_the_runs():
    dog = Watchdog(Limits.of(8 * GIB))
    assert [dog.complaint(replace(QUIET, swap_bytes=30 * GIB)) for _ in range(3)] == [None] * 3


def test_what_the_system_does_not_say_ends_nothing():
    dog = Watchdog(Limits.of(None))
    assert [dog.complaint(Reading(None, None, None, None, None)) for _ in range(3)] == [None] * 3
