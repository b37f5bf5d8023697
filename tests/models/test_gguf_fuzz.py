"""Real headers, damaged at random: whatever comes of it is a header or a named error, soon and in little memory."""

import struct
import tracemalloc
from functools import cache
from time import process_time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from advisor.errors import GGUFError, HeadroomError
from advisor.models.gguf_header import GGUFHeader, parse_header, read_header_ranges
from advisor.models.metadata import model_from_header
from tests.models import gguf_builder as g
from tests.models import real_files as real
from tests.models.gguf_builder import Builder

MAX_SECONDS = 5.0
"""For one header under tracemalloc, which makes reading several times slower."""

MAX_BYTES = 64 * 2**20

NUMBERS = st.sampled_from([0, 1, 31, 2**7, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
many = settings(max_examples=400, deadline=None)


@cache
def small() -> bytes:
    """A whole file of a few hundred bytes, in which any byte matters."""
    builder = g.llama().array("llama.rope.dimension_sections", g.I32, [1, 2, 3]).key("general.alignment", g.U32, 32)
    builder.raw_key("nested", g.ARRAY, builder.pack("IQ", g.ARRAY, 1) + builder.pack("IQ", g.U8, 2) + b"\x01\x02")
    return builder.tensor("token_embd.weight", (32, 3), n_bytes=384).tensor("q", (256,), 12, n_bytes=144).file()


@cache
def without_vocabulary() -> bytes:
    """SmolLM2's header with the arrays of its tokenizer cut to a few entries, so that damage hits all kinds of fields."""
    builder, header = Builder(), parse_header(real.smollm2_header())
    for key, value in header.metadata.items():
        if isinstance(value, bool):
            builder.key(key, g.BOOL, value)
        elif isinstance(value, int | float):
            builder.key(key, g.U32 if isinstance(value, int) else g.F32, value)
        elif isinstance(value, str):
            builder.key(key, g.STRING, value)
        else:
            builder.array(key, g.STRING, ["<s>", "</s>", "a"])
    for tensor in header.tensors:
        builder.tensor(tensor.name, tensor.shape, tensor.type, n_bytes=tensor.n_bytes)
    return builder.header()


def outcome(data: bytes) -> GGUFHeader | None:
    """The header in `data`, None where it was refused. Fails on any exception but those promised, and beyond the limits."""
    refusal = header = None
    tracemalloc.start()
    started = process_time()
    try:
        header = parse_header(data)
        model_from_header(header, id="x", source="x.gguf")
    except HeadroomError as error:
        refusal = error
    finally:
        seconds, peak = process_time() - started, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert header or isinstance(refusal, GGUFError)
    assert refusal is None or str(refusal).isprintable()
    assert seconds < MAX_SECONDS
    assert peak < MAX_BYTES
    return header


@many
@given(position=st.integers(0, 2**16), number=NUMBERS, width=st.sampled_from("BHIQ"))
def test_a_small_file_with_one_number_overwritten(position: int, number: int, width: str) -> None:
    outcome(overwritten(small(), position, number, width))


@many
@given(position=st.integers(0, 2**16), number=NUMBERS, width=st.sampled_from("BHIQ"))
def test_all_fields_of_a_real_header_with_one_number_overwritten(position: int, number: int, width: str) -> None:
    outcome(overwritten(without_vocabulary(), position, number, width))


@many
@given(flips=st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=8))
def test_flipped_bytes(flips: list[tuple[int, int]]) -> None:
    for data in (bytearray(small()), bytearray(without_vocabulary())):
        for position, mask in flips:
            data[position % len(data)] ^= mask
        outcome(bytes(data))


@many
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"GGUF", b"GGUF\x03\0\0\0", b"GGUF\0\0\0\x03"]))
def test_anything(data: bytes, start: bytes) -> None:
    outcome(start + data)


@many
@given(data=st.data())
def test_pieces_left_out_and_repeated(data: st.DataObject) -> None:
    raw = small()
    first, second = sorted(data.draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw)))))
    outcome(raw[:first] + raw[second:])
    outcome(raw[:second] + raw[first:])


def test_every_cut_of_a_small_file() -> None:
    data = small()
    header_bytes = parse_header(data).header_bytes
    for length in range(header_bytes - 31):
        assert outcome(data[:length]) is None


@few
@given(position=st.integers(0, 2**23), number=NUMBERS)
@example(position=0, number=0)
def test_real_headers_with_a_number_overwritten(position: int, number: int) -> None:
    for data in (real.smollm2_header(), real.gemma_header()):
        outcome(overwritten(data, position, number, "Q"))


@few
@given(length=st.integers(0, 2**23))
def test_real_headers_cut(length: int) -> None:
    """Reading through ranges ends as reading bytes does."""
    data = real.smollm2_header()[: length % real.SMOLLM2_HEADER_BYTES]
    with pytest.raises(GGUFError) as whole:
        parse_header(data)
    with pytest.raises(GGUFError) as ranges:
        read_header_ranges(lambda offset, size: data[offset : offset + size], None)
    assert type(ranges.value) is type(whole.value)


def overwritten(data: bytes, position: int, number: int, width: str) -> bytes:
    """`data` with `number`, cut to the width, at `position`."""
    raw = struct.pack("<Q", number)[: struct.calcsize(width)]
    position %= len(data)
    return data[:position] + raw + data[position + len(raw) :]
