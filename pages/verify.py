"""Is it true? A short run on this computer: checked first, cancelled at any time, predicted beside measured."""

from functools import partial

import streamlit as st

from advisor.errors import HeadroomError
from advisor.question import VerifyQuestion
from advisor.reports.making import report_of_measurement
from advisor.settings import settings
from advisor.ui.inert import inert
from advisor.ui.share import share
from advisor.ui.state import address_of, complaints, open_question, publish
from advisor.ui.verify_choice import USUAL_MODEL, Choice, verify_choice
from advisor.ui.verify_runs import current, measured_here, put_away, show
from advisor.ui.verify_slice import slice_of, slice_offered
from advisor.ui.verify_view import check_view, home_view, progress_view, result_view
from advisor.verification import look, start
from advisor.verify.conclusion import Looked

PAGE = "verify"

opened = open_question(PAGE, VerifyQuestion, VerifyQuestion(model=USUAL_MODEL))


def ask() -> None:
    """The question, what is predicted, and the button that starts the run."""
    said = st.container(gap="small")
    knobs, shown = st.columns([3, 8], gap="large")
    with knobs.container(border=True):
        choice: Choice = verify_choice(opened)
    publish(PAGE, choice.question)
    for complaint in complaints(PAGE, (opened.complaint, choice.complaint)):
        said.warning(inert(complaint))
    said.header("Is it true? Run it on this computer", anchor=False)
    said.caption(
        f"Measures for {choice.question.seconds:.0f} s at most. Memory is watched, and the run ends before the computer "
        "could freeze."
    )
    with shown:
        if choice.complaint is None:
            offer(choice.question)
        address_of(choice.question, here=True)
        measured_here()


def offer(question: VerifyQuestion) -> None:
    """The check, and the buttons."""
    try:
        with st.spinner("Looking at free memory …"):
            looked = look(question.model_copy(update={"slice": False}))
    except HeadroomError as error:
        st.subheader("This cannot be run here", anchor=False)
        st.markdown(inert(f"{error}"))
        if isinstance(sliced := slice_of(question), Looked) and slice_offered(sliced):
            begin(sliced)
        return
    check_view(looked)
    agreed = forced = False
    if looked.check.answer == "ask":
        agreed = st.checkbox("Run it although it is tight", key="verify:agreed")
    if looked.check.answer == "refuse":
        forced = st.checkbox(
            "Run it all the same: other programs may be ended, or the computer may freeze", key="verify:forced"
        )
    allowed = looked.check.answer == "go" or agreed or forced
    name, icon = ("Run it", "play_arrow") if looked.download is None else ("Download and run", "download")
    buttons = st.container(horizontal=True)
    if buttons.button(name, type="primary", icon=f":material/{icon}:", disabled=not allowed, key="verify:start"):
        begin(looked, agreed=agreed, forced=forced)
    not_here = looked.download is not None or question.slice
    if not_here and (found := slice_of(question)) is not None and slice_offered(found, buttons) and isinstance(found, Looked):
        begin(found)


def begin(looked: Looked, *, agreed: bool = False, forced: bool = False) -> None:
    """Start the run, and show it."""
    try:
        show(start(looked, agreed=agreed, forced=forced))
    except HeadroomError as error:
        st.warning(inert(f"{error}"))
        return
    st.rerun()


if settings().hosted:
    publish(PAGE, opened.question)
    brought = home_view(opened.question)
    if brought is not None:
        result_view(brought)
        share(partial(report_of_measurement, brought), key="verify")
elif (run := current()) is None:
    ask()
else:
    publish(PAGE, opened.question)
    measurement = run.measurement
    if measurement is None:
        progress_view(run)
    else:
        result_view(measurement)
        left, right, _ = st.columns([2, 2, 5])
        if left.button("Run another", icon=":material/replay:", key="verify:again"):
            put_away()
            st.rerun()
        right.download_button(
            "Result as JSON",
            measurement.model_dump_json(by_alias=True, indent=1),
            file_name="result.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        share(partial(report_of_measurement, measurement), key="verify")
