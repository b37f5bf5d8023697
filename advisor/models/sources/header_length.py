"""How long a GGUF header will be, from its first megabyte: `expected_length`. It decides how much a second request asks for.

The vocabulary makes up nearly all of a header. Its number of tokens stands before the tokens, and their mean length is seen in
those that are here; merges follow the tokens, and each is a token written in two halves.
"""

import contextlib
from struct import Struct, error, unpack_from

from gguf.constants import GGUFValueType

_SIZES = {
    GGUFValueType.UINT8: 1,
    GGUFValueType.INT8: 1,
    GGUFValueType.BOOL: 1,
    GGUFValueType.UINT16: 2,
    GGUFValueType.INT16: 2,
    GGUFValueType.UINT32: 4,
    GGUFValueType.INT32: 4,
    GGUFValueType.FLOAT32: 4,
    GGUFValueType.UINT64: 8,
    GGUFValueType.INT64: 8,
    GGUFValueType.FLOAT64: 8,
}
_MERGES_PER_TOKEN = {
    "llama-bpe": 2.19,
    "gemma4": 1.97,
    "llama-v3": 2.19,
    "llama3": 2.19,
    "tekken": 2.06,
    "gpt-4o": 2.24,
    "llama4": 2.2,
}
"""Where it is not 1, by tokenizer.ggml.pre or tokenizer.ggml.model: vocabularies made from tiktoken's, which list every way to
make a token. llama-bpe and gemma4: models/ggml-vocab-*.gguf of llama.cpp (280,147 of 128,256; 514,906 of 262,144)."""
_TENSOR_BYTES = 76
"""What a row of the tensor table takes: lengths, a name of 30 letters, two dimensions, type and offset."""
_AFTER_VOCABULARY = 32 * 2**10
"""A chat template and what else follows the vocabulary."""
_MOST_TOO_MANY = 2 * 2**20
"""Added because later tokens are longer than the first: a quarter of what is guessed, at most this. So none of llama.cpp's
models/ggml-vocab-*.gguf is guessed too short, and none by 1 MiB too long. What is too many is not read either."""
_MOST_KEYS = 4096


def expected_length(start: bytes) -> int | None:
    """Bytes that the header will take, some too many rather than too few; None where `start` does not say it.

    `start` is the file's beginning, within the vocabulary or behind it.
    """
    walk = _Walk(start)
    with contextlib.suppress(error, ValueError, OverflowError):
        walk.all()
    if not walk.length_so_far:
        return None
    guessed = walk.guessed + walk.merges_to_come()
    length = walk.length_so_far + walk.numbers_to_come() + walk.merges_to_come()
    return length + walk.n_tensors * _TENSOR_BYTES + _AFTER_VOCABULARY + min(guessed // 4, _MOST_TOO_MANY)


class _Walk:
    """A position that may lie behind the bytes that are here, and what was learned on the way."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.n_tensors = 0
        self.length_so_far = 0
        """Up to the end of the last value whose length is known or guessed."""
        self.guessed = 0
        """Bytes of it that are guessed."""
        self._tokens = self._token_bytes = 0
        self._seen: set[str] = set()
        self._per_token = 0.0

    def numbers_to_come(self) -> int:
        """Bytes of scores and types of tokens that were not reached."""
        names = {"tokenizer.ggml.token_type"} | (set() if self._per_token else {"tokenizer.ggml.scores"})
        return 4 * self._tokens * len(names - self._seen)

    def merges_to_come(self) -> int:
        """Bytes of merges that were not reached: each has a token's letters, a space between the halves and its length."""
        return 0 if "tokenizer.ggml.merges" in self._seen else int(self._per_token * (self._token_bytes + self._tokens))

    def all(self) -> None:
        magic, version, self.n_tensors, n_keys = unpack_from("<4sIQQ", self._data)
        if magic != b"GGUF" or version not in (2, 3) or self.n_tensors > 2**16 or n_keys > _MOST_KEYS:
            raise ValueError
        self._at = 24
        for _ in range(n_keys):
            key = self._text()
            (kind,) = self._take("<I")
            if kind == GGUFValueType.STRING:
                self._note(key, self._text())
            elif kind == GGUFValueType.ARRAY:
                self._array(key)
            else:
                self._at += _SIZES[GGUFValueType(kind)]
            self.length_so_far = self._at

    def _note(self, key: str, value: str) -> None:
        if key == "tokenizer.ggml.model":
            self._per_token = _MERGES_PER_TOKEN.get(value, 1.0 if value == "gpt2" else 0.0)
        elif key == "tokenizer.ggml.pre":
            self._per_token = _MERGES_PER_TOKEN.get(value, self._per_token)

    def _array(self, key: str) -> None:
        kind, count = self._take("<IQ")
        self._seen.add(key)
        if kind == GGUFValueType.STRING:
            self._strings(key, count)
        else:
            self._at += count * _SIZES[GGUFValueType(kind)]

    def _strings(self, key: str, count: int) -> None:
        started, here, length = self._at, 0, Struct("<Q")
        with contextlib.suppress(error):
            while here < count:
                self._at += 8 + length.unpack_from(self._data, self._at)[0]
                here += 1
        if here < count:
            self._at = started + (self._at - started) * count // max(here, 1)
            self.guessed += self._at - started
        if key == "tokenizer.ggml.tokens":
            self._tokens, self._token_bytes = count, self._at - started

    def _text(self) -> str:
        (length,) = self._take("<Q")
        if self._at + length > len(self._data):
            raise ValueError
        self._at += length
        return self._data[self._at - length : self._at].decode(errors="replace")

    def _take(self, codes: str) -> tuple[int, ...]:
        layout = Struct(codes)
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values
