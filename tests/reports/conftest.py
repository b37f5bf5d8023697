"""The same store tests on both databases."""

import pytest
from sqlalchemy import text

from advisor.reports.store import open_store
from tests.reports.postgres import postgres


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory):
    """A PostgreSQL server for the whole session."""
    with postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'reports.sqlite'}"
        return
    address = request.getfixturevalue("postgres_url")
    yield address
    found = open_store(address)
    with found.engine.begin() as connection:
        connection.execute(text("drop table if exists reports, alembic_version"))
    found.engine.dispose()


@pytest.fixture
def store(url):
    """An empty store."""
    opened = open_store(url)
    yield opened
    opened.engine.dispose()
