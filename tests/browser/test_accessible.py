"""Every page for everybody: axe-core finds nothing serious, all works by keyboard, nothing scrolls sideways.

axe-core 4.14.1 (Deque, MPL-2.0) lies in `axe/` as it is published.
"""

from pathlib import Path

import pytest

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser
AXE = Path(__file__).with_name("axe") / "axe.min.js"
MACHINE = "machine=rtx-4090&ram_gib=64"
PAGES = {
    "fit": f"?{MACHINE}&context=8192",
    "fit, nothing fits": "?memory_gib=0.5&context=8192",
    "recommendation": f"recommendation?{MACHINE}",
    "model": f"model?model=llama-3.1-8b&quant=Q4_K_M&{MACHINE}",
    "model, in part": "model?model=llama-3.3-70b&quant=Q4_K_M&machine=rtx-4090&ram_gib=64",
    "model, MLX": "model?model=llama-3.1-8b&machine=m4-max-40&runtime=mlx",
    "machine": "machine?machine=m4-max-40",
    "compare": "compare?machines=rtx-4090,m4-max-40%4064,rtx-3060-12gb,m3-8%408&context=8192",
    "which": "which?model=llama-3.3-70b&quant=Q4_K_M",
    "verify": "verify",
    "report": "report",
    "report, unknown": "report?id=nothing",
    "community": "community",
    "accuracy": "accuracy",
}
WIDTHS = {"phone": PHONE, "tablet": {"width": 820, "height": 1100}, "wide": {"width": 1600, "height": 900}}
CHECK = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  return grave.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html, failureSummary }) => ({ rule: id, at: target.flat().join(" "), html, why: failureSummary })));
}
"""


def violations(page):
    """What axe-core finds serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(CHECK)


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_page_in_both_modes_and_at_every_width(visit, path):
    page = visit().open(path)
    page.wait_for_timeout(300)
    assert violations(page) == []
    for name, viewport in WIDTHS.items():
        page.set_viewport_size(viewport)
        page.wait_for_timeout(200)
        assert name != "phone" or violations(page) == []
        wide = page.evaluate(
            "[document.querySelector('[data-testid=stMain]').scrollWidth, document.documentElement.scrollWidth]"
        )
        assert max(wide) <= viewport["width"], name
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
    page.wait_for_timeout(300)
    assert violations(page) == []


def test_the_navigation_of_a_phone_is_one_list(visit):
    page = visit(viewport=PHONE).open(f"?{MACHINE}&context=8192")
    page.get_by_test_id("stExpandSidebarButton").click()
    items = page.get_by_role("navigation", name="App pages").get_by_role("listitem")
    page.get_by_role("link", name="Compare machines").wait_for()
    assert [item.split("\n")[0] for item in items.all_inner_texts()] == [
        *("What can I run?", "Recommendation", "Model"),
        *("Machines", "Proof"),
    ]
    assert violations(page) == []
    page.get_by_role("link", name="Compare machines").click()
    page.get_by_role("heading", name="Compare machines").wait_for()
    page.wait_for_timeout(300)
    assert violations(page) == []


def test_axe_would_find_it(visit):
    page = visit().open("report")
    page.evaluate("document.querySelector('.st-key-sheet').insertAdjacentHTML('beforeend', '<button></button>')")
    assert {found["rule"] for found in violations(page)} == {"button-name"}
