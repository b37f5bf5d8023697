"""Two settings side by side on the Model page: one is kept as A, the knobs make B. Without a click it is one quiet button."""

import streamlit as st

from advisor.errors import HeadroomError
from advisor.estimate import Estimate, estimate_for
from advisor.figures.memory import key_of, stacks_side_by_side
from advisor.machines.profile import MachineProfile
from advisor.memory.curves import Curves
from advisor.question import ModelQuestion
from advisor.two_settings import SCORE, TwoSettings, two_stacks_text
from advisor.ui.cached import curves_on
from advisor.ui.chart import Charts
from advisor.ui.inert import inert
from advisor.ui.model_picker import model_of
from advisor.ui.state import Opened
from advisor.ui.tables import legend, table
from advisor.words import sentence

_CLICKED = "model:beside"


def kept_beside(opened: Opened[ModelQuestion]) -> str | None:
    """The setting that is kept as A: what a click just said, else the question's."""
    if _CLICKED in st.session_state:
        clicked: str | None = st.session_state.pop(_CLICKED)
        return clicked
    return opened.question.beside


def compare_button(question: ModelQuestion) -> None:
    """Draw the way to a comparison, or out of it."""
    if question.beside is None:
        st.button(
            "Compare with another setting",
            icon=":material/compare_arrows:",
            type="tertiary",
            key="model:compare",
            on_click=_keep,
            args=(question.setting,),
            help="Keeps this setting as A. What you change then is B, and both are shown side by side.",
        )
        return
    st.caption("A is kept. These knobs are B.")
    st.button("Stop comparing", icon=":material/close:", type="tertiary", key="model:alone", on_click=_keep, args=(None,))


def _keep(setting: str | None) -> None:
    st.session_state[_CLICKED] = setting


def two_settings_view(
    question: ModelQuestion, machine: MachineProfile, assumptions: tuple[str, ...], b: Estimate, curves: Curves, charts: Charts
) -> None:
    """Draw A and B on the same memories, and what differs. `b` and `curves` are the answer to `question`, by formula.

    The figure is left to `charts`.
    """
    st.subheader("A and B", anchor=False)
    try:
        other = question.other()
        assert other is not None, "a comparison was asked for"
        asked, model = model_of(other)
        a = estimate_for(asked, model, machine, assumptions)
        both = TwoSettings(a, b, curves_on(asked, model, machine), curves)
    except HeadroomError as error:
        st.caption(inert(f"A cannot be planned: {sentence(error)}"))
        return
    st.markdown(inert(both.said()))
    stacks = stacks_side_by_side(a.plan, b.plan)
    legend(key_of(stacks), key="two_stacks_legend")
    charts.add(stacks, key="two_stacks", alt=two_stacks_text(a.plan, b.plan))
    rows = both.rows()
    table(("What", "A", "B", "Difference"), rows, key="two_settings", kinds=("", "right", "right", "right"), stack=True)
    told = " Scores are fitted on published benchmarks, less what the file loses; 50 is the mean of all models."
    scored = told if any(row[0] == SCORE for row in rows) else ""
    st.caption(f"Both by formula, on the same machine.{scored} Below is B alone.")
