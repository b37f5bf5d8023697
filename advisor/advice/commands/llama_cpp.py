"""Commands of llama.cpp: llama-server, llama-cli and llama-bench.

Only what differs from the program's own default is written (common/arg.cpp; tools/llama-bench/llama-bench.cpp, print_usage),
but for the context, the layers on the GPU and the flash attention that was asked for: these decide the memory.
"""

from advisor.advice.commands.launch import Command, Launch
from advisor.advice.commands.shell import joined
from advisor.memory.presets import PRESETS

ALL_LAYERS = 999
"""More layers than any model has: all of them, in builds old and new (`all` is younger than many builds)."""

_SAMPLING = {
    "temperature": "--temp",
    "top_p": "--top-p",
    "top_k": "--top-k",
    "min_p": "--min-p",
    "repeat_penalty": "--repeat-penalty",
}

Words = list[object]


def server(launch: Launch) -> Command | None:
    """llama-server; None without a GGUF file."""
    source = _source(launch)
    if source is None:
        return None
    words: Words = [
        "llama-server",
        *source,
        *_memory(launch, "llama-server"),
        *_slots(launch),
        *launch.sampling.options(_SAMPLING),
    ]
    return Command(joined(words, launch.shell), launch.language, ("It answers at http://127.0.0.1:8080 once it is loaded.",))


def cli(launch: Launch) -> Command | None:
    """llama-cli, a chat in the terminal; None without a GGUF file. It serves one sequence, so slots are left out."""
    source = _source(launch)
    if source is None:
        return None
    words: Words = ["llama-cli", *source, *_memory(launch, "llama-cli"), *launch.sampling.options(_SAMPLING)]
    return Command(joined(words, launch.shell), launch.language)


def bench(launch: Launch) -> Command | None:
    """llama-bench with the same placement: prompt of 512 tokens, 128 generated. None without a GGUF file."""
    source = _source(launch, projector=False, draft=False)
    if source is None:
        return None
    settings = launch.settings
    words: Words = ["llama-bench", *source, "-p", 512, "-n", 128, "-ngl", _layers(launch)]
    if settings.cpu_moe_layers:
        words += ["-ncmoe", settings.cpu_moe_layers]
    if settings.tensor_split and launch.gpus > 1:
        # llama-bench takes several values of an option by comma, so the shares of one run are told apart by "/".
        words += ["-ts", "/".join(map(_number, settings.tensor_split))]
    if settings.depth:
        words += ["-d", settings.depth]
    if settings.ubatch != PRESETS["llama-cli"].ubatch:
        words += ["-ub", settings.ubatch]
    words += ["-fa", settings.flash_attention, *_cache_types(launch), *_threads(launch)]
    return Command(joined(words, launch.shell), launch.language)


def _source(launch: Launch, *, projector: bool = True, draft: bool = True) -> Words | None:
    files = launch.files
    if files.path:
        words: Words = ["-m", files.path]
    elif files.gguf_repo:
        words = ["-hf", f"{files.gguf_repo}:{launch.tag}"]
    else:
        return None
    if files.projector and projector:
        words += ["--mmproj", files.projector]
    elif launch.sees and projector and not files.path:
        # common/arg.cpp: with -hf the projector is fetched and loaded as well, memory that the plan does not count.
        words += ["--no-mmproj"]
    if files.draft and draft:
        words += ["-md", files.draft]
    return words


def _memory(launch: Launch, program: str) -> Words:
    settings, preset = launch.settings, PRESETS["llama-server" if program == "llama-server" else "llama-cli"]
    words: Words = ["-c", settings.context, "-ngl", _layers(launch)]
    if settings.cpu_moe_layers:
        words += ["-ncmoe", settings.cpu_moe_layers]
    if settings.tensor_split and launch.gpus > 1:
        words += ["-ts", ",".join(map(_number, settings.tensor_split))]
    if settings.batch != min(preset.batch, settings.context):
        words += ["-b", settings.batch]
    if settings.ubatch != min(preset.ubatch, settings.context):
        words += ["-ub", settings.ubatch]
    if settings.flash_attention != preset.flash_attention:
        words += ["-fa", settings.flash_attention]
    if settings.swa_full:
        words += ["--swa-full"]
    return [*words, *_cache_types(launch), *_threads(launch)]


def _slots(launch: Launch) -> Words:
    settings, preset = launch.settings, PRESETS["llama-server"]
    if (settings.slots, settings.unified_kv) == (preset.slots, preset.unified_kv):
        return []
    # tools/server/server.cpp:156-161: a number of slots that is named comes with a cache for each, unless -kvu is given.
    return ["-np", settings.slots, *(["-kvu"] if settings.unified_kv else [])]


def _cache_types(launch: Launch) -> Words:
    words: Words = []
    if launch.settings.type_k != "f16":
        words += ["-ctk", launch.settings.type_k]
    if launch.settings.type_v != "f16":
        words += ["-ctv", launch.settings.type_v]
    return words


def _threads(launch: Launch) -> Words:
    """Threads matter where the processor computes layers; with efficiency cores among them they slow each other down."""
    return [] if launch.all_on_gpu or launch.threads is None else ["-t", launch.threads]


def _layers(launch: Launch) -> object:
    layers = launch.settings.gpu_layers
    return 0 if launch.gpus == 0 else ALL_LAYERS if launch.all_layers else layers


def _number(value: float) -> str:
    return f"{value:g}"
