"""From shared reports to the forecasts for a kind of machine: the one way, and only through `community.family_ratio`.

The store is asked once in `KEPT_S`, and once more for each kind of machine of which it has reports enough, so that no page
waits for a database. Where it cannot be read, or says too little, forecasts stay as they are.
"""

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
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
LEAST_REPORTS = 5
"""From which on a machine's ratio of measured to predicted means something."""
_MOST_KEPT = 256
_MOST_READ = 2000
"""Reports of one kind of machine that are looked at, newest first."""


class Families:
    """Ratios by kind of machine, each kept for a while.

    `rows` gives the reports of a machine by its key, `kinds` the keys of the machines of which there are enough to look at.
    """

    def __init__(
        self,
        rows: Callable[[str], "Sequence[Summary]"],
        kinds: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows, self._asked_kinds, self._clock = rows, kinds, clock
        self._lock = threading.Lock()
        self._kinds: tuple[float, Collection[str]] | None = None
        self._found: OrderedDict[tuple[str, int, str], tuple[float, FamilyRatio | None]] = OrderedDict()

    def ratio(self, machine: str, gpus: int, program: str) -> "FamilyRatio | None":
        """The ratio of machines with this key and as many GPUs, for runs of `program`; None where it is not known."""
        key = (machine, gpus, program)
        if machine not in self.kinds():
            return None
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

    def kinds(self) -> Collection[str]:
        """The keys of the machines of which there are enough reports to look at."""
        known = self._kinds
        if known is None or self._clock() - known[0] >= KEPT_S:
            try:
                found = self._asked_kinds()
            except HeadroomError:
                found = ()
            known = self._kinds = (self._clock(), found)
        return known[1]


@cache
def families() -> Families:
    """Those of this process's store."""
    return Families(_rows_of, _kinds)


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
    """The key of a machine's kind, as reports have it, and its number of GPUs; None where no kind has reports enough."""
    if not families().kinds():
        return None
    from advisor.reports.making import profile_of

    return profile_of(machine) or machine.name.lower(), len(machine.gpus)


def _kinds() -> Collection[str]:
    if settings().database_url is None and _own_reports() < LEAST_REPORTS:
        return ()
    from advisor.reports.store import store

    return store().kinds(listed_only=settings().hosted, least=LEAST_REPORTS)


def _own_reports() -> int:
    """How many reports the database in this user's data folder holds; 0 where there is none, and none is made for it.

    Asked without the store, whose code takes as long to load as a forecast to make, and most people have few reports.
    """
    path = data_folder() / "reports.sqlite"
    if not path.is_file():
        return 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.2)) as database:
        return int(database.execute("select count(*) from reports").fetchone()[0])
    return 0


def _rows_of(machine: str) -> "list[Summary]":
    from advisor.reports.store import store

    return store().summaries(listed_only=settings().hosted, machine=machine, limit=_MOST_READ)
