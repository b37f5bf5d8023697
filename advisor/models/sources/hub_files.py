"""What a repository of the hub holds, as things to choose from: `Repository`, of the bare list of its files. Asks nobody."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import Literal

from advisor.errors import QuestionError
from advisor.models.gguf_split import part_of
from advisor.models.metadata import quantization_in_name
from advisor.models.quantization_names import parse_quantization

Kind = Literal["gguf", "mlx", "transformers", "other"]
CONFIG = "config.json"
MOST_FILES = 20_000
_LONGEST_PATH = 512
_MOST_MISSING = 8
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# gguf_filename_is_model, llama.cpp common/download.cpp:638-651: what lies beside models and is none.
_BESIDE = re.compile(r"imatrix|mtp-|eagle3-|dflash-|dspark-", re.IGNORECASE)
_USUAL = ("Q4_K_M", "Q8_0")
"""What llama.cpp takes where no quantization is named (common/download.cpp:662)."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file. Size and checksum are None where the hub does not say them."""

    path: str
    size: int | None
    sha256: str | None
    """Of large files, which the hub keeps by their SHA-256; it is also their ETag."""

    @property
    def name(self) -> str:
        """The path's last part."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class HubModel:
    """One GGUF model with all its parts."""

    stem: str
    """Path without ".gguf" and without the number of a part."""
    quantization: str | None
    """As llama.cpp names it; None where neither file nor folder says it."""
    parts: tuple[HubFile, ...]
    missing: tuple[str, ...] = ()
    """Names of parts that should be there and are not: the first few."""

    @property
    def size(self) -> int | None:
        """Bytes of all parts; None where one is not known or not there."""
        sizes = [part.size for part in self.parts if part.size is not None]
        return sum(sizes) if len(sizes) == len(self.parts) and not self.missing else None


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of models."""

    repo: str
    revision: str
    kind: Kind
    gated: bool
    models: tuple[HubModel, ...]
    """GGUF models, smallest first."""
    projectors: tuple[HubFile, ...]
    """Vision and audio projectors (mmproj), which go beside a model."""
    others: tuple[HubFile, ...]
    """All other files."""
    read_at: datetime | None = None
    """When the hub said so, where this is an old answer; None for a new one."""

    def other(self, name: str) -> HubFile | None:
        """The file at the path `name`, if it is no GGUF model."""
        return next((file for file in self.others if file.path == name), None)

    @property
    def weights_bytes(self) -> int | None:
        """Bytes of all safetensors files; None where there are none or a size is not known."""
        sizes = [file.size for file in self.others if file.path.endswith(".safetensors") and "/" not in file.path]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None


def hub_file(path: object, size: object, sha256: object) -> HubFile:
    """A file as the hub describes it; what is no sound size or checksum is taken as unknown, what is no path as empty."""
    digest = sha256.lower() if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None
    length = size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**50 else None
    return HubFile(path if isinstance(path, str) else "", length, digest)


def repository(
    repo: str,
    revision: str,
    files: Iterable[HubFile],
    *,
    gated: bool,
    tags: Iterable[str] = (),
    read_at: datetime | None = None,
) -> Repository:
    """The repository whose files are `files`. Paths that could lead out of a folder, or are no usual paths, are left out."""
    sound = [file for file in files if _is_sound(file.path)][:MOST_FILES]
    gguf = [file for file in sound if _is_gguf(file)]
    projectors = tuple(file for file in gguf if _is_projector(file))
    models = _models([file for file in gguf if not _is_projector(file) and not _BESIDE.search(file.name)])
    others = tuple(file for file in sound if not _is_gguf(file))
    return Repository(repo, revision, _kind(models, others, tags), gated, models, projectors, others, read_at)


