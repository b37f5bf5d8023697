"""Sound GGUF headers: every way of giving one, every type of value, and two real files."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from gguf.constants import GGMLQuantizationType as Q

from advisor.models.gguf_header import ArraySummary, parse_header, read_header, read_header_ranges
from advisor.models.tensor import Tensor
from tests.models import gguf_builder as g
from tests.models import real_files as real
from tests.models.gguf_builder import Builder


class Ranges:
    """A file on a server: remembers which ranges were asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return self.data[offset : offset + length]


@pytest.mark.parametrize(("order", "name"), [("<", "little"), (">", "big")])
@pytest.mark.parametrize("version", [2, 3])
def test_versions_and_byte_orders(order: str, name: str, version: int) -> None:
    data = g.llama(Builder(order=order, version=version)).tensor("token_embd.weight", (32, 3), n_bytes=384).file()
    header = parse_header(data, len(data))
    assert (header.version, header.byte_order) == (version, name)
    assert header.architecture == "llama"
    assert header.metadata["llama.embedding_length"] == 32
    assert header.tensors == (Tensor("token_embd.weight", (32, 3), Q.F32, 0),)
    assert header.least_file_bytes == header.file_bytes == header.header_bytes + 384


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (g.U8, 255),
        (g.I8, -128),
        (g.U16, 65535),
        (g.I16, -32768),
        (g.U32, 2**32 - 1),
        (g.I32, -(2**31)),
        (g.U64, 2**64 - 1),
        (g.I64, -(2**63)),
        (g.F32, 0.5),
        (g.F64, 1e300),
        (g.BOOL, True),
        (g.STRING, "Größe 模型"),
        (g.STRING, ""),
    ],
)
def test_each_type_of_value(order: str, kind: int, value: Any) -> None:
    header = parse_header(Builder(order=order).key("x", kind, value).array("xs", kind, [value, value]).header())
    assert header.metadata == {"x": value, "xs": (value, value)}
    assert type(header.metadata["x"]) is type(value)


def test_text_that_is_not_utf8_does_not_refuse_the_file() -> None:
    assert parse_header(Builder().key("general.name", g.STRING, b"caf\xe9").header()).metadata["general.name"] == "caf\ufffd"


def test_tokenizer_arrays_are_summed_up_however_short() -> None:
    header = parse_header(Builder().array("tokenizer.ggml.tokens", g.STRING, ["<s>", "é"]).header())
    stored = b"\x03" + bytes(7) + b"<s>" + b"\x02" + bytes(7) + "é".encode()
    assert header.metadata == {"tokenizer.ggml.tokens": ArraySummary("string", 2, hashlib.sha256(stored).hexdigest())}


def test_long_arrays_and_strings_are_summed_up() -> None:
    numbers, text = list(range(4097)), "x" * (2**20 + 1)
    builder = Builder().array("kept", g.U16, numbers[:4096]).array("long", g.U16, numbers).key("text", g.STRING, text)
    metadata = parse_header(builder.header()).metadata
    stored = b"".join(n.to_bytes(2, "little") for n in numbers)
    assert metadata["kept"] == tuple(range(4096))
    assert metadata["long"] == ArraySummary("uint16", 4097, hashlib.sha256(stored).hexdigest())
    assert metadata["text"] == ArraySummary("char", 2**20 + 1, hashlib.sha256(text.encode()).hexdigest())


def test_arrays_of_arrays_are_walked() -> None:
    builder = Builder()
    inner = [builder.pack("IQ", g.U8, 3) + b"\x01\x02\x03", builder.pack("IQ", g.STRING, 1) + builder.string("ab")]
    builder.raw_key("nested", g.ARRAY, builder.pack("IQ", g.ARRAY, 2) + b"".join(inner)).key("after", g.U8, 7)
    assert parse_header(builder.header()).metadata == {
        "nested": ArraySummary("array", 2, hashlib.sha256(b"".join(inner)).hexdigest()),
        "after": 7,
    }


