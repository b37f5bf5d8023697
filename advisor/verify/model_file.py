"""The file that is to be run: one that is on this disk, or one that is downloaded first."""

from pathlib import Path

from advisor.errors import DownloadCancelledError, DownloadError, HubError, MissingPartError
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.sources.hub_address import HubAddress, hub_address
from advisor.verify.job import Job
from advisor.verify.protocol import RunError

_SAME_SIZE = 0.03
"""Files of one model and quantization by different makers differ by less."""


def local_file(model: ModelMetadata) -> Path | None:
    """The model's file on this disk; None where it is not here."""
    path = Path(model.source) if model.source and not model.predicted else None
    if path is not None and path.suffix.lower() != ".json" and path.is_file():
        return path
    return _same_file_here(model) if model.predicted else None


def _same_file_here(model: ModelMetadata) -> Path | None:
    """A file that some program keeps here and that is this model of the catalogue, by its name, quantization and size."""
    from advisor.models.sources.here import models_here

    wanted = _letters(model.id)
    for found in models_here().models:
        near = found.size_bytes and model.file_bytes and abs(found.size_bytes / model.file_bytes - 1) < _SAME_SIZE
        if found.format == "gguf" and found.quantization == model.quantization and near and wanted in _letters(found.name):
            return Path(found.path)
    return None


def hub_address_of(text: str, model: ModelMetadata) -> HubAddress:
    """Where the file can be downloaded from. Raises MissingPartError where that is not known."""
    if model.predicted:
        repos = catalogue().find(model.id).entry.gguf_repos
        if repos:
            return HubAddress(repos[0], tag=model.quantization)
    elif (address := hub_address(text)) is not None:
        return address
    raise MissingPartError(
        f"the file of {model.name} {model.quantization or ''} is not on this computer, and where it can be downloaded is not "
        "known; download its .gguf file and name it"
    )


def fetch(address: HubAddress, quantization: str | None, job: Job) -> Path:
    """The file of a model of the hub, downloaded where it is not here yet. Raises RunError where it cannot be had."""
    # It brings the hub's whole library with it.
    from advisor.models.sources.download import Progress, download, plan_download

    def report(now: Progress) -> None:
        job.tell("downloading", done=now.done_bytes / now.total_bytes if now.total_bytes else None, left_s=now.left_s)

    job.tell("downloading")
    try:
        return download(plan_download(address, quantization), report=report, stop=job.cancelled)[0]
    except DownloadCancelledError:
        job.go_on()
        raise
    except DownloadError as error:
        raise RunError("disk", str(error)) from None
    except HubError as error:
        raise RunError("network", str(error)) from None


def _letters(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())
