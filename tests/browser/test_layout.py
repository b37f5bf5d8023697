"""What is seen first, and that it fits the screen."""

import pytest

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser
PAGES = (
    "?machine=rtx-4090&ram_gib=64",
    "model?model=llama-3.3-70b&machine=rtx-4090&gpus=2&ram_gib=64",
    "machine?machine=m4-max-40",
)


def top(locator):
    return locator.first.bounding_box()["y"]


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_the_answer_first_and_scrolls_only_down(visit, path):
    visitor = visit(viewport=PHONE, device_scale_factor=2, has_touch=True)
    page = visitor.open(path)
    assert top(page.get_by_role("heading", level=2)) < PHONE["height"] / 2
    wide = page.evaluate("[document.querySelector('[data-testid=stMain]').scrollWidth, document.documentElement.scrollWidth]")
    assert max(wide) <= PHONE["width"]


def test_on_a_phone_the_verdict_is_above_the_knobs(visit):
    visitor = visit(viewport=PHONE)
    page = visitor.open("model?model=llama-3.1-8b&machine=rtx-4090")
    knob = page.get_by_role("slider", name="Context")
    assert top(page.get_by_role("heading", level=2)) < top(page.get_by_text("It needs")) < top(knob)
    assert top(knob) < top(page.locator(".numbers"))


def test_on_a_screen_the_knobs_are_beside_the_figures(visit):
    visitor = visit()
    page = visitor.open("model?model=llama-3.1-8b&machine=rtx-4090")
    knobs, figures = page.get_by_role("slider", name="Context").bounding_box(), page.locator(".numbers").first.bounding_box()
    assert knobs["x"] + knobs["width"] < figures["x"]
    assert figures["y"] < 900


@pytest.mark.parametrize("path", PAGES)
def test_nothing_of_streamlit_is_shown(visit, path):
    visitor = visit()
    page = visitor.open(path)
    for name in ("Deploy", "Manage app", "Fork"):
        assert page.get_by_role("button", name=name).count() == 0
    for part in ("stAppDeployButton", "stException", "stMainMenu"):
        assert page.get_by_test_id(part).count() == 0
    assert "Headroom" in page.title()
    assert "Streamlit" not in page.inner_text("body")


def test_charts_are_drawn_and_named(visit):
    visitor = visit()
    page = visitor.open("model?model=llama-3.1-8b&machine=rtx-4090&ram_gib=64")
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for(timeout=30_000)
    # The stack, the speed, the context, the files.
    page.locator(".js-plotly-plot").nth(3).wait_for(timeout=30_000)
    assert page.locator(".js-plotly-plot .barlayer .point").count() >= 4
    page.get_by_text("Q4_K_M: fits to 128k").wait_for()


def test_the_list_is_filtered_without_the_server(visit):
    visitor = visit()
    page = visitor.open("?machine=rtx-4090&ram_gib=64")
    rows = page.locator("details")
    rows.first.wait_for()
    page.get_by_role("searchbox", name="Find a model").fill("deepseek r1 distill")
    assert 0 < rows.count() <= 8
    page.get_by_role("searchbox", name="Find a model").fill("no such model")
    assert rows.count() == 0
    page.get_by_text("No model of the list has these words").wait_for()
    page.get_by_role("searchbox", name="Find a model").fill("")
    page.get_by_role("button", name="fits").click()
    assert set(page.locator(".chip").all_inner_texts()) == {"✓\nfits"}
    page.get_by_role("button", name="Show all").click()
    assert rows.count() > 50


def test_on_paper_a_dark_page_is_dark_on_white(visit):
    page = visit(color_scheme="dark").open("model?model=llama-3.1-8b&quant=Q4_K_M&machine=rtx-4090")
    number = page.locator(".number").first
    number.wait_for()
    assert number.evaluate("one => getComputedStyle(one).backgroundColor") != "rgb(255, 255, 255)"
    page.emulate_media(media="print", color_scheme="dark")
    assert number.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
    for name in ("Model", "Quantization"):
        grounds = "one => [one, ...one.querySelectorAll('*')].map(each => getComputedStyle(each).backgroundColor)"
        knob = page.locator("[data-testid=stSelectbox]").filter(has_text=name).first
        assert set(knob.evaluate(grounds)) == {"rgba(0, 0, 0, 0)"}
