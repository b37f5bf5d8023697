"""The whole app in Chromium: one server a worker, and a visitor whose every request is watched."""

import os
import shutil
from urllib.parse import urlsplit

import pytest

from tests import serving

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FIRST_ANSWER_MS = 60_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium. Without one the tests are skipped, but never where they must run."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        message = f"no Chromium on the PATH ({', '.join(CHROMIUMS)}); make test installs it where apt and root allow"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium):
    """Chromium of the system, without a sandbox for root in a container."""
    return {"executable_path": chromium, "args": ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a running Headroom."""
    folder = tmp_path_factory.mktemp("server")
    # What it measures and keeps belongs to no user of this computer.
    with serving.serving(folder, XDG_DATA_HOME=str(folder / "data")) as address:
        yield address


class Visitor:
    """A person with a browser of their own. What leaves the server's origin is stopped and remembered."""

    def __init__(self, browser, server, **settings):
        self.server = server
        self.foreign, self.errors, self.loaded = [], [], []
        fixed = {"color_scheme": "light", "locale": "en-GB", "timezone_id": "Europe/Berlin", "reduced_motion": "reduce"}
        self.context = browser.new_context(**{**fixed, "viewport": DESKTOP, **settings})
        self.context.set_default_timeout(20_000)
        self.context.route("**/*", self._watch)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("websocket", lambda socket: self._origin(socket.url))

    def _watch(self, route):
        if self._origin(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _origin(self, url):
        ours = url.startswith(("data:", "blob:")) or urlsplit(url).netloc == urlsplit(self.server).netloc
        (self.loaded if ours else self.foreign).append(url)
        return ours

    def _heard(self, message):
        # Streamlit looks for its own health page below the page's address too, which is not there.
        if message.type == "error" and "404" not in message.text:
            self.errors.append(message.text)

    def open(self, path=""):
        """Open an address and wait for its answer."""
        self.page.goto(path if path.startswith("http") else f"{self.server}/{path}")
        self.page.get_by_role("heading", level=2).first.wait_for(timeout=FIRST_ANSWER_MS)
        return self.settled()

    def settled(self):
        """Wait until nothing is being computed and nothing stale is shown."""
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=FIRST_ANSWER_MS)
        # The footer is what a page draws last.
        self.page.get_by_text("Nothing is sent anywhere unless you ask for it.").wait_for()
        self.page.wait_for_function("!document.querySelector('[data-stale=\"true\"]')")
        # The engine may still be planning what the formula already shows.
        said = "document.querySelector('.st-key-grade')?.innerText ?? ''"
        self.page.wait_for_function(f"!({said}).includes('is planning')", timeout=FIRST_ANSWER_MS)
        # The script beside the footer, which makes the navigation one list, is loaded after what is drawn.
        unmended = "document.querySelector('[data-testid=stSidebarNavItems] > div:not([role])')"
        self.page.wait_for_function(f"window.headroomNavigation && !{unmended}")
        return self.page

    @property
    def heading(self):
        """The answer."""
        return self.page.get_by_role("heading", level=2).first.inner_text()

    @property
    def figures(self):
        """The row of memory figures, each with its grade."""
        self.page.locator(".numbers .number").first.wait_for()
        return self.page.locator(".numbers").first.inner_text()

    @property
    def grade(self):
        """The line that says how the figures are known."""
        return self.page.locator(".st-key-grade").inner_text()

    def address_becomes(self, *parts):
        """Wait until the address holds these."""
        self.page.wait_for_url(lambda url: all(part in url for part in parts), timeout=FIRST_ANSWER_MS)
        return self.settled()


@pytest.fixture
def visit(browser, server):
    """Makes visitors; at the end none of them may have seen an error or sent anything elsewhere."""
    visitors = []

    def new(**settings):
        visitors.append(Visitor(browser, server, **settings))
        return visitors[-1]

    yield new
    for visitor in visitors:
        visitor.context.close()
        assert visitor.foreign == []
        assert visitor.errors == []
