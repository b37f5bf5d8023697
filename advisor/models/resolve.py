"""From what a person types to a model: a catalogue id, a `.gguf` path, or a name. Reads files; touches no network."""

import os
from functools import lru_cache
from pathlib import Path

from advisor.errors import MissingPartError, QuestionError
from advisor.models.gguf_header import GGUFHeader, read_header
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.quantization_names import parse_quantization

DEFAULT_QUANTIZATION = "Q4_K_M"


def resolve_model(text: str, quantization: str | None = None) -> ModelMetadata:
    """The model that `text` names, in `quantization` (a file has its own).

    Raises QuestionError where there is no such model or quantization, GGUFError where the file is not a sound GGUF file, and
    MissingPartError where what is named lies on a network service that this version does not read.
    """
    if is_file_name(text):
        return _from_file(Path(text).expanduser(), quantization)
    if text.startswith("ollama:"):
        raise MissingPartError(
            f'"{text}" is in Ollama\'s store, which is not read yet; name the catalogue model or the .gguf file instead'
        )
    name, _, suffix = text.partition(":")
    model = catalogue().find(name)
    wanted = suffix or quantization
    if suffix and quantization and parse_quantization(suffix) != parse_quantization(quantization):
        raise QuestionError(f'"{text}" names {suffix}, but the quantization asked for is {quantization}', field="quant")
    return model.quantized(wanted or default_quantization(model))


def is_file_name(text: str) -> bool:
    """True where `text` is meant as a path: it ends in .gguf, or starts as paths do."""
    return text.lower().endswith(".gguf") or text.startswith(("/", "./", "../", "~", ".\\")) or Path(text).is_absolute()


def default_quantization(model: CatalogueModel) -> str:
    """The file that most people download: the one it was released in (gpt-oss: MXFP4), else Q4_K_M."""
    return model.native_quantization or DEFAULT_QUANTIZATION


def read_file(path: Path) -> GGUFHeader:
    """The header of a GGUF file, cached by path, size and time of change."""
    try:
        status = path.stat()
    except OSError as error:
        raise QuestionError(f'there is no file "{path}" that can be read ({os.strerror(error.errno or 0)})') from None
    if path.is_dir():
        raise QuestionError(f'"{path}" is a folder; name the .gguf file in it (of a split model, its first part)')
    return _read_cached(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_cached(path: Path, size: int, changed_ns: int) -> GGUFHeader:
    return read_header(path)


def _from_file(path: Path, quantization: str | None) -> ModelMetadata:
    model = model_from_header(read_file(path), id=str(path), source=str(path))
    if quantization and model.quantization and parse_quantization(quantization) != model.quantization:
        raise QuestionError(
            f'"{path.name}" is {model.quantization}; leave the quantization out, or name a catalogue model to plan {quantization}',
            field="quant",
        )
    return model
