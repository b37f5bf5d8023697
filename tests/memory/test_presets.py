"""Defaults of the runtimes, and combinations that the engine refuses."""

import pytest

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory.presets import PRESETS, cache_block, resolve, uses_flash_attention
from advisor.memory.rules import rules_for
from advisor.models.hyperparameters import Hyperparameters
from tests.memory.models import file, hyperparameters, metadata

MACHINE = MachineProfile(id="m", name="M", kind="discrete")


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        # slots, unified, batch, ubatch, full-size window cache, logits, flash attention
        ("llama-server", (4, True, 2048, 512, False, "slots", "auto")),
        ("llama-cli", (1, False, 2048, 512, False, "slots", "auto")),
        ("llama-cpp-python", (1, False, 512, 512, True, "ubatch", "off")),
        ("ollama", (1, False, 512, 512, False, "slots", "auto")),
        ("lm-studio", (4, True, 512, 512, True, "ubatch", "auto")),
    ],
)
def test_each_runtime_has_its_defaults(runtime: str, expected: tuple[object, ...]) -> None:
    found = resolve({"runtime": runtime}, file("llama-3.1-8b"), has_gpu=True)
    assert (
        found.slots,
        found.unified_kv,
        found.batch,
        found.ubatch,
        found.swa_full,
        found.logits,
        found.flash_attention,
    ) == expected


def test_defaults_that_all_runtimes_share() -> None:
    found = resolve({}, file("llama-3.1-8b"), has_gpu=True)
    assert (found.context, found.type_k, found.type_v, found.cpu_moe_layers, found.depth) == (8192, "f16", "f16", 0, 0)
    assert found.tensor_split is None


def test_the_context_is_what_the_model_was_trained_for_where_that_is_less() -> None:
    assert resolve({}, metadata(hyperparameters(context_length=2048)), has_gpu=True).context == 2048
    assert resolve({}, metadata(hyperparameters(context_length=None)), has_gpu=True).context == 8192


def test_every_preset_says_which_version_it_describes_and_where_that_is_written() -> None:
    for preset in PRESETS.values():
        assert preset.describes
        assert "/" in preset.source


def test_gpu_layers_are_all_without_a_machine_else_automatic_and_none_without_a_gpu() -> None:
    model = metadata()
    assert resolve({}, model, has_gpu=True).gpu_layers == "all"
    assert resolve({}, model, has_gpu=True, machine=MACHINE).gpu_layers == "auto"
    assert resolve({"gpu_layers": "all"}, model, has_gpu=False, machine=MACHINE).gpu_layers == 0


@pytest.mark.parametrize(
    ("asked", "context"),
    [
        ({"context": 8000}, 8192),
        ({"context": 1}, 256),
        # src/llama-context.cpp:295-303: 8192 / 3 = 2730, rounded up to 2816 for each of three slots
        ({"context": 8192, "slots": 3}, 8448),
        ({"context": 8192, "slots": 3, "unified_kv": True}, 8192),
        ({"context": 8000, "build": "2025-08-20"}, 8000),
    ],
)
def test_contexts_are_rounded_up_as_the_engine_does(asked: dict[str, object], context: int) -> None:
    assert resolve(asked, file("llama-3.1-8b"), has_gpu=True).context == context


def test_slots_that_are_named_have_a_cache_each_unless_unified_is_asked_for() -> None:
    model = metadata()
    assert resolve({"slots": 4}, model, has_gpu=True).unified_kv is False
    assert resolve({"slots": 4, "unified_kv": True}, model, has_gpu=True).unified_kv is True
    assert resolve({"slots": 4, "runtime": "lm-studio"}, model, has_gpu=True).unified_kv is True


def test_a_batch_is_never_larger_than_the_context_nor_a_micro_batch_than_the_batch() -> None:
    found = resolve({"context": 300, "ubatch": 4096}, metadata(), has_gpu=True)
    assert (found.context, found.batch, found.ubatch) == (512, 300, 300)


def test_older_engines_have_older_defaults() -> None:
    old = resolve({"build": "b6060"}, metadata(), has_gpu=True)
    assert (old.slots, old.logits, old.flash_attention) == (1, "ubatch", "off")
    ollama = resolve({"build": "2025-12-17", "runtime": "ollama", "slots": 2}, metadata(), has_gpu=True)
    assert (ollama.batch, ollama.ubatch, ollama.swa_full, ollama.logits) == (1024, 512, True, "ubatch")


@pytest.mark.parametrize("runtime", ["mlx", "vllm", "transformers"])
def test_runtimes_without_a_memory_model_are_refused(runtime: str) -> None:
    with pytest.raises(QuestionError, match="cannot be planned"):
        resolve({"runtime": runtime}, metadata(), has_gpu=True)


def _latent() -> Hyperparameters:
    return hyperparameters(
        architecture="deepseek2",
        head_count_kv=(1,) * 4,
        key_length=(576,) * 4,
        value_length=(512,) * 4,
        kv_lora_rank=512,
        key_length_mla=192,
        value_length_mla=128,
    )


@pytest.mark.parametrize(
    ("asked", "hp", "said"),
    [
        ({"type_v": "q8_0", "flash_attention": "off"}, hyperparameters(), "needs flash attention"),
        ({"type_k": "q8_0"}, hyperparameters(key_length=(80,) * 4), "stores 32 values at a time.*heads of 80"),
        ({"type_v": "q4_0"}, hyperparameters(value_length=(80,) * 4), "V cache of type q4_0"),
        ({"type_k": "q8_0"}, _latent(), "types cannot differ"),
        ({"tensor_split": (0.0, 0.0)}, hyperparameters(), "all zeros"),
    ],
)
def test_what_the_engine_refuses_is_refused(asked: dict[str, object], hp: Hyperparameters, said: str) -> None:
    with pytest.raises(QuestionError, match=said):
        resolve(asked, metadata(hp), has_gpu=True)


@pytest.mark.parametrize(
    ("asked", "hp"),
    [
        ({"type_k": "q8_0", "flash_attention": "off"}, hyperparameters()),
        ({"type_k": "q8_0", "type_v": "q8_0"}, _latent()),
        ({"type_k": "q8_0", "flash_attention": "off"}, hyperparameters(key_length=(80,) * 4)),
    ],
)
def test_what_the_engine_takes_is_taken(asked: dict[str, object], hp: Hyperparameters) -> None:
    assert resolve(asked, metadata(hp), has_gpu=True).type_k == "q8_0"


def test_flash_attention_auto_is_on_except_for_grok_and_before_it_existed() -> None:
    model = metadata()
    auto = resolve({}, model, has_gpu=True)
    assert uses_flash_attention(auto, model.hyperparameters, rules_for())
    assert not uses_flash_attention(auto, hyperparameters(architecture="grok"), rules_for())
    assert not uses_flash_attention(auto, model.hyperparameters, rules_for("b6060"))


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("f32", (1, 4)),
        ("f16", (1, 2)),
        ("bf16", (1, 2)),
        ("q8_0", (32, 34)),
        ("q5_1", (32, 24)),
        ("q4_0", (32, 18)),
        ("iq4_nl", (32, 18)),
    ],
)
def test_cache_types_have_their_exact_blocks(kind: str, block: tuple[int, int]) -> None:
    assert cache_block(kind) == block  # type: ignore[arg-type]
