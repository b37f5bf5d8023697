"""A file in the visitor's browser: its header is read, the file is not sent, and its name is only text."""

import pytest

from tests.pages.test_model import HOSTILE, tiny_model

pytestmark = pytest.mark.browser
MIB = 2**20


@pytest.fixture
def opened(visit):
    visitor = visit()
    visitor.sent = 0

    def count(socket):
        socket.on("framesent", lambda frame: setattr(visitor, "sent", visitor.sent + len(frame)))

    visitor.page.on("websocket", count)
    page = visitor.open("model?model=llama-3.1-8b&machine=rtx-4090")
    page.get_by_role("radio", name="File").click()
    page.get_by_text("A .gguf file on your computer").wait_for()
    return visitor


def test_a_large_file_is_read_by_its_header_only(opened, tmp_path):
    path = tmp_path / "large.gguf"
    path.write_bytes(tiny_model("Large"))
    with path.open("r+b") as file:
        file.truncate(60 * MIB)
    opened.page.set_input_files('input[type="file"]', path)
    opened.page.get_by_text("Large (").wait_for()
    assert opened.heading.startswith("Fits")
    assert 0 < opened.sent < 4 * MIB
    assert "from the file" in opened.figures
    assert "the file is in your browser only" in opened.page.inner_text("body")


def test_what_is_no_model_is_said_in_a_sentence(opened, tmp_path):
    path = tmp_path / "notes.gguf"
    path.write_text("just some notes, and no model at all\n" * 100)
    opened.page.set_input_files('input[type="file"]', path)
    alert = opened.page.get_by_role("alert")
    alert.wait_for()
    assert ".gguf" in alert.inner_text()
    assert opened.heading == "Which model?"
    assert opened.page.get_by_test_id("stException").count() == 0


def test_a_hostile_name_is_shown_and_does_nothing(opened, tmp_path):
    path = tmp_path / "evil.gguf"
    path.write_bytes(tiny_model(HOSTILE))
    opened.page.set_input_files('input[type="file"]', path)
    line = opened.page.get_by_test_id("stCaptionContainer").filter(has_text="run by llama-server").first
    line.wait_for()
    assert HOSTILE in line.inner_text().replace("\N{WORD JOINER}", "")
    assert line.locator("script, img, a, strong, .katex, [data-testid=stIconMaterial]").count() == 0
    assert line.locator("span[role=img]").count() == 0
