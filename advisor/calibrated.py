"""What is known of a machine's speed beside its facts: a person's own runs first, else what others' reports say of its kind."""

from collections.abc import Callable

from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.reports.family import family_calibrations, family_mark
from advisor.speed.forecast import Calibration
from advisor.verify.calibration import calibration_mark, calibrations_of


def best_calibrations(machine: MachineProfile) -> Callable[[MemoryPlan], Calibration | None]:
    """The calibration of each plan on a machine; None where nothing was measured on it or on enough of its kind."""
    own, shared = calibrations_of(machine), family_calibrations(machine)
    return lambda plan: own(plan) or shared(plan)


def best_calibration_mark(machine: MachineProfile) -> str:
    """Changes whenever one of `best_calibrations` may have changed. For keys of kept answers."""
    return f"{calibration_mark(machine)} {family_mark(machine)}".strip()
