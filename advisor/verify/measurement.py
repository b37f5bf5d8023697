"""What a run measured, beside what was predicted: `Measurement`, the answer of `advisor verify --json`, schema 1.

It travels: from home to a hosted Headroom, into reports, between people. So everything in it is bounded and checked, and a
file with one field too many is refused.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory.settings import RunSettings

SCHEMA = 1
MOST_SAMPLES = 1000
MOST_BYTES = 2 * 2**20
"""A longer text is no measurement: a run of 90 s has 400 samples of 200 letters."""
_LOG_LINES = 60

Text = Annotated[str, Field(max_length=1000)]
Size = Annotated[int, Field(ge=0, le=2**53)]
Left = Annotated[int, Field(ge=-(2**53), le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**31)]

Stage = Literal[
    "queued",
    "checking",
    "downloading",
    "loading",
    "warming",
    "prompt",
    "generation",
    "first token",
    "done",
    "failed",
    "cancelled",
]

FailureKind = Literal[
    "refused", "out of memory", "wrong file", "crash", "killed", "watchdog", "time", "server", "network", "disk", "missing part"
]
Outcome = Literal["confirmed", "corrected", "measured", "failed", "cancelled"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(_Strict):
    """Repeated measurements of one rate, in tokens a second."""

    median: Rate
    low: Rate
    """The slowest of them."""
    high: Rate
    """The fastest."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.median <= self.high:
            raise ValueError("low, median and high are not in order")
        return self


class MeasuredMemory(_Strict):
    """What the run held. None: this backend does not say, or this system has no way to know."""

    weights_bytes: Size | None = None
    kv_cache_bytes: Size | None = None
    """Keys, values and recurrent states."""
    compute_bytes: Size | None = None
    output_bytes: Size | None = None
    process_peak_bytes: Size | None = None
    """The most that the process held in memory, anonymous and of files, less what it held before it loaded the model."""
    gpu_peak_bytes: Size | None = None
    """The most that the GPUs' drivers reported, less what they reported before."""
    basis: Text = ""


class Sample(_Strict):
    """The machine at one moment of the run."""

    t_s: Seconds
    """Since the start of the run."""
    stage: Stage
    anonymous_bytes: Size | None = None
    """Memory of the process's own, less what it held at the start."""
    file_bytes: Size | None = None
    """Pages of files that it has mapped, less those of the start."""
    gpu_bytes: Size | None = None
    available_bytes: Size | None = None
    """What the system could still give without swapping."""
    swap_bytes: Size | None = None
    pressure: Annotated[float, Field(ge=0, le=100)] | None = None
    """How much the system stands still for want of memory, in percent of time (Linux: full, avg10; macOS: its levels)."""


class Figures(_Strict):
    """What was measured."""

    generate_tps: Spread | None = None
    prompt_tps: Spread | None = None
    time_to_first_token_s: Seconds | None = None
    load_s: Seconds | None = None
    memory: MeasuredMemory = MeasuredMemory()
    samples: Annotated[tuple[Sample, ...], Field(max_length=MOST_SAMPLES)] = ()


class Range(_Strict):
    """A forecast of one figure."""

    low: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    expected: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    high: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Forecast(_Strict):
    """The speed that was predicted before the run."""

    generate_tps: Range | None = None
    prompt_tps: Range | None = None
    time_to_first_token_s: Range | None = None
    load_s: Range | None = None
    prompt_tokens: Count | None = None
    """Length of the prompt that the time to the first token is of."""
    grade: Text | None = None
    basis: Annotated[tuple[Text, ...], Field(max_length=40)] = ()


class MeasuredModel(_Strict):
    """Which model ran. A file goes by its name alone: folders name people."""

    id: Text
    name: Text
    architecture: Text | None = None
    quantization: Text | None = None
    file_bytes: Size | None = None
    parameters: Annotated[int, Field(ge=0, le=2**50)] | None = None
    active_parameters: Annotated[int, Field(ge=0, le=2**50)] | None = None


class PlannedDevice(_Strict):
    """A row of the plan, as `advisor estimate --json` has it."""

    name: Text
    kind: Literal["gpu", "host"]
    pool: Text
    capacity_bytes: Size | None = None
    in_use_bytes: Size | None = None
    weights_bytes: Size
    kv_cache_bytes: Size
    recurrent_state_bytes: Size
    compute_bytes: Size
    output_bytes: Size
    projector_bytes: Size
    draft_bytes: Size
    overhead_bytes: Size
    total_bytes: Size
    headroom_bytes: Left | None = None


