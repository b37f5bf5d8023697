"""Memory bandwidth of this machine, measured: copies between arrays that no cache holds. Runs only when it is asked for.

A copy counts twice, once read and once written, as STREAM counts it (www.cs.virginia.edu/stream: "Copy", 16 bytes an
element); lines that the processor reads before it overwrites them are not counted. Generation on the CPU reads weights at
about this rate.
"""

import statistics
import threading
import time
from dataclasses import dataclass

import numpy as np

from advisor.errors import MissingPartError
from advisor.machines.detect.host import memory
from advisor.machines.detect.system import System
from advisor.settings import only_at_home
from advisor.units import KIB, MIB, format_size, parse_size

LEAST_BYTES = 64 * MIB
_USUAL_CACHE = 32 * MIB
_MOST_BYTES = 2**30
_SHARE_OF_FREE = 8
_CHUNK = 4 * MIB
_ROUND_S = 10
_LEAST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class BandwidthMeasurement:
    """What the copies reached."""

    gb_s: float
    """10**9 bytes a second, read and written together: the median of the rounds."""
    low_gb_s: float
    high_gb_s: float
    threads: int
    buffer_bytes: int
    """Both arrays of all threads together."""
    cache_bytes: int | None
    """Last-level cache as the system shows it; None where it does not."""
    rounds: int
    beyond_cache: bool
    """Whether the buffers are at least twice the cache; if not, the figure may be the cache's."""


def measure_bandwidth(
    seconds: float = 1.0, *, threads: int | None = None, free_bytes: int | None = None, system: System | None = None
) -> BandwidthMeasurement:
    """The memory bandwidth in about `seconds`, with at most an eighth of the free memory.

    Raises MissingPartError where too little memory is free to leave the caches, QuestionError on a hosted site.
    """
    only_at_home("this site measures nothing on its own machine")
    machine = system or System()
    count = threads or machine.threads() or 1
    cache = last_level_cache(machine)
    size = _buffer_bytes(cache, _free(machine) if free_bytes is None else free_bytes)
    per_thread = size // 2 // count // KIB * KIB
    lanes = [_Lane(per_thread) for _ in range(count)]
    rates = _rounds(lanes, time.monotonic() + seconds, 2 * per_thread * count)
    return BandwidthMeasurement(
        gb_s=statistics.median(rates) / 1e9,
        low_gb_s=min(rates) / 1e9,
        high_gb_s=max(rates) / 1e9,
        threads=count,
        buffer_bytes=2 * per_thread * count,
        cache_bytes=cache,
        rounds=len(rates),
        beyond_cache=2 * per_thread * count >= 2 * (cache or _USUAL_CACHE),
    )


def last_level_cache(system: System) -> int | None:
    """Bytes of the largest cache that the first processor sees; None where the system does not tell."""
    sizes = [system.read(path) for path in system.glob("/sys/devices/system/cpu/cpu0/cache/index*/size")]
    known = [parse_size(f"{text[:-1]} {text[-1]}iB") for text in sizes if text and text[:-1].isdigit()]
    return max(known, default=None)


def _free(system: System) -> int:
    found = memory(system).memory
    if found is None or found.capacity_bytes is None:
        return LEAST_BYTES * _SHARE_OF_FREE
    return found.capacity_bytes - (found.in_use_bytes or 0)


def _buffer_bytes(cache: int | None, free_bytes: int) -> int:
    allowed = min(_MOST_BYTES, free_bytes // _SHARE_OF_FREE)
    if allowed < LEAST_BYTES:
        raise MissingPartError(
            f"The bandwidth cannot be measured: {format_size(LEAST_BYTES * _SHARE_OF_FREE)} of free memory are needed and "
            f"{format_size(free_bytes)} are free; close some programs and try again."
        )
    return min(allowed, max(4 * (cache or _USUAL_CACHE), 4 * LEAST_BYTES))


class _Lane:
    """The two arrays of one thread. Both are written before the clock starts: `np.zeros` would leave that to the first copy."""

    def __init__(self, size: int) -> None:
        self.source = np.ones(size, dtype=np.uint8)
        self.target = np.full(size, 2, dtype=np.uint8)

    def copy(self) -> None:
        """Copies all, in chunks, so that numpy lets other threads run."""
        for start in range(0, self.source.size, _CHUNK):
            np.copyto(self.target[start : start + _CHUNK], self.source[start : start + _CHUNK])


def _rounds(lanes: list[_Lane], until: float, moved_bytes: int) -> list[float]:
    """Bytes a second of each round: all lanes start a round together, and it lasts until the last has copied."""
    rates: list[float] = []
    began: list[float] = []
    over = threading.Event()
    start = threading.Barrier(len(lanes), action=lambda: began.append(time.perf_counter()))
    end = threading.Barrier(len(lanes), action=lambda: rates.append(moved_bytes / (time.perf_counter() - began[-1])))

    def work(lane: _Lane) -> None:
        try:
            lane.copy()
            while not over.is_set():
                start.wait(_ROUND_S)
                lane.copy()
                if time.monotonic() > until and len(rates) + 1 >= _LEAST_ROUNDS:
                    over.set()  # before the barrier, so that all lanes see it after the same round
                end.wait(_ROUND_S)
        except threading.BrokenBarrierError:
            return

    workers = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in lanes]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if not rates:
        raise MissingPartError(f"The bandwidth could not be measured: one copy took more than {_ROUND_S} s; try again later.")
    return rates
