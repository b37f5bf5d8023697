"""Plans for programs that are not built on llama.cpp: MLX (grade "formula"), vLLM and transformers (grade "typical")."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory import mlx, pytorch
from advisor.memory.devices import RAM, UNIFIED, Device, devices_of
from advisor.memory.mlx import PREFILL_STEP
from advisor.memory.mlx_prefill import prefill_bytes
from advisor.memory.mlx_rules import MLX_LM_VERSION, RECIPES
from advisor.memory.overhead import gpu_overhead
from advisor.memory.plan import DevicePlan, Grade, MemoryPlan, Pool
from advisor.memory.presets import DEFAULT_CONTEXT
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization_names import QUANTIZATIONS, parse_quantization
from advisor.units import MIB, format_size

OTHER_RUNTIMES = ("mlx", "vllm", "transformers")
Other = Literal["mlx", "vllm", "transformers"]

_DEFAULTS: dict[str, str] = {"mlx": "mlx-4bit", "vllm": "BF16", "transformers": "BF16"}
_TAKES: dict[str, tuple[str, ...]] = {
    "mlx": tuple(RECIPES),
    "vllm": ("BF16", "F16"),
    "transformers": tuple(pytorch.TORCH_RECIPES),
}
_BUILDS = {"mlx": MLX_LM_VERSION, "vllm": "vLLM 0.11", "transformers": "transformers 5"}
"""What the rules describe."""
_FIELDS = {
    "mlx": ("context", "type_k", "type_v", "depth"),
    "vllm": ("context", "slots", "depth"),
    "transformers": ("context", "slots", "depth"),
}
"""Settings that a runtime has."""
_KV_BITS = {"bf16": None, "f16": None, "q8_0": 8, "q4_0": 4}
"""Cache types as llama.cpp names them, and mlx_lm's --kv-bits: 8 and 4 bits with a 16-bit scale and bias for each 64 take as
much as q8_0 and q4_0, 8.5 and 4.5 bits."""

MLX_HOST_BYTES = 384 * MIB
"""Python with mlx_lm: 73 MiB measured after `import mlx_lm` (0.32.2, Linux); the rest is our allowance for its tokenizer."""


# --- the question ----------------------------------------------------------------------------------


def runtime_quantization(runtime: str, text: str | None) -> str:
    """Canonical name of the quantization `text` for one of `OTHER_RUNTIMES`, or the runtime's default for None.

    Raises QuestionError where the runtime cannot run it, saying what it can.
    """
    if text is None:
        return _DEFAULTS[runtime]
    name = _spelled(text, runtime)
    if name in _TAKES[runtime]:
        return name
    known = QUANTIZATIONS.get(name)
    if runtime == "vllm":
        if known is not None and known.is_gguf:
            raise QuestionError(
                f"vLLM runs GGUF files only experimentally, so {name} is not planned; choose bf16", field="quant"
            )
        raise QuestionError(f"vLLM cannot run {name}; choose bf16", field="quant")
    if runtime == "transformers":
        raise QuestionError(f"transformers cannot run {name}; choose bf16, bnb-8bit or bnb-4bit", field="quant")
    wanted = _nearest_mlx(known.default_bits) if known is not None and known.is_gguf else _DEFAULTS["mlx"]
    kind = ", a GGUF quantization" if known is not None and known.is_gguf else ""
    raise QuestionError(f"MLX cannot run {name}{kind}; choose {wanted}", field="quant")


def _spelled(text: str, runtime: str) -> str:
    """The name in `RECIPES` or `TORCH_RECIPES` that `text` writes in any usual way, else llama.cpp's."""
    plain = text.strip().lower().replace("_", "-").replace(" ", "-")
    prefix = "mlx" if runtime == "mlx" else "bnb"
    for given in (plain, f"{prefix}-{plain}"):
        if given in RECIPES or given in pytorch.TORCH_RECIPES:
            return given
    aliases = {
        "nf4": "bnb-4bit",
        "bnb-nf4": "bnb-4bit",
        "int8": "bnb-8bit",
        "bnb-int8": "bnb-8bit",
        "fp16": "F16",
        "fp32": "F32",
    }
    return aliases.get(plain) or parse_quantization(text)


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
        if name not in _FIELDS[runtime] and not (name == "gpu_layers" and value in ("all", "auto")):
            raise QuestionError(
                f'the runtime "{runtime}" has no setting {name}; leave it out ({", ".join(_FIELDS[runtime])} can be given)',
                field=name,
            )
    kv = given.get("type_k", given.get("type_v", "bf16"))
    if kv not in _KV_BITS or given.get("type_v", kv) != kv:
        raise QuestionError(
            "mlx_lm keeps keys and values alike, as bf16, q8_0 or q4_0; give both the same type", field="type_k"
        )
    trained = model.hyperparameters.context_length or DEFAULT_CONTEXT
    context, step = given.get("context", min(DEFAULT_CONTEXT, trained)), PREFILL_STEP
    return RunSettings(
        runtime=runtime,
        build=_BUILDS[runtime],
        context=context,
        slots=given.get("slots", 1),
        unified_kv=False,
        batch=step if runtime != "transformers" else context,
        ubatch=step if runtime != "transformers" else context,
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
    """Raise QuestionError where `machine` cannot run the runtime."""
    if machine is None:
        return
    backends = {gpu.backend for gpu in machine.gpus} if machine.kind != "cpu" else set()
    if runtime == "mlx" and backends != {"metal"}:
        raise QuestionError(
            f"MLX needs a Mac with Apple silicon, and {machine.name} is none; choose llama-server or another runtime",
            field="runtime",
        )
    if runtime == "vllm" and not backends & {"cuda", "rocm", "sycl"}:
        raise QuestionError(
            f"vLLM is planned for GPUs of NVIDIA, AMD or Intel, and {machine.name} has none of them; choose another runtime",
            field="runtime",
        )
    if runtime == "transformers" and quantization.startswith("bnb-") and not backends & {"cuda", "rocm", "sycl"}:
        raise QuestionError(
            f"bitsandbytes needs a GPU of NVIDIA, AMD or Intel, which {machine.name} has not; choose bf16", field="quant"
        )


# --- the plan --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parts:
    """What one GPU holds, in bytes."""

    weights: int
    kv: int
    state: int
    compute: int
    overhead: int


def weights_of(model: ModelMetadata, runtime: str, quantization: str) -> int:
    """Bytes of the weights of `model` in a quantization of one of `OTHER_RUNTIMES`."""
    if runtime == "mlx":
        return mlx.weights_bytes(model.hyperparameters, model.tensors, RECIPES[quantization])
    return pytorch.weights_bytes(model.hyperparameters, model.tensors, pytorch.TORCH_RECIPES[quantization])


def plan_other(
    model: ModelMetadata, machine: MachineProfile | None, settings: RunSettings, quantization: str, *, gpus: int = 1
) -> MemoryPlan:
    """What `model` takes in the runtime that `settings` name. Raises QuestionError where runtime, model and machine do not go
    together."""
    runtime = settings.runtime
    check_machine(runtime, quantization, machine)
    devices = devices_of(machine, gpus)
    weights = weights_of(model, runtime, quantization)
    said: tuple[str, ...]
    if runtime == "mlx":
        parts, said = _mlx(model, settings, quantization, weights, devices)
        host = MLX_HOST_BYTES
    elif runtime == "vllm":
        parts, said = _vllm(model, settings, weights, devices)
        host = pytorch.HOST_BYTES
    else:
        parts, said = _transformers(model, settings, weights, devices)
        host = pytorch.HOST_BYTES
    rows = tuple(_row(device, parts, host, alone=len(devices) == 1) for device in devices)
    grade: Grade = "formula" if runtime == "mlx" else "typical"
    return MemoryPlan(rows, _pools(rows, devices), settings, grade, (*_longer(model, settings), *said))


def _longer(model: ModelMetadata, settings: RunSettings) -> tuple[str, ...]:
    trained = model.hyperparameters.context_length
    if trained is None or settings.context <= trained:
        return ()
    return (f"The context of {settings.context:,} tokens is longer than the {trained:,} that the model was trained for.",)


def _mlx(
    model: ModelMetadata, settings: RunSettings, quantization: str, weights: int, devices: tuple[Device, ...]
) -> tuple[_Parts, tuple[str, ...]]:
    if len(devices) > 2:
        raise QuestionError("MLX is planned for one Mac with one GPU; leave --gpus out", field="gpus")
    hp, recipe, tokens = model.hyperparameters, RECIPES[quantization], settings.context
    kv = mlx.kv_cache_bytes(hp, tokens, bits=_KV_BITS[settings.type_k], float_bytes=recipe.float_bytes)
    said = (
        "MLX keeps freed memory for its next use; mlx_lm gives it back after each part of a prompt, so it is not counted.",
        f"The peak is that of a prompt that fills the context, {PREFILL_STEP:,} tokens at a time.",
    )
    parts = _Parts(
        weights=weights,
        kv=kv,
        state=mlx.state_bytes(hp, float_bytes=recipe.float_bytes),
        compute=prefill_bytes(
            hp, tokens, bits=recipe.bits, cache_bits=_KV_BITS[settings.type_k], float_bytes=recipe.float_bytes
        ),
        overhead=gpu_overhead("metal"),
    )
    return parts, said


def _vllm(
    model: ModelMetadata, settings: RunSettings, weights: int, devices: tuple[Device, ...]
) -> tuple[_Parts, tuple[str, ...]]:
    hp, shards = model.hyperparameters, len(devices) - 1
    heads = max(hp.head_count)
    if heads % shards:
        raise QuestionError(
            f"vLLM shares {heads} heads evenly, which {shards} GPUs cannot; choose another number", field="gpus"
        )
    compute = pytorch.activation_bytes(hp, pytorch.BATCHED_TOKENS, rows=pytorch.SEQUENCES, shards=shards)
    context = gpu_overhead(devices[0].backend)
    sequence = pytorch.state_bytes(hp) // shards + pytorch.cache_bytes(
        hp, settings.context, step=pytorch.BLOCK_TOKENS, shards=shards, beyond_window=pytorch.BATCHED_TOKENS
    )
    held = -(-weights // shards)
    kv, said = (
        settings.slots * sequence,
        f"One sequence of {settings.context:,} tokens takes {format_size(sequence)} of each GPU.",
    )
    capacities = [device.capacity_bytes for device in devices[:-1] if device.capacity_bytes is not None]
    if capacities:
        share = int(min(capacities) * pytorch.GPU_MEMORY_UTILIZATION)
        room = share - held - compute - context
        fitting = max(room // max(sequence, 1), 0)
        said = (
            f"vLLM takes 90 % of each GPU (--gpu-memory-utilization 0.9); beside weights and activations "
            f"{fitting:,} sequences of {settings.context:,} tokens fit at a time."
        )
        if fitting >= settings.slots:
            kv = room
        else:
            said += f" {settings.slots:,} were asked for: vLLM would not start, or wait; raise that share or lower the context."
    parts = _Parts(held, kv, 0, compute, context + pytorch.CUDA_GRAPHS_BYTES)
    return parts, (said, "Activations, the driver and CUDA graphs are typical figures.")


def _transformers(
    model: ModelMetadata, settings: RunSettings, weights: int, devices: tuple[Device, ...]
) -> tuple[_Parts, tuple[str, ...]]:
    hp, shards = model.hyperparameters, max(len(devices) - 1, 1)
    uneven = weights // max(hp.layer_count, 1) if shards > 1 else 0
    parts = _Parts(
        weights=-(-weights // shards) + uneven,
        kv=-(-settings.slots * pytorch.cache_bytes(hp, settings.context) // shards),
        state=-(-settings.slots * pytorch.state_bytes(hp) // shards),
        compute=pytorch.activation_bytes(hp, settings.context * settings.slots, rows=settings.slots),
        overhead=gpu_overhead(devices[0].backend) if len(devices) > 1 else 0,
    )
    said = ["A prompt that fills the context is processed at once, as generate() does; activations and the driver are typical."]
    if shards > 1:
        said.append('Blocks are shared evenly among the GPUs (device_map="auto").')
    return parts, tuple(said)


def _row(device: Device, parts: _Parts, host_bytes: int, *, alone: bool) -> DevicePlan:
    """A GPU's row, or the host's, which holds the program; all of it where there is no GPU."""
    on_host = device.kind == "host"
    holds = alone or not on_host
    return DevicePlan(
        name=device.name,
        kind=device.kind,
        pool=device.pool,
        capacity_bytes=device.capacity_bytes,
        in_use_bytes=device.in_use_bytes,
        weights_bytes=parts.weights if holds else 0,
        kv_cache_bytes=parts.kv if holds else 0,
        recurrent_state_bytes=parts.state if holds else 0,
        compute_bytes=parts.compute if holds else 0,
        output_bytes=0,
        projector_bytes=0,
        draft_bytes=0,
        overhead_bytes=host_bytes if on_host else parts.overhead,
    )


def _pools(rows: tuple[DevicePlan, ...], devices: tuple[Device, ...]) -> tuple[Pool, ...]:
    pools = []
    for name in dict.fromkeys(device.pool for device in devices):
        members = [(row, device) for row, device in zip(rows, devices, strict=True) if device.pool == name]
        first = members[0][1]
        pools.append(
            Pool(
                id=name,
                kind="unified" if name == UNIFIED else "ram" if name == RAM else "vram",
                capacity_bytes=first.capacity_bytes,
                gpu_limit_bytes=first.limit_bytes,
                in_use_bytes=first.in_use_bytes,
                total_bytes=sum(row.total_bytes for row, _ in members),
                gpu_total_bytes=sum(row.total_bytes for row, _ in members if row.kind == "gpu"),
            )
        )
    return tuple(pools)
