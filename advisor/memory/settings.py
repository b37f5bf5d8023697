"""How a model is run: `RunSettings`, with every default resolved."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Runtime = Literal["llama-server", "llama-cli", "llama-cpp-python", "ollama", "lm-studio", "mlx", "vllm", "transformers"]
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]


class RunSettings(BaseModel):
    """Settings of one run, complete: no field is left to a runtime's default (`presets.resolve` fills them in)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: Runtime
    build: str
    """Engine build whose rules apply, "b6060" or a date "2025-12-01"; the pinned build by default."""
    context: int = Field(ge=1, le=2**31 - 1)
    """Tokens of context asked for, all slots together where the cache is unified."""
    slots: int = Field(ge=1, le=256)
    unified_kv: bool
    batch: int = Field(ge=1, le=2**31 - 1)
    """transformers reads a prompt as one batch, however long it is."""
    ubatch: int = Field(ge=1, le=2**31 - 1)
    type_k: CacheType
    type_v: CacheType
    flash_attention: Literal["on", "off", "auto"]
    swa_full: bool
    gpu_layers: int | Literal["all", "auto"]
    """As llama.cpp counts: the output layer is one of them."""
    cpu_moe_layers: int = Field(ge=0)
    """The experts of the first N blocks stay in system memory (--n-cpu-moe)."""
    tensor_split: tuple[float, ...] | None
    logits: Literal["ubatch", "slots"]
    """Rows that logits are reserved for: a whole ubatch (library, bench) or one a slot (llama-server since mid-2026)."""
    depth: int = Field(ge=0)
    """Tokens already in the context, for speed."""
