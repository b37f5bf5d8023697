"""What every test needs."""

import sys

import pytest

from advisor.settings import settings


@pytest.fixture(autouse=True)
def _own_settings():
    """Settings are read anew once the environment is as it was before the test: this ends after `monkeypatch`."""
    yield
    settings.cache_clear()


@pytest.fixture(autouse=True)
def _own_main_module(_own_settings, monkeypatch):
    """Streamlit puts the page that it runs in the place of the main module, which processes that are started load again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
