"""Compute buffers against the engine itself and against load logs of older builds.

The engine's figures: llama-cpp-python 0.3.36 (the pinned engine) laid F16 skeletons of these models out on GPUs that are
not there (a backend of ctypes callbacks with CUDA's alignment of 128 bytes and its offloading of batches of 32 rows and
more, nothing allocated: `no_alloc`), and `llama_get_memory_breakdown` said what each compute buffer holds. GPUs first,
the host last. The rows of two GPUs are those of `advisor.engine.layout.engine_plan`, which asks the scheduler for the size of
its last graph: the breakdown of a plan without memory counts one copy more than a real load makes.
"""

from dataclasses import replace

import numpy as np
import pytest

from advisor.errors import QuestionError
from advisor.memory.compute import compute_buffers, compute_bytes
from advisor.memory.compute_allocator import Request, Requests
from advisor.memory.compute_peak import Sizes, peak
from advisor.memory.placement import Placement, place
from advisor.memory.rules import rules_for
from advisor.memory.settings import RunSettings
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata

MIB = 2**20

ENGINE: list[tuple[str, int, dict[str, object], dict[str, int], tuple[int, ...]]] = [
    ("llama-3.1-8b", 2048, {}, {}, (271056896, 18888704)),
    ("llama-3.1-8b", 8192, {"flash_attention": "off"}, {}, (591405056, 37758976)),
    ("llama-3.1-8b", 8192, {"logits": "slots"}, {}, (121645184, 25178144)),
    ("llama-3.1-8b", 32768, {"logits": "slots", "slots": 4}, {}, (146811008, 50343968)),
    ("llama-3.1-8b", 8192, {}, {"gpu_layers": 10}, (271056896, 25180160)),
    ("llama-3.1-8b", 8192, {}, {"gpu_layers": 0}, (1321730048, 25180160)),
    ("llama-3.1-8b", 32768, {"logits": "slots"}, {"gpu_layers": 10}, (310380800, 50343968)),
    ("llama-3.1-8b", 8192, {}, {"gpus": 2}, (180396032, 338214912, 75554816)),
    ("llama-3.1-8b", 32768, {"logits": "slots"}, {"gpus": 2}, (281059328, 281059840, 176210048)),
    ("llama-3.1-8b", 8192, {}, {"gpus": 0}, (279447552,)),
    ("llama-3.1-8b", 8192, {"logits": "slots", "slots": 4, "unified_kv": False}, {}, (115353728, 18886688)),
    (
        "llama-3.1-8b",
        8192,
        {"flash_attention": "off", "logits": "slots", "slots": 4, "unified_kv": False},
        {},
        (176167040, 25174048),
    ),
    ("llama-3.1-8b", 32768, {"logits": "slots", "type_k": "q8_0", "type_v": "q8_0"}, {}, (138504320, 50425888)),
    ("llama-3.1-8b", 32768, {"logits": "slots", "type_k": "q8_0", "type_v": "q8_0"}, {"gpu_layers": 10}, (285296896, 50425888)),
    ("qwen3-30b-a3b", 2048, {}, {}, (315359232, 10500096)),
    ("qwen3-30b-a3b", 8192, {"flash_attention": "off"}, {}, (580919296, 27273216)),
    ("qwen3-30b-a3b", 8192, {"logits": "slots"}, {}, (96479360, 16789536)),
    ("qwen3-30b-a3b", 8192, {}, {"gpu_layers": 10}, (490736128, 16791552)),
    ("qwen3-30b-a3b", 8192, {}, {"gpus": 2}, (138452992, 365740032, 54583296)),
    ("qwen3-30b-a3b", 8192, {"logits": "slots"}, {"experts_on_host": 999}, (473966592, 16789536)),
    ("qwen3-30b-a3b", 8192, {}, {"experts_on_host": 10}, (473966592, 16791552)),
    ("gemma-3-12b", 2048, {}, {}, (544866304, 19421184)),
    ("gemma-3-12b", 8192, {"flash_attention": "off"}, {}, (544866304, 52443136)),
    ("gemma-3-12b", 8192, {"logits": "slots"}, {}, (128469120, 25710624)),
    ("gemma-3-12b", 32768, {"logits": "slots", "slots": 4}, {}, (156780672, 54022176)),
    ("gemma-3-12b", 32768, {"logits": "slots"}, {"gpu_layers": 10}, (334498816, 51400736)),
    ("gemma-3-12b", 32768, {"logits": "slots"}, {"gpus": 2}, (290529280, 290529792, 179912832)),
    ("gpt-oss-20b", 2048, {}, {}, (426528768, 14702592)),
    ("gpt-oss-20b", 8192, {"flash_attention": "off"}, {}, (1124872192, 34355200)),
    ("gpt-oss-20b", 8192, {"logits": "slots"}, {}, (100157568, 20992032)),
    ("gpt-oss-20b", 32768, {"logits": "slots", "slots": 4}, {}, (125585536, 46420000)),
    ("gpt-oss-20b", 32768, {"logits": "slots"}, {"gpus": 2}, (251994112, 251994624, 166936704)),
    ("deepseek-v2-lite", 2048, {}, {}, (249569280, 10496000)),
    ("deepseek-v2-lite", 8192, {"flash_attention": "off"}, {}, (342118400, 25176064)),
    ("deepseek-v2-lite", 8192, {"logits": "slots"}, {}, (88217728, 16785440)),
    ("deepseek-v2-lite", 32768, {"logits": "slots"}, {"gpu_layers": 10}, (541065088, 41951264)),
    ("deepseek-v2-lite", 32768, {"logits": "slots"}, {"gpus": 2}, (240148480, 240148992, 155222144)),
    ("qwen3.5-0.8b", 2048, {}, {}, (512753664, 6311968)),
    ("qwen3.5-0.8b", 8192, {"flash_attention": "off"}, {}, (512753664, 23085088)),
    ("qwen3.5-0.8b", 8192, {"logits": "slots"}, {}, (50495744, 12601408)),
    ("qwen3.5-0.8b", 32768, {"logits": "slots", "slots": 4}, {}, (76103936, 37767232)),
    ("qwen3.5-0.8b", 8192, {}, {"gpus": 2}, (84099584, 554770944, 44122240)),
    ("granite-4.0-h-350m", 8192, {"logits": "slots"}, {}, (31325440, 11546688)),
    ("granite-4.0-h-350m", 8192, {"flash_attention": "off"}, {}, (225452160, 20981792)),
    ("lfm2-350m", 8192, {"logits": "slots"}, {}, (40913152, 12595264)),
    ("lfm2-350m", 32768, {"logits": "slots", "slots": 4}, {}, (66103552, 37761088)),
    ("nemotron-nano-9b-v2", 8192, {"logits": "slots"}, {}, (170959104, 26748992)),
    ("nemotron-nano-9b-v2", 32768, {"logits": "slots", "slots": 4}, {}, (212738304, 51914816)),
    ("gemma-4-26b-a4b", 2048, {}, {}, (562188288, 15226880)),
    ("gemma-4-26b-a4b", 8192, {"logits": "slots"}, {}, (110643328, 21516320)),
    ("phi-3-mini-4k", 2048, {}, {}, (86650880, 14694400)),
    ("phi-3-mini-4k", 8192, {"logits": "slots"}, {}, (71313536, 20983840)),
    ("command-r7b", 2048, {}, {}, (532676608, 20994048)),
    ("command-r7b", 8192, {"logits": "slots"}, {}, (134760576, 29904928)),
    ("llama-4-scout", 2048, {}, {}, (459954176, 25190400)),
    ("llama-4-scout", 8192, {"logits": "slots"}, {}, (109072512, 37771296)),
    ("glm-4.5-air", 8192, {"logits": "slots"}, {}, (163588224, 25178144)),
    ("glm-4.5-air", 8192, {"logits": "slots"}, {"experts_on_host": 999}, (1616914432, 25178144)),
    ("olmo-2-1b", 2048, {}, {}, (213909504, 10500096)),
    ("olmo-2-1b", 8192, {"logits": "slots"}, {}, (71313536, 16789536)),
    ("bge-m3", 8192, {}, {}, (13113344, 6821888)),
    ("bge-m3", 8192, {"flash_attention": "off"}, {}, (28317696, 7346176)),
    (
        "bge-m3",
        8192,
        {"ubatch": 2048, "flash_attention": "off"},
        {"gpu_layers": 12, "gpus": 2},
        (329252864, 327163904, 41967616),
    ),
    ("bge-m3", 8192, {"ubatch": 2048, "logits": "slots", "slots": 4}, {"gpus": 2}, (151011328, 117441024, 83951744)),
    ("bge-m3", 8192, {}, {"gpu_layers": 0}, (21499904, 6821888)),
    ("bge-m3", 8192, {}, {"gpus": 0}, (15210496,)),
]


