"""The engine's figures beside the formula's: asked in the background, shown as soon as they are there.

A page asks in its run, waits as long as a warm engine takes, and draws its figures in a fragment. While the answer is not there
the fragment looks again by itself; the page, its widgets and its address are not drawn anew for that.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass

import streamlit as st

from advisor.engine.status import engine_status
from advisor.errors import EngineFailedError, HeadroomError
from advisor.estimate import LLAMA_RUNTIMES, Estimate, estimate_for
from advisor.machines.profile import MachineProfile
from advisor.models.metadata import ModelMetadata
from advisor.question import Question
from advisor.settings import settings
from advisor.ui.cached import BY_ENGINE, key_of_answer
from advisor.ui.component_files import component_files

PATIENCE_S = 0.15
"""How long a run of a page waits: a warm engine plans an 8B in 20 ms."""
LOOK_AGAIN_MS = 250
_ASKED = "headroom:engine"
_BROKEN = "the engine's answer could not be used"
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="engine")
_look_again = st.components.v2.component("headroom_look_again", **component_files("look_again"))


@dataclass(frozen=True)
class BestKnown:
    """The better of two answers to a question, and what is to be said of the engine's."""

    result: Estimate
    formula: Estimate
    pending: bool = False
    why_not: str | None = None
    """Why the engine does not answer this question; None where it does, may yet, or has nothing to do with it."""


@dataclass(frozen=True)
class EngineAnswer:
    """What the engine will have said of a question, or why it was not asked."""

    formula: Estimate
    coming: "Future[Estimate] | None"
    why_not: str | None = None

    def wait(self, patience_s: float) -> None:
        """Give a warm engine the time that it takes."""
        if self.coming is not None:
            wait((self.coming,), patience_s)

    def now(self) -> BestKnown:
        """The engine's answer if it is there, else the formula's; an engine that fails leaves those and its reason."""
        if self.coming is None:
            return BestKnown(self.formula, self.formula, why_not=self.why_not)
        try:
            return BestKnown(self.coming.result(timeout=0), self.formula)
        except (NotYet, CancelledError):
            return BestKnown(self.formula, self.formula, pending=True)
        except HeadroomError as error:
            # What follows the reason is advice for the command line.
            return BestKnown(self.formula, self.formula, why_not=str(error).partition(";")[0].rstrip("."))


def ask_engine(
    question: Question, model: ModelMetadata, machine: MachineProfile | None, assumptions: tuple[str, ...], formula: Estimate
) -> EngineAnswer:
    """Begin to plan `question` by the engine, unless the last run of this visit did; `formula` is the answer of the formula."""
    if formula.plan.settings.runtime not in LLAMA_RUNTIMES or settings().hosted:
        return EngineAnswer(formula, None)
    status = engine_status()
    if status.state != "installed":
        sentence = status.sentence.rstrip(".")
        return EngineAnswer(formula, None, sentence[:1].lower() + sentence[1:])
    exact = question.model_copy(update={"grade": "engine"})
    key = (exact.to_query(), model.source, f"{model.file_bytes}", machine.model_dump_json() if machine else "")
    return EngineAnswer(formula, _ask(key, lambda: _planned(exact, model, machine, assumptions)))


def look_again() -> None:
    """Run the fragment that calls this once more after a while."""
    _look_again(key="look_again", data={"after_ms": LOOK_AGAIN_MS, "turn": time.monotonic_ns()}, on_due_change=lambda: None)


@dataclass(frozen=True)
class _Asked:
    key: tuple[str, ...]
    answer: "Future[Estimate]"


def _ask(key: tuple[str, ...], work: Callable[[], Estimate]) -> "Future[Estimate]":
    """The answer to the question of `key`: of this visit's last question, or one that is asked now and takes its place.

    An engine that broke down is asked again.
    """
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is None or asked.key != key or _broke_down(asked.answer):
        if asked is not None:
            asked.answer.cancel()
        asked = st.session_state[_ASKED] = _Asked(key, _THREADS.submit(work))
    return asked.answer


def _broke_down(answer: "Future[Estimate]") -> bool:
    return answer.done() and (answer.cancelled() or isinstance(answer.exception(), EngineFailedError))


def _planned(question: Question, model: ModelMetadata, machine: MachineProfile | None, said: tuple[str, ...]) -> Estimate:
    key = key_of_answer(question, model, machine, said)
    try:
        if key is None:
            return estimate_for(question, model, machine, said)
        return BY_ENGINE.get(key, lambda: estimate_for(question, model, machine, said))
    except HeadroomError:
        raise
    except Exception as error:
        # The formula's figures stay on the page whatever happened to the engine's.
        logging.getLogger(__name__).exception(_BROKEN)
        raise EngineFailedError(_BROKEN) from error