def choose(repository: Repository, tag: str | None, file: str | None) -> HubModel:
    """The model of a repository that a file's path, or a tag as after "owner/name:", names; without either the usual one.

    Raises QuestionError naming the choices where there is none, or several.
    """
    if file:
        name = file.lower()
        found = [m for m in repository.models if any(name in (p.path.lower(), p.name.lower()) for p in m.parts)]
    elif tag:
        found = _by_tag(repository.models, tag)
    elif len(repository.models) == 1:
        found = list(repository.models)
    else:
        usual = (_by_tag(repository.models, name) for name in _USUAL)
        found = next((one for one in usual if one), [])
    if len(found) == 1:
        return found[0]
    wanted = file or tag
    listed = _listed(found or repository.models)
    if not found and wanted:
        raise QuestionError(f'"{repository.repo}" has no "{wanted}"; it has {listed}', field="model")
    raise QuestionError(
        f'"{repository.repo}" has several models{f" {wanted}" if wanted else ""}: {listed}; name one', field="model"
    )


def _by_tag(models: Iterable[HubModel], tag: str) -> list[HubModel]:
    """Models of that quantization; else those whose path holds the tag before "-" or ".", which is how llama.cpp looks."""
    if tag.lower().endswith(".gguf"):
        return [model for model in models if any(tag.lower() == part.name.lower() for part in model.parts)]
    try:
        wanted = parse_quantization(tag)
    except QuestionError:
        wanted = None
    exact = [model for model in models if wanted is not None and model.quantization == wanted]
    if len(exact) > 1:
        # "Q4_K" and "Q4_K_M" have one meaning; where a repository has files of both names, the letters decide.
        literal = [model for model in exact if model.stem.lower().endswith(tag.lower())]
        exact = literal if len(literal) == 1 else exact
    if exact:
        return exact
    pattern = re.compile(re.escape(tag) + r"[.-]", re.IGNORECASE)
    return [model for model in models if any(pattern.search(part.path) for part in model.parts[:1])]


def _listed(models: Iterable[HubModel]) -> str:
    models = list(models)
    labels = [model.quantization or model.stem for model in models]
    if len(set(labels)) < len(labels):
        labels = [model.parts[0].path for model in models]
    shown = labels if len(labels) <= 12 else [*labels[:12], f"{len(labels) - 12} more"]
    return ", ".join(shown) if shown else "no GGUF files"


def _is_gguf(file: HubFile) -> bool:
    return file.path.lower().endswith(".gguf")


def _is_projector(file: HubFile) -> bool:
    return "mmproj" in file.name.lower()


def _models(files: list[HubFile]) -> tuple[HubModel, ...]:
    groups: dict[str, list[HubFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        part, folder = part_of(file.name), file.path[: -len(file.name)]
        # All parts of one model share folder, stem and count.
        stem = f"{folder}{part.stem}\n{part.parts}" if part else file.path[: -len(".gguf")]
        groups.setdefault(stem, []).append(file)
    found = [_model(stem.split("\n")[0], parts) for stem, parts in groups.items()]
    return tuple(sorted(found, key=lambda model: (model.size is None, model.size or 0, model.stem)))


def _model(stem: str, parts: list[HubFile]) -> HubModel:
    path = PurePosixPath(stem)
    label = quantization_in_name(path.name) or (quantization_in_name(path.parent.name) if path.parent.name else None)
    first = part_of(parts[0].name)
    if first is None:
        return HubModel(stem, label, tuple(parts))
    here = {part.name for part in parts}
    # A name may say that it is one of a billion.
    missing = (name for name in map(first.beside, range(1, first.parts + 1)) if name not in here)
    return HubModel(stem, label, tuple(parts), tuple(islice(missing, _MOST_MISSING)))


def _kind(models: tuple[HubModel, ...], others: tuple[HubFile, ...], tags: Iterable[str]) -> Kind:
    if models:
        return "gguf"
    names = {file.path for file in others}
    if CONFIG not in names or not any(name.endswith((".safetensors", ".bin")) for name in names):
        return "other"
    return "mlx" if "mlx" in {tag.lower() for tag in tags} else "transformers"


def _is_sound(path: str) -> bool:
    parts = path.split("/")
    return (
        0 < len(path) <= _LONGEST_PATH
        and path.isprintable()
        and "\\" not in path
        and not path.startswith("/")
        and ":" not in parts[0]
        and all(part not in ("", ".", "..") for part in parts)
    )
