"""When a run must end, so that the machine does not freeze: too little free memory, too much pressure, too much swapping."""

from dataclasses import dataclass

from advisor.units import GIB, MIB, format_size
from advisor.verify.sampler import Reading


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may do to the machine. Our own rules, on the careful side: a frozen laptop is worse than no run."""

    least_available_bytes: int
    most_pressure: float = 25.0
    """Percent of time in which nothing runs for want of memory (Linux), or the same made of macOS's levels."""
    most_swapped_bytes: int = GIB
    """More than at the start."""

    @classmethod
    def of(cls, capacity_bytes: int | None) -> "Limits":
        """The limits of a machine with so much memory: a twentieth of it stays free, at least 384 MiB and at most 1 GiB."""
        return cls(min(GIB, max(384 * MIB, (capacity_bytes or 0) // 20)))


@dataclass
class Watchdog:
    """Reads one sample after the other; two in a row over a limit end the run, and one without any memory."""

    limits: Limits
    _first_swap: int | None = None
    _over: int = 0

    def complaint(self, reading: Reading) -> str | None:
        """Why the run has to end now; None while it may go on."""
        if self._first_swap is None:
            self._first_swap = reading.swap_bytes
        said = self._over_limit(reading)
        self._over = 0 if said is None else self._over + 1
        out_of_it = reading.available_bytes is not None and reading.available_bytes < self.limits.least_available_bytes // 2
        return said if said is not None and (self._over > 1 or out_of_it) else None

    def _over_limit(self, reading: Reading) -> str | None:
        limits = self.limits
        if reading.available_bytes is not None and reading.available_bytes < limits.least_available_bytes:
            return f"only {format_size(reading.available_bytes)} of memory were left"
        if reading.pressure is not None and reading.pressure > limits.most_pressure:
            return f"the system stood still for want of memory ({reading.pressure:.0f} % of the time)"
        if reading.swap_bytes is not None and self._first_swap is not None:
            swapped = reading.swap_bytes - self._first_swap
            if swapped > limits.most_swapped_bytes:
                return f"{format_size(swapped)} had been moved to the swap"
        return None
