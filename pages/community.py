"""Community: measured speeds by machine and model, with our prediction beside them."""

import streamlit as st

from advisor.errors import HeadroomError
from advisor.paths import pages_folder
from advisor.reports.community import filtered
from advisor.settings import settings
from advisor.ui.community_view import PAGE, CommunityQuestion, choose, exports, figures, measured, not_there, speeds_table
from advisor.ui.inert import inert
from advisor.ui.state import address_of, complaints, open_question, publish

opened = open_question(PAGE, CommunityQuestion, CommunityQuestion())
said = st.container(gap="small")
whose = "people who put their reports on the list" if settings().hosted else "the reports that are kept on this computer"


def shown() -> None:
    """What there is."""
    rows = measured()
    for complaint in complaints(PAGE, (opened.complaint, *(not_there(opened, rows) if rows else ()))):
        said.warning(inert(complaint))
    if not rows:
        publish(PAGE, CommunityQuestion())
        said.header("No measured speed yet", anchor=False)
        said.caption("A speed comes here with a report: of a run on the page Verify, or one that somebody passed on.")
        with said.container(horizontal=True, gap="medium"):
            st.page_link(pages_folder() / "verify.py", label="Run a model and measure it", icon=":material/play_arrow:")
            st.page_link(pages_folder() / "report.py", label="Take in a report", icon=":material/upload_file:")
        return
    count = len({entry.row.machine for entry in rows})
    said.header(
        f"{len(rows)} measured speed{'s' if len(rows) > 1 else ''} of {count} machine{'s' if count > 1 else ''}", anchor=False
    )
    said.caption(f"From {whose}. What stands out is marked with its reason, and counts for nothing.")
    question = choose(opened, rows)
    figures(rows, question)
    st.subheader("Every report", anchor=False)
    speeds_table(filtered(rows, machine=question.machine, model=question.model))
    exports()
    address_of(question, here=False)


try:
    shown()
except HeadroomError as error:
    publish(PAGE, opened.question)
    said.header("The reports cannot be read", anchor=False)
    said.caption(inert(f"{error}"))
