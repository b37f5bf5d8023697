"""Script and markup in every text of a report, in addresses, in a profile: all of it is shown as text, and does nothing."""

import json

import pytest

from advisor.reports.store import open_store
from advisor.reports.stored import canonical, checked
from tests import serving
from tests.browser.conftest import Visitor
from tests.reports.examples import measured

pytestmark = pytest.mark.browser
PAYLOADS = (
    '<img src=x onerror="window.taken=1">',
    '"><script>window.taken=1</script>',
    "'-window.taken-'",
    "![i](http://evil.example/i.png)",
    "[x](javascript:window.taken=1)",
    ":material/warning: $x^2$ **b**",
    "{{7*7}} ${7*7} <b>b</b>",
    "&lt;img src=x onerror=window.taken=1&gt;",
    "</style><svg onload=window.taken=1>",
)
TEXTS = [
    "note", "machine.name", "machine.gpus.0.name", "machine.gpus.0.architecture", "machine.gpus.0.driver",
    "machine.gpus.0.link",
    "machine.cpu.name", "machine.memory.type", "machine.os", "model.name", "model.architecture", "model.quantization",
    "model.file_name", "settings.build", "plan.devices.0.name", "plan.devices.0.pool", "plan.reasons.0", "forecast.grade",
    "forecast.basis", "measurement.memory.basis", "failures.0.message", "failures.0.log", "run.backend", "run.engine",
    "run.notes",
    "versions.headroom", "versions.engine", "versions.backend", "versions.python",
]  # fmt: skip
LISTS = ("forecast.basis", "failures.0.log", "run.notes")


def hostile(payload):
    """A report with `payload` in each text that it can have."""
    whole = json.loads(canonical(measured()))
    whole["failures"] = [{"kind": "crash", "message": "x", "log": []}]
    for path in TEXTS:
        *parents, last = path.split(".")
        place = whole
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]
        place[int(last) if isinstance(place, list) else last] = [payload] if path in LISTS else payload
    return checked(whole)


@pytest.fixture(scope="module")
def site(tmp_path_factory, chromium):
    """A hosted server with a report for each payload; their ids."""
    folder = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{folder / 'reports.sqlite'}"
    kept = open_store(url)
    ids = [kept.add(hostile(payload), listed=True).id for payload in PAYLOADS]
    kept.engine.dispose()
    with serving.hosted(folder, ADVISOR_RATE_PER_MINUTE="100000") as address:
        yield address, ids


@pytest.fixture
def visitor(browser, site):
    """A visitor who must see no error, be led nowhere, and run nothing of a stranger's."""
    found = Visitor(browser, site[0])
    yield found
    taken = found.page.evaluate("window.taken")
    found.context.close()
    assert taken is None
    assert found.foreign == []
    assert [error for error in found.errors if "favicon" not in error] == []


def test_every_text_of_a_report_is_tried():
    """The list above is whole: whatever is text in a report's schema is in it."""
    strings = {path for path, value in _leaves(json.loads(canonical(measured()))) if isinstance(value, str)}
    fixed = {
        "made_at", "machine.id", "machine.kind", "machine.origin", "machine.gpus.0.vendor", "machine.gpus.0.backend",
        "model.id", "machine.gpus.0.compute_capability",
        "verdict", "plan.grade", "plan.verdict", "plan.devices.1.name", "plan.devices.1.pool", "run.started_at",
    }  # fmt: skip
    ends = ("kind", ".id", ".stage", "type_k", "type_v", "runtime", "flash_attention", "logits", "gpu_layers")
    left = {
        path
        for path in strings - fixed - set(TEXTS)
        if not path.startswith(("grades", "plan.reasons")) and not path.endswith(ends)
    }
    assert left == set()


def _leaves(value, path=""):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
        return
    for name, below in inner:
        yield from _leaves(below, f"{path}.{name}" if path else str(name))


@pytest.mark.parametrize("index", range(len(PAYLOADS)))
def test_the_shared_page_shows_it_as_text(visitor, site, index):
    address, ids = site
    page = visitor.page
    page.goto(f"{address}/r/{ids[index]}")
    assert page.locator("script, svg, img:not([src='/app/static/icon.svg'])").count() == 0
    assert page.locator("a[href^='javascript'], a[href*='evil']").count() == 0
    assert page.locator("h1").inner_text().startswith(hostile(PAYLOADS[index]).model.name[:6])
    assert "49" not in page.locator("h1").inner_text()
    for ending in ("md", "json", "svg"):
        page.goto(f"{address}/r/{ids[index]}.{ending}")
        assert page.evaluate("window.taken") is None


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(PAYLOADS)))
def test_the_page_of_reports_shows_it_as_text(visitor, site, index):
    page = visitor.open(f"report?id={site[1][index]}")
    page.get_by_role("tab", name="Link").wait_for()
    _inert(page)


def test_the_community_shows_it_as_text(visitor):
    page = visitor.open("community")
    page.locator(".js-plotly-plot").nth(1).wait_for()
    page.wait_for_timeout(500)
    _inert(page)
    assert page.locator(".js-plotly-plot a, .js-plotly-plot b").count() == 0


@pytest.mark.parametrize(
    "path",
    [
        "report?id=%3Cimg%20src=x%20onerror=window.taken=1%3E",
        "report?id=2222222222222222&beside=%3Cscript%3Ewindow.taken=1%3C/script%3E",
        "community?machine=%3Cimg%20src=x%20onerror=window.taken=1%3E",
        "community?model=![i](http://evil.example/i.png)",
        "community?evil=[x](javascript:window.taken=1)",
        "machine?machine=%3Csvg%20onload=window.taken=1%3E",
        "model?model=%22%3E%3Cscript%3Ewindow.taken=1%3C/script%3E&machine=rtx-4090",
    ],
)
def test_an_address_is_text_too(visitor, path):
    _inert(visitor.open(path))


def _inert(page):
    assert page.evaluate("window.taken") is None
    assert page.locator("[onerror], [onload], a[href^='javascript' i], [src*='evil'], [href*='evil']").count() == 0
    assert page.locator("[data-testid=stMarkdownContainer] :is(img, script, svg, .katex)").count() == 0
    assert page.get_by_test_id("stException").count() == 0
