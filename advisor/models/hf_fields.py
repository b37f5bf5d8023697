"""Typed access to the fields of a `config.json`. The file comes from anywhere, so nothing read is trusted."""

from collections.abc import Mapping
from typing import Any

from advisor.errors import QuestionError

_MOST = 2**31 - 1


class Config:
    """The fields of one configuration. A value of the wrong kind raises QuestionError, which names the field."""

    def __init__(self, fields: Mapping[str, Any], model_type: str) -> None:
        self._fields = fields
        self.model_type = model_type

    def get(self, name: str) -> Any:
        """The field as it is; None where it is not there."""
        return self._fields.get(name)

    def first(self, *names: str) -> int | None:
        """The first of these fields that is there and not null, as a whole number."""
        return next((self.number(name) for name in names if self._fields.get(name) is not None), None)

    def first_or_list(self, *names: str) -> int | tuple[int, ...] | None:
        """As `first`; a list with a number for each block stays one."""
        name = next((name for name in names if isinstance(self._fields.get(name), list)), None)
        return self.first(*names) if name is None else self.numbers(name)

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number. Without the field `default`; without both QuestionError."""
        value = self._fields.get(name)
        if value is None:
            if default is None:
                raise self.missing(name)
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
            raise self.wrong(name, "a whole number")
        return value

    def share(self, name: str, default: float) -> float:
        """A number between 0 and 1, such as a partial rotary factor, of the configuration or of its rope parameters."""
        value = self._fields.get(name)
        value = self.rope(name) if value is None else value
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.wrong(name, "a number between 0 and 1")
        return float(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A truth value."""
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def words(self, name: str) -> tuple[str, ...] | None:
        """A list of words, or the letters of one; None where it is not there."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str | list) or not all(isinstance(word, str) for word in value):
            raise self.wrong(name, "a list of words")
        return tuple(value)

    def numbers(self, name: str) -> tuple[int, ...] | None:
        """A list of whole numbers, or one of them as a list of its own; None where it is not there."""
        value = self._fields.get(name)
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= _MOST for item in items):
            raise self.wrong(name, "a list of whole numbers")
        return tuple(items)

    def rope(self, *names: str) -> Any:
        """The first of these fields of rope_parameters or rope_scaling; None where there is none."""
        for table in ("rope_parameters", "rope_scaling"):
            inner = self._fields.get(table)
            if isinstance(inner, Mapping):
                for name in names:
                    if inner.get(name) is not None:
                        return inner[name]
        return None

    def head_length(self) -> int:
        """Width of one head: head_dim, else the embedding's width by the number of heads."""
        heads = self.number("num_attention_heads")
        if not heads:
            raise self.wrong("num_attention_heads", "more than 0")
        return self.first("head_dim") or self.number("hidden_size") // heads

    def missing(self, name: str) -> QuestionError:
        """The error for a field that must be there."""
        return QuestionError(
            f'the config.json of this {self.model_type} model lacks the field "{name}"; download it again', field="model"
        )

    def wrong(self, name: str, expected: str) -> QuestionError:
        """The error for a field of the wrong kind."""
        shown = repr(self._fields.get(name))
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return QuestionError(f'the field "{name}" of the config.json is {shown}, but must be {expected}', field="model")