@pytest.mark.parametrize("alignment", [1, 8, 64, 4096])
def test_alignment(alignment: int) -> None:
    builder = Builder(alignment=alignment).key("general.alignment", g.U32, alignment).tensor("a").tensor("b")
    header = parse_header(builder.file(), len(builder.file()))
    assert header.alignment == alignment
    assert header.header_bytes % alignment == 0
    assert [tensor.offset for tensor in header.tensors] == [0, -(-128 // alignment) * alignment]


def test_tensor_of_every_known_type() -> None:
    builder = Builder()
    for kind in Q:
        builder.tensor(kind.name, (256,), kind, n_bytes=2048)
    header = parse_header(builder.file())
    assert [(tensor.name, tensor.type) for tensor in header.tensors] == [(kind.name, kind) for kind in Q]
    assert header.tensor_bytes == sum(tensor.n_bytes for tensor in header.tensors)


def test_scalar_tensor_and_gaps_between_tensors_are_allowed() -> None:
    header = parse_header(Builder().tensor("b", (32,), offset=256).tensor("scalar", (), n_bytes=4, offset=0).file())
    assert [(tensor.name, tensor.elements, tensor.offset) for tensor in header.tensors] == [("b", 32, 256), ("scalar", 1, 0)]


def test_the_same_header_from_path_bytes_and_ranges(tmp_path: Path) -> None:
    data = g.llama().tensor("token_embd.weight", (32, 3), n_bytes=384).file()
    (tmp_path / "tiny.gguf").write_bytes(data)
    expected = parse_header(data, len(data))
    assert read_header(tmp_path / "tiny.gguf") == read_header(str(tmp_path / "tiny.gguf")) == expected
    assert read_header_ranges(Ranges(data), len(data)) == expected


def test_ranges_of_a_file_of_unknown_size() -> None:
    data = g.llama().tensor("token_embd.weight", (32, 3), n_bytes=384).file()
    assert read_header_ranges(Ranges(data), None) == parse_header(data)


def test_a_reader_that_returns_more_or_less_than_asked_for() -> None:
    data = real.smollm2_header()
    expected = parse_header(data)
    assert read_header_ranges(lambda offset, length: data[offset : offset + min(length, 10_000)], None) == expected
    assert read_header_ranges(lambda offset, length: data[offset : offset + length + 999], None) == expected


@pytest.mark.parametrize(
    ("data", "file_bytes", "most_requests"),
    [(real.gemma_header, real.GEMMA_FILE_BYTES, 10), (real.smollm2_header, real.SMOLLM2_FILE_BYTES, 6)],
)
def test_few_requests_and_little_past_the_header(data: Any, file_bytes: int, most_requests: int) -> None:
    header_bytes = len(data())
    ranges = Ranges(data() + bytes(8 * 2**20))
    header = read_header_ranges(ranges, file_bytes)
    assert header.header_bytes == header_bytes
    assert len(ranges.asked) <= most_requests
    ends = [offset + length for offset, length in ranges.asked]
    assert [offset for offset, _ in ranges.asked] == [0, *ends[:-1]]
    assert ends[-1] <= header_bytes + 512 * 2**10


def test_gemma(tmp_path: Path) -> None:
    """Counts of tensor types and the sliding window are those of the published file; sizes those of its package."""
    header = read_header(real.sparse_gemma(tmp_path))
    assert (header.version, header.byte_order, header.architecture) == (3, "little", "gemma3")
    assert header.header_bytes == real.GEMMA_HEADER_BYTES
    assert header.file_bytes == header.least_file_bytes == real.GEMMA_FILE_BYTES
    assert Counter(tensor.type for tensor in header.tensors) == {Q.Q5_0: 81, Q.Q4_K: 27, Q.Q8_0: 10, Q.Q6_K: 9, Q.F32: 109}
    assert header.tensors[:2] == (
        Tensor("output_norm.weight", (640,), Q.F32, 0),
        Tensor("token_embd.weight", (640, 262144), Q.Q8_0, 2560),
    )
    assert header.metadata["gemma3.attention.sliding_window"] == 512
    tokens = header.metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, ArraySummary)
    assert (tokens.item_type, tokens.length) == ("string", 262144)


def test_smollm2_says_what_ggufs_own_reader_says() -> None:
    header = read_header(real.smollm2())
    reader = GGUFReader(real.smollm2())
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert list(header.metadata) == list(fields)
    for name, field in fields.items():
        value = header.metadata[name]
        if isinstance(value, ArraySummary):
            stored = b"".join(part.tobytes() for part in field.parts[5:])  # after key, types and count
            assert (value.length, value.sha256) == (len(field.data), hashlib.sha256(stored).hexdigest())
        else:
            assert (list(value) if isinstance(value, tuple) else value) == field.contents()
    assert header.header_bytes == reader.data_offset
    assert [(t.name, t.shape, t.type, t.n_bytes, t.offset) for t in header.tensors] == [
        (t.name, tuple(t.shape.tolist()), t.tensor_type, t.n_bytes, t.data_offset - reader.data_offset) for t in reader.tensors
    ]


def test_a_cut_file_is_read_when_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "start.gguf"
    path.write_bytes(real.gemma_header())
    header = read_header(path, complete=False)
    assert header.file_bytes is None
    assert header.least_file_bytes == real.GEMMA_FILE_BYTES
    assert header == read_header(real.gemma_start(), complete=False)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"general.type": "mmproj"}, True),
        ({"general.architecture": "clip"}, True),
        ({"general.type": "model", "general.architecture": "llama"}, False),
        ({}, False),
    ],
)
def test_projectors_are_recognized(keys: dict[str, str], expected: bool) -> None:
    builder = Builder()
    for name, value in keys.items():
        builder.key(name, g.STRING, value)
    header = parse_header(
        builder.tensor("v.patch_embd.weight", (14, 14, 3, 2), 1, n_bytes=2352).tensor("mm.0.bias", (4,)).file()
    )
    assert header.is_projector is expected
    assert header.tensor_bytes == 14 * 14 * 3 * 2 * 2 + 16
