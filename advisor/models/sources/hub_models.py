"""From an address of the hub to a model: `model_on_hub`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from advisor.errors import HubAnswerError, HubNotFoundError, QuestionError
from advisor.models.gguf_header import GGUFHeader
from advisor.models.hf_config import CONFIG_NAME, model_of_config, parse_config
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.quantization import QuantizedTensors, group_tensors, kept_types, weight_table
from advisor.models.quantization_names import parse_quantization
from advisor.models.shards import StoredWeights, tensor_table, weights_in, whole_set
from advisor.models.sources.hub import HubAccess, the_hub
from advisor.models.sources.hub_address import HubAddress
from advisor.models.sources.hub_files import HubFile, Repository, choose

_MOST_SHARDS = 200


def model_on_hub(address: HubAddress, quantization: str | None, access: HubAccess | None = None) -> ModelMetadata:
    """The model at `address`, in `quantization` where the address names no file. Only headers are read.

    Raises HubError where the hub does not give it, QuestionError where there is no such file or several, and GGUFError.
    """
    access = access or the_hub()
    try:
        found = access.repository(address.repo, address.revision)
    except (HubNotFoundError, HubAnswerError):
        if address.file is None or not address.file.lower().endswith(".gguf"):
            raise
        # A mirror that serves files and has no lists of them.
        header = access.file_header(address.repo, HubFile(address.file, None, None), address.revision)
        return _named(header, address, address.file, quantization)
    if found.kind == "gguf":
        tag = _agreed(address, quantization)
        chosen = choose(found, tag, address.file)
        model = _named(access.header(found, chosen), address, chosen.parts[0].path, quantization)
    else:
        model = _from_config(access, found, address, quantization)
    if found.read_at is None:
        return model
    said = f"The hub was not reached: this is {address.repo} as it was on {found.read_at:%Y-%m-%d}."
    return replace(model, assumptions=(*model.assumptions, said))


def _named(header: GGUFHeader, address: HubAddress, path: str, quantization: str | None) -> ModelMetadata:
    where = f"{address.repo}/{path}"
    model = model_from_header(header, id=f"{address}" if address.tag or address.file else where, source=where)
    if quantization and model.quantization and parse_quantization(quantization) != model.quantization:
        raise QuestionError(
            f'"{where}" is {model.quantization}, and {quantization} was asked for; name one of them', field="quant"
        )
    return model


def _agreed(address: HubAddress, quantization: str | None) -> str | None:
    """The tag of the address or the quantization asked for, which must not differ."""
    tag = address.tag
    if tag and quantization and not tag.lower().endswith(".gguf"):
        try:
            differ = parse_quantization(tag) != parse_quantization(quantization)
        except QuestionError:
            differ = True
        if differ:
            raise QuestionError(f'"{address}" names {tag}, but the quantization asked for is {quantization}', field="quant")
    return tag or (None if address.file else quantization)


def _from_config(access: HubAccess, found: Repository, address: HubAddress, quantization: str | None) -> ModelMetadata:
    """A repository of safetensors, by its config.json."""
    if found.kind == "other":
        raise QuestionError(
            f'"{found.repo}" holds neither GGUF files nor a model with a {CONFIG_NAME}; choose another', field="model"
        )
    text = access.config(found).decode(errors="replace")
    wanted = _agreed(address, quantization) or "BF16"
    config = parse_config(text, f"{found.repo}/{CONFIG_NAME}")
    model = model_of_config(config, wanted, id=f"{address}", name=found.repo.partition("/")[2])
    return replace(model, stored=_stored(access, found, config))


def _stored(access: HubAccess, found: Repository, config: Mapping[str, Any]) -> StoredWeights | None:
    """What the repository's own safetensors files hold, from the start of each."""
    names = whole_set(file.path for file in found.others)
    files = [found.other(name) for name in names or ()]
    if not files or len(files) > _MOST_SHARDS:
        return None
    tables = []
    for file in files:
        if file is None or file.size is None:
            return None
        tables.append(tensor_table(file.path, file.size, partial(access.start_of, found, file)))
    return weights_in(config, tables)


def projector_header(address: HubAddress, access: HubAccess | None = None, *, beside: bool) -> tuple[GGUFHeader, str]:
    """The header and path of a projector of a repository: the file that `address` names, or `beside` its models the one in F16.

    Raises HubError where the hub does not give it, QuestionError where there are several and none is plainly the usual one.
    """
    access = access or the_hub()
    found = access.repository(address.repo, address.revision)
    files = [file for file in found.projectors if beside or file.path == address.file or file.name == address.tag]
    usual = [file for file in files if re.search(r"(?<!b)f16", file.name, re.IGNORECASE)]
    chosen = files if len(files) == 1 else usual
    if not files:
        raise HubNotFoundError(f'"{found.repo}" has no projector (mmproj) that {address} names; choose another repository')
    if len(chosen) != 1:
        names = ", ".join(file.path for file in files[:6])
        raise QuestionError(f'"{found.repo}" has several projectors ({names}); name one of them', field="mmproj")
    return access.file_header(found.repo, chosen[0], found.revision), f"{found.repo}/{chosen[0].path}"


def in_quantization(model: ModelMetadata, quantization: str, file_bytes: int | None) -> ModelMetadata:
    """`model` as another file of its repository: the tensors of its header in `quantization`, `file_bytes` as the hub says.

    Raises QuestionError where llama-quantize has no such quantization.
    """
    name = parse_quantization(quantization)
    hp = model.hyperparameters
    groups = group_tensors(model.block_tensors, hp, kept=kept_types(hp))
    return replace(
        model,
        quantization=name,
        tensors=QuantizedTensors(groups, name),
        file_bytes=file_bytes,
        predicted=True,
        known_weights=weight_table(groups, name),
    )