class PlannedPool(_Strict):
    """One memory of the plan."""

    id: Text
    kind: Literal["vram", "ram", "unified"]
    capacity_bytes: Size | None = None
    gpu_limit_bytes: Size | None = None
    in_use_bytes: Size | None = None
    total_bytes: Size
    headroom_bytes: Left | None = None


class Plan(_Strict):
    """The memory that was predicted before the run."""

    grade: Literal["formula", "engine", "measured", "typical"]
    devices: Annotated[tuple[PlannedDevice, ...], Field(min_length=1, max_length=65)]
    pools: Annotated[tuple[PlannedPool, ...], Field(min_length=1, max_length=65)]
    verdict: Literal["fits", "tight", "partial", "no"] | None = None
    reasons: Annotated[tuple[Text, ...], Field(max_length=80)] = ()
    """A sentence for each memory, of 64 GPUs and the system at most, and some about what lies where."""


class Failure(_Strict):
    """Why a run did not come to its end, or what went wrong on its way."""

    kind: FailureKind
    message: Text
    """One sentence: what happened and what can be done."""
    log: Annotated[tuple[Text, ...], Field(max_length=_LOG_LINES)] = ()
    """The last lines that the engine or the server wrote."""


class Run(_Strict):
    """How it was measured."""

    backend: Text
    """"llama-cpp", "mlx", or the address of a server."""
    engine: Text | None = None
    """What ran the model, with its version."""
    started_at: datetime
    seconds: Seconds
    threads: Count | None = None
    prompt_tokens: Count | None = None
    """Length of the prompts that were timed (pp512: 512)."""
    generated_tokens: Count | None = None
    """Length of the generations that were timed (tg128: 128)."""
    first_token_prompt_tokens: Count | None = None
    """Length of the realistic prompt."""
    repeats: Count = 0
    busy: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of all processor time that other programs took meanwhile; None for a server, which may be elsewhere."""
    repacked: bool | None = None
    """Whether the engine could use weights in the CPU's own layout; False after a crash with them."""
    slice_layers: Annotated[tuple[Count, ...], Field(max_length=2)] = ()
    """Layers of the two slices that were run instead of the model; empty where the model itself ran."""
    notes: Annotated[tuple[Text, ...], Field(max_length=20)] = ()


class Measurement(_Strict):
    """A run: the question, what was predicted, what was measured."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    machine: MachineProfile
    model: MeasuredModel
    settings: RunSettings | None = None
    """None where a server runs with settings of its own."""
    plan: Plan | None = None
    forecast: Forecast | None = None
    measurement: Figures | None = None
    """None where the run failed before anything was measured."""
    verdict: Outcome
    """confirmed: it took no more memory than planned, and the plan was near. corrected: it came out otherwise. measured: there
    was no plan to compare with."""
    failures: Annotated[tuple[Failure, ...], Field(max_length=10)] = ()
    run: Run

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @property
    def by_slices(self) -> bool:
        """Whether its speeds are forecasts: of the whole model, by slices of it that were measured."""
        return bool(self.run.slice_layers)

    def to_json(self) -> dict[str, Any]:
        """The answer of `advisor verify --json`."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """The measurement in a file or a paste. Raises QuestionError with one sentence that says what is wrong."""
        if len(text) > MOST_BYTES:
            raise QuestionError("this is far longer than a measurement; give what `advisor verify --json` printed")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])[:80] or "the whole"
            raise QuestionError(
                f"this is not a measurement of Headroom ({place}: {first['msg'][:120]}); "
                "give what `advisor verify --json` printed"
            ) from None
        except RecursionError:
            raise QuestionError("this is not a measurement of Headroom; give what `advisor verify --json` printed") from None


def last_lines(lines: "tuple[str, ...] | list[str]") -> tuple[str, ...]:
    """The end of a log, as a failure keeps it: printable, each line cut where it is very long."""
    kept = [line.rstrip() for line in lines if line.strip()][-_LOG_LINES:]
    return tuple("".join(sign if sign.isprintable() else " " for sign in line)[:1000] for line in kept)
