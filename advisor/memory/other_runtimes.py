"""Programs that are not built on llama.cpp: their quantizations, their settings, and the machines that they run on."""

from collections.abc import Mapping
from typing import Any, Literal

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory.mlx import PREFILL_STEP
from advisor.memory.mlx_rules import MLX_LM_VERSION, RECIPES
from advisor.memory.presets import DEFAULT_CONTEXT
from advisor.memory.pytorch import RELEASED_IN, TRANSFORMERS_RECIPES, VLLM_RECIPES
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization_names import QUANTIZATIONS, is_quantization, parse_quantization

OtherRuntime = Literal["mlx", "vllm", "transformers"]
OTHER_RUNTIMES: tuple[OtherRuntime, ...] = ("mlx", "vllm", "transformers")
QUANTIZED_FOR: Mapping[str, tuple[str, ...]] = {
    "mlx": tuple(RECIPES),
    "vllm": tuple(VLLM_RECIPES),
    "transformers": tuple(TRANSFORMERS_RECIPES),
}
"""What each runtime can run, by our names."""
_DEFAULTS = {"mlx": "mlx-4bit", "vllm": "BF16", "transformers": "BF16"}
_BUILDS = {"mlx": MLX_LM_VERSION, "vllm": "vLLM of autumn 2026", "transformers": "transformers 5.23"}
"""What the rules describe."""
SETTINGS_OF: Mapping[str, tuple[str, ...]] = {
    "mlx": ("context", "type_k", "type_v", "depth"),
    "vllm": ("context", "slots", "depth"),
    "transformers": ("context", "slots", "depth"),
}
"""Settings that a runtime has."""
KV_BITS = {"bf16": None, "f16": None, "q8_0": 8, "q4_0": 4}
"""Cache types as llama.cpp names them, and mlx_lm's --kv-bits: 8 and 4 bits with a 16-bit scale and bias for each 64 take as
much as q8_0 and q4_0, 8.5 and 4.5 bits."""
_SPELLINGS = {
    "nf4": "bnb-4bit",
    "bnb-nf4": "bnb-4bit",
    "bitsandbytes-4bit": "bnb-4bit",
    "int8": "bnb-8bit",
    "bnb-int8": "bnb-8bit",
    "bitsandbytes-8bit": "bnb-8bit",
    "fp16": "F16",
    "fp32": "F32",
    "awq": "awq-4bit",
    "awq-int4": "awq-4bit",
    "gptq": "gptq-4bit",
    "gptq-int4": "gptq-4bit",
    "f8": "fp8",
    "fp8-e4m3": "fp8",
}
_PREFIXES = {"mlx": "mlx", "transformers": "bnb"}


def runtime_of(quantization: str | None) -> OtherRuntime | None:
    """The one runtime that a quantization means by its name ("mlx-4bit", "nf4", "awq"); None where llama.cpp has one of it."""
    if quantization is None:
        return None
    plain = _plain(quantization)
    name = _SPELLINGS.get(plain, plain)
    if name == plain and is_quantization(quantization):
        name = parse_quantization(quantization)
    known = QUANTIZATIONS.get(name)
    if known is not None and known.is_gguf:
        return None
    return next((runtime for runtime in OTHER_RUNTIMES if name in QUANTIZED_FOR[runtime]), None)


def runtime_quantization(runtime: str, text: str | None, architecture: str | None = None) -> str:
    """Canonical name of the quantization `text` for one of `OTHER_RUNTIMES`, or for None what it runs most.

    Raises QuestionError where the runtime cannot run it, or not of this architecture, saying what it can.
    """
    released = RELEASED_IN.get(architecture or "")
    if text is None:
        return released if released in QUANTIZED_FOR[runtime] else _DEFAULTS[runtime]
    name = _spelled(text, runtime)
    if name in QUANTIZED_FOR[runtime] and name not in RELEASED_IN.values():
        return name
    if name in QUANTIZED_FOR[runtime]:
        if name == released:
            return name
        raise QuestionError(f"{runtime} runs {name} only of models that were released so; choose bf16", field="quant")
    raise QuestionError(_refusal(runtime, name), field="quant")


def _refusal(runtime: str, name: str) -> str:
    known = QUANTIZATIONS.get(name)
    gguf = known is not None and known.is_gguf
    if runtime == "vllm":
        if gguf:
            return (
                f"vLLM runs GGUF files only experimentally, so {name} is not planned; choose bf16, fp8, awq-4bit or gptq-4bit"
            )
        return f"vLLM cannot run {name}; choose bf16, fp8, awq-4bit or gptq-4bit"
    if runtime == "transformers":
        return f"transformers cannot run {name}; choose bf16, bnb-8bit or bnb-4bit"
    wanted = _nearest_mlx(known.default_bits) if known is not None and known.is_gguf else _DEFAULTS["mlx"]
    return f"MLX cannot run {name}{', a GGUF quantization' if gguf else ''}; choose {wanted}"


