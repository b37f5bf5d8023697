"""From what a person types to a model: a catalogue id, a file, a folder, a model of the hub, of Ollama or of LM Studio.

A path that exists goes before a repository of that name, and the catalogue before a folder whose name has no slash, so that
"llama-3.1-8b" means the same wherever it is asked. To type a repository's name is to ask the hub for it: headers are read from
there, never weights. Where the hub does not answer, a repository that the catalogue lists is answered by the catalogue.
"""

import re
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from advisor.errors import GGUFFileError, HubError, HubNotFoundError, HubOfflineError, MissingPartError, QuestionError
from advisor.models.gguf_header import GGUFHeader, read_header
from advisor.models.gguf_split import part_of
from advisor.models.hf_config import CONFIG_NAME, model_from_config
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.metadata import ModelMetadata, model_from_header, quantization_in_name
from advisor.models.quantization_names import is_quantization, parse_quantization
from advisor.models.sources.hub_address import HubAddress, hub_address
from advisor.settings import only_at_home, settings

DEFAULT_QUANTIZATION = "Q4_K_M"
_OLLAMA, _LM_STUDIO = "ollama:", "lmstudio:"
_OLLAMA_SIZE = re.compile(r"(?:\d+x)?\d+(?:\.\d+)?[bm](?![a-z])|latest$", re.IGNORECASE)
NO_FILES = "this site reads no files of its own machine; name a model of the catalogue or of the hub, or choose a file of yours"
"""What a hosted site says to whoever asks for a path."""
_PATH_STARTS = ("/", "./", "../", "~", ".\\", "..\\")
_OTHER_PATH = re.compile(r"file:|[a-z]:[\\/]|\\\\", re.IGNORECASE)
"""How paths start as addresses, and on another system than this one."""


def resolve_model(text: str, quantization: str | None = None) -> ModelMetadata:
    """The model that `text` names, in `quantization` (a file has its own).

    Raises QuestionError where there is no such model or quantization, GGUFError where the file is not a sound GGUF file, and
    MissingPartError where what is named cannot be had: a file that is not there, a hub that does not answer (HubError).
    """
    text = text.strip()
    if text.lower().startswith((_OLLAMA, _LM_STUDIO)):
        only_at_home(NO_FILES)
    if text.lower().startswith(_OLLAMA):
        from advisor.models.sources.ollama import resolve as from_ollama

        return from_ollama(text[len(_OLLAMA) :], quantization)
    if text.lower().startswith(_LM_STUDIO):
        from advisor.models.sources.lmstudio import find

        return _from_path(Path(find(text[len(_LM_STUDIO) :]).path), quantization)
    if _exists(text) and ("/" in text or "\\" in text or is_file_name(text)):
        return _from_path(Path(text).expanduser(), quantization)
    address = None if text.startswith(_PATH_STARTS) else hub_address(text)
    if address is not None:
        return _from_hub(address, quantization)
    if is_file_name(text) or "/" in text or "\\" in text:
        return _from_path(Path(text).expanduser(), quantization)
    return _from_catalogue(text, quantization)


def is_file_name(text: str) -> bool:
    """True where `text` is meant as a path: it ends as model files do, or starts as paths do."""
    named = text.lower().endswith((".gguf", ".json", ".safetensors"))
    return named or text.startswith(_PATH_STARTS) or text in (".", "..") or Path(text).is_absolute()


def is_here(text: str) -> bool:
    """True where `text` names something on this machine: a path, or a model of Ollama or LM Studio. Raises QuestionError as
    `hub_address` does."""
    if text.lower().startswith((_OLLAMA, _LM_STUDIO)) or text.startswith(_PATH_STARTS) or Path(text).is_absolute():
        return True
    if _OTHER_PATH.match(text):
        return True
    return is_file_name(text) and (_exists(text) or hub_address(text) is None)


def default_quantization(model: CatalogueModel) -> str:
    """The file that most people download: the one it was released in (gpt-oss: MXFP4), else Q4_K_M."""
    return model.native_quantization or DEFAULT_QUANTIZATION


