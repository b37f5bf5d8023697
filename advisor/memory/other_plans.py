"""Memory plans for MLX (grade "formula"), vLLM and transformers (grade "typical")."""

from dataclasses import dataclass, replace

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory import mlx, pytorch
from advisor.memory.devices import RAM, UNIFIED, Device, devices_of
from advisor.memory.mlx import PREFILL_STEP
from advisor.memory.mlx_prefill import prefill_bytes
from advisor.memory.mlx_rules import RECIPES
from advisor.memory.other_runtimes import KV_BITS, QUANTIZED_FOR, check_machine, runtime_quantization
from advisor.memory.overhead import gpu_overhead
from advisor.memory.plan import DevicePlan, Grade, MemoryPlan, Pool
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.models.shards import StoredWeights
from advisor.units import MIB, format_size

MLX_HOST_BYTES = 384 * MIB
"""Python with mlx_lm: 73 MiB measured after `import mlx_lm` (0.32.2, Linux); the rest is our allowance for its tokenizer."""


@dataclass(frozen=True)
class _Parts:
    """What one GPU holds, in bytes."""

    weights: int
    kv: int
    state: int
    compute: int
    overhead: int


def runtime_model(model: ModelMetadata, runtime: str, quantization: str | None) -> ModelMetadata:
    """`model` as one of the other runtimes keeps it, in `quantization` or what it runs most; `file_bytes` are its weights.

    Raises QuestionError for a GGUF file, and for a quantization that the runtime, or the folder that was named, has not.
    """
    if not model.predicted:
        raise QuestionError(
            f'the runtime "{runtime}" is not planned for GGUF files; name the model in the catalogue or the folder of its '
            "safetensors files, or choose llama-server",
            field="model",
        )
    stored = model.stored
    name, weights = _as_stored(stored, runtime, quantization) if stored else (None, None)
    if name is None or weights is None:
        name = runtime_quantization(runtime, quantization, model.hyperparameters.architecture)
        weights = _weights(model, runtime, name)
    return replace(model, quantization=name, file_bytes=weights, predicted=stored is None, known_weights=None, assumptions=())


def _as_stored(stored: StoredWeights, runtime: str, quantization: str | None) -> tuple[str | None, int | None]:
    """Name and bytes of the weights where a folder's own files are what is loaded; None where it is quantized for the run."""
    own = stored.quantization
    asked = own if quantization is None else runtime_quantization(runtime, quantization)
    if asked != own and not stored.quantized:
        return None, None
    if asked != own or (own not in QUANTIZED_FOR[runtime] and (runtime == "mlx" or own.startswith("mlx-"))):
        runs = f", which {runtime} cannot run" if asked == own else f"; {runtime} loads it as it is, not as {asked}"
        raise QuestionError(f"the folder holds weights in {own}{runs}", field="quant")
    return own, stored.language_bytes + (0 if runtime == "mlx" else stored.other_bytes)


def _weights(model: ModelMetadata, runtime: str, quantization: str) -> int:
    if runtime == "mlx":
        return mlx.weights_bytes(model.hyperparameters, model.tensors, RECIPES[quantization])
    recipes = pytorch.VLLM_RECIPES if runtime == "vllm" else pytorch.TRANSFORMERS_RECIPES
    return pytorch.weights_bytes(model.hyperparameters, model.tensors, recipes[quantization])