def _plain(text: str) -> str:
    return text.strip().lower().replace("_", "-").replace(" ", "-")


def _spelled(text: str, runtime: str) -> str:
    """The name of `QUANTIZED_FOR` that `text` writes in any usual way, else llama.cpp's."""
    plain = _plain(text)
    names = [name for several in QUANTIZED_FOR.values() for name in several]
    for given in (plain, f"{_PREFIXES.get(runtime)}-{plain}"):
        if given in names:
            return given
    return _SPELLINGS.get(plain) or parse_quantization(text)


def _nearest_mlx(bits: float) -> str:
    """The MLX quantization nearest to a GGUF type of `bits`; its scales and biases take half a bit more than it says."""
    if bits >= 16:
        return "bf16"
    return f"mlx-{min((2, 3, 4, 5, 6, 8), key=lambda choice: abs(choice + 0.5 - bits))}bit"


def runtime_settings(overrides: Mapping[str, Any], model: ModelMetadata) -> RunSettings:
    """Settings with the defaults of one of `OTHER_RUNTIMES`. Raises QuestionError for settings that it does not have."""
    runtime = overrides["runtime"]
    given = {name: value for name, value in overrides.items() if value is not None and name != "runtime"}
    for name, value in given.items():
        if name not in SETTINGS_OF[runtime] and not (name == "gpu_layers" and value in ("all", "auto")):
            raise QuestionError(
                f'the runtime "{runtime}" has no setting {name}; leave it out ({", ".join(SETTINGS_OF[runtime])} can be given)',
                field=name,
            )
    kv = given.get("type_k", given.get("type_v", "bf16"))
    if kv not in KV_BITS or given.get("type_v", kv) != kv:
        raise QuestionError(
            "mlx_lm keeps keys and values alike, as bf16, q8_0 or q4_0; give both the same type", field="type_k"
        )
    trained = model.hyperparameters.context_length or DEFAULT_CONTEXT
    context = given.get("context", min(DEFAULT_CONTEXT, trained))
    step = context if runtime == "transformers" else PREFILL_STEP
    return RunSettings(
        runtime=runtime,
        build=_BUILDS[runtime],
        context=context,
        slots=given.get("slots", 1),
        unified_kv=False,
        batch=step,
        ubatch=step,
        type_k=kv,
        type_v=kv,
        flash_attention="auto",
        swa_full=False,
        gpu_layers="all",
        cpu_moe_layers=0,
        tensor_split=None,
        logits="slots",
        depth=given.get("depth", 0),
    )


def check_machine(runtime: str, quantization: str, machine: MachineProfile | None) -> None:
    """Raise QuestionError where `machine` cannot run the runtime, or not in that quantization."""
    if machine is None:
        return
    backends = {gpu.backend for gpu in machine.gpus} if machine.kind != "cpu" else set()
    cards = bool(backends & {"cuda", "rocm", "sycl"})
    if runtime == "mlx" and backends != {"metal"}:
        raise QuestionError(
            f"MLX needs a Mac with Apple silicon, and {machine.name} is none; choose llama-server or another runtime",
            field="runtime",
        )
    if runtime == "vllm" and not cards:
        raise QuestionError(
            f"vLLM is planned for GPUs of NVIDIA, AMD or Intel, and {machine.name} has none of them; choose another runtime",
            field="runtime",
        )
    if runtime == "transformers" and quantization.startswith("bnb-") and not cards:
        raise QuestionError(
            f"bitsandbytes needs a GPU of NVIDIA, AMD or Intel, which {machine.name} has not; choose bf16", field="quant"
        )


def can_run(runtime: str, machine: MachineProfile | None) -> bool:
    """Whether one of `OTHER_RUNTIMES` runs on `machine` at all."""
    try:
        check_machine(runtime, _DEFAULTS[runtime], machine)
    except QuestionError:
        return False
    return True


def quantizations_for(runtime: str, model: ModelMetadata) -> tuple[str, ...]:
    """What there is to choose from for `model` in one of `OTHER_RUNTIMES`."""
    left_out = {*RELEASED_IN.values()} - {RELEASED_IN.get(model.hyperparameters.architecture)}
    return tuple(name for name in QUANTIZED_FOR[runtime] if name not in left_out)
