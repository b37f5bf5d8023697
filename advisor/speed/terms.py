"""The time of a token and of a prompt as sums of terms: seconds at face value, and the factors they are multiplied with.

A factor's name goes from the general to the particular: "weights" for all devices, "weights@cuda", "weights@cuda/ampere",
"weights@cuda#q4_k". A device that nobody measured so gets what its backend reached, a backend what all reached. The factors are
fitted (`efficiencies.toml`); face values follow from the model and the maker's figures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from advisor.errors import QuestionError
from advisor.memory.builds import build_date
from advisor.memory.presets import cache_block
from advisor.speed.device_class import DeviceClass
from advisor.speed.work import Work

OVERLAP = 4.0
"""How well a GPU does two things at once: a and b seconds beside each other take (a^n + b^n)^(1/n). 1 would be one after the
other, much more than 4 the longer of both alone."""
_STEP_S = 1e-5
"""Face value of what a block costs beside its bytes (kernel launches, small operations), and of a crossing between devices."""
_TOKEN_S = 1e-4
_OPERATIONS_A_STATE = 6.0
"""Operations that one prompt token does with each element of a recurrent state: decay, update, read-out."""
_EXPERT_S = 1e-6
"""Face value of what each expert that a token uses costs a block beside bytes: to choose it and to start on its matrices."""
_BYTES_A_SCORE = 16.0
"""Traffic of an attention score outside of flash attention: written, normalized (read and written) and read, in FP32."""
_OPERATIONS_A_JOULE = 4e11
"""Matrix operations that a GPU does with a joule: face value. A card whose makers let it draw little power lowers its clocks in
long arithmetic, whatever `fp16_tflops` says; measured prompts of cards of one generation follow it."""
_LINK = 25e9
"""Bytes a second from system memory to a GPU: about what PCIe 4.0 x16 reaches. What profiles say of links is the card's,
not the slot's or the laptop's, and measured runs do not follow it."""
_HOST_OPERATIONS_A_BYTE = 12.0
"""Operations that a processor does in the time in which its memory gives a byte: face value, where cores are not known."""
_UNIFIED = ("metal", "mlx")
_PACKED = ("cuda", "vllm", "transformers")
"""Backends whose attention takes the heads that share a key together, on matrix units (ggml-cuda/fattn-mma-f16.cuh): a token's
attention costs the reading of the cache and little more. Elsewhere each head computes by itself."""
_SAME_DEVICES = {"mlx": "metal", "vllm": "cuda", "transformers": "cuda"}
"""Runtimes whose devices are those of another backend: they share its factors and have one of their own."""

EARLY = "~2024"
_ERAS = ((date(2024, 7, 1), EARLY), (date(2025, 11, 1), "~2025"))
"""Builds before a date were slower by a factor of their own: kernels have improved ever since."""
_FUSED = date(2026, 3, 10)
"""Since then a recurrent block's state is updated by one kernel, not by some twenty (GGML_OP_GATED_DELTA_NET: llama.cpp #19504
for CPU and CUDA, #20244 for Metal, #20333 for Vulkan)."""
_BY_GENERATION = ("weights", "unpack", "operations")
"""Terms that a generation of GPUs has in common whatever the backend."""
_BY_QUANTIZATION = ("unpack", "experts")
"""Terms in which a quantization has its price whatever the backend."""


@dataclass(frozen=True, slots=True)
class Term:
    """Seconds at face value, and the names of the factors that they are multiplied with."""

    seconds: float
    factors: tuple[str, ...]
    beside: "Term | None" = None
    """What the device does at the same time: the arithmetic on weights or keys while it reads them."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The classes of a plan's devices."""

    gpus: tuple[DeviceClass, ...]
    host: DeviceClass

    def __getitem__(self, index: int) -> DeviceClass:
        return self.gpus[index] if index < len(self.gpus) else self.host


