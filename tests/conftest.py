"""What every test needs."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_main_module(monkeypatch):
    """Streamlit puts the page that it runs in the place of the main module, which processes that are started load again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
