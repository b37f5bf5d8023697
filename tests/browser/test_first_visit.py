"""The first visit to a hosted Headroom: what the browser says, what is asked, what it remembers."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests import serving
from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_accessible import violations

pytestmark = pytest.mark.browser
SAY = """
for (const kind of [WebGLRenderingContext, WebGL2RenderingContext]) {
  const before = kind.prototype.getParameter;
  kind.prototype.getParameter = function (name) { return name === 37446 ? RENDERER : before.call(this, name); };
}
Object.defineProperty(navigator, "platform", { get: () => PLATFORM });
Object.defineProperty(navigator, "userAgentData", { get: () => undefined });
"""


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """The address of a hosted Headroom."""
    with serving.hosted(tmp_path_factory.mktemp("hosted")) as address:
        yield address


@pytest.fixture
def visitor(browser, hosted):
    """Makes visitors whose browser says what is asked."""
    made = []

    def new(renderer, platform, **settings):
        one = Visitor(browser, hosted, **settings)
        one.context.add_init_script(SAY.replace("RENDERER", repr(renderer), 1).replace("PLATFORM", repr(platform)))
        made.append(one)
        return one

    yield new
    for one in made:
        one.context.close()
        assert one.foreign == []
        assert one.errors == []


def asked(page):
    return page.locator(".st-key-first_visit")


def machine_in(page):
    return parse_qs(urlsplit(page.url).query)


def test_a_chip_of_several_sizes_is_asked_for_its_memory_only(visitor):
    one = visitor("ANGLE (Apple, ANGLE Metal Renderer: Apple M3 Max, Unspecified Version)", "MacIntel")
    page = one.open()
    asked(page).get_by_text("Looks like an Apple M3 Max. How much memory?").wait_for(timeout=30_000)
    assert asked(page).get_by_role("radio").all_inner_texts() == ["36 GiB", "48 GiB", "64 GiB", "96 GiB", "128 GiB"]
    page.get_by_role("heading", name="Apple M3 Max 30-core GPU runs models up to").wait_for(timeout=30_000)
    assert violations(page) == []
    asked(page).get_by_text("64 GiB", exact=True).click()
    page.get_by_role("heading", name="Apple M3 Max 40-core GPU runs models up to").wait_for(timeout=30_000)
    one.address_becomes("machine=m3-max-40", "memory_gib=64")
    # Another day, without an address: the browser remembers, and nothing is asked.
    page = one.open()
    page.get_by_role("heading", name="Apple M3 Max 40-core GPU runs models up to").wait_for(timeout=30_000)
    assert "How much memory" not in asked(page).inner_text()


def test_a_card_of_one_size_answers_at_once(visitor):
    one = visitor("ANGLE (NVIDIA, NVIDIA GeForce RTX 4090 (0x00002684) Direct3D11 vs_5_0 ps_5_0, D3D11)", "Win32")
    page = one.open()
    page.get_by_role("heading", name="NVIDIA GeForce RTX 4090 runs models up to").wait_for(timeout=30_000)
    asked(page).get_by_text("Your browser says NVIDIA GeForce RTX 4090.").wait_for()
    assert page.get_by_role("button", name="Not yours? Choose another").is_visible()


def test_safari_asks_for_the_chip_then_for_the_memory(visitor):
    page = visitor("Apple GPU", "MacIntel").open()
    field = asked(page).get_by_role("combobox", name="Looks like a Mac with an Apple chip")
    field.wait_for(timeout=30_000)
    field.fill("M4 Pro")
    page.get_by_role("option", name="Apple M4 Pro").first.click()
    asked(page).get_by_text("Looks like an Apple M4 Pro. How much memory?").wait_for(timeout=30_000)


def test_a_phone_is_asked_which_computer_is_meant(visitor):
    page = visitor("Adreno (TM) 740", "Linux armv81", viewport=PHONE).open()
    field = asked(page).get_by_role("combobox", name="You are on a phone or a tablet. On which computer")
    field.wait_for(timeout=30_000)
    assert violations(page) == []
    field.fill("RTX 4070 Super")
    page.get_by_role("option", name="NVIDIA GeForce RTX 4070 SUPER").first.click()
    page.get_by_role("heading", name="NVIDIA GeForce RTX 4070 SUPER runs models up to").wait_for(timeout=30_000)


def test_an_address_with_a_machine_asks_nothing(visitor):
    page = visitor("Apple GPU", "MacIntel").open("?machine=rtx-3090&context=8192")
    page.wait_for_timeout(1500)
    assert asked(page).count() == 0
    assert "RTX 3090" in page.get_by_role("heading", level=2).first.inner_text()
    assert machine_in(page)["machine"] == ["rtx-3090"]


@pytest.mark.parametrize("kept", ["machine=no-such-thing", "x" * 400, "memory_gib=-4", "<script>"])
def test_what_the_browser_keeps_is_not_believed(visitor, kept):
    one = visitor("", "Linux x86_64")
    one.context.add_init_script(f"localStorage.setItem('headroom:machine', {kept!r})")
    page = one.open()
    asked(page).get_by_text("Which graphics card or chip does your machine have?").wait_for(timeout=30_000)


def test_at_home_nothing_is_asked(visit):
    page = visit().open()
    assert asked(page).count() == 0


def test_what_was_wrong_with_the_address_stays_said_when_the_browser_has_told_of_its_machine(visitor):
    one = visitor("ANGLE (NVIDIA, NVIDIA GeForce RTX 4090 (0x00002684) Direct3D11 vs_5_0 ps_5_0, D3D11)", "Win32")
    page = one.open("model?model=/etc/passwd")
    asked(page).get_by_text("Your browser says NVIDIA GeForce RTX 4090.").wait_for(timeout=30_000)
    page.get_by_text("This site reads no files of its own machine").wait_for()
