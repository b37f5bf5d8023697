"""The same model in programs that are not built on llama.cpp: planned there on its own, and offered where it fits."""

from advisor.advice.commands import Command, Files, commands_for, launch_of
from advisor.advice.sampling import recommended_sampling
from advisor.errors import HeadroomError
from advisor.estimate import asked_model, estimate_for
from advisor.machines.profile import MachineProfile
from advisor.models.library import CatalogueModel
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.question import Question

_TORCH = {"cuda": ("vllm", "transformers"), "rocm": ("vllm", "transformers")}
MLX_BITS = (8, 6, 4)


def other_commands(model: CatalogueModel, quantization: str, machine: MachineProfile, context: int) -> dict[str, Command]:
    """Commands of MLX on a Mac, of vLLM and transformers on NVIDIA and AMD cards, by program.

    Each is planned in the quantization of its own that comes nearest; one that does not fit is left out.
    """
    backend = machine.gpus[0].backend if machine.gpus else None
    wanted: dict[str, tuple[str, ...]] = {}
    if backend == "metal":
        bits = mlx_bits(quantization)
        wanted = {"mlx": (f"mlx-{bits}bit",)}
    elif backend in _TORCH:
        wanted = {"vllm": ("BF16",), "transformers": ("BF16", "bnb-4bit")}
    made: dict[str, Command] = {}
    for runtime, quantizations in wanted.items():
        for quant in quantizations:
            command = _command(model, runtime, quant, machine, context)
            if command is not None:
                made[runtime] = command
                break
    return made


def mlx_bits(quantization: str) -> int:
    """Bits of the MLX quantization that comes nearest to a GGUF one; scales and biases add half a bit to what it says."""
    entry = QUANTIZATIONS.get(quantization)
    bits = entry.default_bits if entry else 4.5
    return min(MLX_BITS, key=lambda choice: abs(choice + 0.5 - bits))


def _command(model: CatalogueModel, runtime: str, quant: str, machine: MachineProfile, context: int) -> Command | None:
    try:
        question, shapes = asked_model(
            Question.parse({"model": model.id, "runtime": runtime, "quant": quant, "context": context})
        )
        result = estimate_for(question, shapes, machine)
    except HeadroomError:  # mlx_lm has no such model, or vLLM cannot share its heads among so many cards
        return None
    if result.verdict is None or result.verdict.verdict != "fits":
        return None
    files = Files(mlx=mlx_repository(model, quant), weights_repo=model.entry.hf_repo)
    layers = shapes.hyperparameters.layer_count
    launch = launch_of(model.id, quant, layers, result.plan, machine, files, recommended_sampling(model.id))
    return commands_for(launch).get(runtime)


def mlx_repository(model: CatalogueModel, quant: str) -> str | None:
    """A repository that holds the model converted to `quant` ("mlx-4bit"); None where none is known."""
    ending = quant.removeprefix("mlx-")
    return next((repo for repo in model.entry.mlx_repos if repo.lower().endswith(f"-{ending}")), None)
