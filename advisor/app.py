"""The router: pages, name and footer. Nothing else lives here."""

import streamlit as st

from advisor.paths import pages_folder, static_folder
from advisor.ui.footer import footer

st.set_page_config(page_title="Headroom", page_icon=str(static_folder() / "icon.svg"), layout="wide")
st.logo(str(static_folder() / "logo.svg"), icon_image=str(static_folder() / "icon.svg"))
page = st.navigation(
    [
        st.Page(pages_folder() / "what_can_i_run.py", title="What can I run?", url_path="fit", default=True),
        st.Page(pages_folder() / "model.py", title="Model", url_path="model"),
        st.Page(pages_folder() / "machine.py", title="Machine", url_path="machine"),
    ],
    position="top",
)
page.run()
footer()
