"""No request leaves the server's own origin, whatever is opened: the fixture aborts, remembers and fails."""

import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_comes_from_here_alone(visit, scheme):
    visitor = visit(color_scheme=scheme)
    for path in ("", "model?model=llama-3.1-8b&machine=rtx-4090", "machine?machine=detected"):
        page = visitor.open(path)
        assert "Nothing is sent anywhere unless you ask for it." in page.inner_text("body")
    assert visitor.foreign == []
    assert any("inter.woff2" in url for url in visitor.loaded)
    assert page.evaluate("document.fonts.check('15px Inter')")
    # Icons are letters of a bundled font: its own request must be among ours.
    assert any("MaterialSymbols" in url for url in visitor.loaded)


def test_the_test_would_notice(visit):
    """A request elsewhere is stopped and remembered."""
    visitor = visit()
    page = visitor.open("machine?machine=rtx-4090")
    page.evaluate("fetch('http://elsewhere.invalid/x').catch(() => null)")
    assert visitor.foreign == ["http://elsewhere.invalid/x"]
    visitor.foreign.clear()
    visitor.errors.clear()


def test_markup_in_an_address_asks_nobody(visit):
    visitor = visit()
    evil = "![i](http://evil.example/i.png)%3Cimg%20src=http://evil.example/j.png%3E"
    for path in (f"?machine={evil}", f"model?model={evil}", f"model?model=llama-3.1-8b&quant={evil}"):
        page = visitor.open(path)
        page.get_by_role("alert").first.wait_for()
        assert page.locator('img[src*="evil"], a[href*="evil"]').count() == 0
