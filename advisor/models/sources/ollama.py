"""Ollama's models: from the store on the disk, or through the running server where the store may not be read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from advisor.errors import LocalServerError, MissingPartError, QuestionError
from advisor.machines.local_server import ask, ollama_server
from advisor.models.gguf_header import GGUFHeader, read_header
from advisor.models.gguf_values import Value
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.sources.files import FoundModel
from advisor.models.sources.ollama_store import OllamaModel, OllamaName, models, parse_name, readable_stores, stores
from advisor.models.tensor import Tensor

PREFIX = "ollama:"
_MOST_LISTED = 8
_MOST_TENSORS = 20_000
_SHOW_SECONDS = 5.0


def found_models() -> Iterator[FoundModel]:
    """All models of the stores that may be read."""
    for store in readable_stores():
        for model in models(store):
            yield FoundModel(
                name=str(model.name),
                text=f"{PREFIX}{model.name}",
                path=str(model.blob),
                source="ollama",
                format="gguf",
                size_bytes=model.size_bytes + sum(file.stat().st_size for file in model.projectors),
                quantization=None,
                changed_s=model.changed_s,
            )


def resolve(text: str, quantization: str | None = None) -> ModelMetadata:
    """The model that "ollama:TEXT" names, from its file, else as the server describes it.

    Raises QuestionError for what is no name, MissingPartError where Ollama does not have it, and GGUFError for a damaged file.
    """
    name = parse_name(text)
    if name is None:
        raise QuestionError(f'"{text[:120]}" is no name of an Ollama model; it looks like "llama3.2:3b"', field="model")
    here = [model for store in readable_stores() for model in models(store)]
    model = next((one for one in here if one.name.key == name.key), None)
    found = _from_file(model) if model is not None else _from_server(name, here)
    if quantization and found.quantization and quantization.upper() != found.quantization:
        raise QuestionError(f'"{PREFIX}{name}" is {found.quantization}; leave the quantization out', field="quant")
    return found


def projector_of(blob: str) -> Path | None:
    """The projector that belongs to the model in `blob`, by the manifests that name it; None where there is none."""
    for store in readable_stores():
        for model in models(store):
            if str(model.blob) == blob and model.projectors:
                return model.projectors[0]
    return None


def _from_file(model: OllamaModel) -> ModelMetadata:
    path = str(model.blob)
    found = model_from_header(read_header(path), id=f"{PREFIX}{model.name}", source=path)
    return replace(found, name=_named(found, model.name), assumptions=(*found.assumptions, *_said(model)))


def _named(model: ModelMetadata, name: OllamaName) -> str:
    """A model that has no name of its own is called after its file, which in the store is a digest."""
    return str(name) if model.name.startswith("sha256-") else model.name


def _said(model: OllamaModel) -> Iterator[str]:
    context = model.parameters.get("num_ctx")
    if isinstance(context, int):
        yield f"Its Modelfile sets num_ctx to {context:,}; ask for that context to plan what Ollama would take."
    if model.projectors:
        size = sum(file.stat().st_size for file in model.projectors)
        yield f"Ollama loads its projector too ({size / 2**20:,.0f} MiB), which is not counted here; --mmproj auto counts it."
    if model.adapters:
        size = sum(file.stat().st_size for file in model.adapters)
        yield f"Ollama loads its adapters too ({size / 2**20:,.0f} MiB), which are not counted here."


# --- through the server ------------------------------------------------------------------------------


def _from_server(name: OllamaName, here: Iterable[OllamaModel]) -> ModelMetadata:
    """As the running server describes the model: for stores of another user, as Linux packages make them."""
    address = ollama_server()
    answer: Mapping[str, Any] | None = None
    if address is not None:
        try:
            answer = ask(f"{address}/api/show", send={"model": str(name), "verbose": False}, seconds=_SHOW_SECONDS)
        except LocalServerError:
            answer = None
    if answer is None:
        raise _missing(name, here)
    header = header_from_show(answer)
    if header is None:
        raise MissingPartError(f"Ollama's server does not say enough of {name}; update Ollama, or name the model's file")
    found = model_from_header(header, id=f"{PREFIX}{name}", source=f"{PREFIX}{name}")
    said = "Read through Ollama's server, because its store may not be read; sizes are of the tensors it lists."
    return replace(found, name=found.name or str(name), assumptions=(*found.assumptions, said))


def header_from_show(answer: Mapping[str, Any]) -> GGUFHeader | None:
    """The header in an answer of /api/show ("model_info", "tensors"); None where it is not all there."""
    info, rows = answer.get("model_info"), answer.get("tensors")
    if not isinstance(info, dict) or not isinstance(rows, list) or not 0 < len(rows) <= _MOST_TENSORS:
        return None
    metadata: dict[str, Value] = {}
    for key, value in info.items():
        if isinstance(value, list):
            metadata[key] = tuple(item for item in value if isinstance(item, int | float | str))
        elif isinstance(value, int | float | str):
            metadata[key] = value
    try:
        tensors = tuple(_tensor(row) for row in rows)
    except (KeyError, TypeError, ValueError):
        return None
    return GGUFHeader(
        version=3,
        byte_order="little",
        metadata=metadata,
        tensors=tensors,
        alignment=32,
        header_bytes=0,
        least_file_bytes=sum(tensor.n_bytes for tensor in tensors),
        file_bytes=None,
    )


def _tensor(row: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in row["shape"])
    kind = GGMLQuantizationType[str(row["type"]).upper()]
    block, _ = GGML_QUANT_SIZES[kind]
    if not 1 <= len(shape) <= 4 or min(shape) < 1 or max(shape) > 2**40 or shape[0] % block:
        raise ValueError
    return Tensor(str(row["name"])[:64], shape, kind, 0)


def _missing(name: OllamaName, here: Iterable[OllamaModel]) -> MissingPartError:
    names = sorted(str(model.name) for model in here)
    if names:
        listed = ", ".join(names[:_MOST_LISTED]) + (" ..." if len(names) > _MOST_LISTED else "")
        return MissingPartError(f'Ollama has no "{name}" on this machine; it has {listed}; or get it with `ollama pull {name}`')
    looked = " or ".join(str(store) for store in stores()[:2])
    return MissingPartError(
        f'"{name}" was not found: no Ollama models can be read in {looked}, and no Ollama server answers; '
        "start Ollama, or set OLLAMA_MODELS to its folder"
    )
