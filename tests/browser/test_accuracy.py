"""How accurate is this? in a browser: the choice in the address, the cases filtered, each log one click away."""

import pytest

from advisor.accuracy.published import published

pytestmark = pytest.mark.browser

FIND = "Find a case: qwen3, cuda, b9010"


def test_a_choice_is_in_the_address_and_comes_back_from_it(visit):
    first = visit()
    page = first.open("accuracy")
    page.get_by_role("radio", name="Compute buffers").click()
    first.address_becomes("component=compute")
    page.get_by_role("radio", name="ROCm").click()
    first.address_becomes("component=compute", "backend=rocm")
    second = visit()
    second.open(page.url)
    assert second.heading == first.heading
    assert "compute buffers printed by llama.cpp in public logs of ROCm" in second.heading


def test_back_undoes_a_choice(visit):
    visitor = visit()
    page = visitor.open("accuracy?component=weights")
    page.get_by_role("radio", name="KV cache").click()
    visitor.address_becomes("component=kv_cache")
    page.go_back()
    visitor.address_becomes("component=weights")
    page.get_by_role("heading", name="sizes of weights").wait_for()


def test_the_page_before_leaves_nothing_in_the_address(visit):
    visitor = visit()
    page = visitor.open("machine")
    visitor.address_becomes("machine=detected")
    page.get_by_text("Proof", exact=True).first.click()  # the group of the navigation that it is in
    page.get_by_text("How accurate is this?", exact=True).first.click()
    page.get_by_role("heading", name="memory totals").wait_for()
    visitor.settled()
    assert page.url.endswith("/accuracy")
    page.reload()
    page.get_by_role("heading", name="memory totals").wait_for()
    visitor.settled()
    assert page.get_by_test_id("stAlert").count() == 0


def test_cases_are_found_by_words_and_lead_to_their_logs(visit):
    visitor = visit()
    page = visitor.open("accuracy")
    rows = page.locator("section.linked").first.locator("tbody tr")
    rows.first.wait_for()
    assert rows.count() == 12
    page.get_by_role("button", name="Show all").first.click()
    assert rows.count() == len(published().rows("total"))
    page.get_by_placeholder(FIND).fill("gemma4 MTL0")
    assert 0 < rows.count() < 12
    link = rows.first.get_by_role("link")
    assert link.get_attribute("href").startswith("https://github.com/")
    assert "noopener" in link.get_attribute("rel")
    page.get_by_placeholder(FIND).fill("no such case")
    page.get_by_text("Nothing here has these words.").first.wait_for()


def test_on_a_phone_nothing_is_wider_than_the_screen(visit):
    page = visit(viewport={"width": 390, "height": 844}).open("accuracy")
    page.locator("section.linked").first.locator("tbody tr").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    row = page.locator("section.linked").first.locator("tbody tr").first
    assert row.locator("td").first.bounding_box()["x"] >= 0
    assert row.bounding_box()["width"] <= 390
