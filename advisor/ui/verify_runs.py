"""Runs of this process: they belong to the machine, so a page that is opened again finds the run that it started."""

import threading

import streamlit as st

from advisor.paths import pages_folder
from advisor.question import Question
from advisor.verification import Verification
from advisor.verify.calibration import forget, kept_runs

_MOST_KEPT = 20
_MINE = "headroom:verify:run"


class Runs:
    """The runs that were started here, the newest last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: list[tuple[str, Verification]] = []
        self._count = 0

    def add(self, run: Verification) -> str:
        """Keep a run; its id."""
        with self._lock:
            self._count += 1
            id_ = f"run-{self._count}"
            ended = [entry for entry in self._runs if entry[1].job.progress.ended]
            for entry in ended[: max(0, len(self._runs) + 1 - _MOST_KEPT)]:
                self._runs.remove(entry)
            self._runs.append((id_, run))
            return id_

    def get(self, id_: str) -> Verification | None:
        """The run of this id, if it is still kept."""
        with self._lock:
            return next((run for known, run in self._runs if known == id_), None)

    def going_on(self) -> str | None:
        """The id of a run that has not ended."""
        with self._lock:
            return next((id_ for id_, run in self._runs if not run.job.progress.ended), None)


@st.cache_resource(show_spinner=False)
def runs() -> Runs:
    """Those of this process."""
    return Runs()


def current() -> Verification | None:
    """The run that this visit shows: its own, else one that goes on."""
    mine = st.session_state.get(_MINE) or runs().going_on()
    found = runs().get(mine) if mine else None
    if found is not None:
        st.session_state[_MINE] = mine
    return found


def show(run: Verification) -> None:
    """Show a run that was just started."""
    st.session_state[_MINE] = runs().add(run)


def verify_button(question: Question) -> None:
    """Draw the way to the page that runs what is planned here, with the whole question."""
    if st.button("Verify: run it here", icon=":material/timer:", key="verify:from_model"):
        put_away()
        st.switch_page(pages_folder() / "verify.py", query_params=question.query_fields())


def measured_here() -> None:
    """Draw what the forecasts for this computer rest on, and the way to forget it; nothing where nothing was measured."""
    kept = kept_runs()
    if not kept:
        return
    last = max(run.measured_at for run in kept).date().isoformat()
    runs_said = "one run" if len(kept) == 1 else f"{len(kept)} runs"
    st.caption(f"Forecasts for this computer are corrected by {runs_said} measured here, the last on {last}.")
    if st.button("Forget what was measured here", icon=":material/delete:", type="tertiary", key="verify:forget"):
        forget()
        st.rerun()


def put_away() -> None:
    """Show the question again."""
    st.session_state.pop(_MINE, None)