def run_settings(context: int, **changes: object) -> RunSettings:
    values: dict[str, object] = {
        "runtime": "llama-server",
        "build": "pinned",
        "context": context,
        "slots": 1,
        "unified_kv": True,
        "batch": 2048,
        "ubatch": 512,
        "type_k": "f16",
        "type_v": "f16",
        "flash_attention": "auto",
        "swa_full": False,
        "gpu_layers": "all",
        "cpu_moe_layers": 0,
        "tensor_split": None,
        "logits": "ubatch",
        "depth": 0,
    }
    return RunSettings.model_validate(values | changes)


def model(name: str, quantization: str = "F16") -> ModelMetadata:
    return catalogue().find(name).quantized(quantization)


def placed(one: ModelMetadata, *, build: str | None = None, gpus: int = 1, **changes: int) -> Placement:
    return place(one.hyperparameters, rules_for(build), gpus=gpus, **changes)


@pytest.mark.parametrize(("name", "context", "changes", "where", "expected"), ENGINE)
def test_engine(name: str, context: int, changes: dict[str, object], where: dict[str, int], expected: tuple[int, ...]) -> None:
    one = model(name)
    buffers = compute_buffers(one, placed(one, **where), run_settings(context, **changes), rules_for(None))
    assert [buffer.n_bytes for buffer in buffers] == pytest.approx(expected, rel=0.001)


