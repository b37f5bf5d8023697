"""One question in, one answer out: `estimate`. Pages, commands and requests all call it and show what it returns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from advisor.advice.verdict import Verdict, judge
from advisor.calibrated import best_calibrations
from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import resolve_machine
from advisor.memory.curves import Curves, curves_of
from advisor.memory.other_curves import other_curves_of
from advisor.memory.other_plans import plan_other, runtime_model
from advisor.memory.other_runtimes import OTHER_RUNTIMES, runtime_of, runtime_quantization, runtime_settings
from advisor.memory.plan import DevicePlan, MemoryPlan, Pool
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve as resolve_settings
from advisor.memory.repack import repack_note
from advisor.memory.settings import RunSettings, Runtime
from advisor.models.hf_config import with_stored_weights
from advisor.models.library import CATALOGUE, catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.projector import Projector, resolve_projector
from advisor.models.resolve import is_file_name, name_and_quantization, resolve_model
from advisor.question import Question
from advisor.settings import only_at_home
from advisor.speed.forecast import SpeedForecast, forecast

SCHEMA = 1
NEIGHBOURS = ("Q8_0", "Q6_K", "Q4_K_M", "Q2_K")
"""Quantizations drawn beside the one asked about."""
OTHER_NEIGHBOURS = {
    "mlx": ("mlx-8bit", "mlx-6bit", "mlx-4bit", "mlx-3bit"),
    "vllm": ("BF16", "fp8", "awq-4bit"),
    "transformers": ("BF16", "bnb-8bit", "bnb-4bit"),
}
LLAMA_RUNTIMES: tuple[Runtime, ...] = ("llama-server", "llama-cli", "llama-cpp-python", "ollama", "lm-studio")
"""Programs that run llama.cpp: the engine can plan them."""
_SETTINGS = set(RunSettings.model_fields)
_DEVICE = ("name", "kind", "pool", "capacity_bytes", "in_use_bytes", "weights_bytes", "kv_cache_bytes", "recurrent_state_bytes")
_DEVICE_PARTS = ("compute_bytes", "output_bytes", "projector_bytes", "draft_bytes", "overhead_bytes")


@dataclass(frozen=True)
class Estimate:
    """What a model needs on a machine, and whether that fits."""

    model: ModelMetadata
    machine: MachineProfile | None
    plan: MemoryPlan
    verdict: Verdict | None
    """None where no machine was named."""
    assumptions: tuple[str, ...]
    speed: SpeedForecast | None = None
    """None without a machine, or where a bandwidth is not known."""

    def to_json(self) -> dict[str, Any]:
        """The answer of `advisor estimate --json`, schema 1."""
        return {
            "schema": SCHEMA,
            "model": model_json(self.model),
            "machine": None if self.machine is None else {"id": self.machine.id, "name": self.machine.name},
            "settings": self.plan.settings.model_dump(mode="json"),
            "grade": self.plan.grade,
            "devices": [device_json(device) for device in self.plan.devices],
            "pools": [pool_json(pool) for pool in self.plan.pools],
            "verdict": self.verdict.verdict if self.verdict else None,
            "reasons": list(self.verdict.reasons) if self.verdict else [],
            "speed": speed_json(self.speed),
            "assumptions": list(self.assumptions),
        }


def estimate(question: Question) -> Estimate:
    """The plan and verdict for `question`. Raises QuestionError or MissingPartError with one sentence for a person."""
    question, model = asked_model(question)
    machine, assumptions = resolve_machine(**question.machine_fields())
    return estimate_for(question, model, machine, assumptions)


def asked_model(question: Question) -> tuple[Question, ModelMetadata]:
    """The model of `question`, and the question with the runtime and the quantization that the model's name says.

    For a runtime that is not built on llama.cpp it is the model's shapes: the runtime's own quantization is the question's.
    """
    name, suffix = _named_quantization(question)
    runtime = asked_runtime(question)
    if runtime not in OTHER_RUNTIMES:
        return question, resolve_model(question.model, question.quant)
    quant = question.quant or suffix
    if suffix and question.quant and runtime_quantization(runtime, suffix) != runtime_quantization(runtime, question.quant):
        raise QuestionError(f'"{question.model}" names {suffix}, but the quantization is {question.quant}', field="quant")
    asked = question.model_copy(update={"runtime": runtime, "quant": quant})
    if name.lower().endswith(".gguf") or name.lower().startswith("ollama:"):
        raise QuestionError(
            f'the runtime "{runtime}" is not planned for GGUF files; name the model in the catalogue, or choose llama-server',
            field="model",
        )
    return asked, resolve_model(name, "BF16")


def asked_runtime(question: Question) -> Runtime:
    """The runtime of `question`; where it names none, the one that its quantization means ("llama-3.1-8b:mlx-4bit")."""
    if "runtime" in question.model_fields_set:
        return question.runtime
    return runtime_of(question.quant) or runtime_of(question.model.rpartition(":")[2]) or question.runtime


def _named_quantization(question: Question) -> tuple[str, str | None]:
    """The model's name, and the quantization of another runtime that stands after it."""
    text = question.model
    if asked_runtime(question) not in OTHER_RUNTIMES or is_file_name(text) or text.lower().startswith("ollama:"):
        return text, None
    name, suffix = name_and_quantization(text)
    return name, suffix or None


