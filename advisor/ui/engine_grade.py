"""The engine's figures in place of the formula's, as soon as they are there: the formula answers at once meanwhile."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass

import streamlit as st

from advisor.engine.build import engine_status
from advisor.errors import HeadroomError
from advisor.estimate import Estimate, estimate_for
from advisor.machines.profile import MachineProfile
from advisor.models.metadata import ModelMetadata
from advisor.question import Question
from advisor.ui.state import draw_again

PATIENCE_S = 0.05
"""How long a page waits before it shows the formula's figures: a warm engine plans an 8B in 7 ms."""
POLL_S = 0.3
_ASKED = "headroom:engine"
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="engine")


@dataclass(frozen=True)
class BestKnown:
    """The better of two answers, and what is to be said of the engine's."""

    result: Estimate
    pending: bool = False
    complaint: str | None = None
    """Why the engine does not answer this question."""


@dataclass(frozen=True)
class _Asked:
    key: tuple[str, ...]
    answer: "Future[Estimate]"


def best_known(
    question: Question, model: ModelMetadata, machine: MachineProfile | None, assumptions: tuple[str, ...] = ()
) -> BestKnown:
    """The formula's answer, or the engine's where it is installed and has answered. Raises what the formula does."""
    formula = estimate_for(question, model, machine, assumptions)
    if engine_status().state != "installed" or question.build is not None:
        return BestKnown(formula)
    exact = question.model_copy(update={"grade": "engine"})
    answer = _ask(
        (exact.to_query(), model.source, str(model.file_bytes), machine.model_dump_json() if machine else ""),
        lambda: estimate_for(exact, model, machine, assumptions),
    )
    try:
        return BestKnown(answer.result(timeout=PATIENCE_S))
    except NotYet:
        return BestKnown(formula, pending=True)
    except HeadroomError as error:
        return BestKnown(formula, complaint=str(error))


def redraw_when_answered() -> None:
    """Draw the page again once the engine has answered; to be called where `best_known` is pending."""
    st.fragment(_look, run_every=POLL_S)()


def _look() -> None:
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is not None and asked.answer.done():
        draw_again()


def _ask(key: tuple[str, ...], work: Callable[[], Estimate]) -> "Future[Estimate]":
    """The answer to the question of `key`: of this visit's last question, or one that is asked now."""
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is None or asked.key != key:
        if asked is not None:
            asked.answer.cancel()
        asked = st.session_state[_ASKED] = _Asked(key, _THREADS.submit(work))
    return asked.answer
