"""Whatever people paste from the hub's pages and from other programs' commands leads to one repository, file or tag."""

import pytest

from advisor.errors import QuestionError
from advisor.models.sources.hub_address import HubAddress, hub_address, is_hub_url

A = HubAddress
ADDRESSES = [
    # A page, as the browser shows it.
    ("https://huggingface.co/bartowski/Qwen3-8B-GGUF", A("bartowski/Qwen3-8B-GGUF")),
    ("https://huggingface.co/bartowski/Qwen3-8B-GGUF/", A("bartowski/Qwen3-8B-GGUF")),
    ("http://huggingface.co/bartowski/Qwen3-8B-GGUF#files", A("bartowski/Qwen3-8B-GGUF")),
    ("HTTPS://HuggingFace.co/bartowski/Qwen3-8B-GGUF", A("bartowski/Qwen3-8B-GGUF")),
    (" <https://hf.co/bartowski/Qwen3-8B-GGUF> ", A("bartowski/Qwen3-8B-GGUF")),
    ("huggingface.co/openai-community/gpt2", A("openai-community/gpt2")),
    ("https://huggingface.co/gpt2", A("gpt2")),
    ("https://huggingface.co/gpt2/blob/main/config.json", A("gpt2", file="config.json")),
    # The button of the GGUF viewer, and "Use this model".
    ("https://huggingface.co/o/r?show_file_info=r-Q4_K_M.gguf", A("o/r", file="r-Q4_K_M.gguf")),
    ("https://huggingface.co/o/r?local-app=llama.cpp", A("o/r")),
    # A file.
    ("https://huggingface.co/o/r/blob/main/r-Q4_K_M.gguf", A("o/r", file="r-Q4_K_M.gguf")),
    ("https://huggingface.co/o/r/resolve/main/r-Q4_K_M.gguf?download=true", A("o/r", file="r-Q4_K_M.gguf")),
    ("https://huggingface.co/o/r/blob/main/Q8_0/r-00001-of-00002.gguf", A("o/r", file="Q8_0/r-00001-of-00002.gguf")),
    ("https://huggingface.co/o/r/blob/refs%2Fpr%2F3/a%20b.gguf", A("o/r", "refs/pr/3", "a b.gguf")),
    ("https://huggingface.co/o/r/raw/0123abc/config.json", A("o/r", "0123abc", "config.json")),
    # A folder, a branch, and pages of a repository that are not its files.
    ("https://huggingface.co/o/r/tree/main", A("o/r")),
    ("https://huggingface.co/o/r/tree/dev", A("o/r", "dev")),
    ("https://huggingface.co/unsloth/r/tree/main/UD-Q4_K_XL", A("unsloth/r", tag="UD-Q4_K_XL")),
    ("https://huggingface.co/o/r/discussions/4", A("o/r")),
    # As Ollama, llama.cpp, LM Studio and huggingface_hub write it.
    ("hf.co/o/r:Q4_K_M", A("o/r", tag="Q4_K_M")),
    ("hf.co/o/r-GGUF:r-Q4_K_M.gguf", A("o/r-GGUF", tag="r-Q4_K_M.gguf")),
    ("o/r:Q4_K_M", A("o/r", tag="Q4_K_M")),
    ("o/r/r-Q4_K_M.gguf", A("o/r", file="r-Q4_K_M.gguf")),
    ("o/r/folder/r.gguf", A("o/r", file="folder/r.gguf")),
    ("hf://o/r/r-Q4_K_M.gguf", A("o/r", file="r-Q4_K_M.gguf")),
    ("hf://o/r@dev/r-Q4_K_M.gguf", A("o/r", "dev", "r-Q4_K_M.gguf")),
    # What is no address of the hub.
    ("llama-3.1-8b", None),
    ("folder/file.gguf", None),
    ("./o/r/file.gguf", None),
    ("../r", None),
    ("o/../r.gguf", None),
    ("o/r--x", None),
    ("a/b/c", None),
    ("/o/r", None),
    ("o/r:", None),
]


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_what_people_paste(text: str, expected: HubAddress | None) -> None:
    assert hub_address(text) == expected


WRONG = [
    ("https://huggingface.co/datasets/o/r", "no model of the hub"),
    ("https://huggingface.co/", "no model of the hub"),
    ("https://huggingface.co/o/..%2f..%2fetc", "no name of a repository"),
    ("https://example.com/o/r/resolve/main/x.gguf", "an address of example.com"),
    ("https://huggingface.co.example.com/o/r", "an address of huggingface.co.example.com"),
    ("ftp://huggingface.co:x/o/r", "an address of"),
    ("https://huggingface.co@evil.example/o/r", "an address of evil.example"),
]


@pytest.mark.parametrize(("text", "part"), WRONG)
def test_addresses_without_a_model(text: str, part: str) -> None:
    with pytest.raises(QuestionError, match=part):
        hub_address(text)


def test_another_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8080/hub/")
    assert hub_address("http://127.0.0.1:8080/hub/o/r/blob/main/x.gguf") == A("o/r", file="x.gguf")
    assert is_hub_url("https://huggingface.co/o/r")
    with pytest.raises(QuestionError, match=r"an address of 127\.0\.0\.1:9090"):
        hub_address("http://127.0.0.1:9090/o/r")
    for wrong in ("nonsense", "file:///etc", "http://user:secret@hub", "http://[::1"):
        monkeypatch.setenv("HF_ENDPOINT", wrong)
        with pytest.raises(QuestionError, match="HF_ENDPOINT is not the address") as caught:
            hub_address("https://example.com/o/r")
        assert "secret" not in str(caught.value)
