"""From what a person types to a model of the hub: the whole way, against a hub on loopback."""

import json
from pathlib import Path

import pytest

from advisor.errors import HeadroomError, HubAccessError, HubAnswerError, HubNotFoundError, NotAModelError, QuestionError
from advisor.estimate import estimate
from advisor.models.projector import resolve_projector
from advisor.models.resolve import resolve_model
from advisor.models.sources import hub as hub_module
from advisor.question import Question
from tests.models.gguf_builder import STRING, U16, Builder, llama
from tests.models.real_files import SMOLLM2_FILE_BYTES, smollm2
from tests.models.shapes_of_models import lines
from tests.models.sources.hub_server import Fault, Hub

REPO, FILE = "bartowski/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct-Q4_1.gguf"


@pytest.fixture(autouse=True)
def _endpoint(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    hub_module._access.cache_clear()
    hub.repositories[REPO] = {FILE: smollm2(), "mmproj-model-f16.gguf": projector(), "README.md": b""}


def projector() -> bytes:
    return Builder().key("general.architecture", STRING, "clip").tensor("v.a").file()


@pytest.mark.parametrize(
    "text",
    [
        REPO,
        f"{REPO}:Q4_1",
        f"{REPO}:{FILE}",
        f"{REPO}/{FILE}",
        f"https://huggingface.co/{REPO}",
        f"https://huggingface.co/{REPO}/blob/main/{FILE}",
        f"https://huggingface.co/{REPO}/resolve/main/{FILE}?download=true",
        f"hf.co/{REPO}:q4_1",
        f"hf://{REPO}/{FILE}",
    ],
)
def test_every_way_to_say_it(text: str) -> None:
    found = resolve_model(text)
    assert (found.quantization, found.file_bytes, found.predicted) == ("Q4_1", SMOLLM2_FILE_BYTES, False)
    assert found.source == f"{REPO}/{FILE}"
    assert resolve_model(found.id) == found


def test_it_is_the_model_of_the_file() -> None:
    here, there = resolve_model(str(smollm2())), resolve_model(REPO, "Q4_1")
    assert there.tensors == here.tensors
    assert there.hyperparameters == here.hyperparameters


def test_split_models(hub: Hub) -> None:
    parts = []
    for number in range(2):
        b = llama() if number == 0 else Builder()
        b.key("split.no", U16, number).key("split.count", U16, 2)
        parts.append(b.tensor(f"blk.0.attn_{'qk'[number]}.weight").file())
    hub.repositories["o/split"] = {f"Q8_0/s-Q8_0-0000{at + 1}-of-00002.gguf": part for at, part in enumerate(parts)}
    found = resolve_model("o/split:Q8_0")
    assert len(found.tensors) == 2
    assert found.file_bytes == sum(map(len, parts))


WRONG = [
    (f"{REPO}:Q8_0", None, QuestionError, 2, 'has no "Q8_0"; it has Q4_1'),
    (f"{REPO}:Q4_1", "Q8_0", QuestionError, 2, "names Q4_1, but the quantization asked for is Q8_0"),
    (f"{REPO}/{FILE}", "Q8_0", QuestionError, 2, "is Q4_1, and Q8_0 was asked for"),
    (f"{REPO}/mmproj-model-f16.gguf", None, QuestionError, 2, "has no"),
    ("nobody/nothing", None, HubAccessError, 3, "to nobody without a login"),
    ("nobody/Llama-3.1-8B-Instruct-GGUF", None, HubAccessError, 3, 'ask for "llama-3.1-8b" of the catalogue'),
    (f"https://huggingface.co/{REPO}/blob/main/none.gguf", None, QuestionError, 2, 'has no "none.gguf"'),
]


@pytest.mark.parametrize(("text", "quantization", "kind", "code", "part"), WRONG)
def test_what_the_hub_does_not_have(
    text: str, quantization: str | None, kind: type[HeadroomError], code: int, part: str
) -> None:
    with pytest.raises(kind) as caught:
        resolve_model(text, quantization)
    assert caught.value.exit_code == code
    assert part in str(caught.value)


def test_a_listed_repository_is_answered_where_the_hub_does_not_answer(hub: Hub) -> None:
    listed = "unsloth/gemma-3-270m-it-GGUF"
    hub.faults["hub:/api"] = Fault(status=503)
    found = resolve_model(f"{listed}:Q8_0")
    assert (found.id, found.quantization) == ("gemma-3-270m", "Q8_0")
    assert "a fault of its own (HTTP 503)" in found.assumptions[-1]
    with pytest.raises(HubAnswerError):
        resolve_model("nobody/nothing")
    hub.faults.clear()
    hub.faults["hub:/api"] = Fault(status=404)
    with pytest.raises(HubNotFoundError):
        resolve_model(f"{listed}:Q8_0")


def test_the_catalogues_own_repository_is_not_asked_for(hub: Hub) -> None:
    assert resolve_model("google/gemma-3-270m-it").id == "gemma-3-270m"
    assert not hub.requests


def shard(tensors: dict[str, int], dtype: str = "U32") -> bytes:
    """A safetensors file whose weights are zeros."""
    at, header = 0, {}
    for name, size in tensors.items():
        header[name] = {"dtype": dtype, "shape": [size // 4], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at)


def test_a_repository_of_safetensors(hub: Hub) -> None:
    config = next(row["config"] for row in lines("hf_configs.jsonl") if row["catalogue"] == "qwen3-8b")
    config = config | {"quantization": {"bits": 4, "group_size": 64}}
    many = {f"model.layers.{at}.weight.of.some.length.{'x' * 200}": 400 for at in range(1500)}
    hub.repositories["o/Qwen3-8B-4bit"] = {
        "config.json": json.dumps(config).encode(),
        "model-00001-of-00002.safetensors": shard({"model.embed_tokens.weight": 4000, "visual.patch.weight": 800}),
        "model-00002-of-00002.safetensors": shard(many),
        "consolidated.safetensors": b"other",
    }
    hub.tags["o/Qwen3-8B-4bit"] = ["mlx"]
    found = resolve_model("o/Qwen3-8B-4bit", "Q4_K_M")
    assert (found.name, found.quantization, found.hyperparameters.architecture) == ("Qwen3-8B-4bit", "Q4_K_M", "qwen3")
    assert found.predicted
    assert found.stored is not None
    assert (found.stored.quantization, found.stored.files) == ("mlx-4bit", 2)
    assert (found.stored.language_bytes, found.stored.other_bytes) == (4000 + 1500 * 400, 800)
    assert len(hub.asked("00001-of-00002.safetensors", "cdn")) == 1
    assert len(hub.asked("00002-of-00002.safetensors", "cdn")) == 2
    asked = len(hub.asked("resolve", "cdn"))
    assert resolve_model("o/Qwen3-8B-4bit", "Q4_K_M").stored == found.stored
    assert len(hub.asked("resolve", "cdn")) == asked
    planned = estimate(Question(model="o/Qwen3-8B-4bit", runtime="mlx"))
    assert (planned.model.quantization, planned.model.file_bytes) == ("mlx-4bit", found.stored.language_bytes)
    hub.repositories["o/data"] = {"README.md": b""}
    with pytest.raises(QuestionError, match="holds neither GGUF files nor"):
        resolve_model("o/data")


def test_a_safetensors_file_that_is_none(hub: Hub) -> None:
    config = next(row["config"] for row in lines("hf_configs.jsonl") if row["catalogue"] == "qwen3-8b")
    hub.repositories["o/broken"] = {"config.json": json.dumps(config).encode(), "model.safetensors": b"\xff" * 2**20}
    with pytest.raises(QuestionError, match="no sound safetensors file"):
        resolve_model("o/broken")


def test_a_file_of_a_mirror_without_lists(hub: Hub) -> None:
    hub.faults["hub:/api"] = Fault(status=404)
    assert resolve_model(f"{REPO}/{FILE}").quantization == "Q4_1"
    with pytest.raises(NotAModelError, match="projector"):
        resolve_model(f"{REPO}/mmproj-model-f16.gguf")


def test_what_was_read_is_there_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve_model(f"{REPO}:Q4_1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub_module._access.cache_clear()
    again = resolve_model(f"{REPO}:Q4_1")
    assert again.tensors == first.tensors
    assert again.assumptions[-1].startswith("The hub was not reached: this is bartowski/SmolLM2")


def test_what_is_here_goes_first(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path.joinpath(REPO)
    folder.mkdir(parents=True)
    (folder / FILE).symlink_to(smollm2())
    for text in (REPO, f"{REPO}/{FILE}"):
        assert resolve_model(text).file_bytes == SMOLLM2_FILE_BYTES
    assert not hub.requests


def test_a_projector_of_the_hub(hub: Hub) -> None:
    hub.repositories["o/vision-GGUF"] = {
        FILE: smollm2(),
        "mmproj-vision-BF16.gguf": projector(),
        "mmproj-vision-F16.gguf": projector(),
        "mmproj-vision-F32.gguf": projector(),
    }
    found = resolve_projector("auto", resolve_model("o/vision-GGUF").source)
    assert found.name == "o/vision-GGUF/mmproj-vision-F16.gguf"
    assert found.file_bytes == len(projector())
    assert resolve_projector("o/vision-GGUF/mmproj-vision-F32.gguf", "").name == "o/vision-GGUF/mmproj-vision-F32.gguf"
    del hub.repositories["o/vision-GGUF"]["mmproj-vision-F16.gguf"]
    hub_module._access.cache_clear()
    with pytest.raises(QuestionError, match="several projectors"):
        resolve_projector("auto", f"o/vision-GGUF/{FILE}")
    hub.repositories["o/blind"] = {FILE: smollm2()}
    with pytest.raises(HubNotFoundError, match="has no projector"):
        resolve_projector("auto", f"o/blind/{FILE}")
