"""llama.cpp's commands, word for word, and every option looked up in the parser of the pinned source."""

import re
import shlex
from dataclasses import replace

import pytest

from advisor.advice.commands import Command, Files, Launch, commands_for
from advisor.memory.settings import CacheType
from tests.advice.commands.launches import EVERYTHING, PLAIN, with_settings
from tests.engine_source import source_text

WORDS = [
    (PLAIN, "llama-server", "llama-server -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 8192 -ngl 999"),
    (PLAIN, "llama-cli", "llama-cli -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 8192 -ngl 999"),
    (PLAIN, "llama-bench", "llama-bench -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -p 512 -n 128 -ngl 999 -fa auto"),
    # Layers left on the host are computed by the processor: its performance cores are named.
    (with_settings(PLAIN, gpu_layers=20), "llama-server", "llama-server -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 8192 -ngl 20 -t 8"),
    # 36 blocks and the output layer: 37 is all of them, 36 is not.
    (with_settings(PLAIN, gpu_layers=37), "llama-cli", "llama-cli -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 8192 -ngl 999"),
    (with_settings(PLAIN, gpu_layers=36), "llama-cli", "llama-cli -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 8192 -ngl 36 -t 8"),
    (replace(PLAIN, gpus=0), "llama-cli", "llama-cli -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 8192 -ngl 0 -t 8"),
    # With -hf a projector is fetched and loaded too (common/arg.cpp, -hf), unless it is refused.
    (
        replace(PLAIN, sees=True, quantization="MXFP4_MOE"),
        "llama-server",
        "llama-server -hf Qwen/Qwen3-8B-GGUF:MXFP4 --no-mmproj -c 8192 -ngl 999",
    ),
    (with_settings(PLAIN, slots=2, unified_kv=True), "llama-server", "… -np 2 -kvu"),
    (with_settings(PLAIN, slots=4, unified_kv=False), "llama-server", "… -np 4"),
    # A short context bounds the batch by itself (src/llama-context.cpp:248-250): nothing to write.
    (
        with_settings(PLAIN, context=256, batch=256, ubatch=256),
        "llama-server",
        "llama-server -hf Qwen/Qwen3-8B-GGUF:Q4_K_M -c 256 -ngl 999",
    ),
    (
        EVERYTHING,
        "llama-server",
        (
            "llama-server -m '/models/my file.gguf' --mmproj /models/mmproj.gguf -md /models/draft.gguf -c 65536 -ngl 999 "
            "-ncmoe 12 -ts 3,1.5 -b 4096 -ub 1024 -fa on --swa-full -ctk q8_0 -ctv q4_0 -t 16 -np 2 "
            "--temp 1 --top-p 0.95 --top-k 40 --min-p 0.01 --repeat-penalty 1.05"
        ),
    ),
    (
        EVERYTHING,
        "llama-bench",
        (
            "llama-bench -m '/models/my file.gguf' -p 512 -n 128 -ngl 999 -ncmoe 12 -ts 3/1.5 -d 4096 -ub 1024 -fa on "
            "-ctk q8_0 -ctv q4_0 -t 16"
        ),
    ),
    (
        replace(PLAIN, files=Files(path=r"C:\Users\Ann's\model 1.gguf"), shell="powershell"),
        "llama-cli",
        r"llama-cli -m 'C:\Users\Ann''s\model 1.gguf' -c 8192 -ngl 999",
    ),
]


@pytest.mark.parametrize(("launch", "program", "text"), WORDS, ids=range(len(WORDS)))
def test_words(launch: Launch, program: str, text: str) -> None:
    made = commands_for(launch)[program].text
    if text.startswith("…"):
        assert made.endswith(text.removeprefix("…"))
    else:
        assert made == text


def test_without_a_file_nothing_is_made_up() -> None:
    assert commands_for(replace(PLAIN, files=Files())) == {}


@pytest.mark.parametrize("path", ["-m.gguf", "a b.gguf", "$(reboot).gguf", "a;b.gguf", "it's.gguf", "~root.gguf", "`x`.gguf"])
def test_a_path_stays_one_word(path: str) -> None:
    made = commands_for(replace(PLAIN, files=Files(path=path)))["llama-cli"].text
    assert shlex.split(made)[2] == path


@pytest.mark.parametrize("launch", [PLAIN, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("program", ["llama-server", "llama-cli"])
def test_the_program_knows_every_option(launch: Launch, program: str) -> None:
    assert options_of(commands_for(launch)[program]) - known_options(program) == set()


@pytest.mark.parametrize("launch", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_llama_bench_knows_every_option(launch: Launch) -> None:
    text = source_text("tools/llama-bench/llama-bench.cpp")
    known = set(re.findall(r'arg == "(-[a-z-]+)"', text))
    assert options_of(commands_for(launch)["llama-bench"]) - known == set()


def test_the_parser_knows_every_cache_type() -> None:
    listed = re.search(r"kv_cache_types = \{(.*?)\};", source_text("common/arg.cpp"), re.DOTALL)
    assert listed
    known = {name.lower() for name in re.findall(r"GGML_TYPE_(\w+)", listed[1])}
    assert set(CacheType.__args__) <= known


def options_of(command: Command) -> set[str]:
    return {word for word in shlex.split(command.text) if re.fullmatch(r"-{1,2}[a-z][a-z-]*", word)}


def known_options(program: str) -> set[str]:
    """Options of a program in common/arg.cpp: those of its own, and those of all that do not leave it out."""
    example = {"llama-server": "LLAMA_EXAMPLE_SERVER", "llama-cli": "LLAMA_EXAMPLE_CLI"}[program]
    known: set[str] = set()
    for block in source_text("common/arg.cpp").split("add_opt(common_arg(")[1:]:
        only = re.search(r"set_examples\(\{(.*?)\}\)", block, re.DOTALL)
        not_for = re.search(r"set_excludes\(\{(.*?)\}\)", block, re.DOTALL)
        if only and not {example, "LLAMA_EXAMPLE_COMMON"} & set(re.split(r"[\s,]+", only[1])):
            continue
        if not_for and example in re.split(r"[\s,]+", not_for[1]):
            continue
        names = re.match(r"\s*\{(.*?)\}", block, re.DOTALL)
        known |= set(re.findall(r'"(-[^"]+)"', names[1])) if names else set()
    assert len(known) > 200, "common/arg.cpp is written in another way"
    return known
