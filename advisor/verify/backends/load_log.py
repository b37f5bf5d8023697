"""What llama.cpp's load log says of the memory that it really allocated.

Sources: src/llama-model.cpp:1930, src/llama-kv-cache.cpp:291, src/llama-memory-recurrent.cpp:124,
src/llama-kv-cache-dsv4.cpp:992, src/llama-context.cpp:381, 740.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from advisor.units import MIB

_LINE = re.compile(
    r": +(?P<buffer>\S+) +(?P<kind>model|KV|RS|DSV4 .* state|compute|output) buffer size = +(?P<size>\d+\.\d+) MiB\s*$"
)
_KINDS = {"model": "weights", "KV": "kv_cache", "RS": "kv_cache", "compute": "compute", "output": "output"}
_REPACKED = re.compile(r"CPU_REPACK|CPU_AARCH64|AMX|CPU_KLEIDIAI")
OUT_OF_MEMORY = (
    "failed to allocate",
    "unable to allocate",
    "cudaMalloc failed",
    "OutOfDeviceMemory",
    "bad_alloc",
    "out of memory",
)
"""Words of log lines after which a load or a context has failed for want of memory."""


@dataclass
class LoadLog:
    """Bytes by component and by the engine's name of the buffer, to a hundredth of a MiB as printed."""

    sizes: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> "LoadLog":
        """The sizes in `lines`. Where a buffer is printed again, its sizes add up: a model can have two caches."""
        log = cls()
        for line in lines:
            if match := _LINE.search(line):
                component = _KINDS.get(match["kind"], "kv_cache")
                buffers = log.sizes.setdefault(component, {})
                buffers[match["buffer"]] = buffers.get(match["buffer"], 0) + round(float(match["size"]) * MIB)
        return log

    def total(self, component: str) -> int | None:
        """All buffers of `component` together; None where the log has none."""
        buffers = self.sizes.get(component)
        return None if buffers is None else sum(buffers.values())


def weights_once(buffers: dict[str, int]) -> int:
    """Bytes of the weights in `buffers`, each counted once.

    A memory-mapped range spans from the first to the last tensor, so copies in the CPU's own layout lie within it; the pages
    that they were copied from are free to be dropped.
    """
    mapped = any(name.endswith("_Mapped") for name in buffers)
    return sum(size for name, size in buffers.items() if not (mapped and _REPACKED.search(name)))
