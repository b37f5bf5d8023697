"""The whole question is in the address, and comes back from it."""

import re

import pytest

pytestmark = pytest.mark.browser


def test_a_copied_address_shows_the_same_answer_to_somebody_else(visit):
    first = visit()
    page = first.open("model?model=qwen3-8b&machine=rtx-3060-12gb&ram_gib=32")
    page.get_by_role("slider", name="Context").press("ArrowRight")
    first.address_becomes("context=16384")
    page.get_by_role("radio", name="q8_0").click()
    first.address_becomes("type_k=q8_0")
    answer = first.heading, first.figures
    page.get_by_role("button", name="Address of this view").click()
    copied = page.get_by_test_id("stCode").inner_text().strip()
    assert copied == page.url
    second = visit()
    second.open(copied)
    assert (second.heading, second.figures) == answer
    assert second.page.url == copied


def test_back_undoes_and_forward_redoes(visit):
    visitor = visit()
    page = visitor.open("model?model=qwen3-8b&machine=rtx-4090&context=8192&quant=Q4_K_M")
    before = visitor.figures
    page.get_by_role("slider", name="Context").press("ArrowRight")
    visitor.address_becomes("context=16384")
    after = visitor.figures
    assert after != before
    page.go_back()
    visitor.address_becomes("context=8192")
    page.wait_for_function("text => document.querySelector('[data-testid=stApp]').innerText.includes(text)", arg="context 8k")
    visitor.settled()
    assert visitor.figures == before
    page.go_forward()
    visitor.address_becomes("context=16384")
    page.wait_for_function("text => document.querySelector('[data-testid=stApp]').innerText.includes(text)", arg="context 16k")
    visitor.settled()
    assert visitor.figures == after


def test_quick_edits_are_not_lost(visit):
    """A second edit can be on its way before the first one's address has arrived."""
    visitor = visit()
    page = visitor.open("model?model=qwen3-8b&machine=rtx-4090&context=2048")
    slider = page.get_by_role("slider", name="Context")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    visitor.address_becomes("context=32768")
    page.wait_for_timeout(500)
    assert "context=32768" in visitor.settled().url


def test_pages_keep_the_machine(visit):
    visitor = visit()
    page = visitor.open("machine?machine=rtx-3060-12gb&ram_gib=32")
    page.get_by_role("link", name="Model").click()
    visitor.address_becomes("/model", "machine=rtx-3060-12gb", "ram_gib=32")
    page.get_by_role("link", name="What can I run?").click()
    visitor.address_becomes("machine=rtx-3060-12gb", "context=8192")
    page.get_by_role("heading", name=re.compile("RTX 3060")).wait_for(timeout=60_000)
    page.go_back()
    visitor.address_becomes("/model", "machine=rtx-3060-12gb")


def test_a_row_of_the_list_opens_the_model_with_this_machine(visit):
    visitor = visit()
    page = visitor.open("?machine=rtx-3060-12gb&ram_gib=32&context=4096")
    page.get_by_role("searchbox", name="Find a model").fill("qwen3 8b")
    row = page.locator("details").filter(has=page.get_by_text("Qwen3 8B", exact=True))
    row.locator("summary").click()
    row.get_by_role("link", name="Plan Qwen3 8B").click()
    visitor.address_becomes("/model", "model=qwen3-8b", "machine=rtx-3060-12gb", "context=4096", "quant=")
    page.get_by_text("Qwen3 8B (8.2B), ").wait_for()
    assert "context 4k" in page.inner_text("body")


def test_a_wrong_address_gives_one_sentence_and_the_default(visit):
    visitor = visit()
    page = visitor.open("model?model=no-such-model&machine=rtx-4090")
    alert = page.get_by_role("alert")
    assert alert.count() == 1
    assert 'There is no model "no-such-model"' in alert.inner_text().replace("\N{WORD JOINER}", "")
    assert "Llama 3.1 8B" in page.inner_text("body")
    assert page.get_by_test_id("stException").count() == 0
