"""How much of a memory must stay free before a plan is said to fit. Chosen so that no known case says "fits" and fails."""

from advisor.machines import apple_limit, gtt_limit
from advisor.machines.profile import MachineProfile
from advisor.memory.overhead import system_reserve
from advisor.memory.plan import Pool
from advisor.units import MIB

LEAST_MARGIN_BYTES = 512 * MIB
LEAST_MARGIN_IN_USE_KNOWN_BYTES = 256 * MIB
MARGIN_SHARE = 0.03
"""Of the capacity. Unsloth found 0.97 of a pool to be the most that loads without fail (https://github.com/unslothai/unsloth/pull/6718);
allocators round up (CUDA to 2 MiB a buffer) and a desktop takes some hundred MiB of a GPU."""


def margin(pool: Pool, machine: MachineProfile) -> int:
    """Bytes of `pool` that must stay free: 3 % of it, at least 512 MiB (256 where what is in use was measured), and what the
    system keeps for itself where nobody has measured that."""
    share = int((pool.capacity_bytes or 0) * MARGIN_SHARE)
    least = LEAST_MARGIN_BYTES if pool.in_use_bytes is None else LEAST_MARGIN_IN_USE_KNOWN_BYTES
    return max(share, least) + reserve(pool, machine)


def reserve(pool: Pool, machine: MachineProfile) -> int:
    """What the system and other programs hold of `pool` where nobody has measured it; nothing of a GPU's own memory."""
    return 0 if pool.kind == "vram" else system_reserve(machine)


def gpu_margin(pool: Pool) -> int:
    """Bytes that must stay free below the limit of what a GPU may take of a unified memory: 3 %, at least 256 MiB."""
    return max(int((pool.gpu_limit_bytes or 0) * MARGIN_SHARE), LEAST_MARGIN_IN_USE_KNOWN_BYTES)


def highest_gpu_limit(machine: MachineProfile) -> int | None:
    """What the limit of a unified machine's GPU can be raised to, in bytes; None where nothing is known to raise it."""
    size = machine.memory.capacity_bytes
    if machine.raise_gpu_limit is None or size is None or not machine.gpus:
        return None
    limits = {"apple": apple_limit.highest_limit, "amd": gtt_limit.highest_limit}
    highest = limits.get(machine.gpus[0].vendor)
    return None if highest is None else highest(size)


def left_of_limit(machine: MachineProfile, limit_bytes: int | None) -> int | None:
    """Of a limit on what a unified machine's GPU may take: what running models have not taken; None without a limit.

    The limit is one for all programs: macOS keeps iogpu.wired_limit_mb and Linux the GTT for the whole machine.
    """
    return None if limit_bytes is None else max(limit_bytes - sum(gpu.in_use_bytes or 0 for gpu in machine.gpus), 0)
