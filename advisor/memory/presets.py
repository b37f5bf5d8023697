"""What each runtime does when not told otherwise: `resolve` fills in every setting and refuses what the engine refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory.rules import EngineRules, rules_for
from advisor.memory.settings import CacheType, RunSettings, Runtime
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.metadata import ModelMetadata

DEFAULT_CONTEXT = 8192
CONTEXT_STEP = 256
"""The engine rounds a context up to this (src/llama-context.cpp:290)."""


@dataclass(frozen=True, slots=True)
class Preset:
    """The defaults of one runtime in the version that `describes` names."""

    runtime: Runtime
    describes: str
    source: str
    batch: int
    ubatch: int
    slots: int
    unified_kv: bool
    swa_full: bool
    logits: Literal["ubatch", "slots"]
    flash_attention: Literal["on", "off", "auto"]
    batch_per_slot: bool = False
    """The logical batch is `batch` for each slot."""


_VENDORED = "llama.cpp 0c1e57098 (October 2026)"

PRESETS: dict[Runtime, Preset] = {
    "llama-server": Preset(
        "llama-server",
        _VENDORED,
        "common/common.h:453-457,574-575; tools/server/server.cpp:156-161 (4 slots, unified); "
        "tools/server/server-context.cpp:42-53 (logits for slots)",
        batch=2048,
        ubatch=512,
        slots=4,
        unified_kv=True,
        swa_full=False,
        logits="slots",
        flash_attention="auto",
    ),
    "llama-cli": Preset(
        "llama-cli",
        _VENDORED,
        "common/common.h:453-457,574-575; tools/cli/CMakeLists.txt:11 (it runs the server's code with one slot)",
        batch=2048,
        ubatch=512,
        slots=1,
        unified_kv=False,
        swa_full=False,
        logits="slots",
        flash_attention="auto",
    ),
    "llama-cpp-python": Preset(
        "llama-cpp-python",
        "llama-cpp-python 0.3.36",
        "llama_cpp/llama.py:75-97,354-364; src/llama-context.cpp:3754-3793 (swa_full is true where it is not set)",
        batch=512,
        ubatch=512,
        slots=1,
        unified_kv=False,
        swa_full=True,
        logits="ubatch",
        flash_attention="off",
    ),
    "ollama": Preset(
        "ollama",
        "Ollama 0.32 (it runs llama-server since 0.30)",
        "ollama llm/llama_server.go, startLlamaServer and appendBatchArgs (-b 512 -ub 512, -np without --kv-unified); one slot",
        batch=512,
        ubatch=512,
        slots=1,
        unified_kv=False,
        swa_full=False,
        logits="slots",
        flash_attention="auto",
    ),
    "lm-studio": Preset(
        "lm-studio",
        "LM Studio 0.4 (January 2026)",
        "https://lmstudio.ai/docs/app/advanced/parallel-requests (4 predictions at a time); batch 512 and the full-size window "
        "cache as its load logs print them (https://github.com/qualcomm/GenieX/pull/1346)",
        batch=512,
        ubatch=512,
        slots=4,
        unified_kv=True,
        swa_full=True,
        logits="ubatch",
        flash_attention="auto",
    ),
}

OLLAMA_RUNS_SERVER = date(2026, 6, 1)
"""Engine of Ollama 0.30.0, the first that runs llama-server (b9452). Earlier runners took the library's defaults."""

_OLLAMA_RUNNER = Preset(
    "ollama",
    "Ollama before 0.30",
    "ollama llama/llama.go, NewContextParams (batch 512 for each slot; swa_full is left at the library's true)",
    batch=512,
    ubatch=512,
    slots=1,
    unified_kv=False,
    swa_full=True,
    logits="ubatch",
    flash_attention="auto",
    batch_per_slot=True,
)


def preset_for(runtime: Runtime, rules: EngineRules) -> Preset:
    """The defaults of `runtime` with an engine of these rules. Raises QuestionError where its memory cannot be planned."""
    if runtime == "ollama" and rules.date < OLLAMA_RUNS_SERVER:
        return _OLLAMA_RUNNER
    preset = PRESETS.get(runtime)
    if preset is None:
        names = ", ".join(PRESETS)
        raise QuestionError(f'memory of the runtime "{runtime}" cannot be planned; choose one of {names}', field="runtime")
    return preset


