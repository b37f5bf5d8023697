"""Launches that the tests make commands of: between them they set every setting that any command writes."""

from dataclasses import replace

from advisor.advice.commands import Files, Launch, Sampling
from advisor.memory.rules import PINNED_BUILD
from advisor.memory.settings import RunSettings

SETTINGS = RunSettings(
    runtime="llama-server",
    build=PINNED_BUILD,
    context=8192,
    slots=4,
    unified_kv=True,
    batch=2048,
    ubatch=512,
    type_k="f16",
    type_v="f16",
    flash_attention="auto",
    swa_full=False,
    gpu_layers="all",
    cpu_moe_layers=0,
    tensor_split=None,
    logits="slots",
    depth=0,
)

PLAIN = Launch(
    model_id="qwen3-8b",
    quantization="Q4_K_M",
    files=Files(gguf_repo="Qwen/Qwen3-8B-GGUF", weights_repo="Qwen/Qwen3-8B"),
    settings=SETTINGS,
    layer_count=36,
    gpus=1,
    threads=8,
)

EVERYTHING = Launch(
    model_id="gpt-oss-120b",
    quantization="MXFP4_MOE",
    files=Files(path="/models/my file.gguf", projector="/models/mmproj.gguf", draft="/models/draft.gguf"),
    settings=SETTINGS.model_copy(
        update={
            "context": 65536,
            "slots": 2,
            "unified_kv": False,
            "batch": 4096,
            "ubatch": 1024,
            "type_k": "q8_0",
            "type_v": "q4_0",
            "flash_attention": "on",
            "swa_full": True,
            "gpu_layers": 37,
            "cpu_moe_layers": 12,
            "tensor_split": (3.0, 1.5),
            "depth": 4096,
        }
    ),
    layer_count=36,
    gpus=2,
    threads=16,
    sampling=Sampling(temperature=1.0, top_p=0.95, top_k=40, min_p=0.01, repeat_penalty=1.05),
)


def with_settings(launch: Launch, **changes: object) -> Launch:
    """`launch` with other settings."""
    return replace(launch, settings=launch.settings.model_copy(update=changes))
