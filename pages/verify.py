"""Is it true? A short run on this computer: checked first, cancelled at any time, predicted beside measured."""

from functools import partial

import streamlit as st

from advisor.errors import HeadroomError
from advisor.question import Question, VerifyQuestion
from advisor.reports.making import report_of_measurement
from advisor.settings import settings
from advisor.ui.inert import inert
from advisor.ui.share import share
from advisor.ui.state import Opened, address_of, complaints, open_question, publish
from advisor.ui.verify_choice import USUAL_MODEL, Choice, verify_choice
from advisor.ui.verify_runs import current, put_away, show
from advisor.ui.verify_view import check_view, home_view, progress_view, result_view
from advisor.verification import look, start

PAGE = "verify"

opened = open_question(PAGE, VerifyQuestion, VerifyQuestion(model=USUAL_MODEL))


def ask() -> None:
    """The question, what is predicted, and the button that starts the run."""
    said = st.container(gap="small")
    knobs, shown = st.columns([3, 8], gap="large")
    with knobs.container(border=True):
        choice: Choice = verify_choice(opened, Opened[Question](opened.question, opened.fresh, opened.complaint))
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


def offer(question: VerifyQuestion) -> None:
    """The check, and the button."""
    try:
        with st.spinner("Looking at free memory …"):
            looked = look(question)
    except HeadroomError as error:
        st.subheader("This cannot be run here", anchor=False)
        st.markdown(inert(f"{error}"))
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
    if st.button("Run it", type="primary", icon=":material/play_arrow:", disabled=not allowed, key="verify:start"):
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