def generation_terms(work: Work, devices: Devices, depth: int) -> Iterator[Term]:
    """The time of one generated token with `depth` tokens in the context."""
    quant, age, runtime = _quantization(work), era(work.settings.build), work.settings.runtime
    cache, attends = work.cache_read(depth), work.attention_operations(1, depth) if depth else None
    for index in range(work.placement.device_count):
        device = devices[index]
        dense, experts = work.dense_bytes[index], work.expert_bytes[index] * work.active_share
        if not dense + experts:
            continue
        host = index == work.placement.host
        name, program = "host" if host else "weights", () if host else _programs(device, runtime)
        if dense:
            output = 2.0 * work.hp.vocab_size * work.hp.embedding_length if index == work.placement.output else 0.0
            unpacked = _unpacked(work.dense_operations[index] + output, device, quant, age, program)
            yield Term(dense / device.bandwidth, factors(name, device) + program, unpacked)
        if experts:
            unpacked = _unpacked(work.expert_operations[index], device, quant, age, program)
            names = factors(name, device) + backend_factors("experts", device, quant) + program
            yield Term(experts / device.bandwidth, names, unpacked)
        attend = None
        if attends is not None and attends[index] and device.shader_throughput and device.backend not in _PACKED:
            attend = Term(attends[index] / device.shader_throughput, backend_factors("attend", device) + program)
        if cache[index]:
            yield Term(cache[index] / device.bandwidth, _cache_factors(work, device) + program, attend)
        if blocks := work.blocks[index]:
            yield Term(blocks * _STEP_S, factors("block", device, age, _program(runtime)))
        if mixtures := work.mixture_blocks[index]:
            yield Term(mixtures * _STEP_S, backend_factors("mixture", device, age, _program(runtime)))
            yield Term(mixtures * work.hp.expert_used_count * _EXPERT_S, backend_factors("expert", device))
        if recurrent := work.recurrent_blocks[index]:
            yield Term(recurrent * _STEP_S, backend_factors("recurrent", device, _unfused(work.settings.build)))
    if work.crossings:
        with_host = work.blocks[-1] or work.mixture_blocks[-1]
        yield Term(work.crossings * _STEP_S, ("host_crossing" if with_host else "crossing",))
    yield Term(_TOKEN_S, ("token",))


def _unpacked(operations: float, device: DeviceClass, quant: str, age: str, program: tuple[str, ...]) -> Term | None:
    """The arithmetic of one token: each weight is turned into a number and multiplied, however many bits it has."""
    if not device.shader_throughput:
        return None
    return Term(operations / device.shader_throughput, factors("unpack", device, quant, age) + program)


def prompt_terms(work: Work, devices: Devices, tokens: int, depth: int) -> Iterator[Term] | None:
    """The time in which `tokens` prompt tokens are read after `depth` others; None where a GPU's throughput is unknown."""
    if any(gpu.throughput is None for index, gpu in enumerate(devices.gpus) if work.blocks[index]):
        return None
    return _prompt_terms(work, devices, tokens, depth)


