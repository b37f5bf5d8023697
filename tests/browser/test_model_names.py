"""Names typed into the list of models.

Guards against: a name that is no option leaves the page without a model; its warning stays after another choice.
"""

import pytest

pytestmark = pytest.mark.browser


def typed(visitor, text):
    page = visitor.page
    page.get_by_label("Model", exact=True).first.click()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    page.wait_for_timeout(500)  # the list narrows with a delay; Enter before it takes the option that was marked
    page.keyboard.press("Enter")


def test_names_of_ollama_slips_and_models_without_a_plan(visit):
    visitor = visit()
    page = visitor.open("model?model=qwen3-8b&machine=rtx-4090")
    typed(visitor, "deepseek r1:32b")
    visitor.address_becomes("model=deepseek-r1-distill-qwen-32b")
    assert page.get_by_test_id("stAlert").count() == 0
    typed(visitor, "quen3 14b")
    visitor.address_becomes("model=qwen3-14b")
    page.get_by_text("There is no model").wait_for()
    typed(visitor, "kimi k3")
    visitor.address_becomes("model=kimi-k2")
    page.get_by_text("Kimi K3 is known").wait_for()
    typed(visitor, "llama-3.2-3b")
    visitor.address_becomes("model=llama-3.2-3b")
    page.get_by_test_id("stAlert").wait_for(state="detached")
