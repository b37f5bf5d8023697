"""Files that must be refused: each by an error of its own, which names the byte and says what to do, in one sentence."""

import copy
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor import errors as e
from advisor.models.gguf_header import parse_header, read_header, read_header_ranges
from tests.models import gguf_builder as g
from tests.models import real_files as real
from tests.models.gguf_builder import Builder

HUGE = 2**62

NOT_GGUF = [
    (b"", e.EmptyFileError),
    (b"GG", e.EmptyFileError),
    (b"<!DOCTYPE html>\n<html><head><title>404", e.WebPageError),
    (b"\xef\xbb\xbf\n <HTML lang=en>", e.WebPageError),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied", e.WebPageError),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", e.GitLFSPointerError),
    (struct.pack("<Q", 120) + b'{"__metadata__":{"format":"pt"}', e.SafetensorsError),
    (b"PK\x03\x04\x14\x00", e.ArchiveError),
    (b"\x1f\x8b\x08", e.ArchiveError),
    (b"\x80\x02\x8a\x0al\xfc\x9cF", e.ArchiveError),
    (bytes(257) + b"ustar", e.ArchiveError),
    (b"lmgg" + bytes(100), e.OldGGMLError),
    (b"fmgg\x01\x00\x00\x00", e.OldGGMLError),
    (b"tjgg\x03\x00\x00\x00", e.OldGGMLError),
    (b"algg\x01\x00\x00\x00", e.OldGGMLError),
    (b'{"error":"Invalid username or password."}', e.NotGGUFError),
    (bytes(4096), e.NotGGUFError),
    (b"\x93NUMPY\x01\x00", e.NotGGUFError),
    (b"FUGG\x03\x00\x00\x00", e.NotGGUFError),
]


