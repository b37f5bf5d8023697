"""Commands of the other programs: word for word, and by the programs' own parsers where they can be installed."""

import argparse
import ast
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from advisor.advice.commands import Command, Files, Launch, commands_for
from advisor.memory.mlx_rules import RECIPES
from tests.advice.commands.launches import EVERYTHING, PLAIN, with_settings

OLLAMA_PARAMETERS = {
    # ollama api/types.go (0.32), the JSON names of Runner and Options, all of which a Modelfile takes.
    *("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"),
    *("num_keep", "seed", "num_predict", "top_k", "top_p", "min_p", "typical_p", "repeat_last_n", "temperature"),
    *("repeat_penalty", "presence_penalty", "frequency_penalty", "stop"),
}
LMS_LOAD = {"--gpu", "--context-length", "--parallel", "--ttl", "--exact", "--local", "--identifier", "--yes"}
"""lmstudio-ai/lms (August 2026), src/subcommands/load.ts."""
VLLM_SERVE = {"--max-model-len", "--max-num-seqs", "--gpu-memory-utilization", "--tensor-parallel-size", "--dtype"}
"""https://docs.vllm.ai/en/latest/configuration/engine_args.html"""


def test_ollama_plain() -> None:
    made = commands_for(with_settings(PLAIN, gpu_layers=20))["ollama"]
    assert made.text == (
        "cat > Modelfile <<'END_OF_FILE'\n"
        "FROM hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M\n"
        "PARAMETER num_ctx 8192\n"
        "PARAMETER num_gpu 20\n"
        "PARAMETER num_thread 8\n"
        "END_OF_FILE\n"
        "ollama create qwen3-8b-q4_k_m-8192 -f Modelfile\n"
        "ollama run qwen3-8b-q4_k_m-8192"
    )
    assert made.notes == ()


def test_ollama_with_everything() -> None:
    made = commands_for(EVERYTHING)["ollama"]
    parameters = dict(line.split()[1:] for line in made.text.splitlines() if line.startswith("PARAMETER"))
    # Two slots of half the context each; experts in system memory are left to Ollama's own fit.
    assert parameters["num_ctx"] == "32768"
    assert "num_gpu" not in parameters
    assert set(parameters) <= OLLAMA_PARAMETERS
    assert "OLLAMA_NUM_PARALLEL=2 OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve" in " ".join(made.notes)
    assert "takes q8_0 for both" in " ".join(made.notes)


def test_ollama_on_windows() -> None:
    made = commands_for(replace(with_settings(PLAIN, slots=2, unified_kv=False), shell="powershell"))["ollama"]
    assert made.language == "powershell"
    assert made.text.startswith("@'\nFROM hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M\nPARAMETER num_ctx 4096\n")
    assert "$env:OLLAMA_NUM_PARALLEL=2; ollama serve" in made.notes[0]


@pytest.mark.parametrize(
    ("launch", "load"),
    [
        (PLAIN, "lms load qwen3-8b --context-length 8192 --gpu max"),
        (with_settings(PLAIN, gpu_layers=18, slots=1), "lms load qwen3-8b --context-length 8192 --gpu 0.49 --parallel 1"),
        (replace(PLAIN, gpus=0), "lms load qwen3-8b --context-length 8192 --gpu off"),
        (EVERYTHING, "lms load 'my file' --context-length 65536 --gpu max --parallel 2"),
    ],
    ids=["plain", "part", "processor", "everything"],
)
def test_lm_studio(launch: Launch, load: str) -> None:
    made = commands_for(launch)["lm-studio"].text.splitlines()[1]
    assert made == load
    assert {word for word in shlex.split(made) if word.startswith("--")} <= LMS_LOAD


def test_lm_studio_says_what_it_cannot_be_told() -> None:
    notes = " ".join(commands_for(EVERYTHING)["lm-studio"].notes)
    assert "K cache q8_0 and V cache q4_0, flash attention on, experts of 12 layers in system memory" in notes


def test_lm_studio_fetches() -> None:
    assert commands_for(PLAIN)["lm-studio"].text.startswith("lms get --gguf https://huggingface.co/Qwen/Qwen3-8B-GGUF@q4_k_m\n")
    assert commands_for(EVERYTHING)["lm-studio"].text.startswith("lms import --symbolic-link '/models/my file.gguf'\n")


def mlx_launch(quantization: str, **changes: object) -> Launch:
    launch = replace(with_settings(PLAIN, runtime="mlx", **changes), quantization=quantization)
    return replace(launch, sampling=EVERYTHING.sampling)


