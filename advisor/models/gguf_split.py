"""Models split over several GGUF files: which files they are, and one header out of those of all parts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from advisor.errors import GGUFError, GGUFPartMissingError, GGUFSplitError, GGUFTensorNameError
from advisor.models.gguf_stream import Allowance

if TYPE_CHECKING:
    from advisor.models.gguf_header import GGUFHeader

# "%s-%05d-of-%05d.gguf", llama_split_path in llama.cpp src/llama.cpp:545-560.
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5,9})-of-(?P<count>\d{5,9})(?P<suffix>\.gguf)", re.IGNORECASE | re.DOTALL)


class Part(NamedTuple):
    """What the name of one part of a split model says."""

    stem: str
    number: int
    """From 1 up, of sound names."""
    parts: int
    """Of the whole model."""
    suffix: str
    """".gguf", as it is written."""

    def beside(self, number: int) -> str:
        """The file name of another part of the same model."""
        return f"{self.stem}-{number:05}-of-{self.parts:05}{self.suffix}"


def part_of(name: str) -> Part | None:
    """What a file name says of the part that it is; None where it is not that of a part."""
    match = _PART.fullmatch(name)
    return Part(match["stem"], int(match["number"]), int(match["count"]), match["suffix"]) if match else None


def model_stem(name: str) -> str:
    """A file name without ".gguf" and without the number of its part."""
    part = part_of(name)
    if part:
        return part.stem
    return name[:-5] if name.lower().endswith(".gguf") else name


def part_names(name: str, count: int) -> tuple[str, ...]:
    """File names of all `count` parts, from that of one. Raises GGUFSplitError where `name` does not say that it is one."""
    part = part_of(name)
    if part is None or part.parts != count:
        raise GGUFSplitError(
            f"is a part of a model split into {count:,}, and its name does not say so",
            advice=f'give the parts the names they were published with, such as "{model_stem(name)}-00001-of-{count:05}.gguf"',
        )
    return tuple(map(part.beside, range(1, count + 1)))


def join_parts(headers: "Sequence[GGUFHeader]") -> "GGUFHeader":
    """One header with the metadata of the first part and the tensors of all, given in order.

    Raises GGUFSplitError unless they are the parts of one model, by the checks of llama.cpp src/llama-model-loader.cpp:595-667.
    """
    first = headers[0]
    if len(headers) != first.split_count:
        raise GGUFPartMissingError(f"is one of {first.split_count:,} parts of a model, and {len(headers):,} are here")
    for number, header in enumerate(headers):
        if (header.split_no, header.split_count) != (number, first.split_count):
            raise GGUFSplitError(
                f"has a part {number + 1:,} of {first.split_count:,} which says that it is part "
                f"{header.split_no + 1:,} of {header.split_count:,}"
            )
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise GGUFTensorNameError(f'has the tensor "{tensor.name}" in two of its parts')
        seen.add(tensor.name)
    expected = first.metadata.get("split.tensors.count", len(tensors))
    if expected != len(tensors):
        raise GGUFSplitError(f"should have {expected:,} tensors in all its parts, and there are {len(tensors):,}")
    sizes = [header.file_bytes for header in headers if header.file_bytes is not None]
    return replace(
        first,
        tensors=tensors,
        header_bytes=sum(header.header_bytes for header in headers),
        least_file_bytes=sum(header.least_file_bytes for header in headers),
        file_bytes=sum(sizes) if len(sizes) == len(headers) else None,
        parts=len(headers),
    )


def read_parts(path: Path, read: "Callable[[Path, Allowance], GGUFHeader]", *, need_all: bool = True) -> "GGUFHeader":
    """The joined header of the file at `path` and, if it is the first of several parts, of those beside it.

    Where parts are missing it raises GGUFPartMissingError, or with `need_all=False` returns the first part's header alone.
    """
    allowance = Allowance()
    first = read(path, allowance)
    count = first.split_count
    if count == 1:
        return first
    try:
        names = part_names(path.name, count)
        if first.split_no:
            raise GGUFSplitError(
                f"is part {first.split_no + 1:,} of {count:,} of a model", advice=f'give the first part, "{names[0]}"'
            )
        missing = tuple(name for name in names if not path.with_name(name).exists())
        if missing and need_all:
            raise _missing(missing, count)
        if missing:
            return first
        return join_parts([first, *(read(path.with_name(name), allowance) for name in names[1:])])
    except GGUFError as error:
        error.path = error.path or str(path)
        raise


def _missing(names: tuple[str, ...], count: int) -> GGUFPartMissingError:
    shown = ", ".join(f'"{name}"' for name in names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    verb = "is" if len(names) == 1 else "are"
    return GGUFPartMissingError(
        f"is the first of {count:,} parts of a model, and {shown} {verb} not beside it",
        advice=f"download {'it' if len(names) == 1 else 'them'} into the same folder",
        missing=names,
    )