LOGS = [
    # Compute buffers that load logs of older builds printed, in MiB, GPU then host.
    ("llama-3.1-8b", "Q4_K_M", "2025-03-19", {"context": 8192, "flash_attention": "on"}, {}, (258.50, 24.01)),
    ("llama-3.1-8b", "Q4_K_M", "2025-03-19", {"context": 8192, "flash_attention": "off"}, {}, (560.00, 24.01)),
    ("llama-3.1-8b", "Q4_K_M", "2025-10-01", {"context": 131072}, {}, (416.01, 264.01)),
    ("qwen3-30b-a3b", "Q4_K_M", "2025-12-01", {"context": 4096}, {}, (300.75, 12.01)),
    ("gpt-oss-20b", "MXFP4_MOE", "b7772", {"context": 40192}, {}, (398.38, 85.65)),
    ("gpt-oss-20b", "MXFP4_MOE", "b7772", {"context": 16384, "ubatch": 2048}, {}, (1593.50, None)),
]
"""Sources: github.com/ggml-org/llama.cpp/issues (Llama 3 8B: "CUDA0 compute buffer size = 560.00 MiB", 24.01 on the host), load
logs committed in public repositories (gpt-oss-20b of build b7772: 398.38 and 85.65; 1593.50 at ubatch 2048)."""


@pytest.mark.parametrize(("name", "quantization", "build", "changes", "where", "expected"), LOGS)
def test_older_builds(
    name: str,
    quantization: str,
    build: str,
    changes: dict[str, object],
    where: dict[str, int],
    expected: tuple[float, float | None],
) -> None:
    one = model(name, quantization)
    settings = run_settings(**changes)  # type: ignore[arg-type]
    buffers = compute_buffers(one, placed(one, build=build, **where), settings, rules_for(build), backend="cuda")
    for buffer, size in zip(buffers, expected, strict=True):
        if size is not None:
            assert buffer.n_bytes / MIB == pytest.approx(size, rel=0.02)


