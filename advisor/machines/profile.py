"""A machine: `MachineProfile`, the schema of `hardware_profiles/*/*.toml` and of `advisor detect --json`.

Unknown is None. Sizes are bytes (files may write "24 GiB"). `sources` says for each value where it is from, by dotted path
("gpus.0.bandwidth_gb_s"), or for a whole branch ("gpus.0").
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from advisor.units import Bytes

Backend = Literal["cuda", "metal", "rocm", "vulkan", "sycl"]
LEAST_RATE = 0.001
"""The least bandwidth (GB/s), throughput (TFLOPS) or power (W) that a machine may have: no device comes near."""
Rate = Annotated[float, Field(ge=LEAST_RATE, le=1e9, allow_inf_nan=False)]
"""Forecasts divide by these and raise what comes out to a power; within these bounds that stays a number."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gpu(_Strict):
    """A GPU. On a unified-memory machine it has no memory of its own: `memory_bytes` and `capacity_bytes` are None."""

    name: str
    vendor: Literal["nvidia", "amd", "intel", "apple", "other"]
    backend: Backend
    memory_bytes: Bytes | None = None
    """Nominal size, as on the box."""
    capacity_bytes: Bytes | None = None
    """What the driver reports; a little less than nominal."""
    in_use_bytes: Bytes | None = None
    bandwidth_gb_s: Rate | None = None
    bandwidth_measured_gb_s: Rate | None = None
    fp16_tflops: Rate | None = None
    """Dense matrix throughput in half precision (tensor cores where it has them)."""
    fp32_tflops: Rate | None = None
    power_w: Rate | None = None
    """Power that the maker lets the card draw, in watts. Long arithmetic runs into it before it runs into `fp16_tflops`."""
    cores: int | None = Field(default=None, gt=0)
    architecture: str | None = None
    compute_capability: str | None = None
    driver: str | None = None
    link: str | None = None
    """How it is connected, such as "PCIe 4.0 x16"."""
    launch_price_usd: int | None = None
    release_date: str | None = None


class Cpu(_Strict):
    """The processor. `threads_for_inference` of the advice are its performance cores."""

    name: str | None = None
    performance_cores: int | None = Field(default=None, ge=0)
    efficiency_cores: int | None = Field(default=None, ge=0)
    threads: int | None = Field(default=None, gt=0)
    instruction_sets: tuple[str, ...] = ()
    """Those that matter to ggml: avx2, avx512f, avx512_vnni, amx_int8, neon, dotprod, i8mm, sve ..."""


class SystemMemory(_Strict):
    """System memory; on unified machines the one memory that CPU and GPU share."""

    capacity_bytes: Bytes | None = None
    in_use_bytes: Bytes | None = None
    """Held by other programs now; None on a machine that is only named."""
    bandwidth_gb_s: Rate | None = None
    bandwidth_measured_gb_s: Rate | None = None
    type: str | None = None
    swap_bytes: Bytes | None = None


class Disk(_Strict):
    """The disk where models are."""

    path: str | None = None
    free_bytes: Bytes | None = None
    capacity_bytes: Bytes | None = None


class LaunchPrice(_Strict):
    """What was asked for a machine, or for all graphics cards of one, when it came out."""

    usd: int = Field(gt=0)
    of: str = Field(min_length=1, max_length=80)
    """What was sold for it: "Mac mini"."""
    date: str | None = Field(default=None, pattern=r"^\d{4}(-\d{2})?$")
    """Year, or year and month, of the price."""
    memory_bytes: Bytes | None = None
    """The size that it was for; None where there is only one."""


class MachineProfile(_Strict):
    """One machine, detected, named, read from a browser or typed in."""

    schema_version: Literal[1] = 1
    id: str
    name: str
    kind: Literal["discrete", "unified", "cpu"]
    """discrete: GPUs with memory of their own; unified: GPU and CPU share one memory; cpu: no GPU that engines use."""
    origin: Literal["profile", "detected", "browser", "typed"] = "profile"
    gpus: tuple[Gpu, ...] = ()
    cpu: Cpu = Cpu()
    memory: SystemMemory = SystemMemory()
    memory_options_bytes: tuple[Bytes, ...] = ()
    """Sizes it was sold with, smallest first; for machines whose memory the user must name."""
    gpu_limit_bytes: Bytes | None = None
    """Most of a unified memory that the GPU may take; None where unknown or where there is no limit."""
    raise_gpu_limit: str | None = None
    """The command that raises the limit, to be shown with its risk."""
    disk: Disk = Disk()
    os: str | None = None
    notes: tuple[str, ...] = ()
    launch_prices: tuple[LaunchPrice, ...] = ()
    """Of whole machines; a card's own price is with it."""
    sources: dict[str, str] = {}
    checked: str | None = None
    """Date on which the values were last compared with their sources."""
