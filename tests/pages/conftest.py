"""The app in one process, without a browser: a small catalogue, so that each page answers at once, and empty caches."""

import json
from pathlib import Path
from urllib.parse import parse_qsl

import plotly.graph_objects
import pytest
import streamlit as st
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from advisor import fit, recommend
from advisor.engine.status import EngineStatus
from advisor.models.library import Catalogue, catalogue
from advisor.paths import pages_folder
from advisor.ui import chart, engine_grade, found_here
from advisor.ui.cached import ANSWERS, BY_ENGINE, CURVES, FITS, RECOMMENDED

APP = Path(__file__).resolve().parents[2] / "advisor" / "app.py"
SMALL = ("qwen3-0.6b", "llama-3.1-8b", "llama-3.3-70b", "mixtral-8x7b", "gpt-oss-20b", "deepseek-r1-671b")
PAGES = {
    "fit": "what_can_i_run.py",
    "model": "model.py",
    "machine": "machine.py",
    "recommendation": "recommendation.py",
    "compare": "compare.py",
    "which": "which_machine.py",
    "verify": "verify.py",
    "report": "report.py",
    "community": "community.py",
}


@pytest.fixture(autouse=True)
def fresh_caches():
    """Caches outlive an AppTest: they belong to the process."""
    st.cache_data.clear()
    st.cache_resource.clear()
    ANSWERS.clear()
    BY_ENGINE.clear()
    FITS.clear()
    CURVES.clear()
    RECOMMENDED.clear()


@pytest.fixture(autouse=True)
def small_catalogue(monkeypatch):
    """Ranking looks at six models; everything else still knows all of them."""
    few = Catalogue(tuple(catalogue().find(name) for name in SMALL))
    monkeypatch.setattr(fit, "catalogue", lambda: few)
    monkeypatch.setattr(recommend, "catalogue", lambda: few)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    """What the formula says is there at once, on every computer alike."""
    monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("absent"))


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch):
    """What lies on the computer that runs the tests is on no page."""
    monkeypatch.setattr(found_here, "_SEARCH", Nothing())


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    """Who has no browser comes from no address; AppTest would make one up that is no text."""
    monkeypatch.setattr(ContextProxy, "ip_address", None)


@pytest.fixture(autouse=True)
def figures_checked(monkeypatch):
    """Pages send figures unchecked; here Plotly checks each of them."""
    monkeypatch.setattr(chart, "_Checked", plotly.graph_objects.Figure)


class Nothing:
    """A search that ended and found nothing."""

    def known(self):
        return found_here.Here(), False


class App:
    """The running app as a visitor without a browser sees it."""

    def __init__(self) -> None:
        self.at = AppTest.from_file(APP, default_timeout=15)

    def open(self, page: str = "fit", **query: str) -> "App":
        """Open a page by its address."""
        if page != "fit":
            self.at.run()
            self.at.switch_page(str(pages_folder() / PAGES[page]))
            # A typed address holds nothing of the page before.
            for name in list(self.at.query_params):
                del self.at.query_params[name]
        for name, value in query.items():
            self.at.query_params[name] = value
        return self.run()

    def go(self, page: str) -> "App":
        """Follow a link of the navigation, which carries no query."""
        self.at.switch_page(str(pages_folder() / PAGES[page]))
        for name in list(self.at.query_params):
            del self.at.query_params[name]
        return self.run()

    def run(self) -> "App":
        """Draw again; the script itself must not have failed."""
        self.at.run()
        assert not self.at.exception, [error.value for error in self.at.exception]
        return self

    @property
    def heading(self) -> str:
        """The answer."""
        return plain(self.at.header[0].value)

    @property
    def captions(self) -> str:
        """All small print."""
        return plain("\n".join(caption.value for caption in self.at.caption))

    @property
    def reasons(self) -> str:
        """All running text."""
        return plain("\n".join(text.value for text in self.at.markdown))

    @property
    def warnings(self) -> list[str]:
        """Sentences about what was wrong."""
        return [plain(warning.value) for warning in self.at.warning]

    @property
    def address(self) -> dict[str, str]:
        """The query of the address: what the page has written, or lets the browser write where there was none."""
        query = {name: value[-1] if isinstance(value, list) else value for name, value in self.at.query_params.items()}
        given = dict(parse_qsl(self.component("arrived")["query"]))
        assert query in ({}, given)
        return given

    def component(self, marker: str) -> dict:
        """The data of the browser component whose data has `marker`."""
        found = [json.loads(element.proto.json) for element in self.at.get("bidi_component") if element.proto.json]
        return next(data for data in found if marker in data)


def plain(text: str) -> str:
    """Markdown as it is read: without the escapes and joiners that make strangers' text harmless."""
    return text.replace("\\", "").replace("\N{WORD JOINER}", "")


@pytest.fixture
def app():
    """A visitor's session."""
    return App()
