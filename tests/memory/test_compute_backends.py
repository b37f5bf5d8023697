"""Compute buffers by backend against the engine itself.

The engine's figures: `advisor.engine.layout.engine_plan` of the pinned engine (llama-cpp-python 0.3.36) on GPUs that imitate
the named backend. GPUs first, the host last.
"""

import pytest

from advisor.machines.profile import Backend
from advisor.memory.compute import compute_buffers, flash_attention_stays
from advisor.memory.compute_allocator import CUT, Request, Requests, Segment
from advisor.memory.compute_chunks import chunked_bytes
from advisor.memory.compute_facts import facts_of
from advisor.memory.compute_peak import Sizes, peak
from advisor.memory.rules import rules_for
from tests.memory.test_compute import model, placed, run_settings

ENGINE: list[tuple[str, str, int, dict[str, object], dict[str, int], Backend, tuple[int, ...]]] = [
    ("llama-3.1-8b", "Q4_K_M", 32768, {"logits": "slots"}, {}, "metal", (228960288, 50343968)),
    ("gpt-oss-20b", "Q4_K_M", 32768, {"logits": "slots"}, {}, "metal", (156878880, 46157856)),
    ("qwen3-30b-a3b", "Q4_K_M", 8192, {"logits": "slots"}, {"gpu_layers": 24}, "metal", (245630496, 25178144)),
    (
        "llama-3.1-8b",
        "Q4_K_M",
        32768,
        {"logits": "slots", "type_k": "q8_0", "type_v": "f16"},
        {},
        "metal",
        (2306943008, 83963936),
    ),
    (
        "deepseek-v2-lite",
        "Q4_K_M",
        8192,
        {"logits": "slots", "type_k": "q8_0", "type_v": "q8_0"},
        {},
        "metal",
        (125544480, 16785440),
    ),
    (
        "llama-3.1-8b",
        "Q4_K_M",
        131072,
        {"logits": "slots", "type_k": "q8_0", "type_v": "q8_0"},
        {"gpus": 2},
        "rocm",
        (1141219328, 1141219840, 579190912),
    ),
    ("llama-3.1-8b", "Q4_K_M", 32768, {"flash_attention": "off"}, {}, "vulkan", (4399833088, 88090624)),
    ("gpt-oss-20b", "Q4_K_M", 32768, {"flash_attention": "off"}, {"gpu_layers": 12}, "vulkan", (4517648384, 84686848)),
    ("gemma-4-31b", "Q6_K", 2048, {"type_k": "q4_0", "type_v": "q4_0"}, {"gpu_layers": 0}, "cuda", (1714969856, 32823296)),
    (
        "gemma-4-e2b",
        "F16",
        8192,
        {"flash_attention": "off", "slots": 4, "unified_kv": False, "ubatch": 2048},
        {"gpu_layers": 0},
        "cuda",
        (3038773248, 148963328),
    ),
    ("gemma-4-26b-a4b", "Q4_K_M", 8192, {"logits": "slots"}, {"gpu_layers": 15}, "metal", (382602784, 38293536)),
    ("qwen3-embedding-4b", "F16", 8192, {}, {"gpu_layers": 0}, "cuda", (1167350784, 18888704)),
    (
        "deepseek-v3.2",
        "Q4_K_M",
        2048,
        {"slots": 4, "unified_kv": False},
        {"gpu_layers": 30, "experts_on_host": 999},
        "cuda",
        (3345811968, 30488576),
    ),
    ("llama-4-scout", "Q4_K_M", 8192, {"logits": "slots"}, {"gpus": 2}, "cuda", (201506816, 201507328, 119627904)),
    (
        "llama-3.1-8b",
        "Q4_K_M",
        8192,
        {"type_k": "bf16", "type_v": "bf16", "logits": "slots"},
        {},
        "cuda",
        (113256576, 25178144),
    ),
]


@pytest.mark.parametrize(("name", "quantization", "context", "changes", "placement", "backend", "wanted"), ENGINE)
def test_buffers_are_those_of_the_engine(
    name: str,
    quantization: str,
    context: int,
    changes: dict[str, object],
    placement: dict[str, int],
    backend: Backend,
    wanted: tuple[int, ...],
) -> None:
    one = model(name, quantization)
    settings = run_settings(context, **changes)
    found = compute_buffers(one, placed(one, **placement), settings, rules_for(None), backend=backend)
    assert [buffer.n_bytes for buffer in found] == pytest.approx(wanted, rel=1e-4)


def test_metal_had_no_scratch_in_load_logs_of_may_2026() -> None:
    one = model("llama-3.1-8b")
    settings = run_settings(32768, logits="slots")
    before, now = (
        compute_buffers(one, placed(one), settings, rules_for(build), backend="metal")[0].n_bytes
        for build in ("2026-08-19", "2026-08-20")
    )
    # f16 copies of one block's keys and values (2 x 32768 x 1024 x 2 bytes, most of them where other memory was free), scratch
    assert (before, now) == (146810912, 228960288)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3.5-9b", "falcon-h1-7b"])
@pytest.mark.parametrize(("type_v", "stays"), [("q8_0", True), ("f16", False)])
def test_metal_gives_flash_attention_up_where_types_differ(name: str, type_v: str, stays: bool) -> None:
    one = model(name, "Q4_K_M")
    settings = run_settings(8192, type_k="q8_0", type_v=type_v)
    facts = facts_of(one, placed(one), settings, rules_for(None), 8192, backend="metal")
    assert flash_attention_stays(facts) is stays


def take(slot: int, size: int) -> Request:
    return Request(slot, 0, (size, 0, 0), "x")


def give(slot: int) -> Request:
    return Request(slot, 0, None, "")


def one_block(*segment: Request) -> Requests:
    return Requests(((), ()), ((), segment))


def test_what_lies_behind_a_result_is_free_once_another_works_in_its_place() -> None:
    cut = Request(0, 0, (100, 0, 0), CUT)
    whole: Segment = (take(0, 180), take(1, 10), cut, take(2, 80))
    assert peak(one_block(*whole), Sizes({}), 1) == (190, "x")  # 2 went behind what is left of 0
    assert peak(one_block(*whole, give(0), take(3, 100)), Sizes({}), 1) == (190, "x")
    assert chunked_bytes(one_block(*whole), Sizes({}), 1, 1000) == 190


PIECES: list[tuple[str, Segment, int]] = [
    ("all fits into one", (take(0, 40), take(1, 60)), 100),
    ("a second one", (take(0, 60), take(1, 60)), 120),
    ("the end of the first is used before a new one", (take(0, 60), take(1, 60), take(2, 40)), 160),
    ("a hole is used first", (take(0, 60), take(1, 40), give(0), take(2, 50), take(3, 60)), 160),
    ("one tensor larger than a piece has one of its own", (take(0, 10), take(1, 250)), 260),
    ("what is free in two pieces is not one hole", (take(0, 90), take(1, 90), give(0), give(1), take(2, 100)), 190),
]


@pytest.mark.parametrize(("why", "segment", "wanted"), PIECES, ids=[why for why, _, _ in PIECES])
def test_buffers_in_pieces_of_100_bytes(why: str, segment: Segment, wanted: int) -> None:
    assert chunked_bytes(one_block(*segment), Sizes({}), 1, 100) == wanted, why
