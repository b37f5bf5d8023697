"""The clock that no probe can stop.

Each probe runs in a thread of its own that is left behind when its time is over: a driver that hangs costs its answer,
never the page. While it hangs, it is not started again; a later question joins it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from advisor.machines.detect.probe import Outcome, Part, ProbeError
from advisor.machines.detect.system import System

HANGS_S = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """A named probe. `fast` ones read files and ask drivers; the others start programs."""

    source: str
    look: Callable[[System], Part | None]
    fast: bool = True


class Flight:
    """One run of a probe in a thread of its own."""

    def __init__(self, probe: Probe, system: System) -> None:
        self.source = probe.source
        self.started = time.monotonic()
        self.done = threading.Event()
        self._probe, self._system = probe, system
        self._outcome: Outcome | None = None
        threading.Thread(target=self._look, name=f"probe {probe.source}", daemon=True).start()

    def outcome(self) -> Outcome:
        """What became of it by now."""
        if self._outcome is not None:
            return self._outcome
        waited = time.monotonic() - self.started
        return Outcome(self.source, None, waited, f"did not answer within {waited:.1f} s")

    def _look(self) -> None:
        part, error = None, None
        try:
            part = self._probe.look(self._system)
        except ProbeError as reason:
            error = str(reason)
        except Exception as reason:  # noqa: BLE001 - it reads what others wrote
            error = f"could not be read ({type(reason).__name__}: {reason})"
        self._outcome = Outcome(self.source, part, time.monotonic() - self.started, error)
        self.done.set()


_under_way: dict[tuple[System, str], Flight] = {}
_guard = threading.Lock()


class Race:
    """Probes of one machine under way. `wait` returns at its deadline, whatever they do."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._flights: list[Flight] = []

    def start(self, probe: Probe) -> None:
        """Starts a probe, or joins the run of it that an earlier question started and that has not answered yet."""
        with _guard:
            for key in [key for key, flight in _under_way.items() if flight.done.is_set()]:
                del _under_way[key]
            flight = _under_way.get((self.system, probe.source))
            if flight is None:
                flight = _under_way[self.system, probe.source] = Flight(probe, self.system)
        self._flights.append(flight)

    def wait(self, until: float) -> None:
        """Waits for all, at most until this time of `time.monotonic`; those that have hung for long are not waited for."""
        for flight in self._flights:
            hangs = time.monotonic() - flight.started > HANGS_S
            flight.done.wait(0.0 if hangs else max(0.0, until - time.monotonic()))

    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of each by now, in the order of their start."""
        return tuple(flight.outcome() for flight in self._flights)
