"""How much of a shared memory an AMD integrated GPU may take on Linux: the GTT, which the kernel sets to half of the memory.

The kernel's default is half of the system memory (linux drivers/gpu/drm/ttm/ttm_device.c, `ttm_global_init`:
`num_pages /= 2`; seen as "63968M of GTT memory ready" on 128 GB, antirez/ds4#475).
`ttm.pages_limit` sets it, in pages of 4 KiB: 25165824 gives 96 GiB exactly (noamsto/nix-amd-ai#42).
"""

from advisor.units import GIB, MIB

_PAGE = 4096

SOURCE = (
    "Linux gives an integrated AMD GPU half of the memory (drivers/gpu/drm/ttm/ttm_device.c); "
    "63,968 MiB of 128 GB in antirez/ds4#475"
)


def gtt_limit(memory_bytes: int) -> int:
    """Bytes of `memory_bytes` that the GPU may take by default, rounded down to a MiB."""
    return memory_bytes // 2 // MIB * MIB


def highest_limit(memory_bytes: int) -> int:
    """Bytes that the GTT can be raised to with something left for the system: an eighth of the memory, at least 4 GiB.

    A rule of ours: 120 of 128 GiB is used in public, and 96 GiB is reported as the stable choice (noamsto/nix-amd-ai#96).
    """
    return max(0, memory_bytes - max(4 * GIB, memory_bytes // 8)) // MIB * MIB


def raise_command(limit_bytes: int) -> str:
    """The kernel parameters that set the limit to `limit_bytes` from the next start on."""
    pages = limit_bytes // _PAGE
    return f"kernel parameters: ttm.pages_limit={pages} ttm.page_pool_size={pages}"
