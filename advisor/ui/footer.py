"""The line under every page: what leaves this computer (nothing), and how the engine is doing."""

import streamlit as st

from advisor import __version__
from advisor.engine.build import engine_status


def footer() -> None:
    """Draw the footer."""
    st.space("medium")
    status = engine_status()
    engine = f" Engine: {status.sentence}" if status.sentence else ""
    st.caption(f"Headroom {__version__}. Everything is computed here; nothing is sent anywhere unless you ask for it.{engine}")