@pytest.mark.parametrize(("data", "kind"), NOT_GGUF)
def test_not_gguf(data: bytes, kind: type[e.GGUFError], tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(kind) as caught:
        read_header(path)
    assert type(caught.value) is kind
    assert (caught.value.path, caught.value.offset) == (str(path), 0)
    assert str(caught.value).startswith(f'"{path}" ')


def key_value(kind: int, value: bytes) -> bytes:
    return Builder().key("before", g.U8, 1).raw_key("k", kind, value).key("after", g.U8, 2).header()


def nested(depth: int) -> bytes:
    b = Builder()
    return b.raw_key("k", g.ARRAY, b.pack("IQ", g.ARRAY, 1) * depth + b.pack("IQ", g.U8, 1) + b"\x00").header()


def tensor(shape: tuple[int, ...] = (32,), kind: int = 0, **more: int) -> bytes:
    return Builder().tensor("t", shape, kind, **more).file()


b = Builder()
BAD: list[tuple[str, Callable[[], bytes], type[e.GGUFError], str]] = [
    ("version 1", lambda: Builder(version=1).header(), e.GGUFVersionError, "version 1"),
    ("version 4", lambda: Builder(version=4).header(), e.GGUFVersionError, "version 4"),
    ("version 0", lambda: Builder(version=0).header(), e.GGUFVersionError, "version 0"),
    ("version 9, big-endian", lambda: Builder(version=9, order=">").header(), e.GGUFVersionError, "version 9"),
    ("magic alone", lambda: b"GGUF", e.GGUFTruncatedError, "the version"),
    ("cut in the counts", lambda: b.header()[:20], e.GGUFTruncatedError, "the number of keys"),
    ("cut in a key", lambda: g.llama().header()[:30], e.GGUFTruncatedError, "keys"),
    ("cut in a vocabulary", lambda: g.llama().header()[:-5], e.GGUFTruncatedError, "a string in"),
    ("cut in the tensor table", lambda: Builder().tensor("t").header()[:40], e.GGUFTruncatedError, "tensor"),
    ("more keys than bytes", lambda: Builder(n_keys=10_000).header(), e.GGUFTruncatedError, "10,000 keys"),
    ("keys beyond any header", lambda: Builder(n_keys=HUGE).header(), e.GGUFLengthError, "keys"),
    ("tensors beyond any header", lambda: Builder(n_tensors=HUGE).header(), e.GGUFLengthError, "tensors"),
    ("negative number of keys", lambda: Builder(n_keys=2**64 - 1).header(), e.GGUFLengthError, "negative"),
    ("negative number of tensors", lambda: Builder(n_tensors=2**63).header(), e.GGUFLengthError, "negative"),
    ("key longer than allowed", lambda: Builder().key("k" * 70_000, g.U8, 1).header(), e.GGUFKeyError, "70,000"),
    ("key of negative length", lambda: Builder(n_keys=1).header() + b"\xff" * 64, e.GGUFKeyError, "allowed"),
    ("empty key", lambda: Builder().key("", g.U8, 1).header(), e.GGUFKeyError, "empty"),
    ("key that is not text", lambda: Builder().key(b"\xff\xfe", g.U8, 1).header(), e.GGUFKeyError, "not text"),
    ("key twice", lambda: Builder().key("k", g.U8, 1).key("k", g.U8, 2).header(), e.GGUFKeyError, "twice"),
    ("unknown type", lambda: key_value(13, b""), e.GGUFValueTypeError, "type 13"),
    ("negative type", lambda: key_value(2**32 - 1, b""), e.GGUFValueTypeError, "unknown"),
    ("unknown item type", lambda: key_value(g.ARRAY, b.pack("IQ", 99, 1)), e.GGUFValueTypeError, "type 99"),
    ("huge string", lambda: key_value(g.STRING, b.pack("Q", HUGE)), e.GGUFLengthError, "bytes"),
    ("negative string", lambda: key_value(g.STRING, b.pack("Q", 2**64 - 1)), e.GGUFLengthError, "negative"),
    ("string past the end", lambda: key_value(g.STRING, b.pack("Q", 10_000)), e.GGUFTruncatedError, "10,000"),
    ("huge array", lambda: key_value(g.ARRAY, b.pack("IQ", g.U64, 2**60)), e.GGUFLengthError, "items"),
    ("negative array", lambda: key_value(g.ARRAY, b.pack("IQ", g.U8, 2**63 + 1)), e.GGUFLengthError, "negative"),
    ("array past the end", lambda: key_value(g.ARRAY, b.pack("IQ", g.U8, 5_000)), e.GGUFTruncatedError, "5,000"),
    (
        "huge string in a vocabulary",
        lambda: Builder().array("tokenizer.ggml.tokens", g.STRING, ["a", "b"]).header()[:-9] + b.pack("QB", HUGE, 0),
        e.GGUFLengthError,
        "a string in",
    ),
    (
        "negative string in a vocabulary",
        lambda: Builder().array("tokenizer.ggml.tokens", g.STRING, ["a", "b"]).header()[:-9] + b"\xff" * 9,
        e.GGUFLengthError,
        "a string in",
    ),
    ("arrays too deep", lambda: nested(4), e.GGUFNestingError, "4 deep"),
    ("arrays far too deep", lambda: nested(100_000), e.GGUFNestingError, "4 deep"),
    (
        "many empty arrays",
        lambda: key_value(g.ARRAY, b.pack("IQ", g.ARRAY, 200_000) + bytes(2_400_000)),
        e.GGUFLimitError,
        "more",
    ),
    ("name that is a number", lambda: Builder().key("general.name", g.U32, 1).header(), e.GGUFValueTypeError, "general.name"),
    (
        "architecture that is a list",
        lambda: Builder().array("general.architecture", g.STRING, ["llama"]).header(),
        e.GGUFValueTypeError,
        "must be string",
    ),
    (
        "file type that is text",
        lambda: Builder().key("general.file_type", g.STRING, "15").header(),
        e.GGUFValueTypeError,
        "int",
    ),
    ("alignment of 0", lambda: Builder().key("general.alignment", g.U32, 0).header(), e.GGUFAlignmentError, "power of two"),
    ("alignment of 48", lambda: Builder().key("general.alignment", g.U32, 48).header(), e.GGUFAlignmentError, "48"),
    ("alignment of 8 bytes", lambda: Builder().key("general.alignment", g.U64, 32).header(), e.GGUFValueTypeError, "uint32"),
    ("negative alignment", lambda: Builder().key("general.alignment", g.I32, -32).header(), e.GGUFValueTypeError, "uint32"),
    ("tensor twice", lambda: Builder().tensor("t").tensor("t").file(), e.GGUFTensorNameError, "twice"),
    ("long tensor name", lambda: Builder().tensor("t" * 65).file(), e.GGUFTensorNameError, "65"),
    ("tensor name that is not text", lambda: Builder().tensor(b"\xff").file(), e.GGUFTensorNameError, "not text"),
    ("unknown tensor type", lambda: tensor(kind=139), e.GGUFTensorTypeError, "type 139"),
    ("removed tensor type", lambda: tensor(kind=31), e.GGUFTensorTypeError, "Q4_0"),
    ("negative tensor type", lambda: tensor(kind=2**32 - 1), e.GGUFTensorTypeError, "unknown"),
    ("five dimensions", lambda: tensor((2, 2, 2, 2, 2)), e.GGUFShapeError, "5 dimensions"),
    (
        "four billion dimensions",
        lambda: tensor().replace(b.pack("IQ", 1, 32), b.pack("IQ", 2**32 - 1, 32)),
        e.GGUFShapeError,
        "dim",
    ),
    ("empty dimension", lambda: tensor((32, 0)), e.GGUFShapeError, "empty"),
    ("negative dimension", lambda: tensor((2**64 - 32,)), e.GGUFShapeError, "negative"),
    ("overflowing product", lambda: tensor((2**32, 2**32)), e.GGUFShapeError, "larger"),
    ("overflowing bytes", lambda: tensor((2**61,), 28), e.GGUFShapeError, "larger"),
    ("rows of broken blocks", lambda: tensor((100, 4), 12), e.GGUFShapeError, "256"),
    ("scalar of a block type", lambda: tensor((), 2), e.GGUFShapeError, "32"),
    ("tensor off its alignment", lambda: tensor(offset=8), e.GGUFAlignmentError, "multiple of 32"),
    (
        "tensors over each other",
        lambda: Builder().tensor("a").tensor("b", offset=96).file(),
        e.GGUFTensorRangeError,
        "over each other",
    ),
    (
        "tensors in one place",
        lambda: Builder().tensor("a").tensor("b", offset=0).file(),
        e.GGUFTensorRangeError,
        "over each other",
    ),
    ("offset past the end", lambda: Builder().tensor("a", offset=2**20).header(), e.GGUFTensorRangeError, "cut off"),
    (
        "offset that overflows",
        lambda: Builder().tensor("a", offset=2**64 - 32).header(),
        e.GGUFTensorRangeError,
        "behind any file",
    ),
    ("weights cut by one byte", lambda: tensor()[:-1], e.GGUFTensorRangeError, "cut off"),
]


@pytest.mark.parametrize(("data", "kind", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_damaged_headers(data: Callable[[], bytes], kind: type[e.GGUFError], words: str) -> None:
    raw = data()
    with pytest.raises(kind) as caught:
        parse_header(raw, len(raw))
    error = caught.value
    assert type(error) is kind
    assert words in str(error)
    assert error.offset is not None
    assert 0 <= error.offset <= 2**64
    assert "\n" not in str(error)
    assert str(error).endswith(".")
    with pytest.raises(kind):
        read_header_ranges(lambda offset, length: raw[offset : offset + length], len(raw))


def test_errors_say_where() -> None:
    good = g.llama().header()
    with pytest.raises(e.GGUFTruncatedError) as cut:
        parse_header(good[:100])
    assert cut.value.needed is not None
    assert cut.value.needed > 100
    with pytest.raises(e.GGUFValueTypeError) as wrong:
        parse_header(Builder().raw_key("k", 77, b"").header() + bytes(8))
    assert wrong.value.offset == 24 + 8 + 1  # after the counts and the key


def test_messages_carry_nothing_that_steers_a_terminal() -> None:
    key = "a\n\x1b[2Jb"
    with pytest.raises(e.GGUFKeyError) as caught:
        parse_header(Builder().key(key, g.U8, 1).key(key, g.U8, 2).header())
    assert str(caught.value).isprintable()


def test_errors_survive_copying() -> None:
    """As they must to come back from another process."""
    with pytest.raises(e.GGUFTruncatedError) as caught:
        parse_header(b"GGUF")
    caught.value.path = "a.gguf"
    again = copy.copy(caught.value)
    assert (str(again), again.offset, again.needed) == (str(caught.value), caught.value.offset, caught.value.needed)


def test_a_download_that_was_cut_in_its_weights(tmp_path: Path) -> None:
    with pytest.raises(e.GGUFTensorRangeError, match=r"253,113,024.*not complete"):
        read_header(real.gemma_start())


def test_a_server_that_stops_sending() -> None:
    data = real.smollm2_header()[:300_000]
    with pytest.raises(e.GGUFTruncatedError):
        read_header_ranges(lambda offset, length: data[offset : offset + length], real.SMOLLM2_FILE_BYTES)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(e.GGUFFileError, match="does not exist") as caught:
        read_header(tmp_path / "none.gguf")
    assert caught.value.exit_code == 3
    with pytest.raises(e.GGUFFileError, match="not a file"):
        read_header(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(e.GGUFFileError, match="not a file"):
        read_header(tmp_path / "pipe.gguf")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Builder(n_tensors=3_000_000).header(),
        lambda: Builder(n_keys=5_000_000).header(),
        lambda: Builder().raw_key("k", g.ARRAY, b.pack("IQ", g.STRING, 4_000)).header(),
        lambda: Builder().raw_key("tokenizer.ggml.tokens", g.ARRAY, b.pack("IQ", g.STRING, 1_000_000)).header(),
    ],
    ids=["tensors", "keys", "strings", "vocabulary"],
)
def test_a_sparse_giant_takes_no_memory(make: Callable[[], bytes], tmp_path: Path) -> None:
    """A gigabyte of zeros behind a header that claims a great deal, all of which the file can hold."""
    path = tmp_path / "giant.gguf"
    with path.open("wb") as file:
        file.write(make())
        file.truncate(2**30)
    tracemalloc.start()
    try:
        read_header(path, complete=False)
    except e.GGUFError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 64 * 2**20


@pytest.mark.parametrize("kind", ["keys", "tensors", "texts", "arrays"])
def test_objects_are_limited(kind: str) -> None:
    builder = Builder()
    if kind == "keys":
        builder = _many(builder, lambda n: builder.key(f"k{n}", g.U8, 1), 120_000)
    elif kind == "tensors":
        builder = _many(builder, lambda n: builder.tensor(f"t{n}"), 60_000)
    elif kind == "texts":
        builder = _many(builder, lambda n: builder.key(f"k{n}", g.STRING, "\U0001f600" * 250_000), 20)
    else:
        builder = _many(builder, lambda n: builder.raw_key(f"k{n}", g.ARRAY, builder.pack("IQ", g.U8, 4096) + bytes(4096)), 400)
    data = builder.header()
    tracemalloc.start()
    with pytest.raises(e.GGUFLimitError):
        parse_header(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


def _many(builder: Builder, add: Callable[[int], object], count: int) -> Builder:
    for n in range(count):
        add(n)
    return builder
