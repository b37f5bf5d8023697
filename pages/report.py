"""A report: what it says, how to pass it on, others beside it. Without one: those that are kept here, and the way in."""

import streamlit as st

from advisor.errors import HeadroomError
from advisor.paths import pages_folder
from advisor.reports.store import store
from advisor.settings import settings
from advisor.ui.inert import inert
from advisor.ui.report_view import (
    PAGE,
    ReportQuestion,
    beside_it,
    deletion,
    found_report,
    kept_here,
    made_note,
    report_view,
    way_in,
    ways_to_share,
)
from advisor.ui.state import complaints, open_question, publish

opened = open_question(PAGE, ReportQuestion, ReportQuestion())
question = opened.question
said = st.container(gap="small")


def go_to(id_: str | None) -> None:
    """Open another report, or the page without one."""
    publish(PAGE, ReportQuestion(id=id_))
    st.switch_page(pages_folder() / "report.py", query_params={"id": id_} if id_ else {})


def one() -> None:
    """One report."""
    found = found_report(question)
    made_note(found)
    report_view(found.report)
    # Paper has the report alone.
    with st.container(key="on_screen_only"):
        st.subheader("Pass it on", anchor=False)
        ways_to_share(found)
        beside = beside_it(found, question.beside)
        publish(PAGE, ReportQuestion(id=found.id, beside=beside))
        left, right, _ = st.columns([2, 2, 6])
        with left:
            if deletion(found):
                go_to(None)
        if right.button("All reports", icon=":material/list:", type="tertiary", key="report:all"):
            go_to(None)


def all_of_them() -> None:
    """What is kept, and the way in."""
    publish(PAGE, ReportQuestion())
    st.header("Reports", anchor=False)
    st.caption("What a machine did with a model, predicted and measured, in a form that can be kept, shared and compared.")
    rows = [] if settings().hosted else store().summaries(listed_only=False, limit=500)
    if rows:
        kept_here(rows)
    else:
        none = "" if settings().hosted else "No report is kept on this computer yet. "
        st.markdown(f"{none}One is made from an answer, by *Share as a report*:")
        with st.container(horizontal=True, gap="medium"):
            st.page_link(pages_folder() / "model.py", label="Plan a model", icon=":material/memory:")
            st.page_link(pages_folder() / "verify.py", label="Run a model and measure it", icon=":material/play_arrow:")
    st.subheader("Take one in", anchor=False)
    taken = way_in()
    if taken:
        go_to(taken)


for complaint in complaints(PAGE, (opened.complaint,)):
    said.warning(inert(complaint))
try:
    if question.id:
        one()
    else:
        all_of_them()
except HeadroomError as error:
    publish(PAGE, ReportQuestion())
    st.header("No report", anchor=False)
    st.caption(inert(f"{error}"))
    if st.button("All reports", icon=":material/list:", key="report:none"):
        go_to(None)
