"""What a command is made from: `Launch`, and what comes out: `Command`. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.memory.settings import RunSettings

Shell = Literal["posix", "powershell"]


@dataclass(frozen=True, slots=True)
class Files:
    """Where a model's files are. None where that is not known; a command that needs it is then not made."""

    path: str | None = None
    """A GGUF file on this disk, the first part of a split one."""
    gguf_repo: str | None = None
    """A repository of GGUF files, "owner/name"."""
    mlx: str | None = None
    """A repository or folder that is quantized for MLX."""
    weights_repo: str | None = None
    """The publisher's own repository, safetensors in 16 bits or as released."""
    ollama: str | None = None
    """A name that Ollama knows already, "llama3.1:8b"."""
    projector: str | None = None
    draft: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling that a model's publisher recommends; None leaves it to the program."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None

    @property
    def given(self) -> dict[str, float]:
        """What is recommended, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def options(self, flags: Mapping[str, str]) -> list[str]:
        """What is recommended as options of a program whose names for them are `flags`; what it has no name for is left out."""
        given = {flags[name]: f"{value:g}" for name, value in self.given.items() if name in flags}
        return [word for option in given.items() for word in option]


@dataclass(frozen=True, slots=True)
class Launch:
    """One run of one model, as a plan settled it."""

    model_id: str
    quantization: str
    files: Files
    settings: RunSettings
    layer_count: int
    """Blocks of the model, without the output layer."""
    gpus: int = 0
    """Number of GPUs that take part."""
    threads: int | None = None
    """Performance cores; None where they are not known."""
    sampling: Sampling = Sampling()
    shell: Shell = "posix"
    sees: bool = False
    """The model has a vision projector, which programs load too when they fetch the model from a repository."""

    @property
    def language(self) -> Literal["bash", "powershell"]:
        """What the shell's text is, for colouring."""
        return "powershell" if self.shell == "powershell" else "bash"

    @property
    def tag(self) -> str:
        """The quantization as file names write it: `-hf` and Ollama look for it in the names of a repository's files."""
        return {"MXFP4_MOE": "MXFP4"}.get(self.quantization, self.quantization)

    @property
    def all_layers(self) -> bool:
        """True where every layer, the output layer too, is on a GPU; experts may still be in system memory."""
        layers = self.settings.gpu_layers
        return self.gpus > 0 and (layers == "all" or int(layers) > self.layer_count)

    @property
    def all_on_gpu(self) -> bool:
        """True where nothing of the model is computed by the processor."""
        return self.all_layers and self.settings.cpu_moe_layers == 0

    @property
    def requests(self) -> int:
        """Requests that have a context of their own; slots that share one cache count as one request of full length."""
        return 1 if self.settings.unified_kv else self.settings.slots

    @property
    def context_of_each(self) -> int:
        """Tokens of context of each of `requests`."""
        return self.settings.context // self.requests


@dataclass(frozen=True, slots=True)
class Command:
    """What to paste, and what to know before."""

    text: str
    language: Literal["bash", "powershell", "python"]
    notes: tuple[str, ...] = ()


def launch_of(
    model_id: str,
    quantization: str,
    layer_count: int,
    plan: MemoryPlan,
    machine: MachineProfile | None,
    files: Files,
    sampling: Sampling | None = None,
    *,
    sees: bool = False,
) -> Launch:
    """The launch that `plan` describes, on `machine` (None: an unnamed machine with the plan's GPUs)."""
    cores = machine.cpu.performance_cores if machine else None
    return Launch(
        model_id=model_id,
        quantization=quantization,
        files=files,
        settings=plan.settings,
        layer_count=layer_count,
        gpus=sum(device.kind == "gpu" for device in plan.devices),
        threads=cores or None,
        sampling=sampling or Sampling(),
        shell="powershell" if machine and (machine.os or "").lower().startswith("windows") else "posix",
        sees=sees,
    )