def read_file(path: Path) -> GGUFHeader:
    """The header of a GGUF file, cached by path, size and time of change. Raises GGUFError where it is none or not there."""
    only_at_home(NO_FILES)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name can be"
        raise GGUFFileError(f"cannot be read ({reason})", path=str(path)) from None
    return _read_cached(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_cached(path: Path, _size: int, _changed_ns: int) -> GGUFHeader:
    return read_header(path)


# --- files and folders -----------------------------------------------------------------------------


def _exists(text: str) -> bool:
    """Whether there is such a file or folder; a hosted site does not look, so that nobody learns what lies on it."""
    if settings().hosted:
        return False
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def _from_path(path: Path, quantization: str | None) -> ModelMetadata:
    only_at_home(NO_FILES)
    if not _exists(str(path)):
        raise GGUFFileError("is not there", path=str(path), advice="check the name, or download the file to it")
    if path.suffix.lower() == ".safetensors":
        path = path.parent
    if path.is_dir():
        path = _model_in(path)
    if path.suffix.lower() == ".json":
        return model_from_config(path, quantization or DEFAULT_QUANTIZATION)
    return _from_gguf(path, quantization)


def _model_in(folder: Path) -> Path:
    """The one thing in a folder that is a model: its only GGUF file, or of a split one the first part; else its config.json."""
    try:
        names = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".gguf")
    except OSError as error:
        raise QuestionError(f'the folder "{folder}" cannot be read: {error.strerror or error}', field="model") from None
    files = [path for path in names if "mmproj" not in path.name.lower() and not _later_part(path.name)]
    if len(files) == 1:
        return files[0]
    if (folder / CONFIG_NAME).is_file():
        return folder / CONFIG_NAME
    if not files:
        raise MissingPartError(
            f'the folder "{folder}" holds neither a {CONFIG_NAME} nor a .gguf file; name the model\'s folder'
        )
    listed = ", ".join(path.name for path in files[:4]) + (", ..." if len(files) > 4 else "")
    raise QuestionError(f'the folder "{folder}" holds several models ({listed}); name one of the files', field="model")


def _later_part(name: str) -> bool:
    part = part_of(name)
    return part is not None and part.number > 1


def _from_gguf(path: Path, quantization: str | None) -> ModelMetadata:
    model = model_from_header(read_file(path), id=str(path), source=str(path))
    if quantization and model.quantization and parse_quantization(quantization) != model.quantization:
        raise QuestionError(
            f'"{path.name}" is {model.quantization}; leave the quantization out, or plan {quantization} of a catalogue model',
            field="quant",
        )
    return model


# --- names -----------------------------------------------------------------------------------------


def name_and_quantization(text: str) -> tuple[str, str]:
    """A catalogue name and the quantization after its colon, "" without: "llama-3.1-8b:Q5_K_M", "llama3.1:8b-q5_K_M"."""
    name, _, suffix = text.partition(":")
    if not _OLLAMA_SIZE.match(suffix):
        return name, suffix
    size, _, last = suffix.rpartition("-")
    return (f"{name}:{size}", last) if is_quantization(last) else (text, "")


def _from_catalogue(text: str, quantization: str | None) -> ModelMetadata:
    name, suffix = name_and_quantization(text)
    model = catalogue().find(name)
    return model.quantized(_agreed(text, suffix, quantization) or default_quantization(model))


def _agreed(text: str, suffix: str | None, quantization: str | None) -> str | None:
    """The quantization of a suffix and of an option, which must not differ."""
    if suffix and quantization and parse_quantization(suffix) != parse_quantization(quantization):
        raise QuestionError(f'"{text}" names {suffix}, but the quantization asked for is {quantization}', field="quant")
    return suffix or quantization


def _from_hub(address: HubAddress, quantization: str | None) -> ModelMetadata:
    """A repository of the hub; one that the catalogue lists is answered from there where the hub does not answer.

    What the catalogue has by a repository's own configuration needs no asking.
    """
    listed = _repositories().get(address.repo.lower())
    if listed is not None and (listed.entry.hf_repo or "").lower() == address.repo.lower() and address.file is None:
        return _as_listed(listed, address, quantization, "the hub was not asked")
    from advisor.models.sources.hub_models import model_on_hub

    try:
        return model_on_hub(address, quantization)
    except HubError as error:
        if listed is None or isinstance(error, HubNotFoundError):
            raise type(error)(f"{error}{_nearest(address)}") from None
        why = "the hub was not asked" if isinstance(error, HubOfflineError) else f"the hub did not answer: {error}"
        return _as_listed(listed, address, quantization, why)


def _as_listed(model: CatalogueModel, address: HubAddress, quantization: str | None, why: str) -> ModelMetadata:
    """The catalogue's model for a repository that is listed with it."""
    file = address.file or (address.tag if address.tag and address.tag.lower().endswith(".gguf") else None)
    suffix = address.tag
    if file:
        suffix = quantization_in_name(file.rsplit("/", 1)[-1][: -len(".gguf")])
        if suffix is None:
            raise QuestionError(
                f'the name of the file "{file}" does not say its quantization; give it with --quant', field="quant"
            )
    found = model.quantized(_agreed(f"{address}", suffix, quantization) or default_quantization(model))
    said = f"{address.repo} is taken as the catalogue's {model.id}, by its published configuration; {why}."
    return replace(found, assumptions=(*found.assumptions, said))


def _nearest(address: HubAddress) -> str:
    """The catalogue's model that a repository's name suggests, as the end of a sentence."""
    try:
        return f'; or ask for "{catalogue().find(address.repo.rpartition("/")[2]).id}" of the catalogue if it is that model'
    except QuestionError:
        return ""


@cache
def _repositories() -> dict[str, CatalogueModel]:
    """Catalogue models by the repositories that are listed with them, in small letters."""
    found: dict[str, CatalogueModel] = {}
    for model in catalogue().models:
        for repo in filter(None, (model.entry.hf_repo, *model.entry.gguf_repos)):
            found.setdefault(repo.lower(), model)
    return found
