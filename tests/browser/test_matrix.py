"""Machines side by side: names wrap on a desk, and on a phone every cell says whose it is."""

import pytest

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser
FOUR = "compare?machines=rtx-4090,m4-max-40%4064,rtx-3060-12gb,m3-8%408&context=8192"
NAMES = ["RTX 4090", "Apple M4 Max 40-core GPU, 64 GiB", "RTX 3060 12 GB", "Apple M3 8-core GPU, 8 GiB"]
TABLET = {"width": 820, "height": 1100}


def table(page):
    found = page.locator(".st-key-side_by_side table")
    found.locator("tbody tr").first.wait_for()
    return found


def test_each_machine_has_a_column_with_its_short_name(visit):
    page = visit().open(FOUR)
    heads = table(page).locator("thead th")
    assert heads.all_inner_texts() == [
        "Model",
        "RTX 4090",
        "Apple M4 Max 40-core GPU, 64 GiB",
        "RTX 3060 12 GB",
        "Apple M3 8-core GPU, 8 GiB",
    ]
    assert heads.nth(1).get_attribute("title") == "NVIDIA GeForce RTX 4090"
    rows = table(page).locator("tbody tr")
    assert rows.count() > 10
    cells = rows.last.locator("td").all_inner_texts()
    assert len(cells) == 4
    assert all("tokens/s" in cell or "does not run whole" in cell for cell in cells)


def test_a_verdict_is_said_in_words_too(visit):
    page = visit().open(FOUR)
    said = set(table(page).locator(".unseen").all_inner_texts())
    assert said <= {"fits", "tight", "does not run whole"}
    assert len(said) > 1
    assert page.get_by_role("list", name="Signs").locator("li").count() == 3


@pytest.mark.parametrize("viewport", [PHONE, TABLET])
def test_nothing_is_cut_off_on_a_narrow_screen(visit, viewport):
    page = visit(viewport=viewport).open(FOUR)
    for key in ("side_by_side", "glance"):
        scroll = page.locator(f".st-key-{key} .scroll")
        scroll.locator("tbody tr").first.wait_for()
        assert scroll.evaluate("box => box.scrollWidth - box.clientWidth") <= 1


def test_on_a_phone_each_cell_names_its_machine(visit):
    page = visit(viewport=PHONE).open(FOUR)
    first = table(page).locator("tbody tr").first
    assert not table(page).locator("thead").is_visible()
    names = first.locator(".machine").all_inner_texts()
    assert names == NAMES
    assert all(name.is_visible() for name in first.locator(".machine").all())
    glance = page.locator(".st-key-glance td").first
    assert "Memory for models" in glance.evaluate("cell => getComputedStyle(cell, '::before').content")
