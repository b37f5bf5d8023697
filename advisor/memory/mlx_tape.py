"""The order in which MLX holds and frees arrays: a tape of operations, dispatched ahead of the device by ten tasks."""

from dataclasses import dataclass, field
from typing import Literal

Device = Literal["metal", "cpu"]

TASKS_AHEAD = 10
"""mlx/transforms.cpp: MAX_ACTIVE_TASKS."""
_METAL_OPERATIONS, _METAL_ELEMENTS = 50, 50 << 20
"""Of Max and Ultra chips; 40 and 40 of others (device.cpp:603-624), which hold less at once."""
_CPU_DISPATCHES = 10


@dataclass(slots=True)
class Tape:
    """Operations in the order of their dispatch, with what each allocates and what it reads."""

    device: Device
    task: int = 0
    filled: int = 0
    elements: int = 0
    live: int = 0
    peak: int = 0
    freed: dict[int, int] = field(default_factory=dict)
    """Bytes to be freed, by the task whose end frees them."""
    done: int = -1

    def allocate(self, size: int) -> int:
        """Counts an array of `size` bytes and returns that size, to be given to `free` later."""
        self.live += size
        self.peak = max(self.peak, self.live)
        return size

    def free(self, *sizes: int) -> None:
        """The arrays are not read after the operation that was dispatched last."""
        self.freed[self.task] = self.freed.get(self.task, 0) + sum(sizes)

    def run(self, elements: int, operations: int = 1) -> None:
        """Dispatches an operation (on the CPU two dispatches, its own and the release of its inputs) that reads `elements`."""
        if self.device == "cpu":
            self.filled += 2 * operations
            self._close(self.filled // _CPU_DISPATCHES)
            self.filled %= _CPU_DISPATCHES
            return
        self.filled += operations
        self.elements += elements
        if self.filled > _METAL_OPERATIONS or self.elements > _METAL_ELEMENTS:
            self._close(1)
            self.filled, self.elements = 0, 0

    def _close(self, tasks: int) -> None:
        """Sends tasks off and waits until no more than `TASKS_AHEAD` are on their way."""
        self.task += tasks
        while self.done < self.task - TASKS_AHEAD - 1:
            self.done += 1
            self.live -= self.freed.pop(self.done, 0)
