"""Questions for formula and engine: models of every architecture, and settings that cover each other in pairs."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from advisor.machines.adjust import adjust
from advisor.machines.profile import Backend, MachineProfile
from advisor.memory.presets import effective_context
from advisor.memory.rules import rules_for
from advisor.memory.settings import CacheType, RunSettings
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.library import CatalogueModel, catalogue

QUANTIZATIONS = ("Q4_K_M", "Q8_0", "F16")
CACHE_TYPES: tuple[tuple[CacheType, CacheType], ...] = (("f16", "f16"), ("q8_0", "q8_0"), ("q4_0", "q4_0"), ("q8_0", "f16"))
Offload = Literal["none", "half", "all"]


@dataclass(frozen=True, order=True)
class Kind:
    """What the GPUs are."""

    backend: Backend | Literal[""] = ""
    """ "" for GPUs of no machine."""
    unified: bool = False
    """One GPU that shares the host's memory."""

    def __str__(self) -> str:
        return f"{self.backend or 'GPU'}{' unified' * self.unified}"


AXES: dict[str, tuple[Any, ...]] = {
    "context": (2048, 8192, 32768, 131072, 262144),
    "types": CACHE_TYPES,
    "flash_attention": ("auto", "on", "off"),
    "slots": ((1, True), (4, True), (4, False)),
    "ubatch": (512, 2048),
    "offload": ("none", "half", "all"),
    "gpus": (1, 2, 0),
    "kind": (Kind(), Kind("cuda"), Kind("rocm"), Kind("vulkan"), Kind("vulkan", unified=True), Kind("metal", unified=True)),
    "logits": ("slots", "ubatch"),
    "experts": ("gpu", "host", "half"),
}
"""`slots` are (number, unified). `experts` counts for mixtures only: which blocks keep theirs on the host."""


@dataclass(frozen=True)
class Case:
    """One question."""

    model: str
    quantization: str
    gpus: int
    kind: Kind
    settings: RunSettings

    @property
    def backend(self) -> str:
        """The GPUs' backend; "" where there are none, or none of a machine."""
        return self.kind.backend

    @property
    def machine(self) -> MachineProfile | None:
        """A machine with these GPUs, large enough for anything."""
        if not (self.backend and self.gpus):
            return None
        if self.kind.unified:
            machine = adjust(None, memory_gib=8192, unified=True)[0]
        else:
            machine = adjust(None, gpus=self.gpus, memory_gib=4096, ram_gib=8192)[0]
        gpus = tuple(gpu.model_copy(update={"backend": self.backend}) for gpu in machine.gpus)
        return machine.model_copy(update={"gpus": gpus})

    def __str__(self) -> str:
        chosen = self.settings
        flash = {"auto": "", "on": " fa", "off": " no-fa"}[chosen.flash_attention]
        slots = f"{chosen.slots}{'u' if chosen.unified_kv else 's'}"
        return (
            f"{self.model} {self.quantization} c{chosen.context} {chosen.type_k}/{chosen.type_v}{flash} slots {slots}"
            f" ub{chosen.ubatch} layers {chosen.gpu_layers} of {self.gpus} {self.kind}"
            f" moe {chosen.cpu_moe_layers} {chosen.logits}"
        )


@lru_cache(maxsize=1)
def models_by_architecture() -> dict[str, tuple[str, ...]]:
    """Up to three models of each architecture of the catalogue: the first one, the one least like it, and one that chooses
    experts by groups."""
    found: dict[str, list[CatalogueModel]] = {}
    for model in catalogue().models:
        found.setdefault(model.architecture, []).append(model)
    return {name: tuple(dict.fromkeys((*_two(models), *_grouped(models)))) for name, models in sorted(found.items())}


def _two(models: Sequence[CatalogueModel]) -> tuple[str, ...]:
    """The first, and the one that differs from it most in what a graph is made of."""
    first = models[0]
    other = max(models[1:], key=lambda model: len(_traits(model) ^ _traits(first)), default=None)
    return (first.id,) if other is None or _traits(other) == _traits(first) else (first.id, other.id)


def _grouped(models: Sequence[CatalogueModel]) -> tuple[str, ...]:
    return tuple(model.id for model in models if model.hyperparameters.expert_group_count > 1)[:1]


def _traits(model: CatalogueModel) -> frozenset[object]:
    hp = model.hyperparameters
    names = {shape.name.split(".", 2)[-1] for shape in model.shapes}
    numbers = {(name, getattr(hp, name)) for name in ("embedding_length", "vocab_size", "layer_count", "expert_count")}
    return frozenset(names | numbers | {("window", bool(hp.sliding_window)), ("context", hp.context_length)})


def covering(axes: Mapping[str, Sequence[Any]], seed: str, *, tries: int = 30) -> Iterator[dict[str, Any]]:
    """Rows in which any two values of two axes occur together at least once; the same for the same seed."""
    chance = random.Random(seed)
    pairs = {
        ((one, i), (two, j))
        for one, two in itertools.combinations(axes, 2)
        for i in range(len(axes[one]))
        for j in range(len(axes[two]))
    }
    while pairs:
        fixed = dict(min(pairs, key=str))
        rows = [{name: fixed.get(name, chance.randrange(len(axes[name]))) for name in axes} for _ in range(tries)]
        best = max(rows, key=lambda row: len(pairs & set(itertools.combinations(row.items(), 2))))
        pairs -= set(itertools.combinations(best.items(), 2))
        yield {name: axes[name][index] for name, index in best.items()}


def cases_of(model_id: str, *, rounds: int = 1) -> list[Case]:
    """Questions about one model, that many covering arrays of them."""
    model = catalogue().find(model_id)
    return cases_for(model_id, model.hyperparameters, quantizations=QUANTIZATIONS, rounds=rounds)


def cases_for(name: str, hp: Hyperparameters, *, quantizations: tuple[str, ...], rounds: int = 1) -> list[Case]:
    """Questions about a model of these hyperparameters."""
    trained = hp.context_length or max(AXES["context"])
    contexts = tuple(one for one in AXES["context"] if one <= trained) or (trained,)
    axes = {**AXES, "context": contexts, "quantization": quantizations}
    if not any(hp.mixture):
        del axes["experts"]
    found = [_case(name, hp, row) for turn in range(rounds) for row in covering(axes, f"{name} {turn}")]
    return list(dict.fromkeys(found))


def _case(name: str, hp: Hyperparameters, row: Mapping[str, Any]) -> Case:
    (slots, unified), (type_k, type_v) = row["slots"], row["types"]
    layers = {"none": 0, "half": hp.block_count // 2, "all": "all"}[cast("Offload", row["offload"])]
    context = effective_context(row["context"], rules_for(), slots=slots, unified=unified)
    batch = min(2048, context) if hp.causal else 2048
    settings = RunSettings(
        runtime="llama-server",
        build=rules_for().build,
        context=context,
        slots=slots,
        unified_kv=unified,
        batch=batch,
        ubatch=min(batch, row["ubatch"]),
        type_k=type_k,
        type_v=type_v,
        flash_attention=row["flash_attention"],
        swa_full=False,
        gpu_layers=layers if row["gpus"] else 0,
        cpu_moe_layers={"gpu": 0, "host": 999, "half": hp.block_count // 2}[row.get("experts", "gpu")],
        tensor_split=None,
        logits=row["logits"],
        depth=0,
    )
    kind = row["kind"] if row["gpus"] else Kind()
    return Case(name, row["quantization"], min(row["gpus"], 1) if kind.unified else row["gpus"], kind, settings)
