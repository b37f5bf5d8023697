"""The question that a page, a command or a request asks, before any default is filled in: `Question`.

The fields are the options of `advisor estimate` with `_` for `-`. A question travels as JSON (`--requests`), as options and
as the query of a page's address; all three are checked here, once.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from advisor.errors import QuestionError
from advisor.memory.settings import CacheType, Runtime

_MAX_TEXT = 4096
_SHOWN = 60


def _split(value: object) -> object:
    """A tensor split as people type it ("3,1") to numbers; anything else is left to pydantic."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
Layers = Annotated[Annotated[int, Field(ge=0, le=10_000)] | Literal["all", "auto"], BeforeValidator(_lower)]
Positive = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Split = Annotated[tuple[Share, ...], BeforeValidator(_split), Field(min_length=1, max_length=64)]


class Asked(BaseModel):
    """A question of any kind: checked on the way in, and able to travel as the query of an address."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """The question in `fields`. Raises QuestionError with one sentence that names the field and what would be right."""
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            raise _first_complaint(error, tuple(cls.model_fields)) from None

    @classmethod
    def from_query(cls, query: str | Mapping[str, str]) -> Self:
        """The question in the query of an address, as `to_query` writes it; unknown names are refused."""
        return cls.parse(dict(parse_qsl(query)) if isinstance(query, str) else query)

    def query_fields(self) -> dict[str, str]:
        """Every field that was set, as text, in a fixed order."""
        fields = self.model_dump(exclude_none=True, exclude_defaults=True)
        return {name: _as_text(value) for name, value in fields.items()}

    def to_query(self) -> str:
        """The whole question as the query of an address."""
        return urlencode(self.query_fields())


class MachineAsked(Asked):
    """Which machine is asked about. None means "as the profile says"; all None: no machine, or this one, as the page decides."""

    machine: Text | None = None
    gpus: int | None = Field(default=None, ge=1, le=64)
    memory_gib: Positive | None = None
    ram_gib: Positive | None = None
    bandwidth_gb_s: Positive | None = None
    unified: bool = False

    def machine_fields(self) -> dict[str, Any]:
        """The machine's part of the question, as `machines.resolve.resolve_machine` takes it."""
        return {name: getattr(self, name) for name in MachineAsked.model_fields}


class FitQuestion(MachineAsked):
    """What can this machine run?"""

    context: int | None = Field(default=None, ge=1, le=2**28)
    purpose: Annotated[Literal["chat", "code", "reasoning", "documents", "agents"], BeforeValidator(_lower)] = "chat"
    min_tps: Positive | None = None


class Question(MachineAsked):
    """What does this model need? None means "by the runtime's preset" or, for the machine, "on a machine without a limit"."""

    model: Text
    quant: Text | None = None
    runtime: Annotated[Runtime, BeforeValidator(_lower)] = "llama-server"
    context: int | None = Field(default=None, ge=1, le=2**28)
    slots: int | None = Field(default=None, ge=1, le=256)
    unified_kv: bool | None = None
    batch: int | None = Field(default=None, ge=1, le=2**20)
    ubatch: int | None = Field(default=None, ge=1, le=2**20)
    type_k: Annotated[CacheType, BeforeValidator(_lower)] | None = None
    type_v: Annotated[CacheType, BeforeValidator(_lower)] | None = None
    flash_attention: Annotated[Literal["on", "off", "auto"], BeforeValidator(_lower)] | None = None
    swa_full: bool | None = None
    gpu_layers: Layers | None = None
    cpu_moe_layers: int | None = Field(default=None, ge=0, le=10_000)
    tensor_split: Split | None = None
    logits: Annotated[Literal["ubatch", "slots"], BeforeValidator(_lower)] | None = None
    depth: int | None = Field(default=None, ge=0, le=2**28)
    mmproj: Text | None = None
    draft: Text | None = None
    build: Text | None = None
    grade: Annotated[Literal["formula", "engine"], BeforeValidator(_lower)] = "formula"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" for part in value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _first_complaint(error: ValidationError, options: tuple[str, ...]) -> QuestionError:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "question"
    if first["type"] == "extra_forbidden":
        return QuestionError(f'there is no option "{field[:_SHOWN]}"; the options are {", ".join(options)}', field=field)
    if first["type"] == "missing":
        return QuestionError(f'"{field}" is missing; name a model, such as "llama-3.1-8b" or a .gguf file', field=field)
    given = str(first["input"])
    shown = given if len(given) <= _SHOWN else given[:_SHOWN] + "..."
    reason = first["msg"][0].lower() + first["msg"][1:]
    if field == "gpu_layers":
        reason = 'input should be a number of layers, "all" or "auto"'
    return QuestionError(f'{field} "{shown}" is not right: {reason}', field=field)
