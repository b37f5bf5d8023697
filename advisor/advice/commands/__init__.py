"""Commands to paste: what runs a recommendation in the program that the person has. Pure text, nothing is run."""

from collections.abc import Callable

from advisor.advice.commands.launch import Command, Files, Launch, Sampling, launch_of
from advisor.advice.commands.llama_cpp import bench, cli, server
from advisor.advice.commands.lm_studio import lm_studio
from advisor.advice.commands.mlx_lm import mlx
from advisor.advice.commands.ollama import ollama
from advisor.advice.commands.pytorch import transformers, vllm

__all__ = ["Command", "Files", "Launch", "Sampling", "commands_for", "launch_of"]

_GGUF: dict[str, Callable[[Launch], Command | None]] = {
    "llama-server": server,
    "llama-cli": cli,
    "ollama": ollama,
    "lm-studio": lm_studio,
    "llama-bench": bench,
}
_OTHERS: dict[str, Callable[[Launch], Command | None]] = {"mlx": mlx, "vllm": vllm, "transformers": transformers}


def commands_for(launch: Launch) -> dict[str, Command]:
    """The commands that run `launch`, by program, those of llama.cpp's family for a GGUF file, else of the runtime alone.

    A program is left out where it would need a file that is not known.
    """
    runtime = launch.settings.runtime
    makers = {runtime: _OTHERS[runtime]} if runtime in _OTHERS else _GGUF
    made = {name: make(launch) for name, make in makers.items()}
    return {name: command for name, command in made.items() if command is not None}
