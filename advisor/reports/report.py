"""What is shared: `HardwareReport`, a machine, a model, the settings of a run, what was predicted and what was measured.

Every text is made shareable on the way in (`scrub.shareable`), every list and text is bounded, and unknown fields are
refused: reports come from strangers. `grades` says how each number is known, by dotted path or for a whole branch, and a
report with a number of unknown origin is refused too. Sizes are bytes; unknown is None.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from advisor.machines.profile import Backend
from advisor.memory.settings import RunSettings
from advisor.reports.scrub import shareable
from advisor.verify.measurement import Failure, Figures, Forecast, Outcome, Plan, Run

SCHEMA_VERSION = 1
MOST_BYTES = 2**20
"""A report as JSON is smaller than this; the largest that is made here has some tens of KiB."""

Grade = Literal["measured", "engine", "formula", "typical", "reported", "file", "asked"]
"""How a number is known: the four grades of plans and forecasts; "reported" by driver or system, read from the model's
"file", or "asked" for by the person who ran it."""

GRADES: dict[str, str] = {
    "measured": "A run on this very machine.",
    "engine": "Planned by llama.cpp itself.",
    "formula": "Our closed form, which follows llama.cpp's own allocation.",
    "typical": "A fact about the hardware family.",
    "reported": "What the driver or the system says.",
    "file": "Read from the model's file.",
    "asked": "Chosen by the person who ran it.",
}


MOST_LETTERS = 1000
"""The longest text that any field of a report may have."""
_DEEPEST = 12

Name = Annotated[str, Field(min_length=1, max_length=160)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Id = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
Size = Annotated[int, Field(ge=0, le=2**53)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Path = Annotated[str, Field(max_length=80, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]


def _to_the_second(moment: datetime) -> datetime:
    """`moment` in UTC; fractions of a second and time zones say more than is needed. Raises ValueError without such a year."""
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError("it lies outside the years 1 to 9999 in UTC") from None


class Part(BaseModel):
    """A part of a report: frozen, and strict about what it may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedGpu(Part):
    """A GPU without anything that tells one card from another of its kind."""

    name: Name
    vendor: Literal["nvidia", "amd", "intel", "apple", "other"]
    backend: Backend
    memory_bytes: Size | None = None
    capacity_bytes: Size | None = None
    bandwidth_gb_s: Positive | None = None
    bandwidth_measured_gb_s: Positive | None = None
    fp16_tflops: Positive | None = None
    cores: Count | None = None
    architecture: Word | None = None
    compute_capability: Word | None = None
    driver: Word | None = None
    link: Word | None = None


class ReportedCpu(Part):
    """The processor."""

    name: Name | None = None
    performance_cores: Count | None = None
    efficiency_cores: Count | None = None
    threads: Count | None = None
    instruction_sets: Annotated[tuple[Word, ...], Field(max_length=48)] = ()


class ReportedMemory(Part):
    """System memory; on unified machines the one memory that CPU and GPU share."""

    capacity_bytes: Size | None = None
    bandwidth_gb_s: Positive | None = None
    bandwidth_measured_gb_s: Positive | None = None
    type: Word | None = None


class ReportedMachine(Part):
    """A machine without its owner."""

    id: Id | None = None
    """The profile that it is or was made from; None for one that was described by numbers."""
    name: Name
    kind: Literal["discrete", "unified", "cpu"]
    origin: Literal["profile", "detected", "browser", "typed"]
    gpus: Annotated[tuple[ReportedGpu, ...], Field(max_length=64)] = ()
    cpu: ReportedCpu = ReportedCpu()
    memory: ReportedMemory = ReportedMemory()
    gpu_limit_bytes: Size | None = None
    os: Word | None = None


class ReportedModel(Part):
    """The model and its file."""

    id: Id | None = None
    """Of the catalogue; None for a file that is not one of its models."""
    name: Name
    architecture: Word
    quantization: Word | None = None
    file_name: Name | None = None
    file_bytes: Size | None = None
    parameters: Count | None = None
    active_parameters: Count | None = None
    header_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of the bytes of the GGUF header, metadata and tensor table: the same file has the same. None without a file."""


class ReportedSettings(RunSettings):
    """The settings of the run, with what may be long bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    build: Word
    gpu_layers: Annotated[int, Field(ge=0, le=10_000)] | Literal["all", "auto"]
    tensor_split: Annotated[tuple[Share, ...], Field(max_length=64)] | None
    cpu_moe_layers: Annotated[int, Field(ge=0, le=10_000)]
    depth: Annotated[int, Field(ge=0, le=2**31)]


class Versions(Part):
    """The programs that the numbers come from."""

    headroom: Word
    engine: Word | None = None
    """What ran the model, with its version: "llama.cpp b6060"; None where nothing was run."""
    backend: Word | None = None
    python: Word | None = None


class HardwareReport(Part):
    """What one machine does with one model: the unit that is kept, shared and compared."""

    schema_version: Literal[1] = 1
    made_at: Annotated[AwareDatetime, AfterValidator(_to_the_second)]
    note: Annotated[str, Field(max_length=280)] = ""
    """What its maker wants to say."""
    machine: ReportedMachine
    model: ReportedModel
    settings: ReportedSettings | None = None
    """None where a server ran the model with settings of its own."""
    plan: Plan | None = None
    """The memory that was predicted, as `advisor estimate --json` has it."""
    forecast: Forecast | None = None
    measurement: Figures | None = None
    """None where nothing was run, or where the run failed before anything was measured."""
    verdict: Outcome | None = None
    """How the run came out; None where nothing was run."""
    failures: Annotated[tuple[Failure, ...], Field(max_length=10)] = ()
    run: Run | None = None
    versions: Versions
    grades: Annotated[dict[Path, Grade], Field(min_length=1, max_length=600)]

    @property
    def by_slices(self) -> bool:
        """Whether its speeds are forecasts: of the whole model, by slices of it that were measured."""
        return self.run is not None and bool(self.run.slice_layers)

    @model_validator(mode="before")
    @classmethod
    def _shareable(cls, document: object) -> object:
        return _scrubbed(document)

    @model_validator(mode="after")
    def _every_number_has_a_grade(self) -> Self:
        missing = next((path for path, _ in numbers(self) if self.grade_of(path) is None), None)
        if missing is not None:
            raise PydanticCustomError("grade_missing", "no grade says how {path} is known", {"path": missing})
        if self.made_at > datetime(2100, 1, 1, tzinfo=UTC):
            raise PydanticCustomError("date", "it was not made in the next century")
        return self

    def grade_of(self, path: str) -> Grade | None:
        """How the number at `path` is known: its own grade, or that of the nearest branch that has one."""
        while path:
            if path in self.grades:
                return self.grades[path]
            path = path.rpartition(".")[0]
        return None


def numbers(report: HardwareReport) -> Iterator[tuple[str, int | float]]:
    """Every number of a report with its dotted path."""
    yield from _numbers_in(report.model_dump(exclude={"schema_version", "grades"}), "")


def _numbers_in(value: Any, path: str) -> Iterator[tuple[str, int | float]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers_in(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _numbers_in(inner, f"{path}.{index}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def _scrubbed(value: object, depth: int = 0) -> object:
    """`value` with every text in it made shareable. A report is never this deep: what lies deeper is refused as it is."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, str):
        return shareable(value[:MOST_LETTERS]) if len(value) <= MOST_LETTERS else value
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        return {name: _scrubbed(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(inner, depth + 1) for inner in value]
    return value
