"""The line under every page: what leaves this computer (nothing), and how the engine is doing."""

import streamlit as st

from advisor import __version__
from advisor.engine.status import engine_status
from advisor.settings import settings
from advisor.ui.component_files import component_files
from advisor.ui.inert import inert
from advisor.ui.state import address_bar

_navigation = st.components.v2.component("headroom_navigation", **component_files("navigation"))


def footer() -> None:
    """Draw the footer, and with it what makes the navigation readable for all."""
    _navigation(key="navigation")
    st.space("medium")
    if settings().hosted:
        st.caption(
            f"Headroom {__version__}. Nothing is sent anywhere unless you ask for it. Of a file of yours only the header comes "
            "here, and reports are kept when you share them."
        )
        address_bar()
        return
    status = engine_status()
    how = f" Get it with: {status.command}" if status.command else ""
    st.caption(
        f"Headroom {__version__}. Everything is computed here. Nothing is sent anywhere unless you ask for it. "
        f"{inert(status.sentence)}{inert(how)}"
    )
    address_bar()
