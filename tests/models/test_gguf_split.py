"""Models split over several files, as llama-gguf-split writes them."""

from dataclasses import replace
from pathlib import Path

import pytest

from advisor import errors as e
from advisor.models.gguf_header import GGUFHeader, parse_header, read_header
from advisor.models.gguf_split import join_parts, model_stem, part_names
from tests.models import gguf_builder as g
from tests.models.gguf_builder import Builder


def part(number: int, count: int, names: tuple[str, ...], *, total: int = 3, order: str = "<") -> bytes:
    builder = g.llama(Builder(order=order)) if number == 0 else Builder(order=order)
    builder.key("split.no", g.U16, number).key("split.count", g.U16, count).key("split.tensors.count", g.I32, total)
    for name in names:
        builder.tensor(name)
    return builder.file()


PARTS = [part(0, 3, ()), part(1, 3, ("token_embd.weight", "a")), part(2, 3, ("b",))]


def write(folder: Path, parts: list[bytes], stem: str = "tiny", count: int | None = None) -> Path:
    count = count or len(parts)
    for number, data in enumerate(parts, 1):
        (folder / f"{stem}-{number:05}-of-{count:05}.gguf").write_bytes(data)
    return folder / f"{stem}-00001-of-{count:05}.gguf"


def test_all_parts_are_found_from_the_first(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, PARTS))
    assert (header.parts, header.split_count) == (3, 3)
    assert header.architecture == "llama"
    assert [tensor.name for tensor in header.tensors] == ["token_embd.weight", "a", "b"]
    assert [tensor.offset for tensor in header.tensors] == [0, 128, 0]
    assert header.file_bytes == header.least_file_bytes == sum(map(len, PARTS))
    assert header.header_bytes == header.file_bytes - 3 * 128


def test_parts_given_as_bytes_are_joined() -> None:
    headers = [parse_header(data, len(data)) for data in PARTS]
    assert headers[0].parts == 1
    assert [tensor.name for tensor in join_parts(headers).tensors] == ["token_embd.weight", "a", "b"]
    assert join_parts([*headers[:2], replace(headers[2], file_bytes=None)]).file_bytes is None


@pytest.mark.parametrize(("gone", "said"), [((2,), "is not beside it"), ((2, 3), "are not beside it")])
def test_missing_parts_are_named(gone: tuple[int, ...], said: str, tmp_path: Path) -> None:
    path = write(tmp_path, PARTS)
    names = tuple(f"tiny-{number:05}-of-00003.gguf" for number in gone)
    for name in names:
        (tmp_path / name).unlink()
    with pytest.raises(e.GGUFPartMissingError, match=said) as caught:
        read_header(path)
    assert caught.value.missing == names
    assert caught.value.exit_code == 3
    assert all(f'"{name}"' in str(caught.value) for name in names)
    assert read_header(path, complete=False).parts == 1


def test_a_part_that_is_not_the_first(tmp_path: Path) -> None:
    write(tmp_path, PARTS)
    with pytest.raises(e.GGUFSplitError, match=r'part 2 of 3.*"tiny-00001-of-00003.gguf"'):
        read_header(tmp_path / "tiny-00002-of-00003.gguf")


def test_a_part_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(PARTS[0])
    with pytest.raises(e.GGUFSplitError, match=r"tiny-00001-of-00003\.gguf") as caught:
        read_header(tmp_path / "tiny.gguf")
    assert caught.value.path == str(tmp_path / "tiny.gguf")


def test_a_part_of_a_different_number_of_parts(tmp_path: Path) -> None:
    with pytest.raises(e.GGUFSplitError, match="split into 3"):
        read_header(write(tmp_path, PARTS[:2]))


@pytest.mark.parametrize(
    ("parts", "kind", "words"),
    [
        ([PARTS[0], PARTS[2], PARTS[1]], e.GGUFSplitError, "part 2 of 3 which says that it is part 3 of 3"),
        ([PARTS[0], PARTS[1], part(2, 4, ("b",))], e.GGUFSplitError, "part 3 of 4"),
        ([PARTS[0], PARTS[1], Builder().tensor("b").file()], e.GGUFSplitError, "part 1 of 1"),
        ([PARTS[0], PARTS[1], part(2, 3, ("a",))], e.GGUFTensorNameError, "in two of its parts"),
        ([PARTS[0], PARTS[1], part(2, 3, ("b", "c"))], e.GGUFSplitError, "should have 3 tensors"),
        ([PARTS[0], PARTS[1], PARTS[2][:-1]], e.GGUFTensorRangeError, "cut off"),
        ([PARTS[0], PARTS[1], b"<html>"], e.WebPageError, "00003-of-00003"),
    ],
)
def test_parts_that_do_not_belong_together(parts: list[bytes], kind: type[e.GGUFError], words: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=words):
        read_header(write(tmp_path, parts))


def test_a_claim_of_endless_parts(tmp_path: Path) -> None:
    data = Builder().key("split.count", g.U64, 2**63).header()
    with pytest.raises(e.GGUFSplitError):
        read_header(write(tmp_path, [data], count=3))
    header: GGUFHeader = parse_header(data)
    with pytest.raises(e.GGUFPartMissingError):
        join_parts([header])


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("DeepSeek-R1-Q4_K_M-00001-of-00009.gguf", "DeepSeek-R1-Q4_K_M"),
        ("gemma-3-270m.Q8_0.gguf", "gemma-3-270m.Q8_0"),
        ("Model.GGUF", "Model"),
        ("sha256-4d7a", "sha256-4d7a"),
    ],
)
def test_model_stem(name: str, stem: str) -> None:
    assert model_stem(name) == stem


def test_part_names() -> None:
    assert part_names("m-00002-of-00002.gguf", 2) == ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
