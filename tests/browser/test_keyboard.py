"""Everything of ours by keyboard alone; and the landing page without the weight of figures."""

import pytest

pytestmark = pytest.mark.browser
MACHINE = "machine=rtx-4090&ram_gib=64"
# The name of what has the focus, through the shadow roots of our components.
FOCUSED = """
() => {
  let at = document.activeElement;
  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return [at.tagName.toLowerCase(), (at.getAttribute("aria-label") || at.innerText || "").trim().split("\\n")[0]];
}
"""


def tab_to(page, wanted, presses=60):
    """Press Tab until `wanted` (a tag and the beginning of a name) has the focus."""
    seen = []
    for _ in range(presses):
        page.keyboard.press("Tab")
        seen.append(tuple(page.evaluate(FOCUSED)))
        if seen[-1][0] == wanted[0] and seen[-1][1].startswith(wanted[1]):
            return
    raise AssertionError(f"{wanted} is never reached: {seen}")


def test_the_list_of_models_by_keyboard(visit):
    page = visit().open(f"?{MACHINE}&context=8192")
    row = page.locator("details").first
    row.wait_for()
    # Models that run in part come later, and the best of all: the list is then drawn again.
    page.wait_for_function("!document.body.innerText.includes('still being')", timeout=60_000)
    tab_to(page, ("input", "Find a model"))
    page.keyboard.type("qwen3 32b")
    page.wait_for_function("document.activeElement !== document.body")
    tab_to(page, ("button", "fits"))
    page.keyboard.press("Enter")
    tab_to(page, ("summary", "Qwen3 32B"))
    page.keyboard.press("Enter")
    assert row.get_attribute("open") is not None
    page.get_by_role("link", name="Plan Qwen3 32B").first.wait_for()
    tab_to(page, ("a", "Plan Qwen3 32B"), presses=3)
    page.keyboard.press("Enter")
    page.wait_for_url("**/model?**")


def test_the_focus_stays_where_it_is_while_the_server_learns_more(visit):
    page = visit().open("?machine=rtx-3060-12gb&ram_gib=64&context=8192&purpose=code")
    page.locator("details").first.wait_for()
    page.locator("details summary").nth(2).focus()
    name = page.evaluate(FOCUSED)
    page.keyboard.press("Enter")
    page.get_by_text("still being weighed").wait_for(state="detached", timeout=60_000)
    page.get_by_text("still being laid out").wait_for(state="detached", timeout=60_000)
    assert page.evaluate(FOCUSED) == name


def test_after_show_all_reading_goes_on_below(visit):
    page = visit().open(f"?{MACHINE}&context=8192")
    page.locator("details").nth(24).wait_for()
    page.get_by_role("button", name="Show all").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("[...document.querySelectorAll('*')].find((one) => one.shadowRoot?.activeElement) !== undefined")
    assert page.evaluate(FOCUSED)[0] == "summary"


def test_another_machine_by_keyboard(visit):
    visitor = visit()
    page = visitor.open(f"?{MACHINE}&context=8192")
    tab_to(page, ("button", "swap_horiz"), presses=20)
    page.keyboard.press("Enter")
    field = page.get_by_role("combobox", name="Machine")
    field.wait_for()
    field.focus()
    page.keyboard.type("RTX 3090")
    page.get_by_role("option", name="NVIDIA GeForce RTX 3090", exact=True).wait_for()
    while page.evaluate("document.activeElement.getAttribute('aria-activedescendant')") is None:
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "machine=" in url and "machine=rtx-4090" not in url)
    assert "3090" in visitor.settled().locator(".st-key-machine_bar").inner_text()


def test_the_knobs_of_a_model_by_keyboard(visit):
    visitor = visit()
    page = visitor.open(f"model?model=llama-3.1-8b&quant=Q4_K_M&context=8192&{MACHINE}")
    page.get_by_role("slider", name="Context").focus()
    page.keyboard.press("ArrowRight")
    visitor.address_becomes("context=16384")
    page.get_by_role("radio", name="q8_0").focus()
    page.keyboard.press("Space")
    visitor.address_becomes("type_k=q8_0")


def test_a_table_is_searched_by_keyboard(visit):
    page = visit().open("which?model=llama-3.1-8b&quant=Q4_K_M")
    page.get_by_role("searchbox", name="Find a machine").wait_for()
    tab_to(page, ("input", "Find a machine"))
    page.keyboard.type("RTX 3060 12 GB")
    assert page.locator(".linked tbody tr").count() == 1
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    tab_to(page, ("button", "Show all"), presses=40)
    page.keyboard.press("Enter")
    assert page.locator(".linked tbody tr").count() > 50


def test_what_is_a_q4_k_m_by_keyboard(visit):
    page = visit().open(f"?{MACHINE}&context=8192")
    page.get_by_role("button", name="What is Q4_K_M?").focus()
    page.keyboard.press("Enter")
    page.get_by_text("about 4 bits a weight instead of 16").wait_for()


def test_figures_are_named_for_those_who_cannot_see_them(visit):
    page = visit().open(f"model?model=llama-3.1-8b&quant=Q4_K_M&context=8192&{MACHINE}")
    page.locator(".js-plotly-plot").nth(2).wait_for(timeout=30_000)
    said = page.evaluate(
        "[...document.querySelectorAll('.stPlotlyChart')].map((one) => one.getAttribute('aria-label') ?? "
        "one.querySelector('[aria-label]')?.getAttribute('aria-label') ?? '')"
    )
    assert len(said) >= 3
    assert all(len(text) > 40 for text in said), said


def test_no_figure_no_plotly(visit):
    visitor = visit()
    visitor.open(f"?{MACHINE}&context=8192")
    visitor.page.wait_for_timeout(1000)
    assert [url for url in visitor.loaded if "lotly" in url] == []
    visitor.open(f"model?model=llama-3.1-8b&{MACHINE}").locator(".js-plotly-plot").first.wait_for(timeout=30_000)
    assert any("PlotlyChart" in url for url in visitor.loaded)
