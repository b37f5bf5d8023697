"""The question that a page, a command or a request asks, before any default is filled in: `Question`.

The fields are the options of `advisor estimate` with `_` for `-`. A question travels as JSON (`--requests`), as options and
as the query of a page's address; all three are checked here, once.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from advisor.errors import QuestionError
from advisor.machines.profile import LEAST_RATE
from advisor.memory.settings import CacheType, Runtime

CONTEXTS = (4096, 8192, 32768, 131072)
"""Tokens of context that pages offer; an address may ask for any other."""

_MAX_TEXT = 4096
_SHOWN = 60


def _split(value: object) -> object:
    """A tensor split as people type it ("3,1") to numbers; anything else is left to pydantic."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _number(value: object) -> object:
    """True and false are numbers to Python; in a question they are a mistake."""
    if isinstance(value, bool):
        raise PydanticCustomError("bool_as_number", "a number is needed, not true or false")
    return value


def _layers(value: object) -> object:
    return _lower(_number(value))


Whole = Annotated[int, BeforeValidator(_number)]
Text = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
Layers = Annotated[Annotated[Whole, Field(ge=0, le=10_000)] | Literal["all", "auto"], BeforeValidator(_layers)]
Positive = Annotated[float, BeforeValidator(_number), Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Bandwidth = Annotated[float, BeforeValidator(_number), Field(ge=LEAST_RATE, le=1_000_000, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Split = Annotated[tuple[Share, ...], BeforeValidator(_split), Field(min_length=1, max_length=64)]


class Asked(BaseModel):
    """A question of any kind: checked on the way in, and able to travel as the query of an address."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """The question in `fields`; None means the default, as if it were not there.

        Raises QuestionError with one sentence that names the field and what would be right.
        """
        try:
            return cls.model_validate(
                {key: value for key, value in fields.items() if value is not None or key not in cls.model_fields}
            )
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
    """Which machine is asked about. None: as the profile says. All None: no machine, or this one, as the page decides."""

    machine: Text | None = None
    gpus: Annotated[Whole, Field(ge=1, le=64)] | None = None
    memory_gib: Positive | None = None
    ram_gib: Positive | None = None
    bandwidth_gb_s: Bandwidth | None = None
    unified: bool = False

    def machine_fields(self) -> dict[str, Any]:
        """The machine's part of the question, as `machines.resolve.resolve_machine` takes it."""
        return {name: getattr(self, name) for name in MachineAsked.model_fields}


class FitQuestion(MachineAsked):
    """What can this machine run?"""

    context: Annotated[Whole, Field(ge=1, le=2**28)] | None = None
    purpose: Annotated[Literal["chat", "code", "reasoning", "documents", "agents"], BeforeValidator(_lower)] = "chat"
    min_tps: Positive | None = None


class RecommendQuestion(FitQuestion):
    """What should I run? Of one model: in which file and with which settings."""

    model: Text | None = None
    """None: the best of all."""
    quant: Text | None = None


class CompareQuestion(Asked):
    """What do these machines run, side by side?"""

    machines: Text = "m4-pro-20@48,rtx-4090,strix-halo-395@128,2x-rtx-3090"
    """Ids of profiles, by comma; of a machine sold in several sizes with its memory in GiB, "m4-max-40@128"."""
    context: Annotated[Whole, Field(ge=1, le=2**28)] = 8192


class WhichQuestion(Asked):
    """Which machine runs this model?"""

    model: Text = "llama-3.3-70b"
    quant: Text | None = None
    context: Annotated[Whole, Field(ge=1, le=2**28)] = 8192
    min_tps: Positive | None = None


class Question(MachineAsked):
    """What does this model need? None means "by the runtime's preset" or, for the machine, "on a machine without a limit"."""

    model: Text
    quant: Text | None = None
    runtime: Annotated[Runtime, BeforeValidator(_lower)] = "llama-server"
    context: Annotated[Whole, Field(ge=1, le=2**28)] | None = None
    slots: Annotated[Whole, Field(ge=1, le=256)] | None = None
    unified_kv: bool | None = None
    batch: Annotated[Whole, Field(ge=1, le=2**20)] | None = None
    ubatch: Annotated[Whole, Field(ge=1, le=2**20)] | None = None
    type_k: Annotated[CacheType, BeforeValidator(_lower)] | None = None
    type_v: Annotated[CacheType, BeforeValidator(_lower)] | None = None
    flash_attention: Annotated[Literal["on", "off", "auto"], BeforeValidator(_lower)] | None = None
    swa_full: bool | None = None
    gpu_layers: Layers | None = None
    cpu_moe_layers: Annotated[Whole, Field(ge=0, le=10_000)] | None = None
    tensor_split: Split | None = None
    logits: Annotated[Literal["ubatch", "slots"], BeforeValidator(_lower)] | None = None
    depth: Annotated[Whole, Field(ge=0, le=2**28)] | None = None
    mmproj: Text | None = None
    draft: Text | None = None
    build: Text | None = None
    grade: Annotated[Literal["formula", "engine"], BeforeValidator(_lower)] = "formula"


class ModelQuestion(Question):
    """As `Question`, and beside it another setting on the same machine."""

    beside: Text | None = None
    """The other setting as the query of an address, without a machine."""

    @property
    def alone(self) -> Question:
        """The setting without the one beside it."""
        return Question(**self.model_dump(include=set(Question.model_fields), exclude_unset=True))

    @property
    def setting(self) -> str:
        """This setting as another question's `beside`."""
        fields = self.query_fields()
        return urlencode({name: fields[name] for name in fields if name != "beside" and name not in MachineAsked.model_fields})

    def other(self) -> Question | None:
        """The setting beside this one, on this one's machine. Raises QuestionError where the text says none."""
        if self.beside is None:
            return None
        return Question.from_query(self.beside).model_copy(update=self.machine_fields())


class VerifyQuestion(Question):
    """Is it true, on this machine? What is run, and how long it may take."""

    backend: Text = "llama-cpp"
    """llama-cpp, mlx, or the address of a running server."""
    threads: Annotated[Whole, Field(ge=1, le=1024)] | None = None
    seconds: Annotated[Positive, Field(ge=5, le=3600)] = 90.0
    slice: bool = False
    """Run a few layers of random weights instead of the model, which then need not be here."""


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" for part in value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


_SAID = {
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "int_parsing_size": "it is far too large",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "finite_number": "it must be a finite number",
    "literal_error": "it must be {expected}",
    "string_type": "it must be text",
    "string_unicode": "it is not text in UTF-8",
    "string_too_short": "it is empty",
    "string_too_long": "it is longer than {max_length} characters",
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
    "tuple_type": "it must be a list of shares, such as 3,1",
    "too_long": "it has more than {max_length} entries",
    "too_short": "it has no entries",
    "bool_as_number": "it must be a number, not true or false",
}
"""What is wrong, by pydantic's name for it."""


def _first_complaint(error: ValidationError, options: tuple[str, ...]) -> QuestionError:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "question"
    if first["type"] == "extra_forbidden":
        return QuestionError(f'there is no option "{field[:_SHOWN]}"; the options are {", ".join(options)}', field=field)
    if first["type"] == "missing":
        return QuestionError(f'"{field}" is missing; name a model, such as "llama-3.1-8b" or a .gguf file', field=field)
    template = _SAID.get(first["type"])
    reason = template.format(**first.get("ctx", {})) if template else first["msg"][0].lower() + first["msg"][1:]
    if field == "gpu_layers":
        reason = 'it must be a number of layers up to 10000, "all" or "auto"'
    return QuestionError(f"{field} {_shown(first['input'])} is not right: {reason}", field=field)


def _shown(value: object) -> str:
    """What was given, as it would stand in JSON, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(value) if isinstance(value, str) else f"({type(value).__name__})"
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = f'"{text}"'
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
