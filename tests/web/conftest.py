"""A store of its own for each test, and the settings of the environment as a test sets them."""

import pytest

from advisor.reports import store as store_module
from advisor.settings import settings


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """Nothing is written into the user's folder."""
    monkeypatch.setenv("ADVISOR_DATABASE_URL", f"sqlite:///{tmp_path / 'reports.sqlite'}")
    settings.cache_clear()
    store_module.store.cache_clear()
    yield
    store_module.store().engine.dispose()
    store_module.store.cache_clear()
    settings.cache_clear()


@pytest.fixture
def hosted(monkeypatch):
    """As `serve --hosted`; more settings by `hosted(ADVISOR_...="...")`."""

    def with_settings(**more):
        monkeypatch.setenv("ADVISOR_HOSTED", "1")
        for name, value in more.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    return with_settings
