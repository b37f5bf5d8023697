"""Answers kept for all visitors of one process: the same question about the same machine is computed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from advisor.calibrated import best_calibration_mark, best_calibrations
from advisor.estimate import Estimate, curves_for, estimate_for
from advisor.fit import Fit, fit_for
from advisor.machines.profile import MachineProfile
from advisor.memory.curves import Curves
from advisor.models.library import CATALOGUE
from advisor.models.metadata import ModelMetadata
from advisor.question import FitQuestion, Question, RecommendQuestion, WhichQuestion
from advisor.recommend import Recommended, recommend_for
from advisor.speed.forecast import SpeedAtDepth, by_depth
from advisor.which_machine import Holders, which_machine

V = TypeVar("V")
_MOST_KEPT = 64
_MOST_ANSWERS = 512
"""Of a model on a machine: about 12 KiB each."""
_SHARES = (0, 1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
"""Parts of the context at which the speed is asked for."""


class Kept(Generic[V]):
    """The answers given last. Two who ask the same at the same time wait for one answer."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[str, tuple[threading.Lock, list[V]]] = OrderedDict()

    def get(self, key: str, make: Callable[[], V]) -> V:
        """The answer of `key`, made where it is not kept. Where making fails, nothing is kept."""
        with self._lock:
            busy, answers = self._found.setdefault(key, (threading.Lock(), []))
            self._found.move_to_end(key)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        with busy:
            if not answers:
                answers.append(make())
            return answers[0]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()


@dataclass(frozen=True)
class Answer:
    """The plan of a model on a machine, and how fast it is as the context fills."""

    result: Estimate
    speeds: tuple[SpeedAtDepth, ...]


ANSWERS: Kept[Answer] = Kept(_MOST_ANSWERS)
BY_ENGINE: Kept[Estimate] = Kept(_MOST_ANSWERS)
FITS: Kept[Fit] = Kept()
CURVES: Kept[Curves] = Kept()
HOLDERS: Kept[Holders] = Kept()
RECOMMENDED: Kept[Recommended] = Kept()


def fit_on(
    question: FitQuestion, machine: MachineProfile, assumptions: tuple[str, ...], *, in_part: bool, made: Fit | None = None
) -> Fit:
    """The ranked options of a machine. Every purpose and least speed is answered from the same plans.

    `made` is the answer for the question's context, where another process has made it.
    """
    about = f"{question.context} {in_part} {assumptions} {machine.model_dump_json()} {best_calibration_mark(machine)}"
    plain = FitQuestion(**question.machine_fields(), context=question.context)
    every = FITS.get(about, lambda: made or fit_for(plain, machine, assumptions, in_part=in_part))
    return FITS.get(f"{question.purpose} {question.min_tps} {about}", lambda: every.asked(question))


def answer_on(question: Question, model: ModelMetadata, machine: MachineProfile, assumptions: tuple[str, ...]) -> Answer:
    """The answer to a question by formula."""
    key = key_of_answer(question, model, machine, assumptions)
    if key is None:
        return _answer(question, model, machine, assumptions)
    return ANSWERS.get(key, lambda: _answer(question, model, machine, assumptions))


def key_of_answer(
    question: Question, model: ModelMetadata, machine: MachineProfile | None, assumptions: tuple[str, ...]
) -> str | None:
    """What an answer is kept by. None of what is read from files: they may change on the disk, so nothing is kept."""
    if not model.source.startswith(CATALOGUE) or question.mmproj or question.draft:
        return None
    asked = f"{model.id} {model.quantization} {question.model_dump_json()} {assumptions}"
    return asked if machine is None else f"{asked} {machine.model_dump_json()} {best_calibration_mark(machine)}"


def _answer(question: Question, model: ModelMetadata, machine: MachineProfile, assumptions: tuple[str, ...]) -> Answer:
    result = estimate_for(question, model, machine, assumptions)
    depths = [int(share * result.plan.settings.context) for share in _SHARES]
    calibration = best_calibrations(machine)(result.plan)
    return Answer(result, by_depth(result.model, result.plan, machine, depths, calibration=calibration))


def curves_on(question: Question, model: ModelMetadata, machine: MachineProfile) -> Curves:
    """Memory against context. All contexts are in it, so another context of the same question makes no new one.

    Of a file nothing is kept: it has one curve, quickly drawn, and may change on the disk.
    """
    question = question.model_copy(update={"context": None})
    if not model.predicted:
        return curves_for(question, model, machine)
    key = f"{model.id} {model.quantization} {question.model_dump_json()} {machine.model_dump_json()}"
    return CURVES.get(key, lambda: curves_for(question, model, machine))


def holders_of(question: WhichQuestion) -> Holders:
    """The machines that run a model."""
    return HOLDERS.get(question.model_dump_json(), lambda: which_machine(question))


def recommended_on(
    question: RecommendQuestion,
    machine: MachineProfile,
    assumptions: tuple[str, ...],
    *,
    made: Callable[[], Recommended | None] = lambda: None,
) -> Recommended:
    """What to run on a machine. `made` is asked first, where another process is making it; all others wait for that."""
    asked = {name: getattr(question, name) for name in ("purpose", "context", "min_tps", "model", "quant")}
    key = f"{asked} {assumptions} {machine.model_dump_json()} {best_calibration_mark(machine)}"
    return RECOMMENDED.get(key, lambda: made() or recommend_for(question, machine, assumptions))
