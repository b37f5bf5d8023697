"""The files that the engine plans on: a model's header without its vocabulary, then a hole. Deleted when this process ends."""

import atexit
import hashlib
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from advisor.errors import EngineFailedError
from advisor.models.metadata import ModelMetadata
from advisor.models.skeleton import write_skeleton
from advisor.models.tensor import Tensor

KEPT_FILES = 64
"""Each takes its header on disk, 20 KB to 300 KB; the rest is a hole."""


class PlanningFiles:
    """Writes a file once for each content. Safe to use from many threads."""

    def __init__(self, *, kept: int = KEPT_FILES) -> None:
        self._kept = kept
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self._by_model: OrderedDict[int, tuple[ModelMetadata, Path]] = OrderedDict()
        """By identity, the model held so that no other gets its id: working out what a file would hold takes longer."""

    def of_model(self, model: ModelMetadata) -> Path:
        """The file of `model`. Raises MissingPartError where its keys are not known or no file can be written."""
        with self._lock:
            known = self._by_model.get(id(model))
            if known is not None and known[1].exists():
                self._by_model.move_to_end(id(model))
                return known[1]
            if model.keys is None:
                raise EngineFailedError(f'the metadata of "{model.name}" is not known, so the engine cannot plan it')
            path = self._write(model.keys, model.tensors)
            self._by_model[id(model)] = (model, path)
            while len(self._by_model) > self._kept:
                _, (_, old) = self._by_model.popitem(last=False)
                if all(path != old for _, path in self._by_model.values()):
                    old.unlink(missing_ok=True)
            return path

    def of_tensors(self, keys: Mapping[str, object], tensors: Sequence[Tensor], *, vocab_size: int) -> Path:
        """A file of these tensors."""
        with self._lock:
            return self._write(keys, tensors, vocab_size=vocab_size)

    def close(self) -> None:
        """Delete all files. Others may be asked for afterwards."""
        with self._lock:
            self._by_model.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _write(self, keys: Mapping[str, object], tensors: Sequence[Tensor], *, vocab_size: int | None = None) -> Path:
        if self._folder is None or not self._folder.is_dir():
            try:
                self._folder = Path(tempfile.mkdtemp(prefix="headroom-"))
            except OSError as error:
                raise EngineFailedError(f"there is no folder for temporary files ({error.strerror}); set TMPDIR") from error
        path = self._folder / f"{_digest(keys, tensors)}.gguf"
        if not path.exists():
            write_skeleton(path, keys, tensors, vocab_size=vocab_size)
        return path


def _digest(keys: Mapping[str, object], tensors: Sequence[Tensor]) -> str:
    digest = hashlib.sha256(repr(sorted(keys.items(), key=lambda item: item[0])).encode())
    digest.update("".join(f"{t.name} {t.shape} {int(t.type)}\n" for t in tensors).encode())
    return digest.hexdigest()[:32]


PLANNING_FILES = PlanningFiles()
"""Those of this process; deleted when it ends."""
atexit.register(PLANNING_FILES.close)
