"""Reads the header of a GGUF file: metadata and the table of tensors, and nothing of the weights.

Versions 2 and 3, both byte orders, whole and split files, from a path, from bytes or through a callable that reads ranges.
Whatever the file holds, memory and time stay bounded, and what is wrong with it is a `GGUFError` of its own kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from advisor.errors import GGUFError, GGUFFileError, GGUFVersionError
from advisor.models.gguf_signature import MAGIC, SIGNATURE_BYTES, check_signature
from advisor.models.gguf_split import read_parts
from advisor.models.gguf_stream import Allowance, HeaderStream
from advisor.models.gguf_tensors import MIN_TENSOR_BYTES, check_ranges, data_end, read_tensors
from advisor.models.gguf_values import ArraySummary, Value, alignment_of, read_metadata
from advisor.models.tensor import Tensor

__all__ = ["ArraySummary", "GGUFHeader", "Value", "parse_header", "read_header", "read_header_ranges"]

MIN_KEY_BYTES = 13
"""What a key and its value take at least: length and type of an empty key, one byte of value."""


@dataclass(frozen=True)
class GGUFHeader:
    """What the header of a GGUF file says; of a split file, the metadata of its first part and the tensors of all."""

    version: int
    byte_order: Literal["little", "big"]
    metadata: dict[str, Value]
    """By key, in the file's order. Arrays of the tokenizer and long arrays stand as `ArraySummary`."""
    tensors: tuple[Tensor, ...]
    """In the file's order. An offset counts from the start of the tensor data of the tensor's own part."""
    alignment: int
    header_bytes: int
    """Bytes before the tensor data, in all parts together."""
    least_file_bytes: int
    """Bytes that the file, or all parts that were read, must have to hold their tensors."""
    file_bytes: int | None
    """Bytes of the file, or of all parts; None where only a header was given."""
    parts: int = 1
    """Files that were read: fewer than `split_count` where a part was parsed alone."""

    @property
    def architecture(self) -> str | None:
        """general.architecture."""
        return self._text("general.architecture")

    @property
    def kind(self) -> str | None:
        """general.type, such as "model", "mmproj" or "adapter"; older files have none."""
        return self._text("general.type")

    @property
    def is_projector(self) -> bool:
        """True for a vision or audio projector, which is loaded beside a language model."""
        return self.kind == "mmproj" or self.architecture == "clip"

    @property
    def split_count(self) -> int:
        """Parts that the model was split into; 1 where it was not."""
        return max(self._number("split.count", 1), 1)

    @property
    def split_no(self) -> int:
        """Which of the parts this is, from 0."""
        return self._number("split.no", 0)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all weights, without padding."""
        return sum(tensor.n_bytes for tensor in self.tensors)

    def _text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def _number(self, key: str, default: int) -> int:
        value = self.metadata.get(key)
        return value if isinstance(value, int) else default


def parse_header(data: bytes, file_bytes: int | None = None) -> GGUFHeader:
    """The header at the start of `data`, which must hold all of it and may hold more.

    `file_bytes` is the size of the whole file, against which tensors are checked; None where it is not known. Of a split
    file this reads one part; `advisor.models.gguf_split.join_parts` makes one header of several. Raises GGUFError.
    """
    return _parse(HeaderStream.of_bytes(data), file_bytes)


def read_header_ranges(read: Callable[[int, int], bytes], file_bytes: int | None) -> GGUFHeader:
    """The header of a file whose bytes `read(offset, length)` returns: few requests, consecutive, and little past the header.

    `file_bytes` is the file's size, None where unknown; `read` may then return fewer bytes at the end. What `read` raises
    goes through. Of a split file this reads one part. Raises GGUFError.
    """
    return _parse(HeaderStream(read, file_bytes, first=256 * 2**10, most=4 * 2**20), file_bytes)


def read_header(path: str | PathLike[str], *, complete: bool = True) -> GGUFHeader:
    """The header of the file at `path`; where it is the first part of a split file, of all its parts, found beside it.

    `complete=False` reads a file that holds a header and not, or not all, of the weights, such as the start of a download; its
    `file_bytes` is None, and parts that are not there are left out. Raises GGUFError, with `path` set.
    """
    return read_parts(Path(path), lambda part, allowance: _read_file(part, allowance, complete=complete), need_all=complete)


def _read_file(path: Path, allowance: Allowance, *, complete: bool) -> GGUFHeader:
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise GGUFFileError("is not a file", path=str(path), advice="choose a .gguf file")
        with path.open("rb", buffering=0) as file:

            def fetch(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            stream = HeaderStream(fetch, status.st_size, allowance=allowance)
            return _parse(stream, status.st_size if complete else None)
    except FileNotFoundError:
        raise GGUFFileError("does not exist", path=str(path)) from None
    except OSError as error:
        raise GGUFFileError(f"cannot be read ({error.strerror or error})", path=str(path)) from error
    except GGUFError as error:
        error.path = str(path)
        raise


def _parse(stream: HeaderStream, file_bytes: int | None) -> GGUFHeader:
    check_signature(stream.peek(SIGNATURE_BYTES))
    stream.take(len(MAGIC), "the magic number")
    version = _read_version(stream)
    n_tensors = stream.count(0, "tensors")
    n_keys = stream.count(MIN_KEY_BYTES, "keys")
    stream.require(n_keys * MIN_KEY_BYTES + n_tensors * MIN_TENSOR_BYTES, f"{n_keys:,} keys and {n_tensors:,} tensors")
    metadata = read_metadata(stream, n_keys)
    alignment = alignment_of(metadata)
    tensors = read_tensors(stream, n_tensors)
    data_start = -(-stream.offset // alignment) * alignment if tensors else stream.offset
    check_ranges(tensors, alignment, data_start, file_bytes)
    return GGUFHeader(
        version=version,
        byte_order="little" if stream.order == "<" else "big",
        metadata=metadata,
        tensors=tensors,
        alignment=alignment,
        header_bytes=data_start,
        least_file_bytes=data_start + data_end(tensors),
        file_bytes=file_bytes,
    )


def _read_version(stream: HeaderStream) -> int:
    """The version, after which the stream knows the byte order: a version read the wrong way round has no low half."""
    offset = stream.offset
    (version,) = stream.unpack("I", "the version")
    if version and not version & 0xFFFF:
        stream.order = ">"
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if version == 1:
        raise GGUFVersionError("is GGUF version 1, which llama.cpp no longer reads", offset=offset)
    if version not in (2, 3):
        raise GGUFVersionError(
            f"says that it is GGUF version {version:,}, which does not exist yet or is damage",
            offset=offset,
            advice="update Headroom, or download the file again",
        )
    return int(version)
