"""Ollama's models on the disk: manifests that name blobs. Layout: ollama's manifest/{paths,manifest}.go, types/model/name.go.

MODELS/manifests/HOST/NAMESPACE/MODEL/TAG       JSON: a config and layers, each a media type, a digest and a size
MODELS/blobs/sha256-HEX                         a layer; that of the model is a whole GGUF file
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
_LAYER = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
# types/model/name.go, the grammar of ParseName; a tag or name never leads out of its folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_MOST_MANIFEST = 4 * 2**20
_MOST_MANIFESTS = 5000


@dataclass(frozen=True, slots=True)
class OllamaName:
    """A model's name with all its parts."""

    host: str
    namespace: str
    model: str
    tag: str

    def __str__(self) -> str:
        """As `ollama list` shows it: without what is usual."""
        if self.host.lower() != HOST:
            return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"
        if self.namespace.lower() != NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"

    @property
    def key(self) -> tuple[str, ...]:
        """What two names have in common that Ollama takes for one: capitals do not count."""
        return tuple(part.lower() for part in (self.host, self.namespace, self.model, self.tag))


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A manifest whose model is a GGUF file that is here."""

    name: OllamaName
    blob: Path
    size_bytes: int
    """Of the model's own file."""
    changed_s: float
    projectors: tuple[Path, ...]
    adapters: tuple[Path, ...]
    parameters: Mapping[str, Any]
    """What its Modelfile sets, such as num_ctx."""


def parse_name(text: str) -> OllamaName | None:
    """The name that `text` stands for, with Ollama's defaults for what it leaves out; None where it is none."""
    text = re.sub(r"^[a-z]+://", "", text.strip(), flags=re.IGNORECASE).partition("@")[0]
    path, tag = text, TAG
    if text.rfind(":") > text.rfind("/"):
        path, _, tag = text.rpartition(":")
    parts = path.split("/")
    if not 1 <= len(parts) <= 3:
        return None
    host, namespace, model = [*[HOST, NAMESPACE][: 3 - len(parts)], *parts]
    if not _HOST.fullmatch(host) or not all(_NAME.fullmatch(part) for part in (namespace, model, tag)):
        return None
    return OllamaName(host, namespace, model, tag)


def stores() -> tuple[Path, ...]:
    """Folders that may hold Ollama's models here: OLLAMA_MODELS alone if it is set, else the home's and the service's."""
    said = os.environ.get("OLLAMA_MODELS", "").strip().strip("\"'")
    if said:
        return (Path(said).expanduser(),)
    found = [Path.home() / ".ollama" / "models"]
    if sys.platform.startswith("linux"):
        # scripts/install.sh makes the service's user with that home; Debian's and Arch's packages use /var/lib.
        found += [Path("/usr/share/ollama/.ollama/models"), Path("/var/lib/ollama/.ollama/models"), Path("/var/lib/ollama")]
    return tuple(found)


def readable_stores() -> tuple[Path, ...]:
    """Those of `stores` whose manifests may be read."""
    return tuple(store for store in stores() if _may_list(store / "manifests"))


def models(store: Path) -> Iterator[OllamaModel]:
    """Every model of a store that is whole: its manifest is sound and the blob of the model is there."""
    for path, name in _manifests(store / "manifests"):
        with suppress(OSError, ValueError, RecursionError):
            model = _model(store, name, path)
            if model is not None:
                yield model


def _may_list(folder: Path) -> bool:
    try:
        return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    except OSError:
        return False


def _manifests(root: Path) -> Iterator[tuple[Path, OllamaName]]:
    """Manifests in their places, four folders deep."""
    levels: list[Path] = [root]
    for _ in range(3):
        levels = [child for folder in levels for child in _children(folder) if child.is_dir()]
    found = 0
    for folder in levels:
        for path in _children(folder):
            host, namespace, model, tag = path.parts[-4:]
            sound = _HOST.fullmatch(host) and all(_NAME.fullmatch(part) for part in (namespace, model, tag))
            if sound and found < _MOST_MANIFESTS:
                found += 1
                yield path, OllamaName(host, namespace, model, tag)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))[:_MOST_MANIFESTS]
    except OSError:
        return []


def _model(store: Path, name: OllamaName, path: Path) -> OllamaModel | None:
    layers = _layers(path)
    blobs: dict[str, list[Path]] = {}
    for media_type, digest in layers:
        blobs.setdefault(media_type, []).append(store / "blobs" / f"sha256-{digest}")
    own = blobs.get("model", [])
    if len(own) != 1:
        # None: a cloud model, or one of safetensors tensors ("image.tensor"), which is no GGUF file.
        return None
    status = own[0].stat()
    parameters = [_parameters(blob) for blob in blobs.get("params", [])]
    return OllamaModel(
        name=name,
        blob=own[0],
        size_bytes=status.st_size,
        changed_s=path.stat().st_mtime,
        projectors=tuple(blob for blob in blobs.get("projector", []) if blob.is_file()),
        adapters=tuple(blob for blob in blobs.get("adapter", []) if blob.is_file()),
        parameters=parameters[-1] if parameters else {},
    )


def _layers(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and digest of each layer; media types are compared without regard to capitals."""
    if path.stat().st_size > _MOST_MANIFEST:
        return
    manifest = json.loads(path.read_bytes())
    layers = manifest.get("layers") if isinstance(manifest, dict) else None
    for layer in layers if isinstance(layers, list) else []:
        kind, digest = (layer.get("mediaType"), layer.get("digest")) if isinstance(layer, dict) else (None, None)
        if isinstance(kind, str) and isinstance(digest, str) and kind.lower().startswith(_LAYER):
            match = _DIGEST.fullmatch(digest)
            if match:
                yield kind.lower().removeprefix(_LAYER).split(";")[0].strip(), match[1].lower()


def _parameters(blob: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        if blob.stat().st_size <= _MOST_MANIFEST:
            said = json.loads(blob.read_bytes())
            return said if isinstance(said, dict) else {}
    return {}
