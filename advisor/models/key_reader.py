"""Typed, bounded access to GGUF metadata keys of one architecture. Headers come from anywhere, so nothing read is trusted."""

from collections.abc import Mapping, Sequence

from advisor.errors import HyperparameterError

MAX_BLOCKS = 2048
"""Most blocks accepted; llama.cpp itself stops at 512 (LLAMA_MAX_LAYERS, src/llama-hparams.h:10)."""
MAX_NUMBER = 2**31 - 1
"""Largest hyperparameter accepted: widths and counts are 32-bit in llama.cpp."""

MAX_HEADS, MAX_HEAD_WIDTH, MAX_STATE, MAX_WEIGHTS = 2**11, 2**20, 2**30, 2**56
"""Most heads of a block, elements of all its heads together, elements of its recurrent state, and weights of any one kind: many
times those of any model published. A cache of that width in MAX_BLOCKS blocks and 2**28 tokens has fewer than 2**63 bytes."""


class KeyReader:
    """Reads `<architecture>.<name>` from a mapping of metadata keys. A value of the wrong kind raises HyperparameterError."""

    def __init__(self, keys: Mapping[str, object], architecture: str) -> None:
        self._keys = keys
        self.architecture = architecture

    def full_name(self, name: str) -> str:
        """The key as it stands in the file."""
        return f"{self.architecture}.{name}"

    def has(self, name: str) -> bool:
        """True where the file carries the key."""
        return self.full_name(name) in self._keys

    def is_list(self, name: str) -> bool:
        """True where the key holds one value a block."""
        return isinstance(self._keys.get(self.full_name(name)), list | tuple)

    def missing(self, name: str) -> HyperparameterError:
        """The error for a key that must be there."""
        key = self.full_name(name)
        return HyperparameterError(
            f'The model does not say "{key}", which its memory depends on; the file is incomplete or not a language model.',
            key=key,
        )

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; of a list its largest entry. Without the key `default`, without both HyperparameterError."""
        value = self._keys.get(self.full_name(name))
        if value is None:
            if default is None:
                raise self.missing(name)
            return default
        if isinstance(value, list | tuple):
            return max((self._checked(name, item) for item in value), default=0)
        return self._checked(name, value)

    def optional_number(self, name: str) -> int | None:
        """A whole number, or None without the key."""
        return self.number(name) if self.has(name) else None

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value."""
        value = self._keys.get(self.full_name(name), default)
        if not isinstance(value, bool | int):
            raise self._wrong(name, value, "true or false")
        return bool(value)

    def per_block(self, name: str, count: int, default: Sequence[int]) -> tuple[int, ...]:
        """One whole number for each of `count` blocks: a list of that length, or one number for all (get_key_or_arr,
        src/llama-model-loader.cpp:459-496). Without the key `default`."""
        value = self._keys.get(self.full_name(name))
        if value is None:
            return tuple(default)
        if not isinstance(value, list | tuple):
            return (self._checked(name, value),) * count
        if len(value) != count:
            raise self._wrong(name, f"{len(value)} values", f"{count} values, one a block")
        return tuple(self._checked(name, item) for item in value)

    def block_flags(self, name: str, count: int) -> tuple[bool, ...]:
        """One truth value for each of `count` blocks from a list of any length, false beyond its end (get_arr)."""
        value = self._keys.get(self.full_name(name))
        if not isinstance(value, list | tuple):
            raise self.missing(name) if value is None else self._wrong(name, value, "a list with one entry a block")
        flags = [bool(self._checked(name, item)) for item in value[:count]]
        return tuple(flags + [False] * (count - len(flags)))

    def leading_numbers(self, name: str, count: int) -> tuple[int, ...]:
        """The first `count` whole numbers of a list that may be longer, or one number for all."""
        value = self._keys.get(self.full_name(name))
        if not isinstance(value, list | tuple):
            return self.per_block(name, count, ())
        if len(value) < count:
            raise self._wrong(name, f"{len(value)} values", f"at least {count} values")
        return tuple(self._checked(name, item) for item in value[:count])

    def length_of(self, key: str) -> int | None:
        """Number of items of an array key, given whole or as a summary with a `length`; None where it is not there."""
        value = self._keys.get(key)
        if isinstance(value, list | tuple):
            return len(value)
        length = getattr(value, "length", None)
        return length if isinstance(length, int) else None

    def _checked(self, name: str, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int):
            raise self._wrong(name, value, "a whole number")
        if not 0 <= value <= MAX_NUMBER:
            raise self._wrong(name, value, f"between 0 and {MAX_NUMBER}")
        return int(value)

    def _wrong(self, name: str, value: object, expected: str) -> HyperparameterError:
        key = self.full_name(name)
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return HyperparameterError(f'The key "{key}" holds {shown}, but must be {expected}; the file is damaged.', key=key)