def plan_other(
    model: ModelMetadata, machine: MachineProfile | None, settings: RunSettings, *, gpus: int = 1, fill: bool = True
) -> MemoryPlan:
    """What `model` (of `runtime_model`) takes in the runtime that `settings` name. `fill`: vLLM takes its whole share of a GPU.

    Raises QuestionError where runtime, model and machine do not go together.
    """
    runtime, quantization, weights = settings.runtime, model.quantization, model.file_bytes
    assert quantization is not None
    assert weights is not None
    check_machine(runtime, quantization, machine)
    devices = devices_of(machine, gpus)
    said: tuple[str, ...]
    if runtime == "mlx":
        parts, said = _mlx(model, settings, quantization, weights, devices)
        host = MLX_HOST_BYTES
    elif runtime == "vllm":
        parts, said = _vllm(model, settings, weights, devices, fill=fill)
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
    kv = mlx.kv_cache_bytes(hp, tokens, bits=KV_BITS[settings.type_k], float_bytes=recipe.float_bytes)
    said = (
        "MLX keeps freed memory for its next use; mlx_lm gives it back after each part of a prompt, so it is not counted.",
        f"The peak is that of a prompt that fills the context, {PREFILL_STEP:,} tokens at a time.",
    )
    parts = _Parts(
        weights=weights,
        kv=kv,
        state=mlx.state_bytes(hp, float_bytes=recipe.float_bytes),
        compute=prefill_bytes(
            hp, tokens, bits=recipe.bits, cache_bits=KV_BITS[settings.type_k], float_bytes=recipe.float_bytes
        ),
        overhead=gpu_overhead("metal"),
    )
    return parts, said


def _vllm(
    model: ModelMetadata, settings: RunSettings, weights: int, devices: tuple[Device, ...], *, fill: bool
) -> tuple[_Parts, tuple[str, ...]]:
    hp, shards = model.hyperparameters, len(devices) - 1
    heads = max(hp.head_count)
    if heads % shards:
        raise QuestionError(
            f"vLLM shares {heads} heads evenly, which {shards} GPUs cannot; choose another number", field="gpus"
        )
    capacities = [device.capacity_bytes for device in devices[:-1] if device.capacity_bytes is not None]
    batched, rows = pytorch.batch_defaults(min(capacities, default=None), devices[0].name)
    compute = pytorch.activation_bytes(hp, batched, rows=rows, shards=shards)
    beside = gpu_overhead(devices[0].backend) + pytorch.CUDA_GRAPHS_BYTES
    sequence = pytorch.state_bytes(hp) // shards + pytorch.vllm_cache_bytes(
        hp, settings.context, batched=batched, shards=shards
    )
    held, kv = -(-weights // shards), settings.slots * sequence
    said = f"One sequence of {settings.context:,} tokens takes {format_size(sequence)} of each GPU."
    if capacities and fill:
        room = int(min(capacities) * pytorch.GPU_MEMORY_UTILIZATION) - held - compute - beside
        fitting = max(room // max(sequence, 1), 0)
        said = (
            f"vLLM takes {pytorch.GPU_MEMORY_UTILIZATION:.0%} of each GPU (--gpu-memory-utilization); beside weights and "
            f"activations {fitting:,} sequences of {settings.context:,} tokens fit at a time."
        )
        if fitting >= settings.slots:
            kv = room
        else:
            said += f" {settings.slots:,} were asked for: vLLM would not start, or wait; raise that share or lower the context."
    parts = _Parts(held, kv, 0, compute, beside)
    return parts, (said, "Activations, the driver and CUDA graphs are typical figures.")


def _transformers(
    model: ModelMetadata, settings: RunSettings, weights: int, devices: tuple[Device, ...]
) -> tuple[_Parts, tuple[str, ...]]:
    hp, shards = model.hyperparameters, max(len(devices) - 1, 1)
    blocks = max(hp.layer_count, 1)
    uneven = weights // blocks if shards > 1 else 0
    cache = settings.slots * pytorch.transformers_cache_bytes(hp, settings.context)
    parts = _Parts(
        weights=-(-weights // shards) + uneven,
        kv=-(-cache // shards),
        state=-(-settings.slots * pytorch.state_bytes(hp) // shards),
        # torch.cat holds a layer's keys twice for a moment (cache_utils.py, DynamicLayer.update).
        compute=pytorch.activation_bytes(hp, settings.context * settings.slots, rows=settings.slots) + cache // blocks,
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
