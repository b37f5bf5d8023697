"""Public load logs planned by the engine itself, as far as the build of a log follows the rules of the engine that is here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from advisor.accuracy.cases import LoadCase
from advisor.accuracy.compare import CaseResult, Difference
from advisor.accuracy.evaluate import evaluate
from advisor.accuracy.logged import Component
from advisor.accuracy.rebuild import Prediction, machine_of, predict
from advisor.engine.layout import engine_plan
from advisor.memory.plan import DevicePlan, MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.rules import PINNED_BUILD

_OTHER_RULES = "the log's build follows other rules here than the engine that plans"
SAME = 0.001
"""Share by which a component may differ between builds whose rules for it are the same."""
_COMPONENTS: tuple[Component, ...] = ("weights", "kv_cache", "recurrent_state", "compute", "output")


def evaluate_by_engine(record: Mapping[str, Any]) -> CaseResult:
    """As `evaluate`, with the engine's plan. What the engine's build has other rules for is left out.

    Rules count as shared where the formula gives the same for both builds, within `SAME`, on all GPUs or on the host.
    """
    apart: set[tuple[str, str]] = set()

    def by_engine(case: LoadCase) -> Prediction:
        formula = predict(case)
        settings = formula.settings.model_copy(update={"build": PINNED_BUILD})
        machine, gpus = machine_of(case), max(1, len(case.gpus))
        apart.update(_differing(formula.plan, plan_memory(formula.model, machine, settings, gpus=gpus)))
        return replace(formula, plan=engine_plan(formula.model, machine, settings, gpus=gpus))

    result = evaluate(record, predict=by_engine)
    if not result.differences:
        return result
    kept = tuple(
        row for row in result.differences if not apart & {(row.component, row.kind), ("total", row.kind)} - _whole(row)
    )
    left_out = {f"{kind} {name}": _OTHER_RULES for name, kind in sorted(apart)}
    return replace(result, rules=PINNED_BUILD, differences=kept, excluded={**result.excluded, **left_out})


def _whole(row: Difference) -> set[tuple[str, str]]:
    """What does not concern `row`: a device's total counts only against totals."""
    return set() if row.component == "total" else {("total", row.kind)}


def _differing(one: MemoryPlan, other: MemoryPlan) -> set[tuple[str, str]]:
    """(component, kind of device) that two plans do not agree on, and the total of that kind with it."""
    found = {
        (name, first.kind)
        for first, second in zip(one.devices, other.devices, strict=True)
        for name in _COMPONENTS
        if abs(_bytes(first, name) - _bytes(second, name)) > SAME * _bytes(second, name)
    }
    return found | {("total", kind) for _, kind in found}


def _bytes(device: DevicePlan, component: Component) -> int:
    return int(getattr(device, f"{component}_bytes"))
