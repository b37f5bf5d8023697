"""Commands of mlx_lm (0.32): its server, after a conversion where no converted model is known."""

from advisor.advice.commands.launch import Command, Launch
from advisor.advice.commands.shell import joined
from advisor.memory.mlx_rules import RECIPES

NAMED_TYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
_SAMPLING = {"temperature": "--temp", "top_p": "--top-p", "top_k": "--top-k", "min_p": "--min-p"}


def mlx(launch: Launch) -> Command | None:
    """`mlx_lm.server`, or `mlx_lm.convert` first; None where no weights are known to fetch."""
    files = launch.files
    lines = []
    model = files.mlx
    if model is None:
        if files.weights_repo is None:
            return None
        model = f"{launch.model_id}-{launch.quantization.lower()}"
        lines.append(joined(_conversion(files.weights_repo, model, launch.quantization), launch.shell))
    lines.append(
        joined(["mlx_lm.server", "--model", model, *_cache(launch), *launch.sampling.options(_SAMPLING)], launch.shell)
    )
    notes = ["It answers at http://127.0.0.1:8080 once it is loaded."]
    if files.mlx is None:
        notes.append("The conversion downloads the publisher's 16-bit weights once, several times the size of the result.")
    return Command("\n".join(lines), launch.language, tuple(notes))


def _conversion(repo: str, folder: str, quantization: str) -> list[object]:
    words: list[object] = ["mlx_lm.convert", "--hf-path", repo, "--mlx-path", folder]
    if quantization in NAMED_TYPES:
        return [*words, "--dtype", NAMED_TYPES[quantization]]
    recipe = RECIPES[quantization]
    if quantization.startswith("mlx-mixed-"):
        return [*words, "-q", "--quant-predicate", quantization.removeprefix("mlx-").replace("-", "_")]
    return [*words, "-q", "--q-bits", recipe.bits]


def _cache(launch: Launch) -> list[object]:
    """mlx_lm's quantized cache holds 64 values with a 16-bit scale and bias: q8_0 and q4_0 in llama.cpp's names."""
    bits = {"q8_0": 8, "q4_0": 4}.get(launch.settings.type_k)
    return [] if bits is None else ["--kv-bits", bits]
