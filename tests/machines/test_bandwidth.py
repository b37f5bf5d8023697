"""The bandwidth probe: real copies here, and the limits of what it takes."""

import time

import pytest

from advisor.errors import MissingPartError
from advisor.machines.bandwidth import LEAST_BYTES, last_level_cache, measure_bandwidth
from advisor.machines.detect.system import System
from advisor.units import GIB, KIB, MIB
from tests.machines.recorded import RecordedSystem

CACHES = {
    "/sys/devices/system/cpu/cpu0/cache/index0/size": "32K",
    "/sys/devices/system/cpu/cpu0/cache/index2/size": "1024K",
    "/sys/devices/system/cpu/cpu0/cache/index3/size": "96M",
}


def test_this_host_copies() -> None:
    began = time.monotonic()
    found = measure_bandwidth(0.3, free_bytes=2 * GIB)
    assert time.monotonic() - began < 10
    assert 0.05 < found.gb_s < 5000  # the lower bound is for a machine that does other things at the same time
    assert found.low_gb_s <= found.gb_s <= found.high_gb_s
    assert found.rounds >= 3
    assert found.buffer_bytes <= 2 * GIB // 8
    assert found.threads == System().threads()


@pytest.mark.parametrize("free", [512 * MIB, GIB, 2 * GIB])
def test_it_takes_an_eighth_of_the_free_memory_at_most(free: int) -> None:
    system = RecordedSystem({"files": CACHES, "threads": 1})
    found = measure_bandwidth(0.01, free_bytes=free, system=system)
    assert found.buffer_bytes <= free // 8
    assert found.cache_bytes == 96 * MIB
    assert found.beyond_cache == (found.buffer_bytes >= 192 * MIB)


def test_too_little_memory_is_said() -> None:
    with pytest.raises(MissingPartError, match="512 MiB of free memory are needed and 300 MiB are free"):
        measure_bandwidth(0.01, free_bytes=300 * MIB)
    assert LEAST_BYTES * 8 == 512 * MIB


def test_the_largest_cache_counts_and_none_is_unknown() -> None:
    assert last_level_cache(RecordedSystem({"files": CACHES})) == 96 * MIB
    assert last_level_cache(RecordedSystem({"files": {next(iter(CACHES)): "32K"}})) == 32 * KIB
    assert last_level_cache(RecordedSystem({})) is None
