"""From shared reports to the forecasts for a kind of machine: the one way, and only through `community.family_ratio`.

A ratio is asked of the store once in `KEPT_S` for each kind of machine, so that no page waits for a database. Where the store
cannot be read, or says too little, forecasts stay as they are.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from advisor.errors import HeadroomError
from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.paths import data_folder
from advisor.settings import settings
from advisor.speed.forecast import Calibration
from advisor.verify.calibration import place_of, program_of

if TYPE_CHECKING:
    from advisor.reports.community import FamilyRatio
    from advisor.reports.summary import Summary

KEPT_S = 600.0
_MOST_KEPT = 256
_MOST_READ = 2000
"""Reports of one kind of machine that are looked at, newest first."""


class Families:
    """Ratios by kind of machine, each kept for a while. `rows` gives the reports of a machine by its key."""

    def __init__(self, rows: Callable[[str], "Sequence[Summary]"], clock: Callable[[], float] = time.monotonic) -> None:
        self._rows, self._clock = rows, clock
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, int, str], tuple[float, FamilyRatio | None]] = OrderedDict()

    def ratio(self, machine: str, gpus: int, program: str) -> "FamilyRatio | None":
        """The ratio of machines with this key and as many GPUs, for runs of `program`; None where it is not known."""
        key = (machine, gpus, program)
        with self._lock:
            if key in self._found and self._clock() - self._found[key][0] < KEPT_S:
                return self._found[key][1]
        from advisor.reports.community import family_ratio

        try:
            rows = [row for row in self._rows(machine) if row.gpus == gpus and program_of(row.runtime or "") == program]
            found = family_ratio(rows, machine)
        except HeadroomError:
            found = None
        with self._lock:
            self._found[key] = (self._clock(), found)
            self._found.move_to_end(key)
            while len(self._found) > _MOST_KEPT:
                self._found.popitem(last=False)
        return found


@cache
def families() -> Families:
    """Those of this process's store."""
    return Families(_rows_of)


def family_calibrations(machine: MachineProfile) -> Callable[[MemoryPlan], Calibration | None]:
    """What others' reports of this kind of machine say about plans on it: those that lie whole where it is fastest."""
    asked = _family_of(machine)
    place = "gpu" if machine.gpus else "host"

    def calibrated(plan: MemoryPlan) -> Calibration | None:
        if asked is None or place_of(plan) != place:
            return None
        found = families().ratio(*asked, program_of(plan.settings.runtime))
        if found is None:
            return None
        return Calibration(found.ratio, None, "", generate_spread=None, shared_reports=found.reports)

    return calibrated


def family_mark(machine: MachineProfile) -> str:
    """Changes whenever what others reported changes the forecasts for `machine`. For keys of kept answers."""
    asked = _family_of(machine)
    if asked is None:
        return ""
    found = [families().ratio(*asked, program) for program in ("llama.cpp", "mlx")]
    return " ".join(f"{one.ratio:.4f}/{one.reports}" if one else "" for one in found).strip()


def _family_of(machine: MachineProfile) -> tuple[str, int] | None:
    """The key of a machine's kind, as reports have it, and its number of GPUs; None where no reports are kept at all."""
    if not _has_store():
        return None
    from advisor.reports.making import profile_of

    return profile_of(machine) or machine.name.lower(), len(machine.gpus)


def _has_store() -> bool:
    """Whether there is a database to ask: none is made for it, and its code is only loaded where there is one."""
    return settings().database_url is not None or (data_folder() / "reports.sqlite").is_file()


def _rows_of(machine: str) -> "list[Summary]":
    from advisor.reports.store import store

    return store().summaries(listed_only=settings().hosted, machine=machine, limit=_MOST_READ)
