"""Whatever is typed, pasted or sent: an answer or a sentence, and never another failure."""

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from advisor.errors import HubError, QuestionError
from advisor.models.sources.header_length import expected_length
from advisor.models.sources.hub_address import hub_address
from advisor.models.sources.hub_files import choose, hub_file, repository
from advisor.models.sources.ollama_store import parse_name
from tests.models.real_files import gemma_header, smollm2_header

PIECES = st.sampled_from(
    [
        "https://",
        "http://",
        "hf://",
        "huggingface.co",
        "hf.co",
        "/",
        ":",
        "@",
        "..",
        "%2F",
        "o",
        "r",
        "blob",
        "tree",
        "main",
        "?",
        "#",
        "x-Q4_K_M.gguf",
        "-00001-of-00002.gguf",
        "[",
        "]",
        "\\",
        "é",
        "--",
        "datasets",
        "\n",
        "\x00",
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join))


@given(TEXTS)
def test_addresses(text: str) -> None:
    with contextlib.suppress(QuestionError):
        found = hub_address(text)
        if found is not None:
            assert 1 <= len(found.repo.split("/")) <= 2
            assert ".." not in found.repo
            assert found.file is None or ".." not in found.file.split("/")
            assert hub_address(f"{found}") is not None or "/" not in found.repo


@given(TEXTS)
def test_names_of_ollama(text: str) -> None:
    found = parse_name(text)
    if found is not None:
        assert parse_name(str(found)) == found
        assert not any(part.startswith(".") or "/" in part for part in found.key)


ANY = st.one_of(TEXTS, st.integers(), st.none(), st.floats(), st.lists(st.none(), max_size=1))


@given(st.lists(st.tuples(ANY, ANY, ANY), max_size=8), TEXTS)
@example([("-00000-OF-00000.GGUF", 1, None), ("a/-00001-of-00000.gguf", 1, None)], "")
def test_lists_of_files(rows: list[tuple[object, object, object]], tag: str) -> None:
    found = repository("o/r", "main", [hub_file(*row) for row in rows], gated=False)
    for model in found.models:
        assert all(part.path and ".." not in part.path.split("/") for part in model.parts)
    with contextlib.suppress(QuestionError, HubError):
        assert choose(found, tag or None, None) in found.models


@settings(deadline=None)
@given(st.integers(0, 2**16), st.binary(max_size=64))
def test_starts_of_headers(at: int, put: bytes) -> None:
    start = bytearray(smollm2_header()[: 2**16])
    start[at : at + len(put)] = put
    found = expected_length(bytes(start))
    assert found is None or found > 0


def test_the_length_is_guessed_from_the_first_megabyte() -> None:
    for header in (gemma_header(), smollm2_header()):
        assert len(header) <= (expected_length(header[: 2**20]) or 0) <= len(header) + 2**20
