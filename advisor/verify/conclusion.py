"""From what a run left to its `Measurement`, and to what it says about later forecasts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.models.metadata import ModelMetadata
from advisor.models.sources.hub_address import HubAddress
from advisor.speed.forecast import Calibration, SpeedForecast, forecast
from advisor.speed.forecast import Range as SpeedRange
from advisor.verify.calibration import KeptRun, kept_run
from advisor.verify.check import Check
from advisor.verify.compare import outcome
from advisor.verify.job import LAID_OUT_BY_LLAMA_CPP
from advisor.verify.measurement import (
    Figures,
    Forecast,
    MeasuredMemory,
    MeasuredModel,
    Measurement,
    Outcome,
    Plan,
    Range,
    Run,
    Spread,
)
from advisor.verify.progress import Ended
from advisor.verify.protocol import Result, RunRequest, Trial
from advisor.verify.slices import FORECAST_ERROR, Slices

BUSY = 0.1
"""Where other programs took more of the processor than this, speeds say little about the machine."""
RETRIED = "Its first run crashed; it ran again without weights in the CPU's own layout (AMX, CPU_REPACK)."


@dataclass(frozen=True)
class Looked:
    """A run before it starts: what was asked, what is predicted, and whether it may run."""

    machine: MachineProfile
    model: MeasuredModel
    request: RunRequest
    check: Check
    metadata: ModelMetadata | None = None
    """None where a server runs a model that is not known here."""
    memory_plan: MemoryPlan | None = None
    plan: Plan | None = None
    """The same for reading, with its verdict."""
    calibration: Calibration | None = None
    """What the forecast rests on beside the hardware's usual speed: earlier runs here."""
    notes: tuple[str, ...] = ()
    slices: Slices | None = None
    """What is run in place of the model."""
    download: HubAddress | None = None
    """Where its file is loaded from before it runs; None where it is here."""

    @property
    def forecast(self) -> Forecast | None:
        """The speed that is predicted."""
        return self.forecast_of(None)

    def forecast_of(self, prompt_tokens: int | None) -> Forecast | None:
        """The same, with the time to the first token of a prompt of this length."""
        if self.metadata is None or self.memory_plan is None:
            return None
        found = forecast(
            self.metadata, self.memory_plan, self.machine, prompt_tokens=prompt_tokens, calibration=self.calibration
        )
        return None if found is None else _readable(found)


def measurement_of(looked: Looked, ended: Ended) -> Measurement:
    """All of a run, as it is shown, kept and shared."""
    result = ended.result
    figures = None if result is None else figures_of(result, ended)
    first = result.first_token[0].tokens if result is not None and result.first_token else None
    return Measurement(
        machine=looked.machine,
        model=_model(looked.model, result),
        settings=None if looked.memory_plan is None else looked.memory_plan.settings,
        plan=looked.plan,
        forecast=_forecast(looked, first),
        measurement=figures,
        verdict=_verdict(looked, ended, figures),
        failures=ended.failures,
        run=_run(looked, ended, first),
    )


def figures_of(result: Result, ended: Ended) -> Figures:
    """What was measured: rates with their spread, the middle of the first tokens, memory by part."""
    memory = MeasuredMemory(**(result.memory or {}))
    if ended.request is None or ended.request.slices is None:
        seen = {"process_peak_bytes": ended.process_peak_bytes, "gpu_peak_bytes": ended.gpu_peak_bytes}
        memory = memory.model_copy(update={name: size for name, size in seen.items() if getattr(memory, name) is None})
    return Figures(
        generate_tps=spread_of(result.generate),
        prompt_tps=spread_of(result.prompt),
        time_to_first_token_s=median(trial.seconds for trial in result.first_token) if result.first_token else None,
        load_s=result.load_s,
        memory=memory,
        samples=ended.samples,
    )


def spread_of(trials: list[Trial]) -> Spread | None:
    """The median of the rates with the slowest and the fastest; None without any."""
    rates = [trial.rate for trial in trials if trial.tokens > 0]
    return Spread(median=median(rates), low=min(rates), high=max(rates)) if rates else None


