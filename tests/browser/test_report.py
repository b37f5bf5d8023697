"""A shared report as a stranger sees it: one printed sheet, a phone's width, links to copy, the way into the app."""

import re

import pytest

from advisor.reports.store import open_store
from tests import serving
from tests.browser.conftest import PHONE, Visitor
from tests.reports.examples import everything, measured

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, chromium):
    """A hosted server with one report; its address and the id."""
    folder = tmp_path_factory.mktemp("report")
    kept = open_store(f"sqlite:///{folder / 'reports.sqlite'}")
    id_ = kept.add(measured(), listed=True).id
    long = kept.add(everything(), listed=False).id
    kept.engine.dispose()
    with serving.hosted(folder, ADVISOR_RATE_PER_MINUTE="10000") as address:
        yield address, id_, long


def sheets(pdf):
    """How many pages a PDF has: its objects of that type."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints_on_one_sheet(browser, site, scheme, paper):
    """Also one with every field set; and on white paper, whatever the screen is."""
    page = browser.new_page(color_scheme=scheme)
    for id_ in site[1:]:
        page.goto(f"{site[0]}/r/{id_}")
        page.evaluate("document.fonts.ready")
        page.emulate_media(media="print", color_scheme=scheme)
        assert sheets(page.pdf(format=paper, print_background=True)) == 1
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('td')).color") == "rgb(0, 0, 0)"
        assert page.get_by_text(f"{site[0]}/r/{id_}", exact=True).is_visible()
        assert not page.get_by_role("link", name="Open in Headroom").is_visible()
        page.emulate_media(media="screen")
    page.close()


def test_more_would_be_a_second_sheet(browser, site):
    page = browser.new_page()
    page.goto(f"{site[0]}/r/{site[1]}")
    page.evaluate("document.querySelector('main').append(...Array.from({length: 90}, () => document.createElement('h2')))")
    page.evaluate("document.querySelectorAll('h2').forEach((one) => one.textContent ||= 'more')")
    assert sheets(page.pdf(format="A4")) > 1
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_apps_own_page_of_a_report_prints_alone_on_one_white_sheet(browser, site, scheme):
    visitor = Visitor(browser, site[0], color_scheme=scheme)
    page = visitor.open(f"report?id={site[1]}")
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    page.locator("table tbody tr").nth(20).wait_for()
    page.emulate_media(media="print", color_scheme=scheme)
    for name in ("Open the page", "Model"):
        assert not page.get_by_role("link", name=name, exact=True).first.is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
    assert page.get_by_role("heading", level=2).first.evaluate("one => getComputedStyle(one).color") == "rgb(0, 0, 0)"
    assert sheets(page.pdf(format="A4", print_background=True)) == 1
    visitor.context.close()