def resolve(
    overrides: Mapping[str, Any], model: ModelMetadata, *, has_gpu: bool, machine: MachineProfile | None = None
) -> RunSettings:
    """Settings with every default filled in: what `overrides` names, else the runtime's preset, else contracts' defaults.

    Raises QuestionError for what the engine would refuse to start, with its reason.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    rules = rules_for(given.get("build"))
    runtime: Runtime = given.get("runtime", "llama-server")
    preset = preset_for(runtime, rules)
    hp = model.hyperparameters
    auto_slots = preset.slots if runtime != "llama-server" or rules.auto_slots else 1
    slots = given.get("slots", auto_slots)
    # tools/server/server.cpp:156-161: a number of slots that is named comes with a cache for each, unless unified is asked for
    unified = given.get("unified_kv", preset.unified_kv and ("slots" not in given or runtime == "lm-studio"))
    asked = given.get("context", min(DEFAULT_CONTEXT, hp.context_length or DEFAULT_CONTEXT))
    batch = given.get("batch", preset.batch * (slots if preset.batch_per_slot else 1))
    logits = given.get("logits", preset.logits if rules.logits_for_slots else "ubatch")
    # src/llama-context.cpp:248-250
    batch = min(asked, batch) if hp.causal else batch
    settings = RunSettings(
        runtime=runtime,
        build=rules.build,
        context=effective_context(asked, rules, slots=slots, unified=unified),
        slots=slots,
        unified_kv=unified,
        batch=batch,
        ubatch=min(batch, given.get("ubatch", preset.ubatch)),
        type_k=given.get("type_k", "f16"),
        type_v=given.get("type_v", "f16"),
        flash_attention=given.get("flash_attention", preset.flash_attention if rules.flash_attention_auto else "off"),
        swa_full=given.get("swa_full", preset.swa_full),
        gpu_layers=given.get("gpu_layers", "all" if machine is None else "auto") if has_gpu else 0,
        cpu_moe_layers=given.get("cpu_moe_layers", 0),
        tensor_split=given.get("tensor_split"),
        logits=logits,
        depth=given.get("depth", 0),
    )
    check(settings, hp, rules)
    return settings


def effective_context(context: int, rules: EngineRules, *, slots: int, unified: bool) -> int:
    """Tokens that the engine makes room for where `context` is asked: rounded up to 256, for each slot where split.

    src/llama-context.cpp:289-307; builds before November 2025 take the number as it is.
    """
    if rules.cell_padding != "context":
        return context
    total = _round_up(context)
    return total if unified or slots == 1 else _round_up(total // slots) * slots


def _round_up(tokens: int) -> int:
    return -(-tokens // CONTEXT_STEP) * CONTEXT_STEP


def uses_flash_attention(settings: RunSettings, hp: Hyperparameters, rules: EngineRules) -> bool:
    """True where attention runs as flash attention. "auto" means on, except for Grok (src/llama-context.cpp:3816-3819)."""
    if settings.flash_attention == "off" or hp.architecture == "grok":
        return False
    return settings.flash_attention == "on" or rules.flash_attention_auto or is_quantized(settings.type_v)


def is_quantized(kind: CacheType) -> bool:
    """True for cache types of more than one value a block."""
    return cache_block(kind)[0] > 1


def cache_block(kind: CacheType) -> tuple[int, int]:
    """(values, bytes) of one block of a cache type."""
    return GGML_QUANT_SIZES[GGMLQuantizationType[kind.upper()]]


def check(settings: RunSettings, hp: Hyperparameters, rules: EngineRules) -> None:
    """Raise QuestionError for a combination that the engine refuses (src/llama-context.cpp:3835-3871)."""
    type_k, type_v = settings.type_k, settings.type_v
    latent = hp.kv_lora_rank > 0 and hp.key_length_mla > 0 and not rules.mla_stores_values
    if latent and type_k != type_v:
        raise QuestionError(
            f"this model keeps keys and values in one cache, so their types cannot differ ({type_k} and {type_v}); "
            f"give both the type {type_k}",
            field="type_v",
        )
    if is_quantized(type_v) and settings.flash_attention == "off":
        raise QuestionError(
            f"a V cache of type {type_v} needs flash attention; switch flash attention on, or leave the V cache at f16",
            field="type_v",
        )
    if settings.flash_attention != "off":
        _check_heads("K", "type_k", type_k, hp.key_length, hp)
        _check_heads("V", "type_v", type_v, hp.value_length, hp)
    if settings.tensor_split is not None and not any(settings.tensor_split):
        raise QuestionError("the tensor split is all zeros; give each GPU its share, such as 3,1", field="tensor_split")


def _check_heads(name: str, field: str, kind: CacheType, lengths: tuple[int, ...], hp: Hyperparameters) -> None:
    block = cache_block(kind)[0]
    for index in range(hp.layer_count):
        if lengths[index] % block:  # whether the block has a cache or not
            raise QuestionError(
                f"a {name} cache of type {kind} stores {block} values at a time, which does not divide this model's heads of "
                f"{lengths[index]}; choose f16 or bf16",
                field=field,
            )
