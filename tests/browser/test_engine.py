"""The Model page shows the engine's figures once it has answered, without anything being clicked."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def test_the_engines_figures_take_the_formulas_place(visit):
    visitor = visit()
    page = visitor.open("model?model=qwen3-8b&machine=rtx-4090&context=8192&quant=Q4_K_M")
    page.locator(".numbers").get_by_text("engine", exact=True).first.wait_for()
    assert visitor.figures.count("formula") == 4
    visitor.address_becomes("context=8192")
