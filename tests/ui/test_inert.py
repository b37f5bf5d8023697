import pytest

from advisor.ui.inert import inert

JOINER = "\N{WORD JOINER}"


@pytest.mark.parametrize("text", ["Llama 3.1 8B", "Q4_K_M", "a*b_c`d", "<b>x</b>", "$x$", "[a](b)", "Ünïcode 模型", ""])
def test_what_is_read_is_the_text_itself(text):
    assert inert(text).replace("\\", "").replace(JOINER, "") == text


@pytest.mark.parametrize("sign", list("\\`*_{}[]()<>#+-.!|$:~&@"))
def test_every_sign_of_markdown_is_escaped(sign):
    assert inert(sign).startswith(f"\\{sign}")


@pytest.mark.parametrize(
    "text", ["http://evil.example", "https://evil.example", "www.evil.example", "WWW.evil.example", "a@evil.example"]
)
def test_an_address_is_broken_where_it_would_become_a_link(text):
    assert JOINER in inert(text)


def test_lines_become_one():
    assert inert("a\n# b\n- c") == "a \\# b \\- c"
