"""What the HTTP API answers, as pydantic models: the JSON of the commands, described once for the OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from advisor.machines.profile import MachineProfile
from advisor.memory.settings import RunSettings
from advisor.models.library import CatalogueModel
from advisor.reports.summary import Summary
from advisor.verify.measurement import Forecast, MeasuredModel, PlannedDevice, PlannedPool

Verdict = Literal["fits", "tight", "partial", "no"]


class Answer(BaseModel):
    """An answer, with exactly these fields."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Complaint(Answer):
    """Why there is no answer: one sentence that says what is wrong and what to do."""

    error: str
    field: str | None = None
    """The field of the question that is wrong, where it is one."""


class MachineSaid(Answer):
    """A machine by name."""

    id: str
    name: str


class EstimateAnswer(Answer):
    """As `advisor estimate --json`."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    model: MeasuredModel
    machine: MachineSaid | None
    settings: RunSettings
    grade: Literal["formula", "engine", "measured", "typical"]
    devices: list[PlannedDevice]
    pools: list[PlannedPool]
    verdict: Verdict | None
    reasons: list[str]
    speed: Forecast | None
    assumptions: list[str]


class QualitySaid(Answer):
    """How good the model is at the purpose, after its quantization: a score with its interval, and what it rests on."""

    score: float | None
    low: float | None
    high: float | None
    basis: str | None


class OptionAnswer(Answer):
    """One model in its best file."""

    rank: int | None
    model: MeasuredModel
    quantization: str
    settings: RunSettings
    devices: list[PlannedDevice]
    pools: list[PlannedPool]
    verdict: Verdict
    reasons: list[str]
    speed: Forecast | None
    quality: QualitySaid


class FitAnswer(Answer):
    """As `advisor fit --json`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    schema_: Annotated[Literal[1], Field(alias="schema")]
    machine: MachineSaid
    context: int | None
    purpose: str
    options: list[OptionAnswer]
    assumptions: list[str]


class AlternativeAnswer(OptionAnswer):
    """Another option, and why it was not chosen."""

    why_not: str


class ChangeAnswer(Answer):
    """One change that would make the model fit."""

    kind: str
    text: str
    verdict: Verdict
    quantization: str | None
    settings: RunSettings


class RecommendAnswer(Answer):
    """As `advisor recommend --json`."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    machine: MachineSaid
    purpose: str
    choice: OptionAnswer | None
    why: list[str]
    advice: list[str]
    sure: bool
    refused: OptionAnswer | None
    commands: dict[str, str]
    """By program, to be pasted."""
    notes: dict[str, list[str]]
    alternatives: list[AlternativeAnswer]
    changes: list[ChangeAnswer]
    assumptions: list[str]


class MachineLine(Answer):
    """A machine of the list."""

    id: str
    name: str
    kind: Literal["discrete", "unified", "cpu"]
    memory_bytes: int | None
    """Of its GPU; of a unified machine the smallest that was sold."""
    bandwidth_gb_s: float | None

    @classmethod
    def of(cls, machine: MachineProfile) -> "MachineLine":
        """The line of a profile."""
        gpu = machine.gpus[0] if machine.gpus else None
        memory = gpu.memory_bytes if gpu else None
        sold = machine.memory_options_bytes[0] if machine.memory_options_bytes else machine.memory.capacity_bytes
        bandwidth = gpu.bandwidth_gb_s if gpu else None
        return cls(
            id=machine.id,
            name=machine.name,
            kind=machine.kind,
            memory_bytes=memory or sold,
            bandwidth_gb_s=bandwidth or machine.memory.bandwidth_gb_s,
        )


class MachineList(Answer):
    """Machines that can be asked about by their ids."""

    machines: list[MachineLine]


class ModelLine(Answer):
    """A model of the catalogue."""

    id: str
    name: str
    family: str
    architecture: str
    parameters: int
    active_parameters: int | None

    @classmethod
    def of(cls, model: CatalogueModel) -> "ModelLine":
        """The line of a catalogue model."""
        return cls(
            id=model.id,
            name=model.name,
            family=model.family,
            architecture=model.architecture,
            parameters=model.parameters,
            active_parameters=model.active_parameters,
        )


class ModelList(Answer):
    """Models that can be asked about by their ids."""

    models: list[ModelLine]


class Shared(Answer):
    """What the maker of a report gets. The token deletes it, and is not to be had again."""

    id: str
    link: str
    delete_token: str


class ReportLine(Answer):
    """A report in a line. Speeds are tokens a second."""

    id: str
    created_at: datetime
    machine: str
    machine_name: str
    gpus: int
    model: str
    model_name: str
    quantization: str | None
    runtime: str | None
    context: int | None
    verdict: str | None
    generate_tps: float | None
    generate_low: float | None
    generate_expected: float | None
    generate_high: float | None
    prompt_tps: float | None
    prompt_expected: float | None

    @classmethod
    def of(cls, row: Summary) -> "ReportLine":
        """The line of a stored report."""
        fields: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields}
        return cls(**fields)


class ReportList(Answer):
    """Reports that their makers put on the list, newest first."""

    total: int
    reports: list[ReportLine]


class Health(Answer):
    """Whether this process can answer."""

    status: Literal["ok", "no database"]
    version: str
