"""Commands of the programs on PyTorch: vLLM's server, and a script for transformers with bitsandbytes."""

import json

from advisor.advice.commands.launch import Command, Launch
from advisor.advice.commands.shell import joined
from advisor.memory.pytorch import GPU_MEMORY_UTILIZATION

BITS_AND_BYTES = {
    "bnb-4bit": 'load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16',
    "bnb-8bit": "load_in_8bit=True",
}
TORCH_TYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
_RENAMED = {"repeat_penalty": "repetition_penalty"}
"""Sampling that transformers' GenerationConfig calls otherwise."""


def vllm(launch: Launch) -> Command | None:
    """`vllm serve`; None where the publisher's weights are not known (options: docs.vllm.ai, "Engine Arguments")."""
    repo, settings = launch.files.weights_repo, launch.settings
    if repo is None:
        return None
    words: list[object] = ["vllm", "serve", repo, "--max-model-len", settings.context]
    words += ["--max-num-seqs", settings.slots, "--gpu-memory-utilization", GPU_MEMORY_UTILIZATION]
    if launch.gpus > 1:
        words += ["--tensor-parallel-size", launch.gpus]
    if launch.quantization in TORCH_TYPES:
        words += ["--dtype", TORCH_TYPES[launch.quantization]]
    return Command(joined(words, launch.shell), launch.language, ("It answers at http://127.0.0.1:8000 once it is loaded.",))


def transformers(launch: Launch) -> Command | None:
    """A Python script; None where the publisher's weights are not known."""
    repo = launch.files.weights_repo
    if repo is None:
        return None
    quantized = launch.quantization in BITS_AND_BYTES
    classes = ["AutoModelForCausalLM", "AutoTokenizer", *(["BitsAndBytesConfig"] if quantized else [])]
    dtype = TORCH_TYPES.get(launch.quantization, "bfloat16")
    lines = [
        "import torch",
        f"from transformers import {', '.join(classes)}",
        "",
        f"name = {json.dumps(repo)}",
        "tokenizer = AutoTokenizer.from_pretrained(name)",
        "model = AutoModelForCausalLM.from_pretrained(",
        "    name,",
        '    device_map="auto",',
        f"    dtype=torch.{dtype},",
        *([f"    quantization_config=BitsAndBytesConfig({BITS_AND_BYTES[launch.quantization]}),"] if quantized else []),
        ")",
        'messages = [{"role": "user", "content": "Hello!"}]',
        'prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)',
        f"answer = model.generate(**prompt.to(model.device), {_generation(launch)})",
        "print(tokenizer.decode(answer[0], skip_special_tokens=True))",
    ]
    return Command("\n".join(lines), "python")


def _generation(launch: Launch) -> str:
    given = {_RENAMED.get(name, name): value for name, value in launch.sampling.given.items()}
    drawn = {"do_sample": True, **given} if given else {}
    return ", ".join(f"{name}={value!r}" for name, value in {"max_new_tokens": 512, **drawn}.items())
