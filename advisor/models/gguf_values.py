"""Keys and values of a GGUF header. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from struct import calcsize

from gguf.constants import GGUFValueType

from advisor.errors import GGUFAlignmentError, GGUFKeyError, GGUFNestingError, GGUFValueTypeError
from advisor.models.gguf_stream import Hasher, HeaderStream

DEFAULT_ALIGNMENT = 32
MAX_KEPT_ITEMS = 4096
"""Arrays of more items are summed up. No model has as many blocks."""
MAX_KEPT_TEXT = 2**20
"""Longer strings are summed up (some old files carry a tokenizer's whole JSON)."""
MAX_KEY_BYTES = 2**16 - 1
"""From the specification."""
MAX_NESTING = 4


@dataclass(frozen=True, slots=True)
class ArraySummary:
    """What is kept of a vocabulary or another long array; its items are walked, never built."""

    item_type: str
    """As GGUF names it ("string", "float32"); "char" stands for one string that was too long to keep."""
    length: int
    sha256: str
    """Of the items as the file stores them: strings with their lengths, numbers in the file's byte order."""


Value = int | float | bool | str | tuple[int | float | bool | str, ...] | ArraySummary

# The codes of `struct`, by type; strings and arrays have none.
_CODES = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}
# Bytes that an item takes at least: a string its length, an array its type and length.
_LEAST_BYTES = {kind: calcsize(f"<{code}") for kind, code in _CODES.items()} | {
    GGUFValueType.STRING: 8,
    GGUFValueType.ARRAY: 12,
}

# Keys that every reader trusts to have one type. llama.cpp ends where one has another (src/llama-model-loader.cpp,
# GGUFMeta::GKV::get_kv; ggml/src/gguf.cpp for the alignment), so does this.
_INTEGERS = tuple(kind for kind, code in _CODES.items() if code in "BbHhIiQq")
_EXPECTED = {
    "general.alignment": (GGUFValueType.UINT32,),
    "general.architecture": (GGUFValueType.STRING,),
    "general.basename": (GGUFValueType.STRING,),
    "general.file_type": _INTEGERS,
    "general.name": (GGUFValueType.STRING,),
    "general.quantization_version": _INTEGERS,
    "general.size_label": (GGUFValueType.STRING,),
    "general.type": (GGUFValueType.STRING,),
    "split.count": _INTEGERS,
    "split.no": _INTEGERS,
    "split.tensors.count": _INTEGERS,
}

_OBJECT_BYTES = 250
"""About what a key, its value and their place in a dictionary take, without the text."""


def read_metadata(stream: HeaderStream, n_keys: int) -> dict[str, Value]:
    """The next `n_keys` keys and their values, in the file's order. Raises GGUFError of the kind that fits."""
    metadata: dict[str, Value] = {}
    for _ in range(n_keys):
        offset = stream.offset
        key = read_name(stream, MAX_KEY_BYTES, "a key", GGUFKeyError)
        if not key:
            raise GGUFKeyError("has a damaged header: a key is empty", offset=offset)
        if key in metadata:
            raise GGUFKeyError(f'has a damaged header: the key "{key[:80]}" is there twice', offset=offset)
        metadata[key] = _read_value(stream, key)
        if key == "general.alignment":
            _check_alignment(metadata[key], offset)
    return metadata


def read_name(stream: HeaderStream, longest: int, what: str, error: Callable[..., Exception]) -> str:
    """The next string, at most `longest` bytes of UTF-8; raises `error` where it is not that."""
    offset = stream.offset
    (length,) = stream.unpack("Q", f"the length of {what}")
    if length > longest:
        raise error(f"has a damaged header: {what} is {length:,} bytes long, where {longest:,} are allowed", offset=offset)
    stream.allowance.spend(_OBJECT_BYTES + 4 * length, offset)
    try:
        return stream.take(length, what).decode()
    except UnicodeDecodeError:
        raise error(f"has a damaged header: {what} is not text", offset=offset) from None