def _prompt_terms(work: Work, devices: Devices, tokens: int, depth: int) -> Iterator[Term]:
    settings = work.settings
    quant, age, program = _quantization(work), era(settings.build), _program(settings.runtime)
    batch = min(tokens, settings.ubatch)
    batches = -(-tokens // settings.ubatch)
    touched = min(1.0, batch * work.active_share)
    attention = work.attention_operations(tokens, depth)
    scores = None if work.flash_attention else work.attention_scores(tokens, depth)
    host = work.placement.host
    copied = host if devices.gpus and batch >= 32 else None  # ggml-cuda.cu:5200-5230: offloaded at 32 tokens and more
    overlap = _overlap(work, batches)
    for index in range(work.placement.device_count):
        device = devices[index]
        computes = devices[0] if index == copied else device
        rate = (computes.throughput or computes.bandwidth * _HOST_OPERATIONS_A_BYTE) / overlap
        if operations := work.dense_operations[index]:
            yield Term(operations * tokens / rate, factors("operations", computes, quant, age, program))
        if operations := work.expert_operations[index]:
            names = factors("operations", computes, quant, age, program) + backend_factors("expert_operations", computes)
            yield Term(operations * tokens / rate, names)
        computed = work.dense_operations[index] + work.expert_operations[index]
        if computes.power and computed:
            yield Term(
                computed * tokens * overlap / (computes.power * _OPERATIONS_A_JOULE), ("power", f"power@{computes.generation}")
            )
        if recurrent := work.recurrent_blocks[index]:
            steps = recurrent * tokens * work.hp.recurrent_state_elements * _OPERATIONS_A_STATE
            yield Term(steps / rate, backend_factors("scan", computes, _unfused(settings.build)))
        if attention[index]:
            yield Term(attention[index] / rate, _attention_factors(work, computes, age))
        if scores is not None and scores[index]:
            yield Term(scores[index] * _BYTES_A_SCORE * overlap / computes.bandwidth, backend_factors("scores", computes))
        read = work.dense_bytes[index] + work.expert_bytes[index] * touched
        if index == copied and read and devices[0].tier != "unified" and devices[0].backend not in _UNIFIED:
            yield Term(batches * read / _LINK, ("link",))
        elif read:
            yield Term(batches * read / device.bandwidth * overlap, backend_factors("stream", device))
        if blocks := work.blocks[index]:
            yield Term(batches * blocks * _STEP_S * overlap, factors("batch_block", computes, age))
    yield Term(10 * _TOKEN_S, backend_factors("prompt", devices[0], program))


def _overlap(work: Work, batches: int) -> float:
    """Share of the GPUs' time that remains where llama.cpp runs them as a pipeline: n batches through g GPUs take n + g - 1
    steps instead of n times g (src/llama-context.cpp:407-435). Measured runs gain about the square root of that."""
    used = sum(bool(blocks) for blocks in work.blocks[:-1])
    return ((batches + used - 1) / (batches * used)) ** 0.5 if work.placement.pipelined and used > 1 else 1.0


@lru_cache(maxsize=4096)
def factors(name: str, device: DeviceClass, *particular: str) -> tuple[str, ...]:
    """The names of the factors of a term on a device, the general first. `particular` begin with their own mark."""
    backend = f"{name}@{_SAME_DEVICES.get(device.backend, device.backend)}"
    found = [name, backend]
    if device.generation:
        found.append(f"{backend}/{device.generation}")
        if name in _BY_GENERATION:
            found.append(f"{name}:{device.generation}")
    if device.tier:
        found.append(f"{backend}/{device.tier}")
        if name == "weights":
            found.append(f"{name}:{'hbm' if device.tier == 'hbm' else 'unified'}")
    own = _own(name, device)
    found += [*_shared(name, particular), *(f"{own}{one}" for one in particular if one)]
    return tuple(found) if own == backend else (*found, own)


@lru_cache(maxsize=4096)
def backend_factors(name: str, device: DeviceClass, *particular: str) -> tuple[str, ...]:
    """As `factors`, for what was measured too seldom to tell generations apart."""
    own = _own(name, device)
    found = (name, own, *_shared(name, particular), *(f"{own}{one}" for one in particular if one))
    shared = _SAME_DEVICES.get(device.backend)
    return (*found, f"{name}@{shared}") if shared else found


def _shared(name: str, particular: tuple[str, ...]) -> tuple[str, ...]:
    """The particulars that all backends have in common: what a build or a program is slower by, and some quantizations."""
    marks = "~#" if name in _BY_QUANTIZATION else "~"
    return tuple(f"{name}{one}" for one in particular if one and one[0] in marks)


def _own(name: str, device: DeviceClass) -> str:
    shared = _SAME_DEVICES.get(device.backend)
    return f"{name}@{shared}~{device.backend}" if shared else f"{name}@{device.backend}"


def _cache_factors(work: Work, device: DeviceClass) -> tuple[str, ...]:
    settings = work.settings
    small = "#quantized" if cache_block(settings.type_k)[0] > 1 else ""
    latent = "#latent" if work.hp.kv_lora_rank and work.hp.key_length_mla else ""
    plain = "" if work.flash_attention else "#plain"
    return factors("cache", device, small, latent, plain, _softcap(work))


def _attention_factors(work: Work, device: DeviceClass, age: str) -> tuple[str, ...]:
    """Without flash attention it is two products of matrices as any other. Apple's generations share one kernel."""
    if not work.flash_attention:
        return factors("operations", device, age)
    return (backend_factors if device.backend in _UNIFIED else factors)("attention", device, age, _softcap(work))


def _softcap(work: Work) -> str:
    """Gemma 2 caps its attention scores, which MLX's fused kernel does not (mlx_lm/models/gemma2.py)."""
    return "#softcap" if work.settings.runtime == "mlx" and work.hp.architecture == "gemma2" else ""


_GROUPS: Sequence[tuple[str, str]] = (
    ("IQ", "#iq"),
    ("MXFP4", "#mxfp4"),
    ("Q8_0", "#q8_0"),
    ("Q2_K", "#q2_k"),
    ("Q3_K", "#q3_k"),
    ("Q4_K", "#q4_k"),
    ("Q5_K", "#q5_k"),
    ("Q6_K", "#q6_k"),
    ("Q4", "#q4_0"),
    ("Q5", "#q4_0"),
    ("BF16", "#bf16"),
    ("F16", "#f16"),
    ("F32", "#f16"),
)


def _quantization(work: Work) -> str:
    """MLX's files are its own: the table that a forecast starts from is another's."""
    return "" if work.settings.runtime == "mlx" else quantization_group(work.model.quantization)


@lru_cache(maxsize=512)
def quantization_group(name: str | None) -> str:
    """The kernels that most weights of a quantization use: "#q4_k", "#iq" ...; "" where it is not known."""
    plain = (name or "").removeprefix("UD-")
    return next((group for start, group in _GROUPS if plain.startswith(start)), "")


@lru_cache(maxsize=256)
def era(build: str) -> str:
    """The mark of a build of long ago; "" for one of today, and for another runtime's version."""
    day = _day(build)
    return "" if day is None else next((name for end, name in _ERAS if day < end), "")


@lru_cache(maxsize=256)
def _unfused(build: str) -> str:
    day = _day(build)
    return "~unfused" if day is not None and day < _FUSED else ""


def _day(build: str) -> date | None:
    try:
        return build_date(build)
    except QuestionError:  # another runtime's version
        return None


def _program(runtime: str) -> str:
    return f"~{runtime}" if runtime in ("ollama", "lm-studio") else ""


def _programs(device: DeviceClass, runtime: str) -> tuple[str, ...]:
    """What a program around llama.cpp takes longer for everything, in general and on a backend."""
    mark = _program(runtime)
    return (f"program{mark}", f"program@{device.backend}{mark}") if mark else ()
