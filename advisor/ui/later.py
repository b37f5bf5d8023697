"""Which models run only in part: worked out in the background, while the page already shows those that fit whole."""

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import streamlit as st

from advisor.fit import Fit, fit_for
from advisor.machines.profile import MachineProfile
from advisor.question import FitQuestion
from advisor.ui.state import draw_again_when_quiet
from advisor.verify.calibration import calibration_mark

_MOST_KEPT = 64


class Later:
    """Answers for all visitors of a process, computed one after the other; the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str], Future[Fit]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="in-part")

    def fit(self, question: FitQuestion, machine: MachineProfile, assumptions: tuple[str, ...]) -> Future[Fit]:
        """The complete ranking, begun by the first who asks for it."""
        key = (question.model_dump_json(), machine.model_dump_json() + calibration_mark(machine))
        with self._lock:
            if key not in self._found:
                self._found[key] = self._worker.submit(fit_for, question, machine, assumptions)
                while len(self._found) > _MOST_KEPT:
                    self._found.popitem(last=False)[1].cancel()
            self._found.move_to_end(key)
            return self._found[key]


@st.cache_resource(show_spinner=False)
def later() -> Later:
    """The one of this process."""
    return Later()


def redraw_when_done(answer: Future[Fit]) -> None:
    """Draw the page again once `answer` is there."""

    @st.fragment(run_every=0.5)
    def wait() -> None:
        if answer.done():
            draw_again_when_quiet()

    wait()