def alignment_of(metadata: dict[str, Value]) -> int:
    """Bytes on whose multiples tensors lie: general.alignment, or 32."""
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    return alignment if isinstance(alignment, int) else DEFAULT_ALIGNMENT


def _check_alignment(alignment: Value, offset: int) -> None:
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise GGUFAlignmentError(
            f"has a damaged header: its alignment is {alignment!r} and must be a power of two", offset=offset
        )


def _read_value(stream: HeaderStream, key: str) -> Value:
    kind = _read_type(stream, key)
    expected = _EXPECTED.get(key)
    if expected and kind not in expected:
        wanted = " or ".join(sorted({_named(k) for k in expected}))
        raise GGUFValueTypeError(
            f'has a damaged header: the key "{key}" is {_named(kind)} and must be {wanted}', offset=stream.offset
        )
    what = f'the value of "{key[:80]}"'
    if kind is GGUFValueType.ARRAY:
        return _read_array(stream, key, what)
    if kind is GGUFValueType.STRING:
        return _read_text(stream, what)
    value: int | float | bool = stream.unpack(_CODES[kind], what)[0]
    return value


def _read_type(stream: HeaderStream, key: str) -> GGUFValueType:
    offset = stream.offset
    (number,) = stream.unpack("I", f'the type of "{key[:80]}"')
    try:
        return GGUFValueType(number)
    except ValueError:
        raise GGUFValueTypeError(
            f'has a damaged header: the key "{key[:80]}" has a value of the unknown type {number}', offset=offset
        ) from None


def _read_text(stream: HeaderStream, what: str) -> str | ArraySummary:
    length = stream.count(1, f"bytes of {what}")
    if length > MAX_KEPT_TEXT:
        hasher = sha256()
        stream.walk(length, hasher, what)
        return ArraySummary("char", length, hasher.hexdigest())
    return _decode(stream, length, what)


def _decode(stream: HeaderStream, length: int, what: str) -> str:
    stream.allowance.spend(80 + 4 * length, stream.offset)
    return stream.take(length, what).decode(errors="replace")


def _read_array(stream: HeaderStream, key: str, what: str) -> Value:
    kind = _read_type(stream, key)
    count = stream.count(_LEAST_BYTES[kind], f"items of {what}")
    if count <= MAX_KEPT_ITEMS and not key.startswith("tokenizer."):
        if kind is GGUFValueType.STRING:
            lengths = (stream.count(1, f"bytes of a string in {what}") for _ in range(count))
            return tuple(_decode(stream, length, what) for length in lengths)
        if kind in _CODES:
            stream.allowance.spend(40 * count, stream.offset)
            return stream.unpack(f"{count}{_CODES[kind]}", what)
    hasher = sha256()
    _walk_items(stream, kind, count, hasher, key, depth=1)
    return ArraySummary(_named(kind), count, hasher.hexdigest())


def _walk_items(stream: HeaderStream, kind: GGUFValueType, count: int, hasher: Hasher, key: str, depth: int) -> None:
    what = f'the value of "{key[:80]}"'
    if kind in _CODES:
        stream.walk(count * _LEAST_BYTES[kind], hasher, what)
    elif kind is GGUFValueType.STRING:
        stream.walk_strings(count, hasher, what)
    elif depth < MAX_NESTING:
        for _ in range(count):  # arrays of arrays: allowed by GGUF, in no model, refused by llama.cpp (ggml/src/gguf.cpp:606)
            stream.allowance.spend(_OBJECT_BYTES, stream.offset)
            hasher.update(stream.peek(12))
            inner = _read_type(stream, key)
            _walk_items(stream, inner, stream.count(_LEAST_BYTES[inner], f"items of {what}"), hasher, key, depth + 1)
    else:
        raise GGUFNestingError(f"has a damaged header: {what} nests arrays more than {MAX_NESTING} deep", offset=stream.offset)


def _named(kind: GGUFValueType) -> str:
    return kind.name.lower()
