"""The memory explorer of the Model page: every knob moves the stack against the line, and two settings stand side by side."""

import re

import pytest

from tests.browser.conftest import PHONE
from tests.browser.test_accessible import violations

pytestmark = pytest.mark.browser
START = "model?model=llama-3.1-8b&quant=Q4_K_M&context=8192&machine=rtx-3060-12gb&ram_gib=32"
# Where the bars of the figure of that key end, and where its first line of capacity stands, in pixels of the screen.
ENDS = """
(key) => {
  const figure = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const of = (marks) => [...figure.querySelectorAll(marks)].map((one) => one.getBoundingClientRect().right);
  return { bars: Math.max(...of(".barlayer .point path")), lines: of(".shapelayer path").sort((a, b) => a - b) };
}
"""


def ends(page, key="stack"):
    page.locator(f".st-key-{key} .js-plotly-plot .barlayer .point").first.wait_for(timeout=30_000)
    page.wait_for_timeout(400)
    return page.evaluate(ENDS, key)


def test_every_knob_moves_the_stack_against_the_same_line(visit):
    visitor = visit()
    page = visitor.open(START)
    first = ends(page)
    page.get_by_role("slider", name="Context").focus()
    page.keyboard.press("ArrowRight")
    visitor.address_becomes("context=16384")
    longer = ends(page)
    assert longer["bars"] > first["bars"]
    assert longer["lines"] == first["lines"]
    page.get_by_role("radio", name="q8_0").click()
    visitor.address_becomes("type_k=q8_0")
    assert first["bars"] < ends(page)["bars"] < longer["bars"]
    page.get_by_role("combobox", name="Quantization").fill("Q8_0")
    page.get_by_role("option", name="Q8_0", exact=True).click()
    visitor.address_becomes("quant=Q8_0")
    larger = ends(page)
    assert larger["bars"] > longer["bars"]
    assert larger["lines"] == first["lines"]


def test_the_longest_context_that_fits_is_marked_and_is_true(visit):
    """What the figure and the number call the longest fits; the next step of the slider does not."""
    visitor = visit()
    page = visitor.open(START.replace("context=8192", "context=65536"))
    assert "Longest context that fits\n" in visitor.figures
    reach = re.search(r"Longest context that fits\n(\d+)k", visitor.figures)[1]
    page.get_by_text(f"Q4_K_M: fits to {reach}k").wait_for()
    page.locator(".st-key-curves .js-plotly-plot .scatterlayer .points path").first.wait_for(timeout=30_000)
    assert page.locator(".st-key-curves .js-plotly-plot .scatterlayer .points path").count() >= 1
    visitor.open(START.replace("context=8192", f"context={int(reach) * 1024}"))
    assert visitor.heading.startswith("Fits, with ")
    visitor.open(START.replace("context=8192", f"context={int(reach) * 2048}"))
    assert not visitor.heading.startswith("Fits, with ")


def test_two_settings_side_by_side(visit):
    visitor = visit()
    page = visitor.open(START)
    assert page.get_by_role("heading", name="A and B").count() == 0
    page.get_by_role("button", name="Compare with another setting").click()
    page.get_by_role("heading", name="A and B").wait_for()
    visitor.address_becomes("beside=model%3Dllama-3.1-8b")
    page.get_by_text("A and B take the same memory").wait_for()
    page.get_by_role("slider", name="Context").focus()
    page.keyboard.press("ArrowRight")
    visitor.address_becomes("context=16384", "beside=")
    page.get_by_text("KV cache +1.00 GiB, ").wait_for()
    found = ends(page, "two_stacks")
    # A memory's line is in the same place for A and for B.
    assert len({round(x) for x in found["lines"]}) < len(found["lines"])
    assert violations(page) == []
    copied = page.url
    second = visit(viewport=PHONE)
    other = second.open(copied)
    other.get_by_text("KV cache +1.00 GiB, ").wait_for()
    wide = other.evaluate("[document.querySelector('[data-testid=stMain]').scrollWidth, document.documentElement.scrollWidth]")
    assert max(wide) <= PHONE["width"]
    assert violations(other) == []
    page.go_back()
    page.get_by_text("A and B take the same memory").wait_for()
    page.get_by_role("button", name="Stop comparing").click()
    page.get_by_role("heading", name="A and B").wait_for(state="detached")
    visitor.settled()
    assert "beside" not in page.url