@pytest.mark.mlx
@pytest.mark.parametrize("quantization", RECIPES)
def test_mlx_parsers_take_every_conversion(quantization: str) -> None:
    from mlx_lm.convert import configure_parser

    conversion, server = commands_for(mlx_launch(quantization))["mlx"].text.splitlines()
    parsed = configure_parser().parse_args(shlex.split(conversion)[1:])
    assert parsed.hf_path == "Qwen/Qwen3-8B"
    assert parsed.mlx_path == shlex.split(server)[2]
    recipe = RECIPES[quantization]
    if recipe.bits is None:
        assert (parsed.quantize, parsed.dtype) == (
            False,
            {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}[quantization],
        )
    elif recipe.high_bits is None:
        assert (parsed.quantize, parsed.q_bits) == (True, recipe.bits)
    else:
        assert (parsed.quantize, parsed.quant_predicate) == (True, f"mixed_{recipe.bits}_{recipe.high_bits}")


@pytest.mark.mlx
def test_mlx_server_parses() -> None:
    from mlx_lm import server

    text = commands_for(mlx_launch("mlx-4bit", type_k="q8_0", type_v="q8_0"))["mlx"].text.splitlines()[-1]
    parsed = parsed_by(server.main, text)
    assert (parsed.model, parsed.kv_bits, parsed.temp, parsed.top_p, parsed.top_k, parsed.min_p) == (
        "qwen3-8b-mlx-4bit",
        8,
        1.0,
        0.95,
        40,
        0.01,
    )


def test_mlx_takes_a_converted_model_as_it_is() -> None:
    launch = replace(mlx_launch("mlx-4bit"), files=Files(mlx="mlx-community/Qwen3-8B-4bit"))
    assert commands_for(launch)["mlx"].text.startswith("mlx_lm.server --model mlx-community/Qwen3-8B-4bit --temp 1")


def test_vllm() -> None:
    launch = replace(with_settings(PLAIN, runtime="vllm", slots=8), quantization="BF16", gpus=2)
    made = commands_for(launch)["vllm"].text
    assert made == (
        "vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 8 --gpu-memory-utilization 0.92 "
        "--tensor-parallel-size 2 --dtype bfloat16"
    )
    assert {word for word in made.split() if word.startswith("--")} <= VLLM_SERVE


@pytest.mark.parametrize("quantization", ["BF16", "F16", "F32", "bnb-4bit", "bnb-8bit"])
def test_transformers_script(quantization: str) -> None:
    launch = replace(
        with_settings(PLAIN, runtime="transformers"),
        quantization=quantization,
        sampling=EVERYTHING.sampling,
        files=Files(weights_repo='evil"); import os; os.system("x'),
    )
    tree = ast.parse(commands_for(launch)["transformers"].text)
    # A hostile name stays a string: the only imports are ours.
    assert {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names} == {"torch"}
    calls = {ast.unparse(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {each.arg for each in calls["model.generate"].keywords} >= {"temperature", "top_p", "do_sample"}
    assert ("BitsAndBytesConfig" in calls) == quantization.startswith("bnb")


def test_bitsandbytes_takes_its_options() -> None:
    configuration = pytest.importorskip("transformers").BitsAndBytesConfig
    for quantization in ("bnb-4bit", "bnb-8bit"):
        launch = replace(with_settings(PLAIN, runtime="transformers"), quantization=quantization)
        tree = ast.parse(commands_for(launch)["transformers"].text)
        calls = [
            node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "BitsAndBytesConfig"
        ]
        names = {each.arg for each in calls[0].keywords}
        assert names <= set(configuration.__init__.__code__.co_varnames)


@pytest.mark.parametrize("runtime", ["mlx", "vllm", "transformers"])
def test_other_runtimes_have_their_own_command_alone(runtime: str) -> None:
    launch = replace(with_settings(PLAIN, runtime=runtime), quantization="BF16")
    assert list(commands_for(launch)) == [runtime]
    assert commands_for(replace(launch, files=Files(gguf_repo="a/b"))) == {}


def parsed_by(main: Callable[[], Any], text: str) -> argparse.Namespace:
    """What a program's own parser makes of a command line; the program ends there."""

    class ParsedError(Exception):
        pass

    seen: list[argparse.Namespace] = []
    original = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, *_: object) -> argparse.Namespace:
        seen.append(original(self, shlex.split(text)[1:]))
        raise ParsedError

    with patch.object(argparse.ArgumentParser, "parse_args", parse), pytest.raises(ParsedError):
        main()
    return seen[0]


def test_every_command_is_a_command() -> None:
    for launch in (PLAIN, EVERYTHING):
        made = commands_for(launch)
        assert list(made) == ["llama-server", "llama-cli", "ollama", "lm-studio", "llama-bench"]
        assert all(isinstance(command, Command) and command.text for command in made.values())