def calibration_run(looked: Looked, measurement: Measurement) -> KeptRun | None:
    """What a run says about later forecasts for this machine; None where there was nothing to compare with."""
    figures, plan, metadata = measurement.measurement, looked.memory_plan, looked.metadata
    if figures is None or plan is None or metadata is None or not _is_local(looked):
        return None
    if measurement.run.slice_layers or (measurement.run.busy or 0) > BUSY:
        return None
    usual = forecast(metadata, plan, looked.machine)
    if usual is None:
        return None
    generate = _beside(usual.generate_tps, figures.generate_tps)
    prompt = _beside(usual.prompt_tps, figures.prompt_tps)
    if generate is None and prompt is None:
        return None
    return kept_run(plan, looked.machine, looked.model.id, generate=generate, prompt=prompt)


def _beside(expected: SpeedRange | None, measured: Spread | None) -> tuple[float, float, float, float] | None:
    if expected is None or measured is None or expected.expected <= 0:
        return None
    return expected.expected, measured.median, measured.low, measured.high


def _is_local(looked: Looked) -> bool:
    """A server may run on another machine, and with settings of its own."""
    return looked.request.backend != "http"


def _forecast(looked: Looked, first_token_prompt: int | None) -> Forecast | None:
    """What was predicted, with the time to the first token of the prompt that was really used."""
    before = looked.forecast
    if before is None or first_token_prompt is None:
        return before
    same = looked.forecast_of(first_token_prompt)
    assert same is not None
    return before.model_copy(update={"time_to_first_token_s": same.time_to_first_token_s, "prompt_tokens": first_token_prompt})


def _readable(found: SpeedForecast) -> Forecast:
    def range_of(value: SpeedRange | None) -> Range | None:
        return None if value is None else Range(low=value.low, expected=value.expected, high=value.high)

    return Forecast(
        generate_tps=range_of(found.generate_tps),
        prompt_tps=range_of(found.prompt_tps),
        time_to_first_token_s=range_of(found.time_to_first_token_s),
        load_s=range_of(found.load_s),
        prompt_tokens=found.prompt_tokens,
        grade=found.grade,
        basis=found.basis,
    )


def _model(model: MeasuredModel, result: Result | None) -> MeasuredModel:
    """The model as it was named, with what a server said of it where nothing else is known."""
    said = {} if result is None or result.model is None else result.model
    return model.model_copy(update={name: value for name, value in said.items() if getattr(model, name) is None})


def _slice_notes(request: RunRequest) -> list[str]:
    if request.slices is None:
        return []
    short, long, whole = request.slices.layers
    said = f"Measured on slices of {short} and {long} of {whole} layers with random weights, not on the model itself"
    return [f"{said}, which may be {FORECAST_ERROR:.0%} slower or faster."]


def _verdict(looked: Looked, ended: Ended, figures: Figures | None) -> Outcome:
    if ended.stage == "cancelled":
        return "cancelled"
    return "failed" if figures is None else outcome(looked.plan, figures)


def _run(looked: Looked, ended: Ended, first_token_prompt: int | None) -> Run:
    request, result = ended.request or looked.request, ended.result
    retried = request.backend in LAID_OUT_BY_LLAMA_CPP and not request.extra_bufts and bool(ended.failures)
    notes = [*looked.notes, *_slice_notes(request), *([RETRIED] if retried else []), *([] if result is None else result.notes)]
    if result is not None and (result.busy or 0) > BUSY:
        notes.append(f"Other programs took {result.busy:.0%} of the processor meanwhile, so speeds are too low; close them.")
    return Run(
        backend=request.target if request.backend == "http" else request.backend,
        engine=None if result is None else result.engine,
        started_at=datetime.fromtimestamp(ended.started_at, UTC),
        seconds=ended.seconds,
        threads=request.threads,
        prompt_tokens=result.prompt[0].tokens if result is not None and result.prompt else None,
        generated_tokens=result.generate[0].tokens if result is not None and result.generate else None,
        first_token_prompt_tokens=first_token_prompt,
        repeats=0 if result is None else len(result.generate),
        busy=None if result is None else result.busy,
        repacked=request.extra_bufts if request.backend in LAID_OUT_BY_LLAMA_CPP else None,
        slice_layers=request.slices.layers[:2] if request.slices is not None else (),
        notes=tuple(notes[:20]),
    )