def estimate_for(
    question: Question, model: ModelMetadata, machine: MachineProfile | None, assumptions: tuple[str, ...] = ()
) -> Estimate:
    """As `estimate`, for a model and a machine that are already at hand (a header from a browser, a detected machine)."""
    if question.runtime in OTHER_RUNTIMES:
        return _estimate_other(question, model, machine, assumptions)
    settings = settings_for(question, model, machine)
    projector: Projector | None = resolve_projector(question.mmproj, model.source) if question.mmproj else None
    draft = resolve_model(question.draft) if question.draft else None
    plan = _planner(question)(
        model,
        machine,
        settings,
        gpus=question.gpus or 1,
        projector=projector,
        draft=draft,
        lower_context=question.context is None,
    )
    return _answered(model, machine, plan, assumptions, repack_note(model, machine, plan))


def _estimate_other(
    question: Question, shapes: ModelMetadata, machine: MachineProfile | None, assumptions: tuple[str, ...]
) -> Estimate:
    """As `estimate_for`, for a runtime that is not built on llama.cpp and has quantizations of its own."""
    for name, value in (("mmproj", question.mmproj), ("draft", question.draft), ("build", question.build)):
        if value:
            raise QuestionError(f'the runtime "{question.runtime}" is planned without {name}; leave it out', field=name)
    if question.grade == "engine":
        raise QuestionError(f'llama.cpp cannot plan the runtime "{question.runtime}"; ask for --grade formula', field="grade")
    model = runtime_model(with_stored_weights(shapes), question.runtime, question.quant)
    settings = settings_for(question, model, machine)
    plan = plan_other(model, machine, settings, gpus=question.gpus or 1)
    return _answered(model, machine, plan, assumptions)


def _answered(
    model: ModelMetadata,
    machine: MachineProfile | None,
    plan: MemoryPlan,
    assumptions: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> Estimate:
    said = dict.fromkeys((*assumptions, *model.assumptions, *model.hyperparameters.assumptions, *plan.assumptions, *notes))
    verdict = judge(plan, machine) if machine else None
    calibration = None if machine is None else best_calibrations(machine)(plan)
    return Estimate(model, machine, plan, verdict, tuple(said), forecast(model, plan, machine, calibration=calibration))


def _planner(question: Question) -> Callable[..., MemoryPlan]:
    """What works the plan out: the formulas, or the engine."""
    if question.grade == "formula":
        return plan_memory
    # llama.cpp is native code: headers of strangers are not given to it on a machine that serves others.
    only_at_home("this site plans by formula only; leave the grade out")
    from advisor.engine.layout import engine_plan

    return engine_plan


def settings_for(question: Question, model: ModelMetadata, machine: MachineProfile | None) -> RunSettings:
    """The settings of `question` with every default filled in. Raises QuestionError for what the engine refuses."""
    overrides = question.model_dump(include=_SETTINGS, exclude_none=True)
    if question.runtime in OTHER_RUNTIMES:
        return runtime_settings(overrides, model)
    return resolve_settings(overrides, model, has_gpu=machine is None or bool(machine.gpus), machine=machine)


def curves_for(question: Question, model: ModelMetadata, machine: MachineProfile | None) -> Curves:
    """Memory against context for the quantization asked about and, of a catalogue model, for its usual neighbours."""
    if question.runtime in OTHER_RUNTIMES:
        kept = dict(_other_models(question, with_stored_weights(model)))
        return other_curves_of(kept, machine, settings_for(question, model, machine), gpus=question.gpus or 1)
    models = {model.quantization or "this file": model}
    if model.source.startswith(CATALOGUE):
        entry = catalogue().find(model.id)
        models |= {name: entry.quantized(name) for name in NEIGHBOURS if name not in models}
    return curves_of(models, machine, settings_for(question, model, machine), gpus=question.gpus or 1)


def _other_models(question: Question, shapes: ModelMetadata) -> Iterator[tuple[str, ModelMetadata]]:
    """The model as one of the other runtimes keeps it, then in the neighbouring quantizations that it has."""
    own = runtime_model(shapes, question.runtime, question.quant)
    yield own.quantization or "as stored", own
    for name in OTHER_NEIGHBOURS[question.runtime] if own.predicted else ():
        if name != own.quantization:
            yield name, runtime_model(shapes, question.runtime, name)


def model_json(model: ModelMetadata) -> dict[str, Any]:
    """The `model` part of every answer."""
    return {
        "id": model.id,
        "name": model.name,
        "architecture": model.hyperparameters.architecture,
        "quantization": model.quantization,
        "file_bytes": model.file_bytes,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
    }


def device_json(device: DevicePlan) -> dict[str, Any]:
    """One row of `devices`."""
    return {name: getattr(device, name) for name in (*_DEVICE, *_DEVICE_PARTS, "total_bytes", "headroom_bytes")}


def pool_json(pool: Pool) -> dict[str, Any]:
    """One row of `pools`."""
    names = ("id", "kind", "capacity_bytes", "gpu_limit_bytes", "in_use_bytes", "total_bytes", "headroom_bytes")
    return {name: getattr(pool, name) for name in names}


def speed_json(speed: SpeedForecast | None) -> dict[str, Any] | None:
    """The `speed` part of every answer; None where there is no forecast."""
    if speed is None:
        return None
    ranges = {name: getattr(speed, name) for name in ("generate_tps", "prompt_tps", "time_to_first_token_s", "load_s")}
    return {
        **{
            name: found and {"low": found.low, "expected": found.expected, "high": found.high} for name, found in ranges.items()
        },
        "prompt_tokens": speed.prompt_tokens,
        "grade": speed.grade,
        "basis": list(speed.basis),
    }
