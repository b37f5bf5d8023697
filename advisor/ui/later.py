"""Answers that take longer than a page may: worked out in the background, while the page already shows what is known."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import streamlit as st

from advisor.calibrated import best_calibration_mark
from advisor.fit import Fit
from advisor.machines.profile import MachineProfile
from advisor.question import FitQuestion, RecommendQuestion
from advisor.recommend import Recommended
from advisor.ui.cached import fit_on, recommended_on
from advisor.ui.state import draw_again_when_quiet

V = TypeVar("V")
_MOST_KEPT = 64


class Later:
    """Answers for all visitors of a process, computed one after the other; the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str], Future[Any]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")

    def fit(self, question: FitQuestion, machine: MachineProfile, assumptions: tuple[str, ...]) -> Future[Fit]:
        """The complete ranking, begun by the first who asks for it."""
        return self._begun(question, machine, lambda: fit_on(question, machine, assumptions, in_part=True))

    def recommended(
        self, question: RecommendQuestion, machine: MachineProfile, assumptions: tuple[str, ...]
    ) -> Future[Recommended]:
        """The recommendation."""
        return self._begun(question, machine, lambda: recommended_on(question, machine, assumptions))

    def end(self) -> None:
        """Leave what nobody will see any more: Python works out all that waits before it ends."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _begun(self, question: FitQuestion, machine: MachineProfile, answer: Callable[[], Fit | Recommended]) -> Future[Any]:
        about = f"{type(question).__name__} {question.model_dump_json()}"
        key = (about, machine.model_dump_json() + best_calibration_mark(machine))
        with self._lock:
            if key not in self._found:
                self._found[key] = self._worker.submit(answer)
                while len(self._found) > _MOST_KEPT:
                    self._found.popitem(last=False)[1].cancel()
            self._found.move_to_end(key)
            return self._found[key]


@st.cache_resource(show_spinner=False)
def later() -> Later:
    """The one of this process."""
    return Later()


def answer_of(coming: Future[V]) -> V | None:
    """The answer once it is there; None before, and where so many others asked meanwhile that it was forgotten."""
    return coming.result() if coming.done() and not coming.cancelled() else None


def redraw_when_done(*answers: Future[Any]) -> None:
    """Draw the page again once the first of `answers` is there; without any there is nothing to wait for."""
    if not answers:
        return

    @st.fragment(run_every=0.5)
    def wait() -> None:
        if any(answer.done() for answer in answers):
            draw_again_when_quiet()

    wait()