def test_stages_are_named() -> None:
    one = model("llama-3.1-8b")
    every = placed(one)
    assert compute_buffers(one, every, run_settings(8192), rules_for(None))[0].stage == "logits"
    assert compute_buffers(one, every, run_settings(8192, logits="slots"), rules_for(None))[0].stage == "feed-forward"
    off = run_settings(65536, flash_attention="off")
    assert compute_buffers(one, every, off, rules_for(None))[0].stage == "attention"
    mixture = model("qwen3-30b-a3b")
    hosted = placed(mixture, experts_on_host=48)
    assert compute_buffers(mixture, hosted, run_settings(8192, logits="slots"), rules_for(None))[0].stage == "experts"


def test_experts_on_the_host_are_copied_to_the_gpu() -> None:
    one = model("qwen3-30b-a3b")
    settings = run_settings(8192, logits="slots")
    inside = compute_buffers(one, placed(one), settings, rules_for(None))[0].n_bytes
    hosted = compute_buffers(one, placed(one, experts_on_host=48), settings, rules_for(None))[0].n_bytes
    # One block's ffn_up_exps in F16: 2048 x 768 x 128 x 2 bytes.
    assert hosted - inside > 2048 * 768 * 128 * 2 * 0.9


def test_dequantized_cache_on_cuda() -> None:
    # CUDA keeps f16 copies of quantized keys and values of one block: 2 x 1024 x 2 bytes a token for Llama 3.1 8B.
    one = model("llama-3.1-8b")
    settings = run_settings(131072, type_k="q8_0", type_v="q8_0", logits="slots")
    plain = compute_buffers(one, placed(one), settings, rules_for(None))[0].n_bytes
    cuda = compute_buffers(one, placed(one), settings, rules_for(None), backend="cuda")[0].n_bytes
    assert cuda - plain == pytest.approx(131072 * 2 * 1024 * 2, rel=0.2)


def test_many_contexts_at_once() -> None:
    one = model("llama-3.1-8b")
    contexts = np.array([4096, 8192, 65536])
    settings = run_settings(4096, logits="slots")
    table = compute_bytes(one, placed(one), settings, rules_for(None), contexts)
    assert table.shape == (2, 3)
    for column, context in enumerate(contexts):
        single = compute_buffers(one, placed(one), settings, rules_for(None), context=int(context))
        assert [buffer.n_bytes for buffer in single] == table[:, column].tolist()
    assert (np.diff(table) > 0).all()


def test_without_gpus_all_is_on_the_host() -> None:
    one = model("llama-3.1-8b")
    (host,) = compute_buffers(one, placed(one, gpus=0), run_settings(8192), rules_for(None))
    assert host.n_bytes == 279447552  # the pinned engine, CPU only


def taken(tensor: int, size: int) -> Request:
    return Request(tensor, 0, (size, 0, 0), f"tensor {tensor}")


def freed(tensor: int, back: int = 0) -> Request:
    return Request(tensor, back, None, "")


def test_allocator_takes_the_best_fitting_hole() -> None:
    segment = (taken(0, 300), taken(1, 10), taken(2, 100), taken(3, 10), freed(0), freed(2), taken(4, 90), taken(5, 300))
    highest, stage = peak(Requests((), (segment,)), Sizes({}), 1)
    assert highest == 420  # 4 went into the hole of 2, so that 5 found the hole of 0
    assert stage == "tensor 3"


def test_allocator_aligns_and_counts_cells() -> None:
    segment = (Request(0, 0, (1, 3, -1), "mask"), taken(1, 1))
    assert peak(Requests((), (segment,)), Sizes({-1: 100}), 128) == (384 + 128, "tensor 1")


@pytest.mark.parametrize(("name", "lacking"), [("qwen3-0.6b", "attn_k"), ("bge-m3", "attn_q"), ("bge-m3", "ffn_down")])
def test_a_file_that_lacks_a_tensor_is_refused_in_one_sentence(name: str, lacking: str) -> None:
    whole = model(name)
    left = tuple(tensor for tensor in whole.tensors if f".{lacking}." not in tensor.name)
    cut = replace(whole, tensors=left, known_weights=None)
    with pytest.raises(QuestionError, match=f'lacks the tensor "{lacking}.weight"'):
        compute_buffers(cut, placed(cut), run_settings(8192), rules_for(None))
