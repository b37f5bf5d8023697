"""The engine's figures take the formula's place on the Model page, and edits never cross them."""

import re

import pytest

from advisor.estimate import estimate
from advisor.question import Question
from advisor.units import format_size
from advisor.words import plan_sizes

pytestmark = [pytest.mark.browser, pytest.mark.engine]
QUICKLY_MS = 40


def kv_cache(figures):
    """The size under "KV cache" and the grade under that."""
    found = re.search(r"KV cache\n(.+)\n(\w+)", figures)
    assert found
    return found.groups()


def test_quick_edits_of_the_context_settle_on_the_last(visit):
    """Ten edits, there and back, each on its way before the one before is answered by formula or engine."""
    visitor = visit()
    page = visitor.open("model?model=qwen3-8b&machine=rtx-4090&quant=Q4_K_M&context=1024")
    slider = page.get_by_role("slider", name="Context")
    slider.focus()
    for key in ("ArrowRight",) * 4 + ("ArrowLeft",) * 2 + ("ArrowRight",) * 3 + ("ArrowLeft",):
        page.keyboard.press(key)
        page.wait_for_timeout(QUICKLY_MS)
    visitor.address_becomes("context=16384")
    page.get_by_text("context 16k, run by llama-server").wait_for()
    page.wait_for_timeout(600)
    visitor.settled()
    plan = estimate(Question.from_query(page.url.partition("?")[2])).plan
    assert "context=16384" in page.url
    assert slider.get_attribute("aria-valuetext") == "16k"
    assert kv_cache(visitor.figures) == (format_size(plan_sizes(plan)["kv_cache"]), "engine")
    assert visitor.grade.startswith("Grade: engine.")
    page.get_by_text("Formula and engine side by side").click()
    page.get_by_role("columnheader", name="The formula is off by").wait_for()


def test_nothing_is_asked_once_the_engine_has_answered(visit):
    visitor = visit()
    sent = []

    def count(frame):
        sent.append(frame)

    visitor.page.on("websocket", lambda socket: socket.on("framesent", count))
    page = visitor.open("model?model=qwen3-8b&machine=rtx-4090&quant=Q4_K_M&context=1024")
    page.get_by_text("Grade: engine.").wait_for()
    page.wait_for_timeout(1000)
    before = len(sent)
    assert before
    page.wait_for_timeout(1500)
    assert len(sent) == before
