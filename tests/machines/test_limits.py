"""What a GPU may take of a shared memory, against public logs."""

import pytest

from advisor.machines import apple_limit, gtt_limit
from advisor.machines.capacity import gpu_limit
from advisor.units import GIB, MIB

# machine in GiB, newer macOS, MB of 10**6 bytes (or MiB) as llama.cpp printed it; sources in advisor/machines/apple_limit.py
SEEN = [
    (8, True, 5726.63),
    (8, False, 5726.63),
    (16, False, 11453.25),
    (16, True, 12713.12),
    (18, True, 14302.25),
    (24, True, 19069.67),
    (32, False, 22906.50),
    (32, True, 26800.60),
    (36, True, 30150.67),
    (48, False, 38654.71),
    (48, True, 40200.90),
    (64, False, 51539.61),
    (64, True, 55662.79),
    (128, True, 115448.73),
    (192, False, 154618.82),
]


@pytest.mark.parametrize(("memory", "newer", "printed_mb"), SEEN)
def test_the_limit_is_what_macos_gave_and_never_more(memory: int, newer: bool, printed_mb: float) -> None:
    limit = apple_limit.wired_limit(memory * GIB, newer_macos=newer)
    assert -5_000 <= printed_mb * 1e6 - limit < 1.1 * MIB  # printed to 0.01 MB


def test_the_limit_grows_with_the_memory_and_stays_below_it() -> None:
    for newer in (True, False):
        limits = [apple_limit.wired_limit(size * GIB, newer_macos=newer) for size in range(1, 1025)]
        assert limits == sorted(limits)
        assert all(limit < size * GIB for size, limit in enumerate(limits, start=1))


def test_a_size_between_two_seen_ones_takes_the_smaller_fraction() -> None:
    assert apple_limit.wired_limit(28 * GIB) == 28 * GIB * 74 // 100 // MIB * MIB
    assert apple_limit.wired_limit(96 * GIB) == 96 * GIB * 81 // 100 // MIB * MIB
    assert apple_limit.wired_limit(12 * GIB) == 8 * GIB


def test_the_command_that_raises_it_leaves_the_system_its_part() -> None:
    assert apple_limit.raise_command(apple_limit.highest_limit(8 * GIB)) == "sudo sysctl iogpu.wired_limit_mb=6144"
    assert apple_limit.highest_limit(128 * GIB) == 112 * GIB  # antirez/ds4#893 ran with exactly this
    for size in (8, 16, 24, 32, 36, 48, 64, 96, 128, 192, 256, 512):
        assert apple_limit.wired_limit(size * GIB) < apple_limit.highest_limit(size * GIB) < size * GIB


def test_amd_gets_half_and_the_page_limit_that_raises_it() -> None:
    assert gtt_limit.gtt_limit(124_925 * MIB) == 62_462 * MIB
    assert "ttm.pages_limit=25165824" in gtt_limit.raise_command(96 * GIB)  # noamsto/nix-amd-ai#42: 96 GiB exactly
    assert gtt_limit.highest_limit(128 * GIB) == 112 * GIB


def test_nvidia_and_others_have_no_limit() -> None:
    assert gpu_limit("nvidia", 128 * GIB) is None
    assert gpu_limit("intel", 32 * GIB) is None
