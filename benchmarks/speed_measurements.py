"""The measurements of `advisor/speed/measurements.csv` as questions: the work that each one did, on which devices.

Each row is a fact from a public benchmark, with its source: what ran where, and how many tokens a second. `left_out` says why
a row cannot be compared; such rows are in neither the fit nor the errors, and count as rows without a forecast. `doubt` says
why a row weighs little in the fit; it counts in the errors.
"""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.memory.other_plans import runtime_model
from advisor.memory.other_runtimes import runtime_settings
from advisor.memory.placement import place
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.memory.rules import rules_for
from advisor.memory.settings import RunSettings
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.metadata import ModelMetadata
from advisor.speed.device_class import gpu_class, host_class
from advisor.speed.efficiencies import FILE as EFFICIENCIES
from advisor.speed.forecast import groups_of
from advisor.speed.terms import Devices, Term, generation_terms, prompt_terms
from advisor.speed.work import Work

FILE = EFFICIENCIES.with_name("measurements.csv")
_GIB = 2**30


@dataclass(frozen=True)
class Measurement:
    """One row."""

    source: str
    date: str
    machine: str
    backend: str
    gpus: int
    ram_gb_s: float | None
    runtime: str
    engine: str
    build: str
    model: str
    quantization: str
    file_bytes: int | None
    gpu_layers: int | str
    cpu_moe_layers: int
    ubatch: int
    cache_type: str
    flash_attention: str
    test: str
    tokens: int
    depth: int
    tokens_per_s: float
    confidence: str
    left_out: str
    doubt: str

    @property
    def family(self) -> str:
        """The model's family, by which folds are made: the catalogue's file, such as "Llama 3"."""
        return _entry(self.model).family

    @cached_property
    def profile(self) -> MachineProfile:
        """The machine, with as many GPUs and the backend that the row names."""
        found = library().get(self.machine)
        memory = found.memory.model_copy(update={"bandwidth_gb_s": self.ram_gb_s}) if self.ram_gb_s else found.memory
        gpus = tuple(gpu.model_copy(update={"backend": self.backend}) for gpu in found.gpus[:1] * self.gpus)
        return found.model_copy(update={"gpus": gpus, "memory": memory, "kind": found.kind if gpus else "cpu"})

    @cached_property
    def file(self) -> ModelMetadata:
        """The model's file; for another runtime than llama.cpp, its shapes."""
        return _entry(self.model).quantized("BF16" if self.runtime == "mlx" else self.quantization)

    @cached_property
    def settings(self) -> RunSettings:
        """The settings that the row names, with the runtime's defaults."""
        if self.runtime == "mlx":
            return runtime_settings({"runtime": "mlx", "context": self.depth + self.tokens + 256}, self.file)
        asked = {
            "runtime": self.runtime,
            "build": self.build or None,
            "context": self.depth + self.tokens + 256,
            "slots": 1,
            "ubatch": self.ubatch,
            "batch": max(2048, self.ubatch),
            "type_k": self.cache_type,
            "type_v": self.cache_type if self.flash_attention == "on" else "f16",
            "flash_attention": self.flash_attention,
            "gpu_layers": self.gpu_layers,
            "cpu_moe_layers": min(self.cpu_moe_layers, self.file.hyperparameters.block_count),
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return resolve(given, self.file, has_gpu=bool(self.gpus), machine=self.profile)

    @cached_property
    def work(self) -> Work:
        """What the run did."""
        if self.runtime == "mlx":
            found = Work(self.file, self.settings, place(self.file.hyperparameters, rules_for(None), gpus=1))
            size = runtime_model(self.file, "mlx", self.quantization).file_bytes
            assert size is not None
            return Work(found.model, found.settings, found.placement, size / (self.file.file_bytes or size))
        scale = self.file_bytes / self.file.file_bytes if self.file_bytes and self.file.file_bytes else 1.0
        if self.settings.gpu_layers == "auto":
            plan = plan_memory(self.file, self.profile, self.settings)
            assert plan.placement is not None
            return Work(self.file, plan.settings, plan.placement, scale)
        layers = None if self.settings.gpu_layers == "all" else self.settings.gpu_layers
        placement = place(
            self.file.hyperparameters,
            rules_for(self.settings.build),
            gpus=self.gpus,
            gpu_layers=layers,
            experts_on_host=self.settings.cpu_moe_layers,
        )
        return Work(self.file, self.settings, placement, scale)

    @cached_property
    def devices(self) -> Devices | None:
        """The devices' classes; None where a bandwidth is not known."""
        found = [gpu_class(gpu, self.profile, self.settings.runtime) for gpu in self.profile.gpus]
        known = tuple(gpu for gpu in found if gpu is not None)
        return Devices(known, host_class(self.profile)) if len(known) == len(found) else None

    @cached_property
    def terms(self) -> tuple[Term, ...] | None:
        """The terms of the time that one token (of a prompt: all its tokens) took; None where no forecast can be made."""
        if self.devices is None:
            return None
        if self.test == "generate":
            return tuple(generation_terms(self.work, self.devices, self.depth + self.tokens // 2))
        found = prompt_terms(self.work, self.devices, self.tokens, self.depth)
        return None if found is None else tuple(found)

    @property
    def seconds(self) -> float:
        """What the terms sum up to, as it was measured."""
        return (1 if self.test == "generate" else self.tokens) / self.tokens_per_s

    @property
    def seen(self) -> int:
        """Tokens that attention sees: those in the context, and half of those that the run adds."""
        return self.depth + self.tokens // 2

    @cached_property
    def groups(self) -> list[str]:
        """The groups whose range describes this run, the particular first."""
        assert self.devices is not None
        return [f"{self.test} {group}" for group in groups_of(self.work, self.devices, self.seen)]


def _entry(model: str) -> CatalogueModel:
    return catalogue().find(model)


def measurements(path: Path = FILE) -> list[Measurement]:
    """All rows, those that are left out too."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(row) for row in csv.DictReader(file)]


def _row(row: dict[str, str]) -> Measurement:
    layers = row["gpu_layers"]
    return Measurement(
        source=row["source"],
        date=row["date"],
        machine=row["machine"],
        backend=row["backend"],
        gpus=int(row["gpus"]),
        ram_gb_s=float(row["ram_gb_s"]) if row["ram_gb_s"] else None,
        runtime=row["runtime"],
        engine=row["engine"],
        build=row["build"],
        model=row["model"],
        quantization=row["quantization"],
        file_bytes=int(row["file_bytes"]) if row["file_bytes"] else None,
        gpu_layers=layers if layers in ("all", "auto") else int(layers),
        cpu_moe_layers=int(row["cpu_moe_layers"]),
        ubatch=int(row["ubatch"]),
        cache_type=row["cache_type"],
        flash_attention=row["flash_attention"],
        test=row["test"],
        tokens=int(row["tokens"]),
        depth=int(row["depth"]),
        tokens_per_s=float(row["tokens_per_s"]),
        confidence=row["confidence"],
        left_out=row["left_out"],
        doubt=row["doubt"],
    )
