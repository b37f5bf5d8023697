"""Writes small GGUF files, good and bad: every count, length and type can be set to what no sound writer would write."""

import struct
from dataclasses import dataclass, field
from typing import Any

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


@dataclass
class Builder:
    """Collects keys and tensors; `header()` and `file()` are the bytes. Entries are written in the order of their adding."""

    order: str = "<"
    version: int = 3
    magic: bytes = b"GGUF"
    alignment: int = 32
    n_keys: int | None = None
    n_tensors: int | None = None
    _keys: list[bytes] = field(default_factory=list)
    _tensors: list[bytes] = field(default_factory=list)
    _data_bytes: int = 0

    def pack(self, codes: str, *values: Any) -> bytes:
        """Numbers in the file's byte order; `codes` are those of `struct`."""
        return struct.pack(self.order + codes, *values)

    def string(self, text: str | bytes, length: int | None = None) -> bytes:
        """A string, with a false length where one is given."""
        raw = text.encode() if isinstance(text, str) else text
        return self.pack("Q", len(raw) if length is None else length) + raw

    def value(self, kind: int, value: Any) -> bytes:
        """A value without its type."""
        return self.string(value) if kind == STRING else self.pack(_CODES[kind], value)

    def raw_key(self, name: str | bytes, kind: int, value: bytes) -> "Builder":
        """A key with these very bytes for a value."""
        self._keys.append(self.string(name) + self.pack("I", kind) + value)
        return self

    def key(self, name: str | bytes, kind: int, value: Any) -> "Builder":
        """A key with a number, a truth value or a string."""
        return self.raw_key(name, kind, self.value(kind, value))

    def array(self, name: str, kind: int, values: Any, count: int | None = None) -> "Builder":
        """A key with an array, with a false count where one is given."""
        head = self.pack("IQ", kind, len(values) if count is None else count)
        return self.raw_key(name, ARRAY, head + b"".join(self.value(kind, value) for value in values))

    def tensor(
        self, name: str | bytes, shape: tuple[int, ...] = (32,), kind: int = 0, *, n_bytes: int = 128, offset: int | None = None
    ) -> "Builder":
        """A tensor of `n_bytes` after the ones before it, or at `offset`."""
        at = self._data_bytes if offset is None else offset
        self._tensors.append(self.string(name) + self.pack(f"I{len(shape)}QIQ", len(shape), *shape, kind, at))
        self._data_bytes = max(self._data_bytes, at + -(-n_bytes // self.alignment) * self.alignment)
        return self

    def header(self) -> bytes:
        """The header, padded to the alignment where there are tensors."""
        counts = (
            len(self._tensors) if self.n_tensors is None else self.n_tensors,
            len(self._keys) if self.n_keys is None else self.n_keys,
        )
        head = self.magic + self.pack("IQQ", self.version, *counts) + b"".join(self._keys) + b"".join(self._tensors)
        return head + bytes(-len(head) % self.alignment if self._tensors else 0)

    def file(self) -> bytes:
        """The header and zeros for weights."""
        return self.header() + bytes(self._data_bytes)


def llama(builder: Builder | None = None) -> Builder:
    """The keys of a tiny Llama."""
    b = builder or Builder()
    b.key("general.architecture", STRING, "llama").key("general.name", STRING, "Tiny")
    for name, value in {
        "block_count": 1,
        "context_length": 64,
        "embedding_length": 32,
        "feed_forward_length": 64,
        "attention.head_count": 2,
        "attention.head_count_kv": 1,
    }.items():
        b.key(f"llama.{name}", U32, value)
    return b.array("tokenizer.ggml.tokens", STRING, ["a", "b", "ccc"])
