"""The router: pages, name, style and footer. Nothing else lives here."""

from pathlib import Path

import streamlit as st

from advisor.paths import pages_folder, static_folder
from advisor.ui.footer import footer

PAGES = "headroom:pages"

if PAGES not in st.session_state:
    # Made once for a session: each of them is looked for on the disk when it is made.
    st.session_state[PAGES] = {
        "": [
            st.Page(pages_folder() / "what_can_i_run.py", title="What can I run?", default=True),
            st.Page(pages_folder() / "recommendation.py", title="Recommendation", url_path="recommendation"),
            st.Page(pages_folder() / "model.py", title="Model", url_path="model"),
        ],
        "Machines": [
            st.Page(pages_folder() / "machine.py", title="Machine", url_path="machine"),
            st.Page(pages_folder() / "compare.py", title="Compare machines", url_path="compare"),
            st.Page(pages_folder() / "which_machine.py", title="Which machine?", url_path="which"),
        ],
        "Proof": [
            st.Page(pages_folder() / "verify.py", title="Verify", url_path="verify"),
            st.Page(pages_folder() / "report.py", title="Reports", url_path="report"),
            st.Page(pages_folder() / "community.py", title="Community", url_path="community"),
            st.Page(pages_folder() / "accuracy.py", title="How accurate is this?", url_path="accuracy"),
        ],
    }
page = st.navigation(st.session_state[PAGES], position="top")
st.set_page_config(page_title=f"{page.title} · Headroom", page_icon=str(static_folder() / "icon.svg"), layout="wide")
st.logo(str(static_folder() / "logo.svg"), size="large")
st.html(Path(__file__).parent / "ui" / "style.css")
# Lines longer than this are hard to read on a wide screen.
with st.container(horizontal_alignment="center"), st.container(width=1180, key="sheet"):
    page.run()
    with st.container(key="footer"):
        footer()
