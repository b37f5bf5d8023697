"""A shared report as a stranger sees it: one printed sheet, a phone's width, links to copy, the way into the app."""

import pytest

from advisor.reports.store import open_store
from tests import serving
from tests.browser.conftest import PHONE, Visitor
from tests.reports.examples import measured

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, chromium):
    """A hosted server with one report; its address and the id."""
    folder = tmp_path_factory.mktemp("report")
    kept = open_store(f"sqlite:///{folder / 'reports.sqlite'}")
    id_ = kept.add(measured(), listed=True).id
    kept.engine.dispose()
    with serving.hosted(folder, ADVISOR_RATE_PER_MINUTE="10000") as address:
        yield address, id_


def test_it_prints_on_one_sheet(browser, site):
    page = browser.new_page()
    page.goto(f"{site[0]}/r/{site[1]}")
    assert b"/Count 1\n" in page.pdf(format="A4").replace(b"\r", b"\n").replace(b"/Count 1>>", b"/Count 1\n")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_down(browser, site, scheme):
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)
    page.goto(f"{site[0]}/r/{site[1]}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px Inter'))")
    page.close()


def test_it_leads_into_the_app(browser, site):
    visitor = Visitor(browser, site[0])
    visitor.page.goto(f"{site[0]}/r/{site[1]}")
    visitor.page.get_by_role("link", name="Open in Headroom").click()
    visitor.page.get_by_role("heading", level=2).first.wait_for(timeout=60_000)
    page = visitor.settled()
    assert visitor.heading == "Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 4090"
    assert f"{site[0]}/r/{site[1]}" in page.get_by_test_id("stCode").first.inner_text()
    page.get_by_role("tab", name="Picture").click()
    picture = page.locator("img[src$='.png']")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1200
    assert visitor.foreign == []
    visitor.context.close()
