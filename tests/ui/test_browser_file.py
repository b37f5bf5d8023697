import base64

import pytest

from advisor.errors import GGUFError, QuestionError
from advisor.ui.browser_file import MOST_BYTES, head_from
from tests.models.gguf_builder import llama


def sent(data, size=None, name="tiny.gguf"):
    return {"name": name, "size": len(data) if size is None else size, "bytes": base64.b64encode(data).decode()}


def test_a_header_is_read_with_the_size_of_the_whole_file():
    data = llama().tensor("token_embd.weight", (32, 3), n_bytes=384).file()
    read = head_from(sent(data, size=60 * 2**20))
    assert read.name == "tiny.gguf"
    assert read.header.file_bytes == 60 * 2**20
    assert read.header.metadata["general.name"] == "Tiny"


def test_a_header_that_is_not_whole_asks_for_four_times_as_much():
    data = llama().tensor("token_embd.weight", (32, 3), n_bytes=384).file()
    assert head_from(sent(data[:100], size=60 * 2**20)) == 400


def test_it_never_asks_for_more_than_the_file_or_the_limit():
    data = llama().header()
    assert head_from(sent(data[:100], size=300)) == 300
    assert head_from(sent(b"GGUF" + bytes([3, 0, 0, 0, 1]), size=10**12)) <= MOST_BYTES


def test_a_file_that_ends_within_its_header_is_an_error():
    with pytest.raises(GGUFError):
        head_from(sent(llama().header()[:100]))


@pytest.mark.parametrize(
    "message", [{}, {"name": "a", "size": "many", "bytes": ""}, {"name": "a", "size": 1, "bytes": "%%%"}, "text", 7]
)
def test_what_the_component_never_sends_is_an_error(message):
    with pytest.raises(QuestionError, match="choose the file again"):
        head_from(message)


def test_what_is_no_gguf_is_an_error():
    with pytest.raises(GGUFError):
        head_from(sent(b"notes about a model" * 100))
